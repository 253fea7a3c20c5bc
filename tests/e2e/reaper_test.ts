import assert from "node:assert/strict";
import reaperScript from "../../lib/assets/reaper.sh" with { type: "text" };
import { eventually } from "../support/engine.ts";
import { Sandbox } from "../support/program.ts";

const RUN = "abcdefghijklm";

/** Creates what a launch creates, or a stranger did; its id. */
async function create(sandbox: Sandbox, ...args: readonly string[]): Promise<string> {
  const { success, stdout } = await new Deno.Command("docker", {
    args: [...args],
    env: sandbox.environment(),
    clearEnv: true,
    stdin: "null",
  }).output();
  assert.ok(success, args.join(" "));
  return new TextDecoder().decode(stdout).trim();
}

function labels(run: string, role: string): readonly string[] {
  return ["--label", `claude-bottle.run=${run}`, "--label", `claude-bottle.role=${role}`];
}

/** Two containers and a network of the run, and what is not its to remove. */
async function inhabited(): Promise<Sandbox> {
  const sandbox = await Sandbox.create();
  const container = ["container", "create"];
  await create(sandbox, "network", "create", ...labels(RUN, "internal"), "mine-internal");
  const agent = ["--add-host", "sidecar:10.0.0.2", "--cap-drop", "ALL", ...labels(RUN, "agent"), "image"];
  await create(sandbox, ...container, "--name", "mine", ...agent);
  const sidecar = ["--cap-drop", "ALL", ...labels(RUN, "sidecar"), "image"];
  await create(sandbox, ...container, "--name", "mine-sidecar", ...sidecar);
  await create(sandbox, "network", "create", ...labels("another-run-id", "internal"), "other-internal");
  await create(sandbox, ...container, "--name", "other", ...labels("another-run-id", "agent"), "image");
  // Run from an image that was committed from the agent's container.
  await create(
    sandbox,
    ...container,
    "--name",
    "copy",
    "--cap-drop",
    "ALL",
    ...labels(RUN, "agent"),
    "image",
  );
  return sandbox;
}

const FOREIGN = ["copy", "other", "other-internal"];
const ALL = ["copy", "mine", "mine-internal", "mine-sidecar", "other", "other-internal"];

interface Reaper {
  readonly child: Deno.ChildProcess;
  say(text: string): Promise<void>;
  /** As the end of the program does. */
  leave(): Promise<void>;
}

/** The reaper as the program starts it, once it says that it listens. */
async function reaper(sandbox: Sandbox, seconds = 60): Promise<Reaper> {
  const child = new Deno.Command("sh", {
    args: ["-c", reaperScript, "claude-bottle-reaper", RUN, String(seconds)],
    env: sandbox.environment(),
    clearEnv: true,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    detached: true,
  }).spawn();
  const lines = child.stdout.getReader();
  assert.equal(new TextDecoder().decode((await lines.read()).value), "ready\n");
  const input = child.stdin.getWriter();
  void child.stderr.cancel();
  return {
    child,
    say: (text) => input.write(new TextEncoder().encode(text)),
    leave: () => input.close(),
  };
}

Deno.test("a reaper removes its run and nothing else, until two listings are empty", async () => {
  await using sandbox = await inhabited();
  assert.deepEqual(await sandbox.docker.objects(), ALL);
  const { child, leave } = await reaper(sandbox);
  assert.deepEqual(await sandbox.docker.objects(), ALL);
  await leave();
  await child.status;
  assert.deepEqual(await sandbox.docker.objects(), FOREIGN);
  const kinds = (await sandbox.docker.calls()).map(({ kind }) => kind);
  // Found something, found nothing, found nothing again.
  for (const listing of ["list-containers", "list-networks", "list-volumes"]) {
    assert.equal(kinds.filter((kind) => kind === listing).length, 3, listing);
  }
});

Deno.test("a reaper takes no word of a foreign label or volume for its run's", async () => {
  await using sandbox = await inhabited();
  const named = ["container", "create", "--name"];
  const victim = await create(sandbox, ...named, "victim", "image");
  for (const words of [`x\n${victim} sidecar {"CapDrop":["ALL"]}`, `x {"CapDrop":["ALL"]}`]) {
    await create(sandbox, ...named, `forged-${words.length}`, ...labels(RUN, words), "image");
  }
  const volume = ["--volume", "sidecar:/data"];
  await create(sandbox, ...named, "copy-of-agent", ...volume, ...labels(RUN, "agent"), "image");
  const before = await sandbox.docker.objects();
  const { child, leave } = await reaper(sandbox);
  await leave();
  await child.status;
  const mine = ["mine", "mine-internal", "mine-sidecar"];
  assert.deepEqual(await sandbox.docker.objects(), before.filter((name) => !mine.includes(name)));
});

Deno.test("a reaper that cannot look at containers does not take them for nobody's", async () => {
  const faults = [1, 2].map((nth) => ({ kind: "explain", nth, fault: "exit1" } as const));
  await using sandbox = await Sandbox.create({ faults });
  const sidecar = ["--name", "mine-sidecar", "--cap-drop", "ALL", ...labels(RUN, "sidecar"), "image"];
  await create(sandbox, "container", "create", ...sidecar);
  const { child, leave } = await reaper(sandbox);
  await leave();
  await child.status;
  assert.deepEqual(await sandbox.docker.objects(), []);
});

Deno.test("a reaper that is told so removes nothing", async () => {
  await using sandbox = await inhabited();
  const { child, say } = await reaper(sandbox);
  await say("keep\ndone\n");
  assert.equal((await child.status).code, 0);
  assert.deepEqual(await sandbox.docker.objects(), ALL);
});

for (const signal of ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM"] as const) {
  Deno.test(`a reaper is not ended by ${signal}`, async () => {
    await using sandbox = await inhabited();
    const { child, leave } = await reaper(sandbox);
    child.kill(signal);
    await leave();
    await child.status;
    assert.deepEqual(await sandbox.docker.objects(), FOREIGN);
  });
}

Deno.test("a reaper removes what is created after it began", async () => {
  await using sandbox = await inhabited();
  const { child, leave } = await reaper(sandbox);
  await leave();
  await eventually("the first round", async () => {
    return (await sandbox.docker.objects()).length === FOREIGN.length ? true : undefined;
  });
  await create(sandbox, "network", "create", ...labels(RUN, "egress"), "mine-late");
  await child.status;
  assert.deepEqual(await sandbox.docker.objects(), FOREIGN);
});

Deno.test("a reaper tries again when the engine does not answer, and ends all the same when that goes on", async () => {
  await using sandbox = await Sandbox.create({
    faults: [{ kind: "list-containers", nth: "*", fault: "gone" }],
  });
  const { child, leave } = await reaper(sandbox, 3);
  await leave();
  assert.equal((await child.status).signal, "SIGKILL");
  const listings = (await sandbox.docker.calls()).filter(({ kind }) => kind === "list-containers");
  assert.ok(listings.length >= 2, String(listings.length));
});
