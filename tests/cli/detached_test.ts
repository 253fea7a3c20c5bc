import assert from "node:assert/strict";
import { Failure } from "../../lib/errors.ts";
import { FakeBackend, runCli, TWO_AGENTS } from "../support/cli_harness.ts";
import { PERSON } from "../support/memory_terminal.ts";

const DONE = { kind: "exit", code: 0 };
const USAGE = { kind: "exit", code: 2 };

const GRANTING = TWO_AGENTS.replace(
  "dev:\n",
  'dev:\n    env: { LITERAL: one, GH: "${GH_PAT}", ASKED: "?your word" }\n',
);

Deno.test("start --detach makes a bottle ready, prints its name alone, and says how to go on", async () => {
  const run = await runCli(["start", "reviewer", "--detach", "--yes"], { manifest: TWO_AGENTS });
  assert.deepEqual(run.outcome, DONE);
  assert.equal(run.stdout, "claude-bottle-reviewer\n");
  assert.deepEqual(run.backend.calls, ["prepare", "launch", "ready"]);
  assert.ok(run.stderr.includes("\nlifetime       : until `claude-bottle stop claude-bottle-reviewer`\n"));
  assert.ok(
    run.stderr.endsWith(
      "claude-bottle: claude-bottle-reviewer lives until it is stopped\n" +
        "claude-bottle: run the agent in it : claude-bottle attach claude-bottle-reviewer\n" +
        "claude-bottle: end it              : claude-bottle stop claude-bottle-reviewer\n",
    ),
    run.stderr,
  );
  const [spec] = run.backend.specs;
  assert.deepEqual([spec?.lifetime, spec?.startsAgent], ["detached", false]);
});

Deno.test("start of a session says nothing of a lifetime", async () => {
  const run = await runCli(["start", "lister", "--yes"], { manifest: TWO_AGENTS });
  assert.ok(!run.stderr.includes("lifetime"));
  const [spec] = run.backend.specs;
  assert.deepEqual([spec?.lifetime, spec?.startsAgent], ["session", true]);
});

Deno.test("start --detach --json prints one object", async () => {
  const argv = ["start", "reviewer", "--detach", "--yes", "--json"];
  const run = await runCli([...argv, "--context", "box"], { manifest: TWO_AGENTS });
  assert.deepEqual(run.outcome, DONE);
  assert.deepEqual(JSON.parse(run.stdout), {
    name: "claude-bottle-reviewer",
    agent: "reviewer",
    bottle: "dev",
    run: "abcdefghijklm",
    context: "box",
  });
  assert.equal(JSON.parse((await runCli(argv, { manifest: TWO_AGENTS })).stdout).context, null);
});

Deno.test("start --detach names manifest and engine in the next commands, quoted", async () => {
  const run = await runCli(
    [
      "start",
      "reviewer",
      "--detach",
      "--yes",
      "--manifest",
      "/home/somebody/my file.yaml",
      "--context",
      "box",
    ],
    { files: { "/home/somebody/my file.yaml": TWO_AGENTS } },
  );
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.ok(
    run.stderr.includes(
      "claude-bottle attach claude-bottle-reviewer --manifest '/home/somebody/my file.yaml' --context box\n",
    ),
    run.stderr,
  );
  assert.ok(run.stderr.includes("claude-bottle stop claude-bottle-reviewer --context box\n"));
});

Deno.test("start --detach asks y/N like any launch, and for no value of the env", async () => {
  const options = { manifest: GRANTING, terminals: PERSON };
  const run = await runCli(["start", "reviewer", "--detach"], { ...options, answers: ["y", "a word"] });
  assert.deepEqual(run.outcome, DONE);
  assert.deepEqual(run.host.terminal.secretsRead, []);
  assert.deepEqual([...run.backend.launches[0]?.env ?? []].map(([name, value]) => [name, value.reveal()]), [
    ["LITERAL", "one"],
  ]);
  assert.ok(
    run.stderr.includes(
      "claude-bottle: the host does not set GH (from GH_PAT): `attach` will refuse until it does\n",
    ),
  );
  const set = await runCli(["start", "reviewer", "--detach", "--yes"], { ...options, env: { GH_PAT: "x" } });
  assert.ok(!set.stderr.includes("does not set"));
  const no = await runCli(["start", "reviewer", "--detach"], { ...options, answers: ["n"] });
  assert.deepEqual(no.backend.calls, ["prepare"]);
  const nobody = await runCli(["start", "reviewer", "--detach"], { manifest: GRANTING });
  assert.deepEqual(nobody.outcome, USAGE);
});

Deno.test("start --detach refuses what is for an agent, and --keep", async () => {
  const rows = [
    { argv: ["--prompt", "hi"], said: "--detach starts no agent, so --prompt would have no effect" },
    {
      argv: ["--remote-control"],
      said: "--detach starts no agent, so --remote-control would have no effect",
    },
    { argv: ["--", "--resume"], said: "--detach starts no agent, so -- ARGS would have no effect" },
    {
      argv: ["-p", "hi", "--", "--resume"],
      said: "--detach starts no agent, so --prompt and -- ARGS would have no effect",
    },
    { argv: ["--keep"], said: "--detach and --keep cannot be given together" },
  ];
  for (const { argv, said } of rows) {
    const run = await runCli(["start", "reviewer", "--detach", "--color=never", ...argv], {
      manifest: TWO_AGENTS,
    });
    assert.deepEqual(run.outcome, USAGE, said);
    assert.ok(run.stderr.startsWith(`error: ${said}\n\nhint: `), run.stderr);
    assert.deepEqual(run.backend.calls, []);
  }
});

Deno.test("start --detach removes a bottle that does not get ready, or whose launch is interrupted", async () => {
  const backend = new FakeBackend();
  backend.before = (call) => {
    if (call === "ready") throw new Failure("sidecar-failed", "The sidecar did not stay up", { exit: 125 });
  };
  const argv = ["start", "reviewer", "--detach", "--yes"];
  const failed = await runCli(argv, { manifest: TWO_AGENTS, backend });
  assert.deepEqual(failed.outcome, { kind: "exit", code: 125 });
  assert.equal(failed.stdout, "");
  assert.deepEqual(failed.backend.calls, ["prepare", "launch", "ready", "dispose"]);
  const interrupted = await runCli(argv, {
    manifest: TWO_AGENTS,
    arrange: (host) => {
      interrupting.before = (call) => {
        if (call === "ready") host.interrupts.raise("SIGINT");
      };
    },
    backend: interrupting,
  });
  assert.deepEqual(interrupted.outcome, { kind: "interrupted", by: "SIGINT" });
  assert.equal(interrupted.stdout, "");
  assert.deepEqual(interrupted.backend.calls, ["prepare", "launch", "ready", "dispose"]);
});

const interrupting = new FakeBackend();

Deno.test("start --keep runs the agent and leaves its bottle, with the agent's code", async () => {
  const backend = new FakeBackend();
  backend.code = 3;
  const run = await runCli(["start", "lister", "--keep", "--yes"], { manifest: TWO_AGENTS, backend });
  assert.deepEqual(run.outcome, { kind: "exit", code: 3 });
  assert.deepEqual(backend.calls, ["prepare", "launch", "attach", "egressEvents"]);
  assert.ok(run.stderr.includes("claude-bottle attach claude-bottle-lister\n"), run.stderr);
  assert.deepEqual([backend.specs[0]?.lifetime, backend.specs[0]?.startsAgent], ["detached", true]);
});

Deno.test("start --keep leaves the bottle of an interrupted agent, and none whose agent never ran", async () => {
  for (const agentRan of [true, false]) {
    const backend = new FakeBackend();
    backend.agentRan = agentRan;
    const run = await runCli(["start", "lister", "--keep", "--yes"], {
      manifest: TWO_AGENTS,
      backend,
      arrange: (host) => {
        backend.before = (call) => {
          if (call !== "attach") return;
          host.interrupts.raise("SIGHUP");
          host.interrupts.signal.throwIfAborted();
        };
      },
    });
    assert.deepEqual(run.outcome, { kind: "interrupted", by: "SIGHUP" });
    assert.equal(backend.calls.includes("dispose"), !agentRan);
    assert.equal(run.stderr.includes("lives until it is stopped"), agentRan);
  }
});
