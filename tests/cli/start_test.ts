import assert from "node:assert/strict";
import { FakeBackend, runCli, TWO_AGENTS } from "../support/cli_harness.ts";
import { PERSON } from "../support/memory_terminal.ts";

const DONE = { kind: "exit", code: 0 };
const USAGE = { kind: "exit", code: 2 };
const QUESTION = "claude-bottle: launch this agent? [y/N] ";
const WHOLE_RUN = ["prepare", "launch", "attach", "egressEvents", "dispose"];

const PREFLIGHT = `
agent          : reviewer
command        : claude --dangerously-skip-permissions
image          : claude-bottle:aaaaaaaaaaaa
container      : claude-bottle-reviewer
env            : (none)
skills         : (none)
prompt         : (none)
bottle         : dev
  runtime      : runc
  proxy        : squid
  egress       : 7 hosts allowed (api.anthropic.com, claude.ai, downloads.claude.ai, +4 more)
  limits       : 4 GiB memory, 2048 processes, 20 GiB disk
remote-control : disabled

`;

Deno.test("start shows the preflight, asks, and launches for y, Y, yes and YES", async () => {
  for (const answer of ["y", "Y", "yes", "YES"]) {
    const run = await runCli(["start", "reviewer"], {
      manifest: TWO_AGENTS,
      terminals: PERSON,
      answers: [answer],
    });
    assert.deepEqual(run.outcome, DONE);
    assert.equal(run.stdout, "");
    assert.equal(run.stderr, PREFLIGHT + QUESTION);
    assert.deepEqual(run.backend.calls, WHOLE_RUN);
  }
});

Deno.test("start is aborted by every other answer, with code 0 and no call but the probes", async () => {
  for (const answer of ["n", "N", "no", "", " y", "y ", "Yes", "yEs", "ja", "1", "true", "y\u0000"]) {
    const run = await runCli(["start", "reviewer"], {
      manifest: TWO_AGENTS,
      terminals: PERSON,
      answers: [answer],
    });
    assert.deepEqual(run.outcome, DONE, answer);
    assert.equal(run.stderr, `${PREFLIGHT}${QUESTION}claude-bottle: aborted by user\n`);
    assert.deepEqual(run.backend.calls, ["prepare"], answer);
  }
});

Deno.test("start is aborted by the end of stdin", async () => {
  const run = await runCli(["start", "reviewer"], { manifest: TWO_AGENTS, terminals: PERSON, answers: [] });
  assert.deepEqual(run.outcome, DONE);
  assert.equal(run.stderr, `${PREFLIGHT}${QUESTION}\nclaude-bottle: aborted by user\n`);
  assert.deepEqual(run.backend.calls, ["prepare"]);
});

Deno.test("start without a terminal to ask on names --yes", async () => {
  const rows = [[], ["stdin"], ["stderr"], ["stdin", "stdout"], ["stdout", "stderr"]] as const;
  for (const terminals of rows) {
    const run = await runCli(["start", "lister", "--color", "never"], {
      manifest: TWO_AGENTS,
      terminals,
      answers: ["y"],
    });
    assert.deepEqual(run.outcome, USAGE);
    assert.ok(
      run.stderr.endsWith(
        "\n\nerror: The question cannot be asked: stdin or stderr is no terminal\n\n" +
          "hint: Answer it beforehand with `--yes`\n",
      ),
      run.stderr,
    );
    assert.deepEqual(run.backend.calls, ["prepare"]);
  }
});

Deno.test("start of Claude Code on a terminal that is none names --prompt", async () => {
  for (const terminals of [[], ["stdin", "stderr"], ["stdout", "stderr"]] as const) {
    const run = await runCli(["start", "reviewer", "--yes"], { manifest: TWO_AGENTS, terminals });
    assert.deepEqual(run.outcome, USAGE);
    assert.match(run.stderr, /claude needs a terminal: stdin or stdout is none\n/);
    assert.match(run.stderr, /Run it headless with `--prompt TEXT`\n$/);
    assert.deepEqual(run.backend.calls, ["prepare"]);
  }
});

Deno.test("start --yes, -y and --prompt ask nothing", async () => {
  const rows = [
    { argv: ["start", "reviewer", "--yes"], terminals: PERSON, mode: "attached" },
    { argv: ["start", "reviewer", "-y"], terminals: PERSON, mode: "attached" },
    { argv: ["start", "lister", "--yes"], terminals: PERSON, mode: "attached" },
    { argv: ["start", "lister", "--yes"], terminals: [], mode: "headless" },
    { argv: ["start", "reviewer", "--prompt", "hi"], terminals: [], mode: "headless" },
    { argv: ["start", "reviewer", "-p", "hi"], terminals: PERSON, mode: "headless" },
    { argv: ["start", "reviewer", "--prompt=hi"], terminals: [], mode: "headless" },
  ] as const;
  for (const { argv, terminals, mode } of rows) {
    const run = await runCli(argv, { manifest: TWO_AGENTS, terminals });
    assert.deepEqual(run.outcome, DONE, argv.join(" "));
    assert.ok(!run.stderr.includes("[y/N]"));
    assert.equal(run.backend.specs[0]?.mode, mode, argv.join(" "));
    assert.deepEqual(run.backend.calls, WHOLE_RUN);
  }
});

Deno.test("start builds the agent's command from the manifest, its flags and the words behind --", async () => {
  const claude = ["claude", "--dangerously-skip-permissions"];
  const prompted = TWO_AGENTS.replace(
    "reviewer: { bottle: dev }",
    "reviewer: { bottle: dev, prompt: Be kind. }",
  );
  const file = ["--append-system-prompt-file", "/home/node/.claude-bottle-prompt.txt"];
  const rows = [
    { argv: ["reviewer"], manifest: TWO_AGENTS, command: claude },
    {
      argv: ["reviewer", "--", "--resume", "a b"],
      manifest: TWO_AGENTS,
      command: [...claude, "--resume", "a b"],
    },
    { argv: ["lister", "--", "-a", "--", "b"], manifest: TWO_AGENTS, command: ["ls", "-l", "-a", "--", "b"] },
    { argv: ["lister", "--"], manifest: TWO_AGENTS, command: ["ls", "-l"] },
    {
      argv: ["reviewer", "--remote-control"],
      manifest: TWO_AGENTS,
      command: [...claude, "--remote-control="],
    },
    { argv: ["reviewer"], manifest: prompted, command: [...claude, ...file] },
    {
      argv: ["reviewer", "--prompt=--help $(id)", "--", "--model", "x"],
      manifest: prompted,
      command: [...claude, "--print", ...file, "--model", "x", "--", "--help $(id)"],
    },
  ];
  for (const { argv, manifest, command } of rows) {
    const run = await runCli(["start", "--yes", ...argv], { manifest, terminals: PERSON });
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.deepEqual(run.backend.specs[0]?.command, command, argv.join(" "));
  }
});

Deno.test("start refuses a prompt for a command that is not Claude Code", async () => {
  const manifest = TWO_AGENTS.replace("command: [ls, -l]", "command: [ls, -l], prompt: Be kind.");
  const run = await runCli(["start", "lister", "--yes"], { manifest });
  assert.deepEqual(run.outcome, USAGE);
  assert.match(run.stderr, /^error: the agent's prompt is for Claude Code, but lister runs ls$/m);
  assert.deepEqual(run.backend.calls, []);
});

Deno.test("start lets a person pick one of several agents by number or name", async () => {
  for (const answer of ["2", "lister", " lister "]) {
    const run = await runCli(["start", "--yes"], {
      manifest: TWO_AGENTS,
      terminals: PERSON,
      answers: [answer],
    });
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.ok(run.stderr.startsWith(
      "claude-bottle: several agents are available:\n  1  reviewer\n  2  lister\nwhich one? ",
    ));
    assert.equal(run.backend.specs[0]?.agent, "lister");
  }
  for (const answer of ["0", "3", "-1", "1.5", "list", "", "constructor"]) {
    const run = await runCli(["start", "--yes"], {
      manifest: TWO_AGENTS,
      terminals: PERSON,
      answers: [answer],
    });
    assert.deepEqual(run.outcome, USAGE, answer);
    assert.deepEqual(run.backend.calls, [], answer);
  }
});

Deno.test("start without a name takes the only agent, and the built-in one without a manifest", async () => {
  const only = "bottles: { dev: { egress: { proxy: squid } } }\nagents: { Sole One: { bottle: dev } }\n";
  const one = await runCli(["start", "--prompt", "hi"], { manifest: only });
  assert.equal(one.backend.specs[0]?.agent, "Sole One");
  const none = await runCli(["start", "--prompt", "hi"]);
  assert.equal(none.backend.specs[0]?.agent, "claude");
  assert.equal(none.backend.specs[0]?.bottle, "default");
  assert.equal(none.backend.specs[0]?.manifestFiles[0]?.path, "built-in");
});

Deno.test("start ends with the agent's code", async () => {
  for (const code of [0, 1, 42, 125, 137]) {
    const backend = new FakeBackend();
    backend.code = code;
    const run = await runCli(["start", "--prompt", "hi"], { backend });
    assert.deepEqual(run.outcome, { kind: "exit", code });
    assert.deepEqual(backend.calls, WHOLE_RUN);
  }
});

Deno.test("start tells each refused target once, however often it was tried", async () => {
  const backend = new FakeBackend();
  const refused = {
    time: 1,
    verdict: "refused",
    port: 443,
    reason: "not an allowed host",
    bytes: undefined,
  } as const;
  backend.events = [
    { ...refused, host: "evil.example" },
    { ...refused, verdict: "allowed", host: "api.anthropic.com", reason: "" },
    { ...refused, host: "evil.example" },
    { ...refused, host: "evil.example", port: 22 },
  ];
  const run = await runCli(["start", "--prompt", "hi"], { backend });
  assert.ok(run.stderr.endsWith(
    "\nclaude-bottle: refused evil.example:443 (2 times): not an allowed host\n" +
      "claude-bottle: refused evil.example:22: not an allowed host\n",
  ));
});

Deno.test("start tells ten refused targets and how many more there were", async () => {
  for (
    const [count, last] of [[10, "refused h9.example:443: x"], [11, "refused 1 more targets"], [
      500,
      "refused 490 more targets",
    ]] as const
  ) {
    const backend = new FakeBackend();
    backend.events = Array.from({ length: count * 2 }, (_, index) => (
      {
        time: 1,
        verdict: "refused",
        host: `h${index % count}.example`,
        port: 443,
        reason: "x",
        bytes: undefined,
      } as const
    ));
    const run = await runCli(["start", "--prompt", "hi"], { backend });
    assert.deepEqual(run.outcome, DONE);
    const told = run.stderr.split("\n").filter((line) => line.includes("refused "));
    assert.equal(told.length, Math.min(count, 11));
    assert.equal(told[9], "claude-bottle: refused h9.example:443 (2 times): x");
    assert.equal(told.at(-1), `claude-bottle: ${last.replace(":443:", ":443 (2 times):")}`);
  }
});

Deno.test("start tells each host of a proxy that does not tell ports once", async () => {
  const backend = new FakeBackend();
  const refused = {
    time: 1,
    verdict: "refused",
    host: "evil.example",
    port: 0,
    reason: "x",
    bytes: undefined,
  } as const;
  backend.events = [refused, refused];
  const run = await runCli(["start", "--prompt", "hi"], { backend });
  assert.ok(run.stderr.endsWith("\nclaude-bottle: refused evil.example (2 times): x\n"), run.stderr);
});

Deno.test("start --dry-run shows the plan on stdout, the preflight on stderr, and does nothing", async () => {
  for (const argv of [["--dry-run"], ["--dry-run", "--yes"], ["--dry-run", "--format", "text"]]) {
    const run = await runCli(["start", "reviewer", ...argv], { manifest: TWO_AGENTS });
    assert.deepEqual(run.outcome, DONE);
    assert.equal(run.stderr, `${PREFLIGHT}claude-bottle: dry-run requested; not starting container.\n`);
    assert.match(run.stdout, /^# launch\n# internal-network: .*\ndocker network create --internal /);
    assert.match(run.stdout, /^# teardown\n/m);
    assert.deepEqual(run.backend.calls, ["prepare"]);
  }
});

Deno.test("start --dry-run --format json and --json print the plan alone, as one JSON object", async () => {
  for (const flags of [["--format", "json"], ["--format=json"], ["--json"]]) {
    const run = await runCli(["start", "reviewer", "--dry-run", ...flags], { manifest: TWO_AGENTS });
    assert.deepEqual(run.outcome, DONE);
    assert.equal(run.stderr, "");
    const plan = JSON.parse(run.stdout);
    assert.deepEqual(Object.keys(plan), [
      "agent",
      "bottle",
      "container_name",
      "image",
      "derived_image",
      "stage_dir",
      "runtime",
      "env_names",
      "skills",
      "ssh_hosts",
      "egress",
      "prompt",
      "remote_control",
      "command",
      "mode",
      "lifetime",
      "run_id",
      "notices",
      "workspace",
      "git_identity",
      "injected",
      "skill_paths",
      "ssh",
      "manifest",
      "limits",
      "steps",
      "agent_steps",
      "watch_steps",
      "teardown_steps",
    ]);
    assert.equal(plan.agent, "reviewer");
    assert.equal(plan.derived_image, "");
    assert.deepEqual(run.backend.calls, ["prepare"]);
  }
});

const ASKING = `bottles:
  dev:
    env:
      TOKEN: "?paste your token"
      OTHER: "?"
      LITERAL: literal-4711
      PAT: \${GH_PAT}
    egress: { proxy: squid }
agents:
  reviewer: { bottle: dev }
`;

Deno.test("start asks for values after the y, and a dry run asks nothing and prints no value", async () => {
  const env = { GH_PAT: "pat-4712" };
  const run = await runCli(["start"], {
    manifest: ASKING,
    env,
    terminals: PERSON,
    answers: ["y", "secret-4713", "secret-4714"],
  });
  assert.deepEqual(run.outcome, DONE);
  assert.ok(
    run.stderr.endsWith(
      `${QUESTION}claude-bottle: value of TOKEN (paste your token): claude-bottle: value of OTHER: `,
    ),
    run.stderr,
  );
  assert.match(run.stderr, /^env {12}: TOKEN \(asked\), OTHER \(asked\), LITERAL, PAT \(from GH_PAT\)$/m);
  assert.deepEqual(run.host.terminal.secretsRead, ["secret-4713", "secret-4714"]);
  const resolved = [...run.backend.launches[0]?.env ?? []].map(([name, value]) => [name, value.reveal()]);
  assert.deepEqual(resolved, [
    ["TOKEN", "secret-4713"],
    ["OTHER", "secret-4714"],
    ["LITERAL", "literal-4711"],
    ["PAT", "pat-4712"],
  ]);
  assert.doesNotMatch(run.stdout + run.stderr, /471[1-4]/);

  for (const format of ["text", "json"]) {
    const dry = await runCli(["start", "--dry-run", "--format", format], {
      manifest: ASKING,
      env,
      terminals: PERSON,
      answers: ["secret-4713"],
    });
    assert.deepEqual(dry.outcome, DONE);
    assert.deepEqual(dry.host.terminal.secretsRead, []);
    assert.doesNotMatch(dry.stdout + dry.stderr, /471[1-4]|paste your token/);
    assert.match(dry.stdout, /TOKEN/);
  }
});

Deno.test("start launches nothing when a value cannot be asked for or was not given", async () => {
  const env = { GH_PAT: "pat-4712" };
  const unasked = await runCli(["start", "--prompt", "hi"], { manifest: ASKING, env });
  assert.deepEqual(unasked.outcome, USAGE);
  assert.match(
    unasked.stderr,
    /^error: value of TOKEN \(paste your token\) cannot be asked: stdin or stderr is no terminal$/m,
  );
  assert.deepEqual(unasked.backend.calls, ["prepare"]);
  const ungiven = await runCli(["start", "--yes"], { manifest: ASKING, env, terminals: PERSON, answers: [] });
  assert.deepEqual(ungiven.outcome, { kind: "exit", code: 1 });
  assert.match(ungiven.stderr, /No value was given for TOKEN/);
  assert.deepEqual(ungiven.backend.calls, ["prepare"]);
});
