import assert from "node:assert/strict";
import { runCli, TWO_AGENTS } from "../support/cli_harness.ts";
import { PERSON } from "../support/memory_terminal.ts";

const USAGE = { kind: "exit", code: 2 };
const HELP = ["claude-bottle --help"];
const START_HELP = ["claude-bottle start --help"];
const BUILD_HELP = ["claude-bottle build --help"];
const BEHIND = [
  "Words for the agent's own command go behind `--`: claude-bottle start NAME -- WORDS",
  ...START_HELP,
];

interface Row {
  readonly argv: readonly string[];
  readonly message: string;
  readonly hints: readonly string[];
}

/** What is wrong with the words themselves. */
const WORDS: readonly Row[] = [
  { argv: ["strat"], message: "There is no command `strat`, did you mean `start`?", hints: HELP },
  {
    argv: ["-v", "start"],
    message: "-v stands before the command, where it means the version",
    hints: [
      "Flags go behind the command: claude-bottle COMMAND -v",
      "The version alone: claude-bottle --version",
    ],
  },
  { argv: ["demo"], message: "There is no command `demo`, did you mean `start demo`?", hints: HELP },
  { argv: ["help", "start"], message: "There is no command `help`, did you mean `--help`?", hints: HELP },
  { argv: ["xyzzyx"], message: "There is no command `xyzzyx`", hints: HELP },
  {
    argv: ["start", "--dry-rum"],
    message: "There is no flag --dry-rum, did you mean --dry-run?",
    hints: BEHIND,
  },
  { argv: ["start", "--frobnicate"], message: "There is no flag --frobnicate", hints: BEHIND },
  { argv: ["start", "-x"], message: "There is no flag -x", hints: BEHIND },
  { argv: ["build", "--dry-run"], message: "There is no flag --dry-run", hints: BUILD_HELP },
  ...["format", "prompt", "manifest", "backend", "context", "proxy", "runtime"].map((flag) => ({
    argv: ["start", `--${flag}`],
    message: `--${flag} needs a value`,
    hints: START_HELP,
  })),
  { argv: ["start", "--color"], message: "--color needs a value", hints: START_HELP },
  {
    argv: ["start", "--manifest", "--yes"],
    message: "--manifest needs a value, found --yes",
    hints: START_HELP,
  },
  {
    argv: ["start", "--manifest="],
    message: 'Failed to parse "--manifest=" for agent: it begins with a dash',
    hints: START_HELP,
  },
  {
    argv: ["start", "--manifest", ""],
    message: 'Failed to parse "" for manifest: it is empty',
    hints: START_HELP,
  },
  {
    argv: ["start", "--proxy", "nginx"],
    message: 'Expected "nginx" to be one of (pipelock|squid)',
    hints: START_HELP,
  },
  {
    argv: ["start", "--runtime", "crun"],
    message: 'Expected "crun" to be one of (auto|runc|runsc), did you mean "runc"?',
    hints: START_HELP,
  },
  {
    argv: ["start", "reviewer", "lister"],
    message: 'Too many arguments: "lister"',
    hints: BEHIND,
  },
  { argv: ["build", "all"], message: 'Too many arguments: "all"', hints: BUILD_HELP },
  {
    argv: ["start", "--prompt", "a", "--prompt", "b"],
    message: 'Too many arguments for --prompt, encountered "b" after "a"',
    hints: START_HELP,
  },
  {
    argv: ["--json=", "start"],
    message: "There is no command `--json=`",
    hints: ["Flags go behind the command: claude-bottle COMMAND --json=", ...HELP],
  },
  { argv: ["start", "--cwd=x"], message: '--cwd takes no value, found "x"', hints: START_HELP },
  {
    argv: ["stop"],
    message: "Name the bottle",
    hints: ["The bottles that run: claude-bottle list active", "claude-bottle stop --help"],
  },
];

/** What is wrong with what they ask for. */
const REQUESTS: readonly Row[] = [
  { argv: ["start", "--format", "json"], message: "--format=json requires --dry-run", hints: [] },
  {
    argv: ["start", "lister", "--yes", "--format=json"],
    message: "--format=json requires --dry-run",
    hints: [],
  },
  {
    argv: ["start", "revewer"],
    message: 'No agent is named "revewer"',
    hints: ["Did you mean `reviewer`?", "The agents are reviewer, lister"],
  },
  {
    argv: ["start", "zzz"],
    message: 'No agent is named "zzz"',
    hints: ["The agents are reviewer, lister"],
  },
  {
    argv: ["start"],
    message: "Name one of the agents: reviewer, lister",
    hints: ["claude-bottle start reviewer"],
  },
  {
    argv: ["start", "lister", "--prompt", "hi"],
    message: "--prompt is for Claude Code, but lister runs ls",
    hints: ["Give the command's own arguments after `--`"],
  },
  {
    argv: ["start", "lister", "--remote-control", "--yes"],
    message: "--remote-control is for Claude Code, but lister runs ls",
    hints: ["Give the command's own arguments after `--`"],
  },
  {
    argv: ["start", "reviewer", "--prompt", ""],
    message: "--prompt is empty",
    hints: ["Give the prompt's text, or leave --prompt out for a session on the terminal"],
  },
  {
    argv: ["start", "reviewer", "--manifest", "/nowhere.yaml"],
    message: "There is no manifest at /nowhere.yaml",
    hints: ["Name an existing file with `--manifest FILE`, or leave the option out"],
  },
  {
    argv: ["start", "reviewer", "--backend", "podman"],
    message: 'There is no backend "podman"',
    hints: ["Backends: docker"],
  },
  {
    argv: ["start", "reviewer", "--context=-x"],
    message: 'Not the name of a docker context: "-x"',
    hints: ["`docker context ls` lists them"],
  },
  {
    argv: ["build", "--backend", "podman"],
    message: 'There is no backend "podman"',
    hints: ["Backends: docker"],
  },
];

Deno.test("every usage error exits 2 with one error line and its hints on stderr, and does nothing", async () => {
  for (const { argv, message, hints } of [...WORDS, ...REQUESTS]) {
    const { outcome, stdout, stderr, backend, host } = await runCli(argv, { manifest: TWO_AGENTS });
    const what = `${argv.join(" ")}: ${stderr}`;
    assert.deepEqual(outcome, USAGE, what);
    assert.equal(stdout, "", what);
    const lines = [
      `error: ${message}`,
      ...(hints.length > 0 ? [""] : []),
      ...hints.map((hint) => `hint: ${hint}`),
    ];
    assert.equal(stderr, `${lines.join("\n")}\n`);
    assert.deepEqual(backend.calls, [], what);
    assert.deepEqual(host.processes.lines, [], what);
  }
});

Deno.test("--json makes every error one JSON object, the last line of stderr", async () => {
  for (const { argv, message, hints } of [...WORDS, ...REQUESTS]) {
    // Before the flags under test: behind a flag without its value it would be that value.
    const [command = "", ...rest] = argv;
    const known = command === "start" || command === "build";
    const { outcome, stdout, stderr } = await runCli(
      known ? [command, "--json", ...rest] : [...argv, "--json"],
      {
        manifest: TWO_AGENTS,
      },
    );
    assert.deepEqual(outcome, USAGE, argv.join(" "));
    assert.equal(stdout, "");
    assert.ok(stderr.endsWith("\n"));
    const last = JSON.parse(stderr.trimEnd().split("\n").at(-1) ?? "");
    assert.deepEqual(Object.keys(last), ["error"]);
    const { code, where: _, problems: __, ...told } = last.error;
    assert.match(code, /^[a-z]+(-[a-z]+)*$/);
    assert.deepEqual(told, { message, hints }, argv.join(" "));
  }
});

Deno.test("errors are coloured on a terminal unless NO_COLOR or --color says otherwise", async () => {
  const rows = [
    { terminals: PERSON, env: {}, argv: [], coloured: true },
    { terminals: PERSON, env: { NO_COLOR: "1" }, argv: [], coloured: false },
    { terminals: PERSON, env: { NO_COLOR: "" }, argv: [], coloured: true },
    { terminals: PERSON, env: {}, argv: ["--color", "never"], coloured: false },
    { terminals: [], env: {}, argv: [], coloured: false },
    { terminals: [], env: { NO_COLOR: "1" }, argv: ["--color", "always"], coloured: true },
  ] as const;
  for (const { terminals, env, argv, coloured } of rows) {
    const { stderr } = await runCli(["start", "zzz", ...argv], { manifest: TWO_AGENTS, terminals, env });
    const first = coloured ? "\x1b[1;31merror:\x1b[0m No agent" : "error: No agent";
    assert.ok(stderr.startsWith(first), JSON.stringify({ env, argv, stderr }));
  }
});
