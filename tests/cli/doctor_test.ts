import assert from "node:assert/strict";
import type { Finding } from "../../lib/bottle/diagnosis.ts";
import {
  type CliOptions,
  type CliRun,
  FakeBackend,
  MANIFEST_PATH,
  runCli,
  TWO_AGENTS,
} from "../support/cli_harness.ts";
import { PERSON } from "../support/memory_terminal.ts";

const TOKEN = `sk-ant-oat01-${"x".repeat(40)}`;

const FINE: readonly Finding[] = [{
  check: "engine",
  status: "ok",
  sentence: "it answers",
  remedy: undefined,
}];

/** A machine on which all is well, unless told otherwise. */
async function doctor(
  options: CliOptions & { readonly findings?: readonly Finding[]; readonly argv?: readonly string[] } = {},
): Promise<CliRun> {
  const { findings = FINE, argv = [], ...rest } = options;
  const backend = new FakeBackend();
  backend.findings = findings;
  return await runCli(["doctor", ...argv], {
    backend,
    manifest: TWO_AGENTS,
    terminals: PERSON,
    env: { CLAUDE_BOTTLE_OAUTH_TOKEN: TOKEN },
    ...rest,
  });
}

/** One finding of `doctor --json`. */
async function found(check: string, options: Parameters<typeof doctor>[0] = {}): Promise<Finding> {
  const run = await doctor({ argv: ["--json"], ...options });
  const { findings } = JSON.parse(run.stdout);
  return findings.find((finding: Finding) => finding.check === check);
}

Deno.test("doctor prints a line for each finding and one for what to do", async () => {
  const run = await doctor({
    terminals: ["stdin", "stderr"],
    findings: [
      ...FINE,
      { check: "runtimes", status: "note", sentence: "runc alone", remedy: "Install gVisor" },
    ],
  });
  assert.deepEqual(run.outcome, { kind: "exit", code: 0 });
  assert.equal(
    run.stdout,
    [
      "ok    engine    it answers",
      "note  runtimes  runc alone",
      "                → Install gVisor",
      `ok    manifest  ${MANIFEST_PATH} is valid; bottles: 1, agents: 2`,
      "ok    token     CLAUDE_BOTTLE_OAUTH_TOKEN is set",
      "ok    terminal  stdin and stderr are a terminal",
      "",
    ].join("\n"),
  );
  assert.equal(run.stderr, "claude-bottle: no problems\n");
  assert.deepEqual(run.backend.calls, ["diagnose"]);
});

Deno.test("doctor tells on one line what several checks have to say, and each for itself to programs", async () => {
  const sentence = "not looked at: the engine does not answer";
  const findings = ["limits", "subnets"].map((
    check,
  ) => ({ check, status: "note", sentence, remedy: undefined } as const));
  const { stdout } = await doctor({ findings, terminals: ["stdin", "stderr"] });
  assert.match(stdout, /^note {2}limits, subnets: not looked at: the engine does not answer$/m);
  assert.equal((await found("subnets", { findings }))?.sentence, sentence);
});

Deno.test("doctor exits 1 when there is a problem, in both forms", async () => {
  const findings: readonly Finding[] = [
    { check: "engine", status: "problem", sentence: "it does not answer", remedy: "Start it" },
  ];
  const text = await doctor({ findings });
  assert.deepEqual(text.outcome, { kind: "exit", code: 1 });
  assert.match(text.stderr, /^claude-bottle: 1 problem; /);
  const json = await doctor({ findings, argv: ["--json"] });
  assert.deepEqual(json.outcome, { kind: "exit", code: 1 });
  assert.equal(json.stderr, "");
  const { findings: all, problems } = JSON.parse(json.stdout);
  assert.equal(problems, 1);
  assert.deepEqual(all[0], {
    check: "engine",
    status: "problem",
    sentence: "it does not answer",
    remedy: "Start it",
  });
  assert.equal(all[1].remedy, null);
});

Deno.test("doctor paints its marks on a terminal alone, and as it is told", async () => {
  const rows = [
    { options: {}, painted: true },
    { options: { terminals: ["stdin", "stderr"] }, painted: false },
    { options: { env: { NO_COLOR: "1" } }, painted: false },
    { options: { argv: ["--color", "never"] }, painted: false },
    { options: { terminals: ["stdin", "stderr"], argv: ["--color", "always"] }, painted: true },
  ] as const;
  for (const { options, painted } of rows) {
    const { stdout } = await doctor(options);
    const mark = painted ? "\x1b[32mok\x1b[0m" : "ok";
    assert.ok(
      stdout.startsWith(`${mark}    engine    it answers\n`) || stdout.startsWith(`${mark}  `),
      stdout,
    );
    assert.equal(stdout.includes("\x1b"), painted, JSON.stringify(options));
  }
});

Deno.test("doctor lets no foreign control character reach the terminal", async () => {
  const { stdout } = await doctor({
    argv: ["--color", "never"],
    findings: [{ check: "engine", status: "ok", sentence: "a\nok  b\u001b[2J", remedy: "x\ny" }],
  });
  assert.ok(stdout.startsWith("ok  engine    a·ok  b·[2J\n              → x·y\n"), stdout);
});

Deno.test("doctor tells whether the token is there and looks like one, and never the token", async () => {
  const rows = [
    { token: TOKEN, status: "ok", sentence: /^CLAUDE_BOTTLE_OAUTH_TOKEN is set$/ },
    { token: "", status: "note", sentence: /is not set/ },
    { token: "hunter2hunter2", status: "note", sentence: /does not look like/ },
    { token: "sk-ant-api03-hunter2hunter2hunter2", status: "note", sentence: /does not look like/ },
    { token: `${TOKEN}\n`, status: "problem", sentence: /a line break/ },
    { token: `"${TOKEN}" `, status: "problem", sentence: /a space/ },
  ];
  for (const { token, status, sentence } of rows) {
    const options = { env: { CLAUDE_BOTTLE_OAUTH_TOKEN: token } };
    const finding = await found("token", options);
    assert.equal(finding.status, status, token);
    assert.match(finding.sentence, sentence);
    assert.equal(finding.remedy?.includes("`claude setup-token`") ?? false, status !== "ok");
    for (const argv of [[], ["--json"], ["-v"]]) {
      const { stdout, stderr } = await doctor({ ...options, argv });
      if (token !== "") assert.ok(!(stdout + stderr).includes(token.trim()), token);
    }
  }
});

Deno.test("doctor tells what is wrong with the manifest and how to learn more", async () => {
  assert.deepEqual(await found("manifest", { manifest: "bottles:\n  dev: { egres: {} }\n" }), {
    check: "manifest",
    status: "problem",
    sentence: `The manifest has a problem: ${MANIFEST_PATH}:2`,
    remedy: "`claude-bottle validate` tells every problem and where it is",
  });
  const writable = await found("manifest", { files: { [MANIFEST_PATH]: { text: TWO_AGENTS, mode: 0o666 } } });
  assert.equal(writable.status, "problem");
  assert.match(writable.remedy ?? "", /chmod o-w/);
  const project = await found("manifest", {
    files: { "/home/somebody/project/claude-bottle.yaml": TWO_AGENTS },
  });
  assert.equal(project.status, "problem");
  const named = await found("manifest", {
    argv: ["--json", "--manifest", "claude-bottle.yaml"],
    files: { "/home/somebody/project/claude-bottle.yaml": TWO_AGENTS },
  });
  assert.equal(
    named.sentence,
    "/home/somebody/project/claude-bottle.yaml is valid; bottles: 1, agents: 2",
  );
  assert.match(project.remedy ?? "", /claude-bottle trust/);
  const none = await runCli(["doctor", "--json"]);
  assert.match(none.stdout, /there is none: `start` runs the built-in agent/);
});

Deno.test("doctor tells whether anything can be asked", async () => {
  assert.equal((await found("terminal")).status, "ok");
  assert.match((await found("terminal", { terminals: ["stderr"] })).sentence, /^stdin is no terminal/);
  assert.match((await found("terminal", { terminals: ["stdin"] })).sentence, /^stderr is no terminal/);
});

Deno.test("doctor with a command line that means nothing exits 2", async () => {
  for (const argv of [["x"], ["--backend", "other"], ["--context", "-x"], ["--nonsense"]]) {
    assert.deepEqual((await doctor({ argv })).outcome, { kind: "exit", code: 2 }, argv.join(" "));
  }
});
