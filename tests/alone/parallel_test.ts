import assert from "node:assert/strict";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import { AGENT_UID } from "../../lib/backend/docker/images.ts";
import { PROXY_PORT } from "../../lib/egress/proxy.ts";
import { builtImages, docker, engineProxies, engineRuntimes, Workbench } from "../support/engine.ts";
import { FullPools } from "../support/full_pools.ts";
import { Crowd, LISTENER_PORT, LISTENING_AGENT, Prober, type Report } from "../support/crowd.ts";

/** Starts at once: what is promised. A busy machine tries fewer with `CLAUDE_BOTTLE_TEST_CROWD`. */
const CROWD = Number(Deno.env.get("CLAUDE_BOTTLE_TEST_CROWD") ?? 32);

/** Uses up the engine's own address pools meanwhile: for an engine that no other test needs. */
const fillsPools = Deno.env.get("CLAUDE_BOTTLE_TEST_FULL_POOLS") === "1";
const situation = fillsPools ? ", with the engine's own address pools used up" : "";

const ignore = (await engineRuntimes()).length === 0;
const proxies = ignore ? ["squid"] : await engineProxies();

/** What the engine tells of one object of a bottle. */
interface Inspected {
  readonly Id: string;
  readonly Name: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly Config?: { readonly Labels: Readonly<Record<string, string>> };
  readonly Mounts?: readonly { readonly Source: string }[];
  readonly Containers?: Readonly<Record<string, unknown>>;
  readonly IPAM?: { readonly Config: readonly { readonly Subnet: string }[] };
  readonly NetworkSettings?: { readonly Networks: Readonly<Record<string, { readonly IPAddress: string }>> };
}

/** One of the bottles, as the engine tells it. */
interface Bottle {
  readonly agent: Inspected;
  readonly sidecar: Inspected;
  readonly internal: Inspected;
  readonly egress: Inspected;
  readonly address: string;
  readonly sidecarAddress: string;
}

/** All bottles of an agent, by run. */
async function bottlesOf(agent: string): Promise<readonly Bottle[]> {
  const filter = ["--filter", `label=${LABEL.agent}=${agent}`];
  const inspect = async (kind: "container" | "network"): Promise<readonly Inspected[]> => {
    const ids = await docker(kind, "ls", "--quiet", "--no-trunc", ...filter);
    return ids === "" ? [] : JSON.parse(await docker(kind, "inspect", ...ids.split("\n")));
  };
  const objects = (await Promise.all([inspect("container"), inspect("network")])).flat();
  const label = ({ Labels, Config }: Inspected, name: string): string =>
    (Labels ?? Config?.Labels ?? {})[name] ?? "";
  const runs = Map.groupBy(objects, (object) => label(object, LABEL.run));
  return [...runs.values()].map((all) => {
    const [agent, sidecar, internal, egress] = ["agent", "sidecar", "internal", "egress"].map((role) => {
      const [found, ...more] = all.filter((object) => label(object, LABEL.role) === role);
      assert.ok(found !== undefined && more.length === 0, `one ${role} a run`);
      return found;
    });
    assert.ok(agent !== undefined && sidecar !== undefined && internal !== undefined && egress !== undefined);
    const addressOf = ({ NetworkSettings }: Inspected): string =>
      NetworkSettings?.Networks[internal.Name]?.IPAddress ?? "";
    return {
      agent,
      sidecar,
      internal,
      egress,
      address: addressOf(agent),
      sidecarAddress: addressOf(sidecar),
    };
  });
}

function subnetOf({ IPAM }: Inspected): string {
  return IPAM?.Config[0]?.Subnet ?? "";
}

function assertDistinct(what: string, values: readonly string[]): void {
  assert.ok(values.every((value) => value !== ""), `${what}: one is empty`);
  assert.equal(new Set(values).size, values.length, `${what}: ${values.join(" ")}`);
}

/** Names, addresses, subnets and volumes are each bottle's own, and nobody else is on its networks. */
function assertNothingShared(agent: string, bottles: readonly Bottle[]): void {
  assertDistinct("subnets", bottles.flatMap(({ internal, egress }) => [internal, egress].map(subnetOf)));
  assertDistinct("addresses", bottles.flatMap(({ address, sidecarAddress }) => [address, sidecarAddress]));
  assertDistinct(
    "names",
    bottles.flatMap(({ agent, sidecar, internal, egress }) =>
      [agent, sidecar, internal, egress].map(({ Name }) => Name)
    ),
  );
  assertDistinct(
    "volumes",
    bottles.flatMap(({ agent, sidecar }) =>
      [agent, sidecar].flatMap(({ Mounts }) => (Mounts ?? []).map(({ Source }) => Source))
    ),
  );
  for (const bottle of bottles) {
    assert.match(bottle.agent.Name, new RegExp(`^/claude-bottle-${agent}(-[1-9]\\d?)?$`));
    const on = ({ Containers }: Inspected): readonly string[] => Object.keys(Containers ?? {}).sort();
    assert.deepEqual(on(bottle.internal), [bottle.agent.Id, bottle.sidecar.Id].sort());
    assert.deepEqual(on(bottle.egress), [bottle.sidecar.Id]);
  }
}

/** What of a bottle others could reach. */
function targetsOf({ address, sidecarAddress }: Bottle): readonly string[] {
  return [`${address}:${LISTENER_PORT}`, `${sidecarAddress}:${PROXY_PORT}`];
}

/** Names, subnets and networks are drawn the same way whatever the proxy: of pipelock a few are enough. */
function crowdOf(proxy: string): number {
  return proxy === "squid" ? CROWD : Math.min(CROWD, 8);
}

for (const proxy of proxies) {
  const count = crowdOf(proxy);
  Deno.test({
    name: `${count} starts of one agent at once share nothing and leave nothing${situation}: ${proxy}`,
    ignore,
    async fn(): Promise<void> {
      await builtImages();
      await using bench = await Workbench.create();
      await bench.manifest({ agent: { command: LISTENING_AGENT } });
      await using pools = fillsPools ? await FullPools.create(bench.agent) : undefined;
      await using crowd = new Crowd(bench, { count, args: ["--runtime", "runc", "--proxy", proxy] });

      await crowd.listening();
      const bottles = await bottlesOf(bench.agent);
      const probers = bottles.map(({ agent }) => new Prober(agent.Id, `${AGENT_UID}:${AGENT_UID}`));
      const reports = await Promise.all(probers.map((prober) => prober.probe(bottles.flatMap(targetsOf))));
      const joined = await joinedReports(bottles, probers);
      const stillFull = pools === undefined || !await pools.hasRoom();
      await Promise.all(probers.map((prober) => prober.end()));
      const endings = await crowd.ended();

      assert.equal(bottles.length, count);
      assertNothingShared(bench.agent, bottles);
      assert.ok(stillFull, "the engine had no room for a network of its own choice all the time");
      // Each reaches its own listener and its own sidecar, and nothing of the others.
      for (const [index, bottle] of bottles.entries()) {
        assert.equal(reports[index]?.length, 2 * count);
        const reached = reports[index]?.filter(({ said }) => said === "reached").map(({ target }) => target);
        assert.deepEqual(reached, targetsOf(bottle));
      }
      assert.deepEqual(joined.map(({ said }) => said), ["reached", "reached"]);
      for (const [index, { code, stderr }] of endings.entries()) assert.equal(code, index + 1, stderr);
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}

/** What the first bottle reaches of the second once it is on its network: the same attempts, without the protection. */
async function joinedReports(
  [one, two]: readonly Bottle[],
  [prober]: readonly Prober[],
): Promise<readonly Report[]> {
  assert.ok(one !== undefined && two !== undefined && prober !== undefined);
  await docker("network", "connect", two.internal.Id, one.agent.Id);
  try {
    return await prober.probe(targetsOf(two));
  } finally {
    await docker("network", "disconnect", two.internal.Id, one.agent.Id);
  }
}

Deno.test({
  name: `a range of two subnets is enough for one bottle, and says so to the second${situation}`,
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: LISTENING_AGENT } });
    await using _pools = fillsPools ? await FullPools.create(bench.agent) : undefined;
    // Of the range for benchmarks of devices (RFC 2544): nobody else's.
    const env = { CLAUDE_BOTTLE_SUBNETS: "198.19.250.64/27" };
    const args = ["--runtime", "runc", "--proxy", "squid"];
    await using crowd = new Crowd(bench, { count: 1, args, env });
    await crowd.listening();

    const second = await bench.start([...args, "--", "0"], env);
    const [bottle] = await bottlesOf(bench.agent);
    assert.ok(bottle !== undefined);
    await new Prober(bottle.agent.Id, `${AGENT_UID}:${AGENT_UID}`).end();
    const [ending] = await crowd.ended();

    assert.deepEqual([bottle.internal, bottle.egress].map(subnetOf).sort(), [
      "198.19.250.64/28",
      "198.19.250.80/28",
    ]);
    assert.equal(second.code, 125);
    const [error = "", ...hints] = second.stderr.split("\n").filter((line) => /^(error|hint): /.test(line));
    assert.equal(error, "error: 0 of 2 subnets of 198.19.250.64/27 are free; a bottle takes 2");
    assert.equal(hints.length, 2);
    assert.equal(ending?.code, 1, ending?.stderr);
    assert.deepEqual(await bench.leftovers(), []);
  },
});
