import assert from "node:assert/strict";
import { join } from "node:path";
import { builtImages, docker, ended, engineRuntimes, eventually, Workbench } from "../support/engine.ts";
import { type HastyResult, runHastily } from "../support/hasty_program.ts";
import { OwnEngine, ownEngineObstacle } from "../support/own_engine.ts";
import { LABEL } from "../../lib/backend/docker/labels.ts";

/*
 * What becomes of a bottle when its engine restarts, goes away, hangs, is slow or is full: on an engine of the tests'
 * own, with one small image that serves as both the agent's and the sidecar's.
 */

const obstacle = (await engineRuntimes()).length === 0
  ? "there is no engine to take an image from"
  : await ownEngineObstacle();

/** A test that is skipped says why. */
function titled(name: string): string {
  return obstacle === undefined ? name : `${name} (not on this machine: ${obstacle})`;
}

/** A bottle's engine and the folder of its user. */
interface Bench {
  readonly engine: OwnEngine;
  readonly bench: Workbench;
  readonly env: Readonly<Record<string, string>>;
}

let made: Promise<{ readonly engine: OwnEngine; readonly image: string }> | undefined;

async function engineWithImage(): Promise<{ readonly engine: OwnEngine; readonly image: string }> {
  const { sidecar: image } = await builtImages();
  return { engine: await OwnEngine.start(image), image };
}

function test(name: string, body: (bench: Bench) => Promise<void>): void {
  Deno.test({
    name: titled(name),
    ignore: obstacle !== undefined,
    // The engine outlives the first test that needs it.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn(): Promise<void> {
      const { engine, image } = await (made ??= engineWithImage());
      await using bench = await Workbench.create();
      await bench.manifest({ agent: { command: ["sleep", "1234"] } });
      await body({ engine, bench, env: { DOCKER_HOST: engine.address, CLAUDE_BOTTLE_IMAGE: image } });
      // Also what a test that failed left.
      await ended(bench.spawn(["cleanup", "--all", "--yes"], { DOCKER_HOST: engine.address }));
    },
  });
}

/** Kinds and names of what the engine has of this test. */
async function left({ engine, bench }: Bench): Promise<readonly string[]> {
  const filter = ["--filter", `label=${LABEL.agent}=${bench.agent}`];
  const listings = await Promise.all([
    engine.docker("ps", "--all", ...filter, "--format", "container {{.Names}}"),
    engine.docker("network", "ls", ...filter, "--format", "network {{.Name}}"),
    engine.docker("volume", "ls", ...filter, "--format", "volume {{.Name}}"),
  ]);
  return listings.flatMap((text) => text.split("\n")).filter((line) => line !== "");
}

/** Waits until the agent of this test runs. */
async function running({ engine, bench }: Bench): Promise<void> {
  const filter = [`label=${LABEL.agent}=${bench.agent}`, `label=${LABEL.role}=agent`];
  await eventually("the agent sleeps", async () => {
    const id = await engine.docker("ps", "--quiet", ...filter.flatMap((one) => ["--filter", one]));
    const processes = id === "" ? "" : await engine.docker("top", id).catch(() => "");
    return /:\d\d +sleep 1234$/m.test(processes) ? true : undefined;
  }, 60_000);
}

/** `start` in this process, with deadlines of seconds. */
function hastily(
  { bench, env }: Bench,
  meanwhile?: NonNullable<Parameters<typeof runHastily>[0]["meanwhile"]>,
): Promise<HastyResult> {
  return runHastily({
    args: ["start", bench.agent, "--manifest", bench.manifestFile, "--yes"],
    env: bench.environment(env),
    cwd: bench.cwd,
    ...(meanwhile === undefined ? {} : { meanwhile }),
  });
}

/** The one sentence that says what went wrong. */
function errorOf({ stderr }: { readonly stderr: string }): string {
  const errors = stderr.split("\n").filter((line) => line.startsWith("error: "));
  assert.equal(errors.length, 1, stderr);
  assert.match(stderr, /^hint: /m);
  return errors[0] ?? "";
}

for (const liveRestore of [false, true]) {
  test(`a restart of the engine ${liveRestore ? "that keeps" : "that ends"} its containers ends the bottle, and nothing stays`, async (parts) => {
    const { engine, bench, env } = parts;
    await engine.configure({ liveRestore });
    await engine.restart();
    const ending = ended(bench.launch([], env));
    await running(parts);
    assert.notDeepEqual(await left(parts), []);
    await engine.restart();
    const { code, ...said } = await ending;
    assert.ok(code !== 0, said.stderr);
    assert.match(
      errorOf(said),
      /^error: (The engine went away while the agent ran: |The bottle was stopped or removed)/,
    );
    assert.deepEqual(await left(parts), [], said.stderr);
  });
}

test("an engine that goes away for good is told with the way out, and the next cleanup removes what it kept", async (parts) => {
  const { engine, bench, env } = parts;
  await engine.configure({ liveRestore: true });
  await engine.restart();
  const ending = ended(bench.launch([], env));
  await running(parts);
  await engine.kill();
  const { code, ...said } = await ending;
  assert.ok(code !== 0 && code !== 125, said.stderr);
  assert.match(errorOf(said), /^error: The engine went away while the agent ran: /);
  assert.match(said.stderr, /^claude-bottle: The bottle could not be removed: .* finishes it$/m);
  const refused = await bench.start([], env);
  assert.equal(refused.code, 125);
  assert.match(errorOf(refused), /^error: The engine does not answer: /);
  await engine.revive();
  assert.notDeepEqual(await left(parts), []);
  const cleaned = await ended(bench.spawn(["cleanup", "--yes"], env));
  assert.equal(cleaned.code, 0, cleaned.stderr);
  assert.deepEqual(await left(parts), []);
});

test("an engine that hangs is told before anything is made, and while it is made", async (parts) => {
  const { engine } = parts;
  await engine.freeze();
  const before = await hastily(parts).finally(() => engine.thaw());
  assert.equal(before.code, 125);
  assert.match(
    errorOf(before),
    /^error: The engine gave no answer at [a-z ]+: the call did not end within 5 s$/,
  );
  assert.deepEqual(await left(parts), []);

  const during = await hastily(parts, async () => {
    await eventually("the first container", async () => {
      return (await left(parts)).some((one) => one.startsWith("container ")) ? true : undefined;
    });
    await engine.freeze();
  }).finally(() => engine.thaw());
  assert.equal(during.code, 125);
  assert.match(
    errorOf(during),
    /^error: The engine gave no answer at [a-z ']+: the call did not end within 5 s$/,
  );
  assert.match(during.stderr, /^claude-bottle: The bottle could not be removed: .* finishes it$/m);
  // This process is its owner and lives on, so that nobody else may call it left over.
  await finished(parts, during);
});

test("a teardown that hangs is reported with the command that finishes it", async (parts) => {
  const { engine } = parts;
  const said = await hastily(parts, async (interrupts) => {
    await running(parts);
    await engine.freeze();
    interrupts.raise("SIGTERM");
  }).finally(() => engine.thaw());
  assert.ok(Number.isNaN(said.code));
  await finished(parts, said);
});

/** Types what the program printed; nothing is left then. */
async function finished({ engine, ...parts }: Bench, { stderr }: HastyResult): Promise<void> {
  const [, commands = ""] = /could not be removed: .*; `(docker .*)` finishes it$/m.exec(stderr) ?? [];
  assert.notEqual(commands, "", stderr);
  assert.notDeepEqual(await left({ engine, ...parts }), []);
  await new Deno.Command("sh", {
    args: ["-c", commands],
    env: { DOCKER_HOST: engine.address },
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).output();
  assert.deepEqual(await left({ engine, ...parts }), []);
}

test("an engine that answers slowly is waited for", async (parts) => {
  const { engine, bench, env } = parts;
  await bench.manifest({ agent: { command: ["sh", "-c", "echo ran; exit 7"] } });
  const ending = ended(bench.launch([], env));
  let over = false;
  const slowing = (async (): Promise<void> => {
    while (!over) {
      await engine.freeze();
      await new Promise((resolve) => setTimeout(resolve, 400));
      await engine.thaw();
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  })();
  const { code, stdout, stderr } = await ending;
  over = true;
  await slowing;
  assert.deepEqual([code, stdout], [7, "ran\n"], stderr);
  assert.deepEqual(await left(parts), []);
});

test("a full disk is told in a sentence with its remedy, and nothing stays", async (parts) => {
  const { engine, bench, env } = parts;
  using _filler = await engine.fill();
  const said = await bench.start([], env);
  assert.equal(said.code, 125, said.stderr);
  assert.match(errorOf(said), /^error: The engine's disk is full: .*no space left on device/);
  assert.match(said.stderr, /^hint: .*docker system df/m);
  assert.deepEqual(await left(parts), []);
});

test("a bottle needs none of the engine's own addresses", async (parts) => {
  const { engine, bench, env } = parts;
  await bench.manifest({ agent: { command: ["true"] } });
  // The first takes the only one, or finds it taken.
  await engine.docker("network", "create", "claude-bottle-test-last").catch(() => "");
  await assert.rejects(
    engine.docker("network", "create", "claude-bottle-test-none"),
    /non-overlapping|subnetted/,
  );
  const { code, stderr } = await bench.start([], env);
  await engine.docker("network", "rm", "claude-bottle-test-last").catch(() => "");
  assert.equal(code, 0, stderr);
});

Deno.test({
  name: titled("the tests' own engine ends with everything that it made"),
  ignore: obstacle !== undefined,
  sanitizeOps: false,
  sanitizeResources: false,
  async fn(): Promise<void> {
    const { engine } = await (made ??= engineWithImage());
    await engine[Symbol.asyncDispose]();
    await assert.rejects(docker("--host", engine.address, "version"));
    const folder = engine.address.replace("unix://", "").replace("/docker.sock", "");
    await assert.rejects(Deno.stat(join(folder, "data")), Deno.errors.NotFound);
  },
});
