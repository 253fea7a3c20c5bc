import assert from "node:assert/strict";
import { type Ended, ended } from "../support/engine.ts";
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

Deno.test("start ends by SIGTERM during its probes without having created anything", async () => {
  await using sandbox = await Sandbox.create({ hold: ["info"] });
  const end = await interrupted(sandbox, { by: "SIGTERM", during: "info" });
  await assertGone(sandbox, { end, by: "SIGTERM" });
  const kinds = await sandbox.docker.kinds();
  assert.ok(kinds.every((kind) => /^(info|ps|find-.*)$/.test(kind)), kinds.join(" "));
});

Deno.test("start ends a build under way by SIGINT", async () => {
  const settings: FakeSettings = { missingImages: ["agent", "sidecar"], hold: ["agent-build"] };
  await using sandbox = await Sandbox.create(settings);
  const end = await interrupted(sandbox, { by: "SIGINT", during: "agent-build" });
  await assertGone(sandbox, { end, by: "SIGINT" });
  const build = (await sandbox.docker.calls()).find(({ kind }) => kind === "agent-build");
  assert.equal(build?.code, undefined, "the build was ended");
});

Deno.test("start goes on with its teardown when the signal comes again", async () => {
  await using sandbox = await Sandbox.create({ agentWaits: true, hold: ["remove-containers"] });
  const child = sandbox.spawn(["start", "--prompt", "hi"]);
  const end = ended(child);
  await sandbox.docker.begun("agent");
  child.kill("SIGINT");
  await sandbox.docker.begun("remove-containers");
  child.kill("SIGINT");
  child.kill("SIGTERM");
  await sandbox.docker.release("remove-containers");
  await assertGone(sandbox, { end: await end, by: "SIGINT" });
});

for (const by of SIGNALS) {
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
