import assert from "node:assert/strict";
import { printable } from "../../lib/errors.ts";
import { runCli, TWO_AGENTS } from "../support/cli_harness.ts";
import { PERSON } from "../support/memory_terminal.ts";

const DONE = { kind: "exit", code: 0 };
const USAGE = { kind: "exit", code: 2 };

Deno.test("start refuses a command that no process can be given, before anything is asked or created", async () => {
  const limit = "A word may have 131071 bytes, a prompt among them, and all together 1000000";
  const word = (bytes: number): string => "é".repeat(bytes >> 1) + "x".repeat(bytes & 1);
  const rows = [
    { argv: ["reviewer", "--prompt", word(131_072)], longest: 131_072 },
    { argv: ["lister", "--yes", "--", word(131_072)], longest: 131_072 },
    { argv: ["lister", "--yes", "--", ...Array(10).fill(word(100_000))], longest: 100_000 },
    { argv: ["lister", "--yes", "--", ...Array(500_001).fill("ab")], longest: 2 },
  ];
  for (const { argv, longest } of rows) {
    const run = await runCli(["start", ...argv], { manifest: TWO_AGENTS });
    assert.deepEqual(run.outcome, USAGE, run.stderr.slice(0, 500));
    assert.equal(
      run.stderr,
      `error: The agent's command is too long: one word has ${longest} bytes\n\nhint: ${limit}\n`,
    );
    assert.deepEqual(run.backend.calls, []);
  }
  const manifest = TWO_AGENTS.replace("[ls, -l]", `[ls, "${word(131_072)}"]`);
  const named = await runCli(["start", "lister", "--yes"], { manifest });
  assert.deepEqual(named.outcome, USAGE);
  assert.match(
    named.stderr,
    / agents\.lister\.command\[1\]: "é+…" is longer than the 131071 bytes Linux allows$/m,
  );
});

Deno.test("start takes the longest command that a process can be given", async () => {
  const word = "x".repeat(131_071);
  const rows = [
    ["reviewer", "--prompt", word],
    ["lister", "--yes", "--", ...Array(9).fill("x".repeat(111_110)), "1234", "1"],
  ];
  for (const argv of rows) {
    const run = await runCli(["start", ...argv], { manifest: TWO_AGENTS });
    assert.deepEqual(run.outcome, DONE, run.stderr.slice(0, 500));
  }
  const bytes = ["ls", "-l", ...Array(9).fill("x".repeat(111_110)), "1234", "1"].join("").length;
  assert.equal(bytes, 999_999);
});

Deno.test("start shows what the manifest grants beyond the defaults", async () => {
  const manifest = `bottles:
  dev:
    egress:
      proxy: squid
      allowlist: ["*.example.org", git.lan, { host: claude.ai, http: true }]
      private: [git.lan]
    resources: { cpus: 0.5, memory: 512m, pids: 64 }
agents:
  reviewer: { bottle: dev }
`;
  const run = await runCli(["start", "--dry-run"], { manifest });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  const rows = run.stderr.split("\n").filter((line) => /^ {2}(granted|plain HTTP|private|limits)/.test(line));
  assert.deepEqual(rows, [
    "  granted      : *.example.org, git.lan",
    "  plain HTTP   : claude.ai",
    "  private      : git.lan",
    "  limits       : 0.5 GiB memory, 64 processes, 0.5 cpus, 20 GiB disk",
  ]);
});

Deno.test("start notes beforehand what would surprise later", async () => {
  const manifest = `bottles:
  dev:
    env: { ANTHROPIC_API_KEY: "\${KEY}" }
    egress: { proxy: squid, defaults: false }
agents:
  reviewer: { bottle: dev }
`;
  const env = { KEY: "key-4711" };
  const run = await runCli(["start"], { manifest, env, terminals: PERSON, answers: ["n"] });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  const notes = run.stderr.split("\n").filter((line) => line.startsWith("note "));
  assert.deepEqual(notes, [
    "note           : api.anthropic.com is not an allowed host: Claude Code will try for minutes and give up",
    "note           : Claude Code asks whether to use ANTHROPIC_API_KEY before its first prompt",
  ]);
  const json = await runCli(["start", "--dry-run", "--format", "json"], {
    manifest: manifest.replace("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
    env: { ...env, CLAUDE_BOTTLE_OAUTH_TOKEN: "token-4712" },
  });
  assert.deepEqual(JSON.parse(json.stdout).notices, [
    "env sets ANTHROPIC_BASE_URL: your Claude token goes to that host",
  ]);
});

Deno.test("start escapes every control character of the plan's JSON, and changes nothing by that", async () => {
  const word = "a\x7fb\x9b31mc\u202ed\u2066e\x1bf\ng";
  const run = await runCli(["start", "lister", "--dry-run", "--format", "json", "--", word], {
    manifest: TWO_AGENTS,
  });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.equal(run.stdout, printable(run.stdout));
  assert.deepEqual(JSON.parse(run.stdout).command, ["ls", "-l", word]);
});

Deno.test("the preflight breaks long values below themselves on a terminal, and nowhere else", async () => {
  const options = { answers: ["n"], columns: 60 };
  const { stderr } = await runCli(["start"], { ...options, terminals: PERSON });
  assert.match(stderr, /^ {2}egress {7}: 7 hosts allowed.*\n {17}\S/m);
  const piped = await runCli(["start", "--dry-run"], options);
  assert.match(piped.stderr, /^ {2}egress {7}: 7 hosts allowed \(.* more\)$/m);
});
