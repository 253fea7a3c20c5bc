import assert from "node:assert/strict";
import { join } from "node:path";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import {
  builtImages,
  docker,
  type Ended,
  ended,
  engineRuntimes,
  eventually,
  Workbench,
} from "../support/engine.ts";
import { killTree, PidNamespace } from "../support/pid_namespace.ts";

/*
 * All of it happens in pid namespaces of its own: what other tests of this engine left is not to be seen from there, and
 * a sweep of theirs sees nothing of what is left here.
 */

const ignore = !(await engineRuntimes()).includes("runc") || !await PidNamespace.isPossible();

/** Several bottles begin at once. */
const DEADLINE_MS = 120_000;

const RUNC = ["--runtime", "runc"];

async function benchIn({ words }: PidNamespace, command: readonly string[]): Promise<Workbench> {
  const bench = await Workbench.create();
  bench.within = words;
  await bench.manifest({ agent: { command } });
  return bench;
}

async function cleanup(bench: Workbench): Promise<Ended> {
  return await ended(bench.spawn(["cleanup", "--yes"]));
}

/** What a bottle is, as far as a sweep could change it. */
async function fingerprint({ agent }: Workbench): Promise<string> {
  const filter = ["--no-trunc", "--filter", `label=${LABEL.agent}=${agent}`];
  const [containers, networks, volumes] = await Promise.all([
    // What watches its disk comes later.
    docker("ps", "--all", ...filter, "--format", "{{.ID}} {{.State}} {{.Names}}"),
    docker("network", "ls", ...filter, "--format", "{{.ID}}"),
    docker("volume", "ls", ...filter.slice(1), "--format", "{{.Name}}"),
  ]);
  const lines = `${containers}\n${networks}\n${volumes}`.split("\n").filter((line) =>
    !line.endsWith("-watcher")
  );
  return lines.sort().join("\n");
}

/** The same of one whose client was killed, whose containers may be about to stop. */
async function remains(bench: Workbench): Promise<string> {
  return (await fingerprint(bench)).replaceAll(/^(\w+) (running|exited) /gm, "$1 ");
}

/** Milliseconds after which a launch is killed with all that it started: before it makes anything, and while it does. */
const KILLED_AFTER = [700, 1000, 1300, 1600, 1900, 2200, 2600, 3000, 3500, 4500];

/** One launch that is killed in the middle, and somebody who sweeps. */
async function schedule(
  place: PidNamespace,
  { after, by }: { readonly after: number; readonly by: string },
): Promise<void> {
  await using victim = await benchIn(place, ["sleep", "1234"]);
  await using other = await benchIn(place, ["true"]);
  const child = victim.launch(RUNC);
  await new Promise((resolve) => setTimeout(resolve, after));
  await killTree(child);
  const swept = by === "start" ? await other.start(RUNC) : await cleanup(other);
  assert.equal(swept.code, 0, `killed after ${after} ms, ${by}: ${swept.stderr}`);
  // The engine may have been making something when it was killed, and an other's sweep may be about to remove it.
  await eventually(`all of a launch that was killed after ${after} ms is gone`, async () => {
    if ((await victim.leftovers()).length === 0) return true;
    await cleanup(other);
    return undefined;
  }, DEADLINE_MS);
  assert.deepEqual(await other.leftovers(), []);
}

Deno.test({
  name:
    "20 launches that are killed in the middle are swept by the next start or cleanup, and no live bottle is touched",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using place = await PidNamespace.create();
    await using elsewhere = await PidNamespace.create();
    await using session = await benchIn(place, ["sleep", "1234"]);
    await using detached = await benchIn(place, ["sleep", "1234"]);
    await using others = await benchIn(elsewhere, ["sleep", "1234"]);
    const running = [session, others].map((bench) => bench.launch(RUNC));
    const left = await detached.start([...RUNC, "--detach"]);
    assert.equal(left.code, 0, left.stderr);
    await Promise.all([session.sleepingAgent(DEADLINE_MS), others.sleepingAgent(DEADLINE_MS)]);
    const live = [session, detached, others];
    const before = await Promise.all(live.map(fingerprint));

    const lanes = [KILLED_AFTER, KILLED_AFTER.toReversed()].map(async (delays, lane) => {
      for (const [index, after] of delays.entries()) {
        await schedule(place, { after, by: (index + lane) % 2 === 0 ? "start" : "cleanup" });
      }
    });
    await Promise.all(lanes);

    assert.deepEqual(await Promise.all(live.map(fingerprint)), before);
    for (const child of running) await killTree(child);
    // Those of the other place are not to be seen from here.
    await cleanup(session);
    assert.deepEqual(await session.leftovers(), []);
    // But for its agent, which ended with its program.
    const agent = new RegExp(` running (claude-bottle-${others.agent})$`, "m");
    const after = before[2]?.replace(agent, " exited $1");
    assert.notEqual(after, before[2]);
    await eventually(
      "only the agent has ended",
      async () => await fingerprint(others) === after || undefined,
    );
    await cleanup(others);
    assert.deepEqual(await others.leftovers(), []);
    assert.equal(await fingerprint(detached), before[1]);
    assert.equal((await ended(detached.spawn(["stop", detached.agent]))).code, 0);
    assert.deepEqual(await detached.leftovers(), []);
  },
});

Deno.test({
  name:
    "start tells what it swept, keeps a workspace in which an agent worked, and sweeps nothing in a dry run",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using place = await PidNamespace.create();
    await using elsewhere = await PidNamespace.create();
    await using dead = await benchIn(place, ["sleep", "1234"]);
    await using next = await benchIn(place, ["true"]);
    await using stranger = await benchIn(elsewhere, ["true"]);
    dead.cwd = join(dead.folder, "work");
    await Deno.mkdir(dead.cwd);
    await Deno.writeTextFile(join(dead.cwd, "work.txt"), "work\n");
    const child = dead.launch([...RUNC, "--cwd"]);
    await dead.sleepingAgent(DEADLINE_MS);
    await killTree(child);
    const before = await remains(dead);
    assert.equal(before.split("\n").length, 6);

    for (const bench of [next, stranger]) {
      const args = bench === next ? ["--dry-run"] : [];
      const { code, stderr } = await bench.start([...RUNC, ...args]);
      assert.equal(code, 0, stderr);
      assert.doesNotMatch(stderr, /ended run/);
      assert.equal(await remains(dead), before);
    }

    const { code, stderr } = await next.start(RUNC);
    assert.equal(code, 0, stderr);
    // What watched its disk ended with its client, or goes as well.
    assert.match(
      stderr,
      /^claude-bottle: removed what 1 ended run had left: [23] containers, 2 networks, 1 volume$/m,
    );
    assert.match(stderr, new RegExp(`^claude-bottle: the workspace \\S+ of ${dead.agent} stays: `, "m"));
    const [workspace = "", ...more] = await dead.leftovers();
    assert.deepEqual(more, []);
    assert.match(workspace, /^volume \S+-workspace$/);
    // It is told once, and listed by cleanup.
    const again = await next.start(RUNC);
    assert.doesNotMatch(again.stderr, /workspace|ended run/);
    assert.match((await cleanup(next)).stderr, new RegExp(`keeping the workspace \\S+ of ${dead.agent}`));
    assert.deepEqual(await dead.leftovers(), [workspace]);
  },
});
