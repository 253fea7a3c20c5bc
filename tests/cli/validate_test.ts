import assert from "node:assert/strict";
import { MANIFEST_PATH, runCli, TWO_AGENTS } from "../support/cli_harness.ts";

const DONE = { kind: "exit", code: 0 };
const USAGE = { kind: "exit", code: 2 };

const CWD = "/home/somebody/project";

const BAD = `bottles:
  dev:
    evn: {}
    egress: { proxy: sqid }
agents:
  reviewer: { bottle: deV }
`;

function problems(file: string): string {
  return [
    `  ${file}:3:5: bottles.dev.evn: unknown key`,
    "          evn: {}",
    "          ^~~",
    "  hint: Did you mean `env`?",
    `  ${file}:4:22: bottles.dev.egress.proxy: must be \`pipelock\` or \`squid\`, found "sqid"`,
    "          egress: { proxy: sqid }",
    "                           ^~~~",
    "  hint: Did you mean `squid`?",
    `  ${file}:6:23: agents.reviewer.bottle: no bottle is named "deV"`,
    "        reviewer: { bottle: deV }",
    "                            ^~~",
    "  hint: Did you mean `dev`?",
    "",
  ].join("\n");
}

Deno.test("validate counts what the manifest of start defines", async () => {
  const run = await runCli(["validate"], { manifest: TWO_AGENTS });
  assert.deepEqual(run.outcome, DONE);
  assert.equal(run.stdout, "1 bottle, 2 agents: no problems\n");
  assert.equal(run.stderr, "");
  assert.deepEqual(run.host.processes.lines, []);
  assert.deepEqual(run.backend.calls, []);
});

Deno.test("validate without any manifest says that the built-in one counts", async () => {
  const run = await runCli(["validate"]);
  assert.deepEqual(run.outcome, DONE);
  assert.equal(run.stdout, "1 bottle, 1 agent: no problems\n");
  assert.equal(
    run.stderr,
    "claude-bottle: there is no manifest: this is the built-in one; `claude-bottle init` writes another\n",
  );
});

Deno.test("validate tells every problem in the words of start", async () => {
  const run = await runCli(["validate"], { manifest: BAD });
  assert.deepEqual(run.outcome, USAGE);
  assert.equal(run.stdout, "");
  assert.equal(run.stderr, `error: The manifest has 3 problems\n${problems(MANIFEST_PATH)}`);
  const started = await runCli(["start", "reviewer", "--prompt", "hi"], { manifest: BAD });
  assert.equal(run.stderr, started.stderr);
  assert.deepEqual(run.host.processes.lines, []);
});

Deno.test("validate FILE… checks each file alone and tells of all, under the names they were given", async () => {
  const run = await runCli(["validate", "a.yaml", "good.yaml", "./b.yaml", "missing.yaml", "folder"], {
    manifest: "not even read",
    files: {
      [`${CWD}/a.yaml`]: BAD,
      [`${CWD}/b.yaml`]: "agents: { x: { bottle: dev } }\n",
      [`${CWD}/good.yaml`]: TWO_AGENTS,
      [`${CWD}/folder/file`]: "",
    },
  });
  assert.deepEqual(run.outcome, USAGE);
  assert.equal(run.stdout, "");
  assert.equal(
    run.stderr,
    `error: The manifest has 6 problems\n${problems("a.yaml")}` + [
      '  ./b.yaml:1:24: agents.x.bottle: no bottle is named "dev"',
      "      agents: { x: { bottle: dev } }",
      "                             ^~~",
      "  hint: Define it under `bottles`",
      `  There is no file at ${CWD}/missing.yaml`,
      `  ${CWD}/folder is not a regular file`,
      "",
    ].join("\n"),
  );
});

Deno.test("validate FILE… adds up what good files define, whoever they belong to", async () => {
  const run = await runCli(["validate", "a.yaml", "/b.json"], {
    files: {
      [`${CWD}/a.yaml`]: { text: TWO_AGENTS, uid: 1001, mode: 0o666 },
      "/b.json": '{ "bottles": { "x": {} }, "agents": { "y": { "bottle": "x" } } }',
    },
  });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.equal(run.stdout, "2 bottles, 3 agents: no problems\n");
  assert.equal(run.stderr, "");
});

Deno.test("validate tells of files that cannot be read and keeps going", async () => {
  const run = await runCli(["validate", "pipe", "denied.yaml", "large.yaml", "loop", "bad.json"], {
    files: {
      [`${CWD}/pipe`]: { kind: "other" },
      [`${CWD}/denied.yaml`]: { error: new Error("permission denied") },
      [`${CWD}/large.yaml`]: " ".repeat(1024 * 1024 + 1),
      [`${CWD}/loop`]: { link: `${CWD}/loop` },
      [`${CWD}/bad.json`]: "{",
    },
  });
  assert.deepEqual(run.outcome, USAGE);
  const [head, ...lines] = run.stderr.split("\n");
  assert.equal(head, "error: The manifest has 5 problems");
  assert.deepEqual(lines.slice(0, 4), [
    `  ${CWD}/pipe is not a regular file`,
    `  Cannot read ${CWD}/denied.yaml: permission denied`,
    `  ${CWD}/large.yaml is larger than 1 MiB`,
    `  Cannot read ${CWD}/loop: Too many links: ${CWD}/loop`,
  ]);
  assert.match(lines[4] ?? "", /^ {2}bad\.json:1:\d: /);
});

Deno.test("validate --json is one object on stdout, problems or not, and an error on stderr when there are", async () => {
  const good = await runCli(["validate", "--json"], { manifest: TWO_AGENTS });
  assert.deepEqual(good.outcome, DONE);
  const counts = { files: [MANIFEST_PATH], bottles: 1, agents: 2 };
  assert.deepEqual(JSON.parse(good.stdout), { ...counts, problems: [], warnings: [] });
  assert.equal(good.stderr, "");

  const bad = await runCli(["validate", "--json", "b.yaml", "none.yaml"], {
    files: { [`${CWD}/b.yaml`]: "bottlez: {}\n" },
  });
  assert.deepEqual(bad.outcome, USAGE);
  const { problems: [slip, missing], ...rest } = JSON.parse(bad.stdout);
  assert.deepEqual(rest, { files: ["b.yaml", "none.yaml"], bottles: 0, agents: 0, warnings: [] });
  assert.deepEqual(slip, {
    severity: "error",
    path: "bottlez",
    message: "bottlez: unknown key",
    hints: ["Did you mean `bottles`?"],
    where: { file: "b.yaml", line: 1, column: 1, snippet: "bottlez: {}", length: 7 },
  });
  assert.deepEqual(missing, { severity: "error", message: `There is no file at ${CWD}/none.yaml` });
  const { error } = JSON.parse(bad.stderr);
  assert.equal(error.code, "manifest-invalid");
  assert.deepEqual(error.problems.map(({ message }: { message: string }) => message), [
    slip.message,
    missing.message,
  ]);

  const none = await runCli(["validate", "--json"]);
  const builtin = { files: ["built-in"], bottles: 1, agents: 1, problems: [], warnings: [] };
  assert.deepEqual(JSON.parse(none.stdout), builtin);
  assert.equal(none.stderr, "");

  const discovered = await runCli(["validate", "--json"], { manifest: BAD });
  assert.deepEqual(discovered.outcome, USAGE);
  assert.deepEqual(JSON.parse(discovered.stdout).files, [MANIFEST_PATH]);
  assert.equal(JSON.parse(discovered.stdout).problems.length, 3);
});

Deno.test("validate --format json is --json, and no two formats go together", async () => {
  const files = { files: { [`${CWD}/b.yaml`]: BAD } };
  const short = await runCli(["validate", "--json", "b.yaml"], files);
  for (const flags of [["--format", "json"], ["--format", "json", "--json"]]) {
    const run = await runCli(["validate", ...flags, "b.yaml"], files);
    assert.deepEqual(run.outcome, USAGE);
    assert.equal(run.stdout, short.stdout);
    assert.equal(run.stderr, short.stderr);
  }
  for (const format of ["text", "github"]) {
    const run = await runCli(["validate", "--json", "--format", format, "b.yaml"], files);
    assert.deepEqual(run.outcome, USAGE);
    assert.equal(run.stdout, "");
    assert.equal(JSON.parse(run.stderr).error.message, `--json and --format ${format} contradict each other`);
  }
  const text = await runCli(["validate", "--format", "text", "b.yaml"], files);
  assert.equal(text.stderr, (await runCli(["validate", "b.yaml"], files)).stderr);
});

Deno.test("validate --format github annotates from the repository's root, with the same exit codes", async () => {
  const manifest = BAD.replace("deV", "dev").replace("sqid", "squid");
  const run = await runCli(["validate", "--format", "github", "sub/b.yaml"], {
    files: { [`${CWD}/sub/b.yaml`]: manifest },
    env: { GITHUB_WORKSPACE: "/home/somebody" },
  });
  assert.deepEqual(run.outcome, USAGE);
  assert.match(
    run.stdout,
    /^::error file=project\/sub\/b\.yaml,line=3,col=5,endColumn=8,title=[^:]*::(bottles\.dev\.evn: )?unknown key%0Ahint: Did you mean `env`\?\n$/,
  );
  // Nothing of the file is where a workflow might take it for a command.
  assert.equal(run.stderr, "error: The manifest has a problem\n");

  const good = await runCli(["validate", "--format", "github"], {
    manifest: `bottles: { dev: { env: { A: "\${NOT_SET}" } } }\nagents: { a: { bottle: dev } }\n`,
  });
  assert.deepEqual(good.outcome, DONE);
  assert.equal(
    good.stdout,
    [
      `::warning file=${MANIFEST_PATH},line=1,col=29,endColumn=41,title=claude-bottle%3A bottles.dev.env.A::` +
      "The host does not set what the bottle's env takes from it: A (from NOT_SET)" +
      "%0Ahint: Set NOT_SET, or change where the manifest takes it from",
      "1 bottle, 1 agent: no problems, 1 warning",
      "",
    ].join("\n"),
  );
  assert.equal(good.stderr, "");
});

Deno.test("validate --format github annotates what keeps it from any manifest too", async () => {
  const folder = "/etc/a\n::stop-commands::x";
  const paths = ["claude-bottle.yaml", "claude-bottle.json"].map((name) => `${folder}/claude-bottle/${name}`);
  const run = await runCli(["validate", "--format", "github"], {
    files: Object.fromEntries(paths.map((path) => [path, TWO_AGENTS])),
    env: { XDG_CONFIG_HOME: folder },
  });
  assert.deepEqual(run.outcome, USAGE);
  assert.match(run.stdout, /^::error title=claude-bottle::There is more than one manifest: .*%0Ahint: .*\n$/);
  assert.match(run.stderr, /^error: There is more than one manifest: \/etc\/a·::stop-commands::x.*\n$/);
});

Deno.test("validate checks a project's manifest, found or named", async () => {
  const options = { manifest: TWO_AGENTS, files: { [`${CWD}/claude-bottle.yaml`]: TWO_AGENTS } };
  const run = await runCli(["validate"], options);
  assert.deepEqual(run.outcome, DONE);
  assert.equal(run.stdout, "1 bottle, 2 agents: no problems, 1 warning\n");
  assert.match(run.stderr, /claude-bottle.yaml comes with the project, and \d+ grants are not approved/);
  const named = await runCli(["validate", "claude-bottle.yaml"], options);
  assert.deepEqual(named.outcome, DONE);
  assert.equal(named.stdout, "1 bottle, 2 agents: no problems\n");
});

Deno.test("validate does not pass over a manifest that start would refuse to read", async () => {
  const open = await runCli(["validate"], {
    files: { [MANIFEST_PATH]: { text: TWO_AGENTS, mode: 0o666 } },
  });
  assert.deepEqual(open.outcome, USAGE);
  assert.match(open.stderr, /can be written by everyone/);
  const homeless = await runCli(["validate"], { env: { HOME: "" } });
  assert.deepEqual(homeless.outcome, USAGE);
  assert.match(homeless.stderr, /HOME is not set to an absolute path/);
});

Deno.test("validate lets no file's name or content command a terminal", async () => {
  const name = "a\u001b[31m\u009b\u202e\nb.yaml";
  const run = await runCli(["validate", name, `${name}?`, "c.yaml"], {
    files: {
      [`${CWD}/${name}`]: "x\u202e: 1\n",
      [`${CWD}/c.yaml`]: 'agents: { "\\u001b[2J\\u009b": { bottle: "\\u001b]0;x\\u0007" } }\n',
    },
  });
  assert.deepEqual(run.outcome, USAGE);
  // deno-lint-ignore no-control-regex -- control characters are what this is about
  assert.doesNotMatch(run.stderr, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  assert.match(run.stderr, /^ {2}a·\[31m···b\.yaml:1:1: /m);
  const json = await runCli(["validate", "--json", name], { files: { [`${CWD}/${name}`]: "x\u202e: 1\n" } });
  // deno-lint-ignore no-control-regex -- control characters are what this is about
  assert.doesNotMatch(json.stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  assert.deepEqual(JSON.parse(json.stdout).files, [name]);
});

Deno.test("schema prints a JSON Schema, the same each time and with --json", async () => {
  const [first, second, json] = [
    await runCli(["schema"]),
    await runCli(["schema"], { manifest: BAD }),
    await runCli(["schema", "--json"], { env: { HOME: "" } }),
  ];
  assert.deepEqual(first.outcome, DONE);
  assert.equal(first.stderr, "");
  assert.equal(second.stdout, first.stdout);
  assert.equal(json.stdout, first.stdout);
  const { $schema, type, properties, additionalProperties } = JSON.parse(first.stdout);
  assert.equal($schema, "https://json-schema.org/draft/2020-12/schema");
  assert.equal(type, "object");
  assert.deepEqual(Object.keys(properties), ["bottles", "agents"]);
  assert.equal(additionalProperties, false);
  assert.deepEqual(first.host.processes.lines, []);
});
