import assert from "node:assert/strict";
import { type CliOptions, type CliRun, MANIFEST_PATH, runCli } from "../support/cli_harness.ts";
import { PERSON } from "../support/memory_terminal.ts";

const DONE = { kind: "exit", code: 0 };
const FAILED = { kind: "exit", code: 1 };
const FOLDER = MANIFEST_PATH.slice(0, MANIFEST_PATH.lastIndexOf("/"));

const MANIFEST = `bottles:
  dev:
    env:
      CMD: { secret: { command: [op, read, x/y] } }
      OWN: { secret: { command: [./mine, a] } }
      TOK: { secret: { file: tok } }
      HOM: { secret: { file: ~/tok } }
    egress: { proxy: squid }
agents:
  lister: { bottle: dev, command: [ls] }
`;
const FILES = {
  [`${FOLDER}/tok`]: { text: "file-value\n", mode: 0o600 },
  "/home/somebody/tok": { text: "home-value", mode: 0o640 },
};

/** With commands that print what they are. */
function withCommands(argv: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  return runCli(argv, {
    manifest: MANIFEST,
    files: FILES,
    ...options,
    arrange(host): void {
      host.processes.on(/exec "\$@" sh /, ({ args }) => ({ stdout: `${args.slice(3).join(" ")}\n` }));
      options.arrange?.(host);
    },
  });
}

function commands({ host }: CliRun): readonly string[] {
  return host.processes.calls.filter(({ args }) => args.includes("sh")).map(({ args }) =>
    args.slice(3).join(" ")
  );
}

Deno.test("start runs commands and reads files after yes; relative paths begin where the manifest is", async () => {
  const run = await withCommands(["start"], { terminals: PERSON, answers: ["y"] });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.deepEqual([...run.backend.launches[0]?.env ?? []].map(([name, value]) => [name, value.reveal()]), [
    ["CMD", "op read x/y"],
    ["OWN", `${FOLDER}/mine a`],
    ["TOK", "file-value"],
    ["HOM", "home-value"],
  ]);
  assert.ok(run.stderr.indexOf("CMD: asking op (60 s at most)") > run.stderr.indexOf("[y/N]"), run.stderr);
  assert.doesNotMatch(run.stdout + run.stderr, /file-value|home-value/);
});

Deno.test("start shows where values come from, and fetches none for a dry run, a no or --detach", async () => {
  const rows = [
    await withCommands(["start", "--dry-run"]),
    await withCommands(["start"], { terminals: PERSON, answers: ["n"], columns: 400 }),
    await withCommands(["start", "--detach", "--yes"]),
  ];
  for (const run of rows) {
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.deepEqual(commands(run), []);
    assert.ok(
      run.stderr.includes(
        `CMD (from a command: op), OWN (from a command: ${FOLDER}/mine), TOK (from a file ${FOLDER}/tok), ` +
          "HOM (from a file /home/somebody/tok)",
      ),
      run.stderr,
    );
  }
});

Deno.test("a file that is missing is told before the question, and one that others can read with it", async () => {
  const { "/home/somebody/tok": home } = FILES;
  const missing = await withCommands(["start", "--yes"], {
    over: "docker",
    files: { "/home/somebody/tok": home ?? "" },
  });
  assert.deepEqual(missing.outcome, FAILED);
  assert.equal(
    missing.stderr,
    `error: The file that TOK comes from is not there: ${FOLDER}/tok\n\n` +
      "hint: Make it, readable for yourself alone, or correct its path: a relative one begins where the manifest is\n",
  );
  assert.deepEqual(missing.host.processes.lines, []);
  const exposed = await withCommands(["start", "--dry-run"], { over: "docker" });
  assert.deepEqual(exposed.outcome, DONE, exposed.stderr);
  assert.match(
    exposed.stderr,
    /^note +: HOM: others can read or change \/home\/somebody\/tok \(mode 0640\): chmod 600/m,
  );
});

Deno.test("a command that fails ends the start before anything is made, with one line and none of its output", async () => {
  const run = await withCommands(["start", "--yes"], {
    arrange: (host) => host.processes.on(/sh op /, { code: 5, stdout: "hunter2", stderr: "hunter2" }),
  });
  assert.deepEqual(run.outcome, FAILED);
  assert.match(
    run.stderr,
    /^error: The command of CMD failed with code 5: op\n\nhint: Run it yourself to see what it says: op read x\/y$/m,
  );
  assert.doesNotMatch(run.stdout + run.stderr, /hunter2/);
  assert.deepEqual(run.backend.calls, ["prepare"]);
});

const IDENTITY = MANIFEST.replace(/ {4}env:[\s\S]*?( {4}egress)/, "    git: { identity: host }\n$1");

Deno.test("git.identity: host gives the bottle what the host's git says, shown before the question", async () => {
  const run = await runCli(["start", "--dry-run"], {
    manifest: IDENTITY,
    arrange: (host) => host.processes.on(/git config/, { stdout: "user.name\nAnn\0user.email\na@x\0" }),
  });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.deepEqual(run.backend.specs[0]?.gitIdentity, { name: "Ann", email: "a@x" });
  assert.match(run.stderr, /^ {2}git identity : Ann <a@x>$/m);
  const none = await runCli(["start", "--dry-run"], {
    manifest: IDENTITY,
    arrange: (host) => host.processes.on(/git config/, { code: 1 }),
  });
  assert.deepEqual(none.outcome, FAILED);
  assert.match(none.stderr, /hint: `git config --global user\.name 'Your Name'`\n/);
  assert.deepEqual(none.backend.calls, []);
});

Deno.test("without git.identity no git is asked and the bottle has none", async () => {
  const run = await withCommands(["start", "--dry-run"]);
  assert.equal(run.backend.specs[0]?.gitIdentity, undefined);
  assert.ok(run.host.processes.lines.every((line) => !line.includes("git config")));
});
