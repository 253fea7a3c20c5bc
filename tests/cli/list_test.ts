import assert from "node:assert/strict";
import { runCli, TWO_AGENTS } from "../support/cli_harness.ts";

const DONE = { kind: "exit", code: 0 };
const USAGE = { kind: "exit", code: 2 };

const MANIFEST = `bottles:
  dev:
    env: { TOKEN: hidden-literal, GH: "\${GH_PAT}" }
    egress: { proxy: squid, allowlist: [github.com, github.com, claude.ai] }
  closed:
    egress: { defaults: false }
  keys:
    egress: { defaults: false }
    ssh:
      - { Host: a, Hostname: git.example.org, IdentityFile: ~/.ssh/a }
      - { Host: b, Hostname: git.example.org, IdentityFile: ~/.ssh/b, Port: 2222 }
agents:
  reviewer:
    bottle: dev
    skills: [one, two]
    prompt: |

      You review 日本語.
      Not shown.
  lister: { bottle: dev, command: [ls] }
  other one: { bottle: keys, prompt: "\\u202eabc" }
`;

const AGENTS = [
  "AGENT      BOTTLE  SKILLS  PROMPT",
  "reviewer   dev     2       You review 日本語.",
  "lister     dev     0       -",
  "other one  keys    0       ·abc",
  "",
].join("\n");

Deno.test("list and list agents show each agent, its bottle, skills and prompt", async () => {
  for (const argv of [["list"], ["list", "agents"]]) {
    const run = await runCli(argv, { manifest: MANIFEST });
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.equal(run.stdout, AGENTS);
    assert.equal(run.stderr, "");
    assert.deepEqual(run.host.processes.lines, []);
    assert.deepEqual(run.backend.calls, []);
  }
});

Deno.test("list bottles shows who uses each, how many hosts it reaches and the names of its env", async () => {
  const run = await runCli(["list", "bottles"], { manifest: MANIFEST });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.equal(
    run.stdout,
    [
      "BOTTLE  USED BY           HOSTS  ENV",
      "dev     reviewer, lister  8      TOKEN, GH",
      "closed  -                 0      -",
      "keys    other one         1      -",
      "",
    ].join("\n"),
  );
  assert.equal(run.stderr, "");
  assert.deepEqual(run.host.processes.lines, []);
});

Deno.test("list bottles counts the hosts that a start leaves where Claude's credential is injected", async () => {
  const manifest = "bottles: { dev: { egress: { proxy: squid } } }\nagents: { one: { bottle: dev } }\n";
  const hosts = async (env: Readonly<Record<string, string>>): Promise<unknown> =>
    JSON.parse((await runCli(["list", "bottles", "--json"], { manifest, env })).stdout).bottles[0].hosts;
  assert.deepEqual([await hosts({}), await hosts({ CLAUDE_BOTTLE_OAUTH_TOKEN: "t" })], [7, 1]);
});

Deno.test("list --json is one object, escaped for a terminal", async () => {
  const agents = await runCli(["list", "--json"], { manifest: MANIFEST });
  assert.deepEqual(JSON.parse(agents.stdout), {
    agents: [
      {
        name: "reviewer",
        extends: null,
        bottle: "dev",
        skills: ["one", "two"],
        prompt: "You review 日本語.",
      },
      { name: "lister", extends: null, bottle: "dev", skills: [], prompt: "" },
      { name: "other one", extends: null, bottle: "keys", skills: [], prompt: "\u202eabc" },
    ],
  });
  assert.ok(agents.stdout.includes('"\\u202eabc"'));
  const bottles = await runCli(["list", "bottles", "--json"], { manifest: MANIFEST });
  assert.deepEqual(JSON.parse(bottles.stdout), {
    bottles: [
      { name: "dev", extends: null, agents: ["reviewer", "lister"], hosts: 8, env: ["TOKEN", "GH"] },
      { name: "closed", extends: null, agents: [], hosts: 0, env: [] },
      { name: "keys", extends: null, agents: ["other one"], hosts: 1, env: [] },
    ],
  });
  assert.ok(!bottles.stdout.includes("hidden-literal"));
});

Deno.test("list without a manifest shows the built-in agent", async () => {
  const run = await runCli(["list"]);
  assert.equal(run.stdout, "AGENT   BOTTLE   SKILLS  PROMPT\nclaude  default  0       -\n");
});

Deno.test("list says on stderr that there is nothing, and exits 0", async () => {
  const run = await runCli(["list"], { manifest: "bottles: { dev: {} }\n" });
  assert.deepEqual(run.outcome, DONE);
  assert.equal(run.stdout, "");
  assert.equal(run.stderr, "claude-bottle: the manifest defines no agents\n");
  const json = await runCli(["list", "bottles", "--json"], { manifest: "agents: {}\n" });
  assert.deepEqual(JSON.parse(json.stdout), { bottles: [] });
  assert.equal(json.stderr, "");
});

Deno.test("list --manifest takes that file alone; without it a project's one counts too", async () => {
  const files = { "/home/somebody/project/claude-bottle.yaml": TWO_AGENTS };
  const named = await runCli(["list", "bottles", "--manifest", "claude-bottle.yaml"], {
    manifest: MANIFEST,
    files,
  });
  assert.deepEqual(named.outcome, DONE, named.stderr);
  assert.equal(
    named.stdout,
    "BOTTLE  USED BY           HOSTS  ENV\ndev     reviewer, lister  7      -\n",
  );
  const project = await runCli(["list"], { files });
  assert.deepEqual(project.outcome, DONE);
  assert.match(project.stdout, /^reviewer +dev /m);
});

Deno.test("list and info refuse words they do not know, with code 2", async () => {
  const rows = [
    {
      argv: ["list", "agent"],
      message: '"agent" is none of agents, bottles, active',
    },
    {
      argv: ["list", "agents", "bottles"],
      message: 'Too many arguments: "bottles"',
    },
    { argv: ["info", "a", "b"], message: 'Too many arguments: "b"' },
    { argv: ["schema", "x"], message: 'Too many arguments: "x"' },
    { argv: ["validate", ""], message: 'Failed to parse "" for file: it is empty' },
    {
      argv: ["info", "--manifest="],
      message: 'Failed to parse "--manifest=" for agent: it begins with a dash',
    },
    { argv: ["validate", "--manifest", "x"], message: "There is no flag --manifest" },
  ];
  for (const { argv, message } of rows) {
    const run = await runCli(argv, { manifest: TWO_AGENTS });
    assert.deepEqual(run.outcome, USAGE, argv.join(" "));
    assert.equal(run.stdout, "");
    assert.equal(run.stderr, `error: ${message}\n\nhint: claude-bottle ${argv[0]} --help\n`);
  }
});

Deno.test("list shows what entries extend where one of them does", async () => {
  const manifest = `bottles:
  base: {}
  dev: { extends: base, env: { A: a } }
agents:
  one: { bottle: dev }
  two: { extends: one, prompt: Hi }
`;
  const agents = await runCli(["list"], { manifest });
  assert.equal(
    agents.stdout,
    [
      "AGENT  EXTENDS  BOTTLE  SKILLS  PROMPT",
      "one    -        dev     0       -",
      "two    one      dev     0       Hi",
      "",
    ].join("\n"),
  );
  const bottles = await runCli(["list", "bottles"], { manifest });
  assert.equal(
    bottles.stdout,
    [
      "BOTTLE  EXTENDS  USED BY   HOSTS  ENV",
      "base    -        -         7      -",
      "dev     base     one, two  7      A",
      "",
    ].join("\n"),
  );
  const json = await runCli(["list", "--json"], { manifest });
  assert.deepEqual(JSON.parse(json.stdout).agents.map((agent: { extends: unknown }) => agent.extends), [
    null,
    "one",
  ]);
});
