import assert from "node:assert/strict";
import { addressIn } from "../../lib/backend/docker/addresses.ts";
import { DockerBottleBackend } from "../../lib/backend/docker/backend.ts";
import { runApp } from "../../lib/cli/app.ts";
import { denoHost } from "../../lib/host/deno.ts";
import { type ProtectionId, PROTECTIONS } from "../../lib/isolation/protections.ts";
import type { ProxyName } from "../../lib/manifest/model.ts";
import { type Change, withStep } from "../support/plan_changes.ts";
import { weakened } from "../support/attack/weakenings.ts";
import {
  builtImages,
  docker,
  ended,
  engineProxies,
  engineRuntimes,
  eventually,
  isPair,
  Workbench,
} from "../support/engine.ts";
import { environmentOf } from "../support/fake_host.ts";
import { MemoryTerminal } from "../support/memory_terminal.ts";
import { WeakenedBackend, type Weakness } from "../support/weakened_backend.ts";

const RUNTIMES = (await engineRuntimes()).filter((name) => name === "runc" || name === "runsc");
const PROXIES = RUNTIMES.length === 0 ? [] : await engineProxies();

interface Report {
  readonly engine: { readonly version: string };
  readonly runtime: string;
  readonly proxy: string;
  readonly controls: readonly { readonly passed: boolean }[];
  readonly protections: readonly {
    readonly id: string;
    readonly status: string;
    readonly grounds: string;
    readonly remedy: string;
    readonly attempts: readonly { readonly id: string; readonly verdict: string }[];
  }[];
  readonly left: readonly string[];
}

/** Protections with one of these statuses. */
function ids({ protections }: Report, ...statuses: readonly string[]): readonly string[] {
  return protections.filter(({ status }) => statuses.includes(status)).map(({ id }) => id);
}

/** Ids of what the engine has of any probe. */
async function objects(): Promise<readonly string[]> {
  const filter = ["--filter", "label=claude-bottle.agent=probe"];
  const listings = await Promise.all([
    docker("ps", "--all", ...filter, "--format", "{{.ID}}"),
    docker("network", "ls", ...filter, "--format", "{{.ID}}"),
    docker("volume", "ls", ...filter, "--format", "{{.Name}}"),
  ]);
  return listings.flatMap((text) => text.split("\n")).filter((line) => line !== "");
}

/** What pipelock is known to let through. */
const EXCEPTED = ["proxy-ports", "proxy-tls", "proxy-methods"];

for (const proxy of ["squid", "pipelock"]) {
  for (const runtime of ["runc", "runsc"] as const) {
    if (!isPair([proxy, runtime], { proxies: PROXIES, runtimes: RUNTIMES })) continue;
    Deno.test({
      name: `doctor --probe finds that everything holds, and leaves nothing (${proxy}, ${runtime})`,
      ignore: !PROXIES.includes(proxy) || !RUNTIMES.includes(runtime),
      async fn(): Promise<void> {
        await builtImages();
        await using bench = await Workbench.create();
        const run = await ended(
          bench.spawn(["doctor", "--probe", "--proxy", proxy, "--runtime", runtime, "--json"]),
        );
        assert.equal(run.code, 0, run.stdout + run.stderr);
        const report: Report = JSON.parse(run.stdout);
        assert.deepEqual([report.proxy, report.runtime, report.left], [proxy, runtime, []]);
        assert.equal(report.engine.version, await docker("version", "--format", "{{.Server.Version}}"));
        assert.deepEqual(report.controls.map(({ passed }) => passed), report.controls.map(() => true));
        assert.equal(report.controls.length, 9);
        const lets = proxy === "pipelock" ? EXCEPTED : [];
        assert.deepEqual(ids(report, "excepted"), lets);
        assert.deepEqual(
          ids(report, "held"),
          [...Object.keys(PROTECTIONS), "fail-closed"].filter((id) => !lets.includes(id)),
        );
        const made = new Set(report.protections.flatMap(({ attempts }) => attempts.map(({ id }) => id)));
        assert.equal(made.size, 56);
      },
    });
  }
}

/** Runs the probe in this process, on bottles that lack something. */
async function probe(proxy: ProxyName, weakness: Weakness): Promise<{ code: number; report: Report }> {
  await using bench = await Workbench.create();
  const terminal = new MemoryTerminal({});
  const real = denoHost();
  const host = { ...real, terminal, environment: environmentOf(bench.environment()), cwd: bench.folder };
  try {
    for (;;) {
      const outcome = await runApp(
        ["doctor", "--probe", "--json", "--proxy", proxy, "--runtime", "runc"],
        {
          host,
          backends: new Map([["docker", (choice) => Promise.resolve(new WeakenedBackend(choice, weakness))]]),
        },
      );
      // Another attempt of the launch has lost what was changed.
      if (terminal.stderr.includes("retrying")) continue;
      assert.equal(outcome.kind, "exit", terminal.stderr);
      assert.notEqual(terminal.stdout, "", terminal.stderr);
      return { code: outcome.kind === "exit" ? outcome.code : -1, report: JSON.parse(terminal.stdout) };
    }
  } finally {
    real.interrupts.release();
  }
}

/** A bottle without them. The canary's private network is the outside. */
function without(protections: readonly ProtectionId[], sockets = ""): Change {
  return (plan) => {
    const network = plan.spec.networks[1] ?? "";
    return weakened(protections, { world: { private: { network }, sockets } })(plan);
  };
}

const SINGLE: readonly {
  readonly proxy: ProxyName;
  readonly protection: ProtectionId;
  /** What is not held then: what it keeps up falls with it, and what should have stopped one attempt too is suspected. */
  readonly open: readonly string[];
}[] = [
  { proxy: "squid", protection: "no-host-address", open: ["no-host-address"] },
  { proxy: "squid", protection: "proxy-hosts", open: ["proxy-hosts", "proxy-methods"] },
  { proxy: "pipelock", protection: "one-network", open: ["one-network", "fail-closed"] },
  { proxy: "pipelock", protection: "listens-inside", open: ["listens-inside"] },
];

for (const { proxy, protection, open } of SINGLE) {
  Deno.test({
    name: `doctor --probe finds that a bottle lacks one protection: ${protection} (${proxy})`,
    ignore: !RUNTIMES.includes("runc") || !PROXIES.includes(proxy),
    async fn(): Promise<void> {
      await builtImages();
      const { code, report } = await probe(proxy, { change: without([protection]) });
      assert.equal(code, 1);
      assert.deepEqual(ids(report, "not held"), open, JSON.stringify(report.protections, null, 1));
      const found = report.protections.find(({ id }) => id === protection);
      assert.equal(found?.remedy, PROTECTIONS[protection].remedy);
      assert.match(found?.grounds ?? "", /^\d+ of \d+ attempts? got through \(/);
    },
  });
}

/** Behind sidecar and agent. */
const CANARY_PLACE = 5;

/** The canary stands in the internal network as well, as the name server that the engine asks. */
const OWN_NAME_SERVER: Weakness = {
  change: (plan) => {
    const [canary = ""] = plan.spec.networks;
    const address = addressIn(plan.inputs.subnets.internal, CANARY_PLACE);
    return withStep(without(["no-dns"])(plan), {
      id: "canary-joins",
      after: ["internal-network"],
      before: ["agent-start"],
      args: ["network", "connect", "--ip", address, { ref: "internal", name: "internal" }, canary],
    });
  },
  before: async ({ spec: { networks: [canary = ""] }, inputs: { run } }) => {
    const filter = ["--filter", `label=claude-bottle.run=${run.run}`];
    const internal = await docker(
      ...["network", "ls", "--quiet", ...filter, "--filter", "label=claude-bottle.role=internal"],
    );
    await docker("network", "disconnect", "--force", internal, canary);
  },
};

Deno.test({
  name: "doctor --probe finds what a bottle's container and networks lack",
  ignore: !RUNTIMES.includes("runc"),
  async fn(): Promise<void> {
    const { agent } = await builtImages();
    // No socket: connecting to it is refused, which tells that something is there.
    const sockets = await docker("volume", "create");
    try {
      const script = ["--entrypoint", "touch", agent, "/sockets/containerd.sock"];
      await docker(
        "run",
        "--rm",
        "--network",
        "none",
        "--user",
        "0:0",
        "--volume",
        `${sockets}:/sockets`,
        ...script,
      );
      const missing = ["no-capabilities", "no-mounts", "no-ipv6", "listens-inside"] as const;
      const { code, report } = await probe("squid", {
        ...OWN_NAME_SERVER,
        change: (plan) => without(missing, sockets)(OWN_NAME_SERVER.change(plan)),
      });
      assert.equal(code, 1);
      assert.deepEqual(
        [...ids(report, "not held")].sort(),
        [...missing, "no-dns"].sort(),
        JSON.stringify(report.protections, null, 1),
      );
    } finally {
      await docker("volume", "rm", sockets);
    }
  },
});

Deno.test({
  name: "doctor --probe finds what a bottle's sidecar lets through, and one that outlives its end",
  ignore: !RUNTIMES.includes("runc"),
  async fn(): Promise<void> {
    await builtImages();
    const missing = [
      "proxy-hosts",
      "proxy-ports",
      "proxy-tls",
      "proxy-methods",
      "proxy-never",
      "proxy-private",
    ] as const;
    const { code, report } = await probe("squid", { change: without(missing), survives: true });
    assert.equal(code, 1);
    assert.deepEqual(
      [...ids(report, "not held")].sort(),
      [...missing, "fail-closed"].sort(),
      JSON.stringify(report.protections, null, 1),
    );
  },
});

Deno.test({
  name: "doctor --probe removes everything when it is interrupted",
  ignore: !RUNTIMES.includes("runc"),
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    const before = new Set(await objects());
    const child = bench.spawn(["doctor", "--probe", "--proxy", "squid", "--runtime", "runc"]);
    const running = ended(child);
    const made = await eventually("the bottle is attacked", async () => {
      const now = (await objects()).filter((id) => !before.has(id));
      // The canary and its two networks; the bottle's two containers, two networks and volume.
      return now.length >= 8 ? now : undefined;
    });
    child.kill("SIGINT");
    const { signal, stdout } = await running;
    assert.deepEqual({ signal, stdout }, { signal: "SIGINT", stdout: "" });
    const left = await objects();
    assert.deepEqual(made.filter((id) => left.includes(id)), []);
  },
});

Deno.test({
  name: "a canary tells all that arrived, and one that is gone is no witness that nothing did",
  ignore: !RUNTIMES.includes("runc"),
  async fn(): Promise<void> {
    await builtImages();
    const host = denoHost();
    try {
      const onEvent = (): void => {};
      const { signal } = host.interrupts;
      const asked = { names: [], privateNames: [], tcpPorts: [443], udpPorts: [443], signal, onEvent };
      await using canary = await new DockerBottleBackend({ host, context: undefined, onEvent }).openCanary(
        asked,
      );
      assert.doesNotMatch(await canary.records(), /straight/);
      await canary.probe([`one udp ${canary.privateAddress} 443 straight`]);
      assert.match(await canary.records(), /^udp 443 \S+ straight$/m);
      await docker("kill", canary.networks[0] ?? "");
      await assert.rejects(canary.records(), /is not running/);
    } finally {
      host.interrupts.release();
    }
  },
});
