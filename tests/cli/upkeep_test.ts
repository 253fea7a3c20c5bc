import assert from "node:assert/strict";
import type { ActiveBottle } from "../../lib/bottle/active.ts";
import type { BottleCleanupPlan, CleanupItem } from "../../lib/bottle/cleanup.ts";
import { Failure } from "../../lib/errors.ts";
import { FakeBackend, runCli } from "../support/cli_harness.ts";
import { LabelledEngine } from "../support/labelled_engine.ts";
import { PERSON } from "../support/memory_terminal.ts";

const DONE = { kind: "exit", code: 0 };

/** The fake host's clock stands at 1,000,000 ms. */
const BOTTLES: readonly ActiveBottle[] = [
  {
    name: "claude-bottle-reviewer",
    id: "a".repeat(64),
    sidecar: undefined,
    run: "aaaaaaaaaaaaa",
    agent: "reviewer",
    bottle: "dev",
    manifestFiles: [],
    status: "running",
    since: 820_000,
    runtime: "runc",
    proxy: "squid",
    owner: "alive",
  },
  {
    name: "claude-bottle-reviewer-2",
    id: "b".repeat(64),
    sidecar: undefined,
    run: "bbbbbbbbbbbbb",
    agent: "reviewer",
    bottle: "dev\u001b[2J\nforged",
    manifestFiles: [],
    status: "running",
    since: undefined,
    runtime: "runsc",
    proxy: undefined,
    owner: "elsewhere",
  },
];

function withBottles(bottles = BOTTLES): FakeBackend {
  const backend = new FakeBackend();
  backend.bottles = bottles;
  return backend;
}

function item(kind: CleanupItem["kind"], name: string, more: Partial<CleanupItem> = {}): CleanupItem {
  return {
    kind,
    id: `id-${name}`,
    name,
    run: "aaaaaaaaaaaaa",
    agent: "reviewer",
    role: "agent",
    created: 940_000,
    running: false,
    owner: "gone",
    ...more,
  };
}

function withPlan(items: readonly CleanupItem[], more: Partial<BottleCleanupPlan> = {}): FakeBackend {
  const backend = new FakeBackend();
  backend.cleanupPlan = { items, kept: [], untouchedRuns: 0, empty: items.length === 0, ...more };
  return backend;
}

const ITEMS = [item("container", "claude-bottle-reviewer"), item("network", "claude-bottle-internal")];

const TABLE = [
  "KIND       NAME                    AGENT     AGE    REASON\n",
  "container  claude-bottle-reviewer  reviewer  1 min  its owner is gone\n",
  "network    claude-bottle-internal  reviewer  1 min  its owner is gone\n",
].join("");

Deno.test("active prints one row a bottle, and no foreign control character", async () => {
  const run = await runCli(["list", "active"], { backend: withBottles() });
  assert.deepEqual(run.outcome, DONE);
  assert.equal(
    run.stdout,
    [
      "AGENT     BOTTLE          NAME                      STATUS   SINCE    RUNTIME  PROXY    CONTEXT  OWNER\n",
      "reviewer  dev             claude-bottle-reviewer    running  3 min    runc     squid    default  alive\n",
      "reviewer  dev·[2J·forged  claude-bottle-reviewer-2  running  unknown  runsc    unknown  default  elsewhere\n",
    ].join(""),
  );
  assert.equal(run.stderr, "");
  assert.deepEqual(run.backend.calls, ["listActive"]);
});

Deno.test("active --json prints every field", async () => {
  const run = await runCli(["list", "active", "--json"], { backend: withBottles() });
  assert.deepEqual(run.outcome, DONE);
  const { bottles } = JSON.parse(run.stdout);
  assert.deepEqual(bottles[0], {
    name: "claude-bottle-reviewer",
    agent: "reviewer",
    bottle: "dev",
    status: "running",
    since: "1970-01-01T00:13:40.000Z",
    runtime: "runc",
    proxy: "squid",
    context: "default",
    owner: "alive",
    run: "aaaaaaaaaaaaa",
    id: "a".repeat(64),
  });
  assert.equal(bottles[1].since, null);
  assert.equal(bottles[1].proxy, null);
  assert.equal(bottles.length, 2);
});

Deno.test("active says in the original's words that there are none", async () => {
  const run = await runCli(["list", "active"]);
  assert.deepEqual(run.outcome, DONE);
  assert.equal(run.stdout, "");
  assert.equal(run.stderr, "claude-bottle: no active claude-bottle containers\n");
  const json = await runCli(["list", "active", "--json"]);
  assert.deepEqual(JSON.parse(json.stdout), { bottles: [] });
  assert.equal(json.stderr, "");
});

Deno.test("stop ends the bottle that is meant", async () => {
  const ours = BOTTLES.map((bottle): ActiveBottle => ({ ...bottle, owner: "gone" }));
  const rows = [
    { word: "claude-bottle-reviewer", bottles: ours, id: "a" },
    { word: "reviewer-2", bottles: ours, id: "b" },
    { word: "reviewer", bottles: ours.slice(1), id: "b" },
    { word: "rev", bottles: ours.slice(0, 1), id: "a" },
    { word: "claude-bottle-reviewer-2", bottles: BOTTLES, id: "b" },
  ];
  for (const { word, bottles, id } of rows) {
    const run = await runCli(["stop", word], { backend: withBottles(bottles) });
    assert.deepEqual(run.outcome, DONE, word);
    assert.deepEqual(run.backend.calls, ["listActive stopped", `stop ${id.repeat(64)}`]);
    assert.equal(run.stdout, `stopped claude-bottle-reviewer${id === "a" ? "" : "-2"}\n`);
    assert.equal(run.stderr, "");
  }
});

Deno.test("stop --json tells what was stopped", async () => {
  const run = await runCli(["stop", "claude-bottle-reviewer-2", "--json"], { backend: withBottles() });
  assert.deepEqual(run.outcome, DONE);
  assert.deepEqual(JSON.parse(run.stdout), {
    stopped: { name: "claude-bottle-reviewer-2", agent: "reviewer", run: "bbbbbbbbbbbbb" },
    kept: null,
  });
});

Deno.test("stop tells of a workspace that stays, with the commands for it", async () => {
  const kept = {
    volume: "ws",
    changes: { changed: 1, added: 2, removed: 0, refs: 2, settings: 1, commits: 1 },
    fetch: "docker run … > ws.tar",
    remove: "docker volume rm ws",
  };
  const backend = withBottles();
  backend.kept = kept;
  const text = await runCli(["stop", "claude-bottle-reviewer-2"], { backend });
  assert.equal(text.stdout, "stopped claude-bottle-reviewer-2\n");
  assert.equal(
    text.stderr,
    "claude-bottle: keeping the workspace ws: 1 file changed, 2 new, 2 git refs or stage changed, " +
      "1 git setting or hooks changed, 1 new commit\n" +
      "claude-bottle: to bring it home: docker run … > ws.tar\n" +
      "claude-bottle: to remove it: docker volume rm ws\n" +
      "claude-bottle: look at .git/config and .git/hooks before git runs in what you brought home: they were changed\n",
  );
  const json = await runCli(["stop", "claude-bottle-reviewer-2", "--json"], { backend });
  assert.deepEqual(JSON.parse(json.stdout).kept, kept);
  assert.equal(json.stderr, text.stderr);
  backend.kept = { ...kept, changes: undefined };
  const unknown = await runCli(["stop", "claude-bottle-reviewer-2"], { backend });
  assert.ok(unknown.stderr.startsWith("claude-bottle: keeping the workspace ws: it could not be compared\n"));
});

Deno.test("stop ends somebody else's bottle only by its full name", async () => {
  const run = await runCli(["stop", "reviewer"], { backend: withBottles(BOTTLES.slice(1)) });
  assert.deepEqual(run.outcome, { kind: "exit", code: 1 });
  assert.deepEqual(run.backend.calls, ["listActive stopped"]);
  assert.equal(
    run.stderr,
    "error: claude-bottle-reviewer-2 belongs to another machine, user or container\n\n" +
      "hint: If it is to end: claude-bottle stop claude-bottle-reviewer-2\n",
  );
});

Deno.test("stop of a word that means several bottles, or none, stops nothing", async () => {
  const several = await runCli(["stop", "reviewer"], { backend: withBottles() });
  assert.deepEqual(several.outcome, { kind: "exit", code: 2 });
  assert.deepEqual(several.backend.calls, ["listActive stopped"]);
  assert.match(several.stderr, /"reviewer" may be any of claude-bottle-reviewer, claude-bottle-reviewer-2\n/);
  const none = await runCli(["stop", "writer"], { backend: withBottles() });
  assert.deepEqual(none.outcome, { kind: "exit", code: 1 });
  assert.deepEqual(none.backend.calls, ["listActive stopped"]);
  assert.match(none.stderr, /There is no bottle "writer"\n\nhint: Bottles: claude-bottle-reviewer, /);
  const empty = await runCli(["stop", "writer", "--json"]);
  assert.equal(JSON.parse(empty.stderr).error.code, "bottle-missing");
  assert.deepEqual((await runCli(["stop"])).outcome, { kind: "exit", code: 2 });
});

Deno.test("cleanup says of what still runs that it does", async () => {
  const items = [item("container", "claude-bottle-reviewer", { running: true })];
  const run = await runCli(["cleanup"], { backend: withPlan(items), terminals: PERSON, answers: ["n"] });
  assert.match(
    run.stdout,
    /claude-bottle-reviewer {2}reviewer {2}1 min {2}its owner is gone; still running\n/,
  );
});

Deno.test("cleanup lists, asks, and removes after a yes", async () => {
  const run = await runCli(["cleanup"], { backend: withPlan(ITEMS), terminals: PERSON, answers: ["y"] });
  assert.deepEqual(run.outcome, DONE);
  assert.equal(run.stdout, TABLE);
  assert.equal(run.stderr, "claude-bottle: remove all of the above? [y/N] ");
  assert.deepEqual(run.backend.calls, ["prepareCleanup", "cleanup"]);
});

Deno.test("cleanup removes nothing after anything but yes", async () => {
  for (const answers of [["n"], [""], ["yep"], []]) {
    const run = await runCli(["cleanup"], { backend: withPlan(ITEMS), terminals: PERSON, answers });
    assert.deepEqual(run.outcome, DONE);
    assert.match(run.stderr, /claude-bottle: aborted by user\n$/);
    assert.deepEqual(run.backend.calls, ["prepareCleanup"]);
  }
});

Deno.test("cleanup without a terminal lists and exits 2 unless --yes answers", async () => {
  const run = await runCli(["cleanup"], { backend: withPlan(ITEMS) });
  assert.deepEqual(run.outcome, { kind: "exit", code: 2 });
  assert.equal(run.stdout, TABLE);
  assert.deepEqual(run.backend.calls, ["prepareCleanup"]);
  const yes = await runCli(["cleanup", "--yes", "--all"], { backend: withPlan(ITEMS) });
  assert.deepEqual(yes.outcome, DONE);
  assert.deepEqual(yes.backend.calls, ["prepareCleanup all", "cleanup"]);
});

Deno.test("cleanup with nothing to do says so in one line and asks nothing", async () => {
  const rows = [
    { untouchedRuns: 0, said: "nothing to clean up" },
    { untouchedRuns: 1, said: "nothing to clean up; 1 bottle is in use or not known to be over" },
    { untouchedRuns: 3, said: "nothing to clean up; 3 bottles are in use or not known to be over" },
  ];
  for (const { untouchedRuns, said } of rows) {
    const run = await runCli(["cleanup"], { backend: withPlan([], { untouchedRuns }) });
    assert.deepEqual(run.outcome, DONE);
    assert.equal(run.stdout, "");
    assert.equal(run.stderr, `claude-bottle: ${said}\n`);
    assert.deepEqual(run.backend.calls, ["prepareCleanup"]);
  }
});

Deno.test("cleanup names the workspaces that it keeps, and the reason of everything that goes", async () => {
  const run = await runCli(["cleanup", "--all", "--yes"], {
    backend: withPlan([
      item("container", "one", { owner: "alive" }),
      item("container", "two", { owner: "elsewhere", created: undefined }),
      item("volume", "three", { owner: "detached", role: "workspace", agent: "a\u001b]0;b" }),
    ], {
      kept: [{ ...item("volume", "ws\u0007"), fetch: "docker run ws\u0007", remove: "docker volume rm ws" }],
    }),
  });
  assert.equal(
    run.stdout,
    [
      "KIND       NAME   AGENT     AGE      REASON\n",
      "container  one    reviewer  1 min    in use, its owner is alive\n",
      "container  two    reviewer  unknown  its owner cannot be seen from here\n",
      "volume     three  a·]0;b    1 min    detached; may hold work that is nowhere else\n",
    ].join(""),
  );
  assert.equal(
    run.stderr,
    "claude-bottle: keeping the workspace ws· of reviewer: it may hold work that is nowhere else\n" +
      "claude-bottle: to bring it home: docker run ws·\n" +
      "claude-bottle: to remove it: docker volume rm ws\n",
  );
});

Deno.test("cleanup exits 1 and names what is left", async () => {
  const backend = withPlan(ITEMS);
  backend.stubborn.set("id-claude-bottle-internal", "it has active endpoints");
  const run = await runCli(["cleanup", "--yes"], { backend });
  assert.deepEqual(run.outcome, { kind: "exit", code: 1 });
  assert.match(run.stderr, /^error: 1 of 2 could not be removed$/m);
  assert.match(run.stderr, /^ {2}network claude-bottle-internal: it has active endpoints$/m);
  assert.doesNotMatch(run.stderr, /container claude-bottle-reviewer/);
});

Deno.test("cleanup --json prints an object a phase", async () => {
  const backend = withPlan(ITEMS, { untouchedRuns: 2 });
  backend.stubborn.set("id-claude-bottle-internal", "busy");
  const run = await runCli(["cleanup", "--yes", "--json"], { backend });
  assert.deepEqual(run.outcome, { kind: "exit", code: 1 });
  const [plan, result, ...more] = run.stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(more, []);
  assert.deepEqual(plan.remove[0], {
    kind: "container",
    name: "claude-bottle-reviewer",
    agent: "reviewer",
    role: "agent",
    created: "1970-01-01T00:15:40.000Z",
    running: false,
    owner: "gone",
    reason: "its owner is gone",
    context: "default",
    run: "aaaaaaaaaaaaa",
    id: "id-claude-bottle-reviewer",
  });
  assert.equal(plan.remove.length, 2);
  assert.deepEqual(plan.keep, []);
  assert.equal(plan.untouchedRuns, 2);
  assert.deepEqual(result, {
    removed: ["id-claude-bottle-reviewer"],
    left: [{
      kind: "network",
      name: "claude-bottle-internal",
      id: "id-claude-bottle-internal",
      why: "busy",
      context: "default",
    }],
  });
  assert.equal(JSON.parse(run.stderr.trim().split("\n").at(-1) ?? "").error.code, "cleanup-incomplete");
});

Deno.test("active, stop and cleanup fail with 1 when the engine does: 125 is for what runs an agent", async () => {
  for (const argv of [["list", "active"], ["stop", "x"], ["cleanup", "--yes"]]) {
    const backend = new FakeBackend();
    backend.before = (): void => {
      throw new Failure("engine-unreachable", "The engine does not answer", {
        hints: ["Start it"],
        exit: 125,
      });
    };
    const run = await runCli(argv, { backend });
    assert.deepEqual(run.outcome, { kind: "exit", code: 1 }, argv.join(" "));
    assert.match(run.stderr, /^error: The engine does not answer\n\nhint: Start it\n$/);
  }
});

Deno.test("cleanup over docker removes an orphan and leaves a foreign owner's bottle", async () => {
  // The scripted machine's own process is 42; nothing else runs on it.
  const owner = "9f9f5111f7b27a78/boot-1/pid:4026531836/1000/41/700";
  let engine: LabelledEngine | undefined;
  const run = await runCli(["cleanup", "--yes", "-v"], {
    over: "docker",
    arrange: ({ processes }) => {
      processes.on(/^sh -c [\s\S]* sh \d+( \d+)*$/, { stdout: "boot 500\n42 777\n" });
      engine = new LabelledEngine([
        { kind: "container", id: "a1", name: "claude-bottle-a", run: "aaaaaaaaaaaaa", role: "agent", owner },
        { kind: "network", id: "a2", name: "claude-bottle-a-net", run: "aaaaaaaaaaaaa", owner },
        { kind: "network", id: "b2", name: "claude-bottle-b-net", run: "bbbbbbbbbbbbb", owner: "other" },
      ], processes);
    },
  });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.deepEqual(engine?.objects.map(({ id }) => id), ["b2"]);
  assert.match(run.stderr, /^claude-bottle: removing container claude-bottle-a$/m);
  assert.match(run.stderr, /^claude-bottle: removing network claude-bottle-a-net$/m);
});
