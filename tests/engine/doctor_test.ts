import assert from "node:assert/strict";
import type { Finding } from "../../lib/bottle/diagnosis.ts";
import { builtImages, docker, ended, engineRuntimes, Workbench } from "../support/engine.ts";
import { killTree, PidNamespace } from "../support/pid_namespace.ts";

const runtimes = await engineRuntimes();
const ignore = runtimes.length === 0;

/** What `doctor --json` finds, by check. */
async function findings(
  bench: Workbench,
  options: {
    readonly args?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly code?: number;
  } = {},
): Promise<ReadonlyMap<string, Finding>> {
  const { args = [], env = {}, code = 0 } = options;
  const result = await ended(bench.spawn(["doctor", "--json", ...args], env));
  assert.equal(result.code, code, result.stdout + result.stderr);
  assert.equal(result.stderr, "");
  const { findings, problems } = JSON.parse(result.stdout);
  assert.equal(problems, findings.filter(({ status }: Finding) => status === "problem").length);
  return new Map(findings.map((finding: Finding) => [finding.check, finding]));
}

Deno.test({
  name: "doctor finds nothing wrong with this engine, and tells which one it is",
  ignore,
  async fn(): Promise<void> {
    const images = await builtImages();
    await using bench = await Workbench.create();
    const found = await findings(bench);

    assert.deepEqual([...found.keys()], [
      "client",
      "engine",
      "debug",
      "limits",
      "seccomp",
      "runtimes",
      "agent-image",
      "squid-image",
      "pipelock-image",
      "base-image",
      "subnets",
      "leftovers",
      "client-proxies",
      "manifest",
      "token",
      "terminal",
    ]);
    for (const { check, status, sentence, remedy } of found.values()) {
      assert.ok(["ok", "note"].includes(status), check);
      assert.match(sentence, /^[^\n]+[^.\n]$/);
      assert.ok(remedy === null || typeof remedy === "string", check);
    }
    const version = await docker("version", "--format", "{{.Server.Version}}");
    const engine = found.get("engine");
    assert.equal(engine?.status, "ok");
    assert.ok(engine?.sentence.startsWith(`engine ${version} at `), engine?.sentence);
    assert.match(engine?.sentence ?? "", /\(context [^)]+\) answers: linux\/\S+, cgroup v[12], \S+/);
    const there = Object.keys(JSON.parse(await docker("info", "--format", "{{json .Runtimes}}")));
    assert.equal(found.get("runtimes")?.status, there.includes("runsc") ? "ok" : "note");
    assert.equal(found.get("seccomp")?.status, "ok");
    assert.equal(found.get("agent-image")?.sentence, `${images.agent} is built`);
    assert.equal(found.get("squid-image")?.sentence, `${images.sidecar} is built`);
    assert.equal(found.get("token")?.status, "note");
  },
});

Deno.test({
  name: "doctor tells of images, subnets and contexts that are not there, with the way out",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Workbench.create();
    const unbuilt = await findings(bench, {
      env: { CLAUDE_BOTTLE_BASE_IMAGE: "registry.invalid/claude-bottle-test/missing:1" },
    });
    for (const check of ["agent-image", "squid-image", "base-image"]) {
      assert.equal(unbuilt.get(check)?.status, "note", check);
    }
    assert.equal(unbuilt.get("agent-image")?.remedy, "`claude-bottle build`");

    const foreign = await findings(bench, {
      env: { CLAUDE_BOTTLE_IMAGE: "claude-bottle-test-missing:1", CLAUDE_BOTTLE_SUBNETS: "10.0.0.0" },
      code: 1,
    });
    assert.equal(foreign.get("agent-image")?.status, "problem");
    assert.equal(foreign.get("subnets")?.status, "problem");
    assert.match(foreign.get("subnets")?.remedy ?? "", /^Give a range such as/);

    const elsewhere = await findings(bench, { args: ["--context", "elsewhere"], code: 1 });
    assert.equal(elsewhere.get("client")?.status, "ok");
    assert.match(elsewhere.get("engine")?.sentence ?? "", /^There is no docker context "/);
    assert.equal(elsewhere.get("engine")?.remedy, "`docker context ls` lists the contexts");
    assert.match(elsewhere.get("runtimes")?.sentence ?? "", /^not looked at: /);
  },
});

Deno.test({
  name: "doctor counts the subnets that networks of the engine take",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Workbench.create();
    // A pool of two, of which one is taken below: outside what bottles and tests use.
    const env = { CLAUDE_BOTTLE_SUBNETS: "10.214.77.0/27" };
    const free = await findings(bench, { env });
    assert.match(free.get("subnets")?.sentence ?? "", /^2 of 2 subnets of 10\.214\.77\.0\/27 are free/);
    const name = `doctor-${bench.agent}`;
    await docker("network", "create", "--internal", "--subnet", "10.214.77.16/28", name);
    try {
      const taken = await findings(bench, { env, code: 1 });
      assert.match(taken.get("subnets")?.sentence ?? "", /^1 of 2 subnets /);
      assert.equal(taken.get("subnets")?.status, "problem");
    } finally {
      await docker("network", "rm", name);
    }
  },
});

Deno.test({
  name: "doctor finds what a killed start left and names the command that removes it",
  ignore: ignore || !await PidNamespace.isPossible(),
  async fn(): Promise<void> {
    await builtImages();
    // Any other start on this machine would sweep what is left here, were it not for this.
    await using place = await PidNamespace.create();
    await using bench = await Workbench.create();
    bench.within = place.words;
    await bench.manifest({ agent: { command: ["sleep", "1234"] } });
    const child = bench.launch(["--runtime", "runc"]);
    await bench.sleepingAgent();
    await killTree(child);

    const leftovers = (await findings(bench, { args: ["--manifest", bench.manifestFile] })).get("leftovers");
    // Others may have left something too.
    assert.equal(leftovers?.status, "note");
    assert.match(leftovers?.sentence ?? "", /^\d+ objects of bottles whose owner is gone/);
    assert.equal(leftovers?.remedy, "`claude-bottle cleanup` lists them");
    // What watches the disk goes by itself.
    assert.equal((await bench.leftovers()).filter((line) => !line.endsWith("-watcher")).length, 5);

    await ended(bench.spawn(["stop", bench.agent]));
    assert.deepEqual(await bench.leftovers(), []);
  },
});
