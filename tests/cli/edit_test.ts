import assert from "node:assert/strict";
import { type CliOptions, type CliRun, MANIFEST_PATH, runCli, TWO_AGENTS } from "../support/cli_harness.ts";
import type { RecordedCall } from "../support/scripted_processes.ts";
import { PERSON } from "../support/memory_terminal.ts";

const DONE = { kind: "exit", code: 0 };
const FAILED = { kind: "exit", code: 1 };
const USAGE = { kind: "exit", code: 2 };

const CWD = "/home/somebody/project";
const PROJECT_PATH = `${CWD}/claude-bottle.yaml`;
const BAD = "bottlez: {}\n";

/** A person with an editor that ends as told, each time it is opened. */
function person(
  options: CliOptions = {},
  ending: { readonly code?: number; readonly signal?: string } = {},
): CliOptions {
  return {
    terminals: PERSON,
    ...options,
    env: { NO_COLOR: "1", ...options.env },
    arrange: (host) => {
      host.processes.on(/^sh -c .* "\$@" /, ending);
      options.arrange?.(host);
    },
  };
}

/** How the editor was called. */
function opened({ host }: CliRun): readonly RecordedCall[] {
  return host.processes.calls.filter(({ kind }) => kind === "attach");
}

Deno.test("edit opens the manifest of start in the user's editor, then validates", async () => {
  const rows = [
    { env: { VISUAL: "emacs -nw", EDITOR: "ed" }, editor: "emacs -nw" },
    { env: { VISUAL: "", EDITOR: "code --wait" }, editor: "code --wait" },
    { env: {}, editor: "vi" },
  ];
  for (const { env, editor } of rows) {
    const run = await runCli(["edit"], person({ manifest: TWO_AGENTS, env }));
    assert.deepEqual(run.outcome, DONE, run.stderr);
    const [call, ...more] = opened(run);
    assert.deepEqual(more, []);
    assert.equal(call?.program, "sh");
    assert.deepEqual(call.args, ["-c", `${editor} "$@"`, editor, MANIFEST_PATH]);
    assert.equal(call.env["HOME"], "/home/somebody");
    assert.equal(run.stdout, "1 bottle, 2 agents: no problems\n");
    assert.equal(run.stderr, "");
    assert.equal(run.host.terminal.saves, 1);
    assert.equal(run.host.terminal.restores, 1);
    assert.deepEqual(run.backend.calls, []);
  }
});

Deno.test("edit passes on the user's environment but for what our permissions refuse", async () => {
  const env = { LD_PRELOAD: "/x.so", DYLD_INSERT_LIBRARIES: "/x", TERM: "xterm" };
  const run = await runCli(["edit"], person({ manifest: TWO_AGENTS, env }));
  const [call] = opened(run);
  assert.deepEqual(Object.keys(call?.env ?? {}).toSorted(), ["HOME", "NO_COLOR", "PATH", "TERM"]);
});

Deno.test("edit with problems offers the editor again, and exits 2 when they stay", async () => {
  const no = await runCli(["edit"], person({ manifest: BAD, answers: ["n"] }));
  assert.deepEqual(no.outcome, USAGE);
  assert.equal(opened(no).length, 1);
  assert.equal(
    no.stderr,
    [
      "error: The manifest has a problem",
      `  ${MANIFEST_PATH}:1:1: bottlez: unknown key`,
      "      bottlez: {}",
      "      ^~~~~~~",
      "  hint: Did you mean `bottles`?",
      "claude-bottle: edit it again? [y/N] ",
    ].join("\n"),
  );
  const twice = await runCli(["edit"], person({ manifest: BAD, answers: ["y", "yes"] }));
  assert.deepEqual(twice.outcome, USAGE);
  assert.equal(opened(twice).length, 3);
  assert.equal(twice.stdout, "");
});

Deno.test("edit tells warnings, which keep nobody", async () => {
  const manifest = 'bottles: { b: { env: { A: "${NOT_SET}" } } }\nagents: { a: { bottle: b } }\n';
  const run = await runCli(["edit"], person({ manifest }));
  assert.deepEqual(run.outcome, DONE);
  assert.match(run.stderr, /^warning: On this host one thing is missing/);
  assert.equal(run.stdout, "1 bottle, 1 agent: no problems, 1 warning\n");
});

Deno.test("edit counts what makes start refuse the file itself as a problem of it", async () => {
  const open = { [MANIFEST_PATH]: { text: TWO_AGENTS, mode: 0o666 } };
  const run = await runCli(["edit"], person({ files: open, answers: [] }));
  assert.deepEqual(run.outcome, USAGE);
  assert.match(run.stderr, /can be written by everyone/);
});

Deno.test("edit of two manifests: the flags, a choice, and without a person the names of both", async () => {
  const both = { manifest: TWO_AGENTS, files: { [PROJECT_PATH]: TWO_AGENTS } };
  const rows = [
    { argv: ["edit", "--user"], options: {}, path: MANIFEST_PATH },
    { argv: ["edit", "--project"], options: {}, path: PROJECT_PATH },
    { argv: ["edit"], options: { answers: ["2"] }, path: PROJECT_PATH },
    { argv: ["edit"], options: { answers: [MANIFEST_PATH] }, path: MANIFEST_PATH },
    { argv: ["edit", "--manifest", "claude-bottle.yaml"], options: {}, path: PROJECT_PATH },
  ];
  for (const { argv, options, path } of rows) {
    const run = await runCli(argv, person({ ...both, ...options }));
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.equal(opened(run)[0]?.args.at(-1), path);
  }
  for (const options of [person({ ...both, answers: ["3"] }), both]) {
    const run = await runCli(["edit"], options);
    assert.deepEqual(run.outcome, USAGE);
    assert.match(
      run.stderr,
      /There are two manifests: .*\n\nhint: `--user` means your own, `--project` the project's/,
    );
    assert.deepEqual(opened(run), []);
  }
});

Deno.test("edit without a manifest names init", async () => {
  const rows = [
    { argv: ["edit"], options: {}, said: /There is no manifest to edit\n\nhint: claude-bottle init\n/ },
    {
      argv: ["edit", "--project"],
      options: { manifest: TWO_AGENTS },
      said: /There is no manifest of the project to edit\n\nhint: claude-bottle init --project\n/,
    },
    {
      argv: ["edit", "--user"],
      options: { files: { [PROJECT_PATH]: TWO_AGENTS } },
      said: /There is no manifest of your own to edit\n\nhint: claude-bottle init --user\n/,
    },
  ];
  for (const { argv, options, said } of rows) {
    const run = await runCli(argv, person(options));
    assert.deepEqual(run.outcome, FAILED);
    assert.match(run.stderr, said);
    assert.deepEqual(run.host.processes.lines, []);
  }
  const none = await runCli(["edit", "--manifest", "none.yaml"], person());
  assert.deepEqual(none.outcome, USAGE);
  assert.match(none.stderr, /There is no manifest at .*none\.yaml/);
});

Deno.test("edit without a terminal opens nothing and exits 2", async () => {
  for (const terminals of [[], ["stdin", "stderr"], ["stdout", "stderr"], ["stdin", "stdout"]] as const) {
    const run = await runCli(["edit"], { ...person({ manifest: TWO_AGENTS }), terminals });
    assert.deepEqual(run.outcome, USAGE);
    assert.match(run.stderr, /An editor needs a terminal/);
    assert.deepEqual(opened(run), []);
  }
});

Deno.test("edit says how the editor failed, and validates nothing then", async () => {
  const rows = [
    { ending: { code: 1 }, said: "error: The editor failed with code 1: nano" },
    { ending: { code: 127 }, said: "error: The editor is not there: nano" },
    { ending: { code: 143, signal: "SIGTERM" }, said: "error: The editor was ended by SIGTERM: nano" },
  ];
  for (const { ending, said } of rows) {
    const run = await runCli(["edit"], person({ manifest: BAD, env: { EDITOR: "nano" } }, ending));
    assert.deepEqual(run.outcome, FAILED);
    assert.ok(run.stderr.startsWith(`${said}\n`), run.stderr);
    assert.match(run.stderr, /hint: Name another one: `EDITOR=nano claude-bottle edit`/);
    assert.doesNotMatch(run.stderr, /bottlez/);
    assert.equal(run.host.terminal.restores, 1);
  }
});

Deno.test("edit that is interrupted ends as by the signal", async () => {
  const options = person({ manifest: TWO_AGENTS });
  const run = await runCli(["edit"], {
    ...options,
    arrange: (host) => {
      host.processes.on(/^sh -c .* "\$@" /, () => {
        host.interrupts.raise("SIGTERM");
        return {};
      });
    },
  });
  assert.deepEqual(run.outcome, { kind: "interrupted", by: "SIGTERM" });
});
