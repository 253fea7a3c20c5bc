import assert from "node:assert/strict";
import type { ActiveBottle } from "../../lib/bottle/active.ts";
import type { CleanupItem } from "../../lib/bottle/cleanup.ts";
import { Failure } from "../../lib/errors.ts";
import { FakeBackend, runCli } from "../support/cli_harness.ts";
import { PERSON } from "../support/memory_terminal.ts";

const DONE = { kind: "exit", code: 0 };
const FAILED = { kind: "exit", code: 1 };

function bottle(name: string, more: Partial<ActiveBottle> = {}): ActiveBottle {
  return {
    name: `claude-bottle-${name}`,
    id: name,
    sidecar: undefined,
    run: "aaaaaaaaaaaaa",
    agent: name,
    bottle: "dev",
    manifestFiles: [],
    status: "running",
    since: 820_000,
    runtime: "runc",
    proxy: "squid",
    owner: "alive",
    ...more,
  };
}

function engine(...bottles: readonly ActiveBottle[]): FakeBackend {
  const backend = new FakeBackend();
  backend.bottles = bottles;
  const items = bottles.map(({ id, name, run, agent }): CleanupItem => ({
    ...{ kind: "container", id, name, run, agent },
    ...{ role: "agent", created: 940_000, running: false, owner: "gone" },
  }));
  backend.cleanupPlan = { items, kept: [], untouchedRuns: 1, empty: items.length === 0 };
  return backend;
}

function broken(): FakeBackend {
  const backend = new FakeBackend();
  backend.before = (): void => {
    throw new Failure("engine-unreachable", "The engine does not answer", { hints: ["Start it"], exit: 125 });
  };
  return backend;
}

const BOTH = ["--context", "near", "--context", "far"];

Deno.test("list active shows the bottles of every context that is named, once each, in that order", async () => {
  const engines = { near: engine(bottle("one")), far: engine(bottle("two", { owner: "detached" })) };
  const run = await runCli(["list", ...BOTH, "--context", "near", "active"], { engines });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.equal(
    run.stdout,
    [
      "AGENT  BOTTLE  NAME               STATUS   SINCE  RUNTIME  PROXY  CONTEXT  OWNER\n",
      "one    dev     claude-bottle-one  running  3 min  runc     squid  near     alive\n",
      "two    dev     claude-bottle-two  running  3 min  runc     squid  far      detached\n",
    ].join(""),
  );
  assert.equal(run.stderr, "claude-bottle: detached: lives until `claude-bottle stop`\n");
  const json = await runCli(["list", "active", "--json", ...BOTH], { engines });
  const contexts = JSON.parse(json.stdout).bottles.map(({ name, context }: Record<string, string>) => [
    name,
    context,
  ]);
  assert.deepEqual(contexts, [["claude-bottle-one", "near"], ["claude-bottle-two", "far"]]);
});

Deno.test("list active at 80 columns says once what all bottles have in common", async () => {
  const backend = engine(
    bottle("reviewer", { agent: "reviewer" }),
    bottle("reviewer-2", { agent: "reviewer", owner: "gone", since: undefined }),
  );
  const run = await runCli(["list", "active"], { backend, terminals: ["stdout"], columns: 80 });
  assert.equal(
    run.stdout,
    [
      "AGENT     BOTTLE  NAME                      STATUS   SINCE    RUNTIME  OWNER\n",
      "reviewer  dev     claude-bottle-reviewer    running  3 min    runc     alive\n",
      "reviewer  dev     claude-bottle-reviewer-2  running  unknown  runc     gone\n",
      "all: proxy squid, context default\n",
    ].join(""),
  );
  assert.equal(run.stderr, "claude-bottle: gone: the next `start` or `cleanup` removes it\n");
});

Deno.test("an engine that does not answer hides no other one's bottles, and makes the command fail", async () => {
  const engines = { near: broken(), far: engine(bottle("two")) };
  const run = await runCli(["list", "active", ...BOTH], { engines });
  assert.deepEqual(run.outcome, FAILED);
  assert.match(run.stdout, /^two .* far +alive$/m);
  assert.equal(
    run.stderr,
    "error: 1 of 2 engines could not be asked\n  near: The engine does not answer\n\nhint: Start it\n",
  );
  const json = await runCli(["list", "active", "--json", ...BOTH], { engines });
  assert.equal(JSON.parse(json.stdout).bottles.length, 1);
  const { code, problems } = JSON.parse(json.stderr).error;
  assert.deepEqual([code, problems], ["engines-failed", [{ message: "near: The engine does not answer" }]]);
  const none = await runCli(["list", "active", ...BOTH], { engines: { near: broken(), far: broken() } });
  assert.equal(none.stdout, "");
  assert.match(none.stderr, /^error: 2 of 2 engines could not be asked\n/);
  // Alone it fails in its own words.
  const alone = await runCli(["list", "active", "--context", "near"], { engines });
  assert.equal(alone.stderr, "error: The engine does not answer\n\nhint: Start it\n");
});

Deno.test("cleanup of several contexts asks once and removes from each", async () => {
  const engines = { near: engine(bottle("one")), far: engine(bottle("two")), empty: engine() };
  const argv = ["cleanup", ...BOTH, "--context", "empty"];
  const run = await runCli(argv, { engines, terminals: PERSON, answers: ["y"] });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.equal(
    run.stdout,
    [
      "KIND       NAME               AGENT  AGE    REASON             CONTEXT\n",
      "container  claude-bottle-one  one    1 min  its owner is gone  near\n",
      "container  claude-bottle-two  two    1 min  its owner is gone  far\n",
    ].join(""),
  );
  assert.equal(run.stderr, "claude-bottle: remove all of the above? [y/N] ");
  const calls = Object.values(engines).map((backend) => backend.calls);
  assert.deepEqual(calls, [["prepareCleanup", "cleanup"], ["prepareCleanup", "cleanup"], ["prepareCleanup"]]);
  engines.far.stubborn.set("two", "busy");
  const json = await runCli([...argv, "--yes", "--json"], { engines });
  assert.deepEqual(json.outcome, FAILED);
  const [plan, result] = json.stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(plan.remove.map(({ context }: { context: string }) => context), ["near", "far"]);
  assert.equal(plan.untouchedRuns, 3);
  assert.deepEqual(result.removed, ["one"]);
  assert.equal(result.left[0].context, "far");
});

Deno.test("cleanup says before it asks which engine did not answer, cleans the others and fails", async () => {
  const engines = { near: broken(), far: engine(bottle("two")) };
  const asked = await runCli(["cleanup", ...BOTH], { engines, terminals: PERSON, answers: ["y"] });
  assert.deepEqual(asked.outcome, FAILED);
  assert.deepEqual(engines.far.calls, ["prepareCleanup", "cleanup"]);
  assert.match(
    asked.stderr,
    /^claude-bottle: near: The engine does not answer\nclaude-bottle: remove all of the above\? \[y\/N\] /,
  );
  assert.match(asked.stderr, / 1 of 2 engines could not be asked\n/);
  const refused = await runCli(["cleanup", ...BOTH], { engines, terminals: PERSON, answers: ["n"] });
  assert.deepEqual(refused.outcome, FAILED);
});

Deno.test("a context's name that is none is refused before any engine is asked", async () => {
  const engines = { near: engine(bottle("one")) };
  const run = await runCli(["list", "active", "--context", "near", "--context", "-x y"], { engines });
  assert.deepEqual(run.outcome, { kind: "exit", code: 2 });
  assert.match(run.stderr, /Not the name of a docker context: "-x y"/);
  assert.deepEqual(engines.near.calls, []);
});

Deno.test("cleanup's table stays within 80 columns and shows no volume's 64 digits", async () => {
  const backend = engine(bottle("reviewer"));
  const [item] = backend.cleanupPlan.items;
  assert.ok(item !== undefined);
  const sidecar = { ...item, id: "s", name: "claude-bottle-reviewer-aaaaaaaaaaaaa-sidecar", running: true };
  const volume = { ...item, kind: "volume", id: "f".repeat(64), name: "f".repeat(64) } as const;
  backend.cleanupPlan = { ...backend.cleanupPlan, items: [item, sidecar, volume] };
  const run = await runCli(["cleanup"], {
    backend,
    terminals: [...PERSON, "stdout"],
    columns: 80,
    answers: ["n"],
  });
  assert.deepEqual(run.stdout.split("\n").filter((line) => line.length > 80), []);
  assert.match(run.stdout, /^volume +f{12} /m);
  assert.match(run.stdout, /^all: agent reviewer, age 1 min$/m);
  // What goes is removed by its whole name.
  assert.equal(backend.cleanupPlan.items.at(-1)?.id.length, 64);
});
