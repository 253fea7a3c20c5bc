import assert from "node:assert/strict";
import { type Ended, ended, eventually, PROGRAM } from "../support/engine.ts";
import type { FakeSettings } from "../support/fake_docker.ts";
import { Sandbox } from "../support/program.ts";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const;

interface Interruption {
  readonly by: Deno.Signal;
  /** The call that is under way when the signal comes. */
  readonly during: string;
  /** Whether that call goes on after the signal. */
  readonly release?: boolean;
  readonly args?: readonly string[];
}

/** Starts headless, interrupts, and waits for the end. */
async function interrupted(
  sandbox: Sandbox,
  { by, during, release, args = [] }: Interruption,
): Promise<Ended> {
  const child = sandbox.spawn(["start", "--prompt", "hi", ...args]);
  const end = ended(child);
  await sandbox.docker.begun(during);
  child.kill(by);
  if (release === true) await sandbox.docker.release(during);
  return await end;
}

/** Fails unless the program ended as by the signal, without a crash, and left nothing. */
async function assertGone(
  sandbox: Sandbox,
  { end, by }: { readonly end: Ended; readonly by: Deno.Signal },
): Promise<void> {
  assert.equal(end.signal, by, end.stderr);
  assert.doesNotMatch(end.stderr, /error:|Uncaught|This is a bug/);
  assert.deepEqual(await sandbox.docker.objects(), []);
  assert.deepEqual(await sandbox.temporaryFiles(), []);
}

for (const by of SIGNALS) {
  Deno.test(`start ends by ${by} and leaves nothing when it comes in the middle of a launch`, async () => {
    await using sandbox = await Sandbox.create({ hold: ["agent-create"] });
    const end = await interrupted(sandbox, { by, during: "agent-create", release: true });
    await assertGone(sandbox, { end, by });
    const calls = await sandbox.docker.calls();
    const create = calls.find(({ kind }) => kind === "agent-create");
    assert.equal(create?.code, 0, "a call under way is not cut short: what it made must be known");
    const removed = calls.find(({ kind }) => kind === "remove-containers");
    assert.ok(removed?.args.includes(create.stdout.trim()), "what it made is removed by its id");
    assert.ok(!calls.some(({ kind }) => kind === "agent"));
  });

  Deno.test(`start ends by ${by} and leaves nothing when it comes while the agent runs`, async () => {
    await using sandbox = await Sandbox.create({ agentWaits: true });
    const end = await interrupted(sandbox, { by, during: "agent" });
    await assertGone(sandbox, { end, by });
    const kinds = await sandbox.docker.kinds();
    assert.deepEqual(kinds.filter((kind) => kind.startsWith("remove-")), [
      "remove-containers",
      "remove-networks",
    ]);
  });
}

for (const by of SIGNALS) {
  Deno.test(`start ends by ${by} during its probes without having created anything`, async () => {
    await using sandbox = await Sandbox.create({ hold: ["info"] });
    const end = await interrupted(sandbox, { by, during: "info" });
    await assertGone(sandbox, { end, by });
    const kinds = await sandbox.docker.kinds();
    assert.ok(kinds.every((kind) => /^(info|ps|find-.*)$/.test(kind)), kinds.join(" "));
  });

  Deno.test(`start ends a build under way by ${by}`, async () => {
    const settings: FakeSettings = { missingImages: ["agent", "sidecar"], hold: ["agent-build"] };
    await using sandbox = await Sandbox.create(settings);
    const end = await interrupted(sandbox, { by, during: "agent-build" });
    await assertGone(sandbox, { end, by });
    const build = (await sandbox.docker.calls()).find(({ kind }) => kind === "agent-build");
    assert.equal(build?.code, undefined, "the build was ended");
  });

  Deno.test(`start goes on with its teardown after ${by} when more signals come`, async () => {
    await using sandbox = await Sandbox.create({ agentWaits: true, hold: ["remove-containers"] });
    const child = sandbox.spawn(["start", "--prompt", "hi"]);
    const end = ended(child);
    await sandbox.docker.begun("agent");
    child.kill(by);
    await sandbox.docker.begun("remove-containers");
    for (const another of [by, ...SIGNALS, by]) child.kill(another);
    await sandbox.docker.release("remove-containers");
    await assertGone(sandbox, { end: await end, by });
  });

  Deno.test(`start ends by ${by} that comes during the last teardown, which goes on`, async () => {
    await using sandbox = await Sandbox.create({
      agentSays: ["done"],
      agentCode: 7,
      hold: ["remove-containers"],
    });
    const end = await interrupted(sandbox, { by, during: "remove-containers", release: true });
    await assertGone(sandbox, { end, by });
    assert.equal(end.stdout, "done\n");
    const kinds = await sandbox.docker.kinds();
    assert.deepEqual(kinds.filter((kind) => /^(remove|list)-/.test(kind)), [
      "remove-containers",
      "remove-networks",
    ]);
  });
}

Deno.test("start removes the rest by label when a removal fails after a signal", async () => {
  await using sandbox = await Sandbox.create({
    agentWaits: true,
    faults: [{ kind: "remove-containers", nth: 1, fault: "exit1" }],
  });
  const end = await interrupted(sandbox, { by: "SIGTERM", during: "agent" });
  await assertGone(sandbox, { end, by: "SIGTERM" });
});

Deno.test("what works in a bottle that stays ends by each signal at once, in silence, and leaves the bottle", async () => {
  await using sandbox = await Sandbox.create({ agentWaits: true, hold: ["logs", "survey-networks"] });
  await sandbox.manifest({
    bottles: { dev: { egress: { proxy: "squid" } } },
    agents: { reviewer: { bottle: "dev" } },
  });
  assert.equal((await sandbox.run(["start", "--detach", "--yes"])).code, 0);
  const objects = await sandbox.docker.objects();
  for (
    const { args, during } of [
      { args: ["exec", "reviewer", "--", "sleep", "9"], during: "agent" },
      { args: ["logs", "reviewer", "--follow"], during: "logs" },
      { args: ["cleanup", "--yes"], during: "survey-networks" },
    ]
  ) {
    for (const by of SIGNALS) {
      const before = (await sandbox.docker.calls()).length;
      const child = sandbox.spawn(args);
      const end = ended(child);
      await eventually(`${args[0]} comes to its call`, async () => {
        const calls = (await sandbox.docker.calls()).slice(before);
        return calls.some(({ kind }) => kind === during) ? true : undefined;
      });
      child.kill(by);
      const { signal, stdout, stderr } = await end;
      assert.equal(signal, by, `${args.join(" ")}: ${stderr}`);
      assert.deepEqual([stdout.replace(/^waiting\n/, ""), stderr], ["", ""], args.join(" "));
    }
  }
  assert.deepEqual(await sandbox.docker.objects(), objects);
});

Deno.test("stop removes everything whatever signals come meanwhile, and then ends by the first", async () => {
  await using sandbox = await Sandbox.create({ hold: ["remove-containers"] });
  await sandbox.manifest({
    bottles: { dev: { egress: { proxy: "squid" } } },
    agents: { reviewer: { bottle: "dev" } },
  });
  assert.equal((await sandbox.run(["start", "--detach", "--yes"])).code, 0);
  const child = sandbox.spawn(["stop", "reviewer"]);
  const end = ended(child);
  await sandbox.docker.begun("remove-containers");
  child.kill("SIGHUP");
  // Two signals that wait at the same time come in the order of their numbers.
  await new Promise((resolve) => setTimeout(resolve, 100));
  for (const another of SIGNALS) child.kill(another);
  await sandbox.docker.release("remove-containers");
  const { stderr } = await end;
  await assertGone(sandbox, { end: await end, by: "SIGHUP" });
  assert.equal(stderr, "");
});

Deno.test("start ends in silence, its bottle removed, when nobody reads on", async () => {
  await using sandbox = await Sandbox.create({
    agentSays: Array.from({ length: 5000 }, () => "y".repeat(99)),
  });
  const words = [...PROGRAM, "start", "--prompt", "hi"].map((word) => `'${word}'`).join(" ");
  const child = new Deno.Command("bash", {
    args: ["-o", "pipefail", "-c", `${words} | head -n 1`],
    cwd: sandbox.folder,
    env: sandbox.environment(),
    clearEnv: true,
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const { stdout, stderr, code } = await ended(child);
  assert.equal(stdout, `${"y".repeat(99)}\n`);
  assert.equal(code, 141, stderr);
  assert.doesNotMatch(stderr, /error:|Uncaught|This is a bug|ended by/);
  assert.deepEqual(await sandbox.docker.objects(), []);
});
