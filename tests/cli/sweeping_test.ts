import assert from "node:assert/strict";
import type { CleanupItem, SweepOutcome } from "../../lib/bottle/cleanup.ts";
import { FakeBackend, runCli, TWO_AGENTS } from "../support/cli_harness.ts";
import { PERSON } from "../support/memory_terminal.ts";

const DONE = { kind: "exit", code: 0 };

function item(kind: CleanupItem["kind"], role: string): CleanupItem {
  return {
    kind,
    id: `id-${kind}-${role}`,
    name: `claude-bottle-old-${role}\u0007`,
    run: "aaaaaaaaaaaaa",
    agent: "reviewer",
    role,
    created: 1,
    running: false,
    owner: "gone",
  };
}

const SWEPT: SweepOutcome = {
  runs: 2,
  removed: [
    item("container", "agent"),
    item("container", "sidecar"),
    item("network", "internal"),
    item("volume", "config"),
  ],
  left: [{ item: item("network", "egress"), why: "it has active endpoints" }],
  kept: [{ ...item("volume", "workspace"), fetch: "docker run", remove: "docker volume rm" }],
};

const TOLD = [
  "claude-bottle: removed what 2 ended runs had left: 2 containers, 1 network, 1 volume\n",
  "claude-bottle: the workspace claude-bottle-old-workspace· of reviewer stays: " +
  "`claude-bottle cleanup` tells how to bring it home\n",
].join("");

function sweeping(swept: FakeBackend["swept"] = () => Promise.resolve(SWEPT)): FakeBackend {
  const backend = new FakeBackend();
  backend.swept = swept;
  return backend;
}

const START = ["start", "lister", "--yes"];
const OPTIONS = { manifest: TWO_AGENTS, terminals: PERSON } as const;

Deno.test("start sweeps once beside its launch, and tells what it removed and what stays", async () => {
  for (
    const argv of [START, ["start", "reviewer", "--prompt", "hi"], ["start", "reviewer", "--yes", "--detach"]]
  ) {
    const backend = sweeping();
    const run = await runCli(argv, { ...OPTIONS, backend });
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.equal(backend.sweeps, 1);
    assert.ok(run.stderr.includes(TOLD), run.stderr);
    assert.doesNotMatch(run.stderr, /active endpoints/);
  }
  const verbose = await runCli([...START, "-v"], { ...OPTIONS, backend: sweeping() });
  assert.match(
    verbose.stderr,
    /^claude-bottle: network claude-bottle-old-egress· of an ended run could not be removed: it has active endpoints$/m,
  );
});

Deno.test("start sweeps nothing before a yes, and nothing in a dry run", async () => {
  for (
    const [argv, answers] of [[["start", "lister"], ["n"]], [["start", "lister", "--dry-run"], []]] as const
  ) {
    const backend = sweeping();
    const run = await runCli(argv, { ...OPTIONS, backend, answers });
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.equal(backend.sweeps, 0);
    assert.doesNotMatch(run.stderr, /ended run/);
  }
  const yes = sweeping();
  await runCli(["start", "lister"], { ...OPTIONS, backend: yes, answers: ["y"] });
  assert.equal(yes.sweeps, 1);
});

Deno.test("start says nothing of a sweep that found nothing, and only a detail of one that failed", async () => {
  const nothing = await runCli(START, { ...OPTIONS, backend: sweeping(new FakeBackend().swept) });
  assert.doesNotMatch(nothing.stderr, /ended run/);
  const failed = (): Promise<SweepOutcome> => Promise.reject(new Error("the engine is slow"));
  const quiet = await runCli(START, { ...OPTIONS, backend: sweeping(failed) });
  assert.deepEqual(quiet.outcome, DONE);
  assert.doesNotMatch(quiet.stderr, /ended run/);
  const verbose = await runCli([...START, "-v"], { ...OPTIONS, backend: sweeping(failed) });
  assert.match(verbose.stderr, /^claude-bottle: what ended runs left was not removed: the engine is slow$/m);
});

Deno.test("start keeps what a sweep has to say until the agent has ended", async () => {
  const backend = sweeping();
  const attached = Promise.withResolvers<void>();
  backend.swept = async (): Promise<SweepOutcome> => {
    await attached.promise;
    return SWEPT;
  };
  const said: { during?: string } = {};
  const run = await runCli(START, {
    ...OPTIONS,
    backend,
    arrange: ({ terminal }) => {
      backend.before = (call): void => {
        if (call === "attach") attached.resolve();
        if (call === "egressEvents") said.during = terminal.stderr;
      };
    },
  });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.doesNotMatch(said.during ?? "ended run", /ended run/);
  assert.ok(run.stderr.endsWith(TOLD), run.stderr);
});

Deno.test("a launch that fails fails in its own words, whatever the sweep does", async () => {
  const backend = sweeping();
  backend.before = (call): void => {
    if (call === "launch") throw new Error("no luck");
  };
  const run = await runCli(START, { ...OPTIONS, backend });
  assert.notDeepEqual(run.outcome, DONE);
  assert.match(run.stderr, /no luck/);
  assert.equal(backend.sweeps, 1);
});
