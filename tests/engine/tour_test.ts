import assert from "node:assert/strict";
import { DockerBottleBackend } from "../../lib/backend/docker/backend.ts";
import { probeArguments, TOUR } from "../../lib/commands/tour_attempts.ts";
import { denoHost } from "../../lib/host/deno.ts";
import {
  builtImages,
  docker,
  ended,
  engineProxies,
  engineRuntimes,
  isPair,
  Workbench,
} from "../support/engine.ts";

const RUNTIMES = (await engineRuntimes()).filter((name) => name === "runc" || name === "runsc");
const PROXIES = RUNTIMES.length === 0 ? [] : await engineProxies();

/** What the engine has of any tour. */
async function objects(): Promise<readonly string[]> {
  const filters = ["tour", "demo"].map((agent) => `label=claude-bottle.agent=${agent}`);
  const listings = await Promise.all(filters.flatMap((filter) => [
    docker("ps", "--all", "--filter", filter, "--format", "{{.Names}}"),
    docker("network", "ls", "--filter", filter, "--format", "{{.Name}}"),
    docker("volume", "ls", "--filter", filter, "--format", "{{.Name}}"),
  ]));
  return listings.flatMap((text) => text.split("\n")).filter((line) => line !== "");
}

interface TourOutcome {
  readonly attempts: readonly { readonly id: string; readonly verdict: string; readonly came_back: string }[];
  readonly wrong: number;
  readonly left: readonly string[];
  readonly removed: readonly string[];
}

for (const proxy of ["squid", "pipelock"]) {
  for (const runtime of ["runc", "runsc"] as const) {
    if (!isPair([proxy, runtime], { proxies: PROXIES, runtimes: RUNTIMES })) continue;
    Deno.test({
      name: `start demo shows what is granted and refused, and leaves nothing (${proxy}, ${runtime})`,
      ignore: !PROXIES.includes(proxy) || !RUNTIMES.includes(runtime),
      async fn(): Promise<void> {
        await using bench = await Workbench.create();
        await builtImages();
        const run = await ended(
          bench.spawn(["start", "demo", "--proxy", proxy, "--runtime", runtime, "--json"]),
        );
        assert.equal(run.code, 0, run.stdout + run.stderr);
        const { attempts, wrong, left, removed }: TourOutcome = JSON.parse(run.stdout);
        const reached = ["allowed", "ssh", "claude", ...(proxy === "pipelock" ? ["other-port"] : [])];
        assert.deepEqual(
          attempts.map(({ id, verdict }) => [id, verdict]),
          [...TOUR.probed, "token", "claude"].map((id) => [id, reached.includes(id) ? "reached" : "refused"]),
        );
        assert.deepEqual({ wrong, left }, { wrong: 0, left: [] });
        const now = await objects();
        for (const name of removed) assert.equal(now.includes(name.replace(/^\w+ /, "")), false, name);
      },
    });
  }
}

Deno.test({
  name: "the tour's probe reaches everything that a bottle refuses from a container that is none",
  ignore: RUNTIMES.length === 0,
  async fn(): Promise<void> {
    const { agent } = await builtImages();
    const host = denoHost();
    try {
      const backend = new DockerBottleBackend({ host, context: undefined, onEvent: () => {} });
      await using hosts = await backend.openDemoHosts({
        names: Object.values(TOUR.hosts),
        ports: [443, TOUR.otherPort],
        ca: undefined,
        signal: host.interrupts.signal,
        onEvent: () => {},
      });
      // No sidecar, no allowlist, the hosts' own network, and a key that lies about.
      const script = 'cd && mkdir .ssh && echo "-----BEGIN OPENSSH PRIVATE KEY-----" > .ssh/id && ' +
        'printf "insecure\\n" > .curlrc && exec "$@"';
      const said = await docker(
        ...["run", "--rm", "--network", hosts.network, "--user", "47291:47291", agent],
        ...["sh", "-c", script, "sh", ...hosts.probe, ...probeArguments(hosts)],
      );
      const verdicts = new Map(
        said.split("\n").map((line) => {
          const [name = "", verdict = ""] = line.split("\t");
          return [name, verdict] as const;
        }),
      );
      // Nobody answers for a cloud's metadata here, and this container has no ssh entry.
      for (const name of ["allowed", "other-host", "other-port", "direct", "host", "dns", "key"]) {
        assert.equal(verdicts.get(name), "reached", said);
      }
    } finally {
      host.interrupts.release();
    }
  },
});
