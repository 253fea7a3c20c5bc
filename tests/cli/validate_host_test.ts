import assert from "node:assert/strict";
import { type CliOptions, MANIFEST_PATH, runCli } from "../support/cli_harness.ts";
import type { MemoryFile } from "../support/memory_files.ts";
import { openSshKey } from "../support/private_keys.ts";

const DONE = { kind: "exit", code: 0 };
const USAGE = { kind: "exit", code: 2 };

const HOME = "/home/somebody";
const CWD = `${HOME}/project`;
const IDENTITY = "user.name\nA\0user.email\na@example.com\0";
const CERTIFICATE = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";

/** Everything that can be missing, each in a line of its own. */
const MANIFEST = `bottles:
  base:
    env:
      HOST: \${TAKEN}
      WORD: { secret: { command: [op, read, x] } }
      PATH_: { secret: { command: [./bin/secret] } }
      FILE: { secret: { file: token } }
      ASKED: "?"
      TEXT: hidden-literal
    ssh:
      - { Host: one, IdentityFile: ~/.ssh/one, KnownHostKey: KEY }
      - { Host: two, IdentityFile: two, KnownHostKey: KEY }
    git: { identity: host }
    image: { ca: ca.pem }
  dev: { extends: base }
agents:
  parent: { bottle: base, skills: [good, other] }
  child: { extends: parent, bottle: dev }
`.replaceAll(
  "KEY",
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAgDZRIRbqP2k/JMt1/4TsT8moet4ZOI+/Q3Mcpw8Vkl",
);

const FOLDER = MANIFEST_PATH.slice(0, MANIFEST_PATH.lastIndexOf("/"));

const FILES: Readonly<Record<string, string | MemoryFile>> = {
  "/usr/bin/op": { text: "#!/bin/sh\n", mode: 0o755 },
  [`${FOLDER}/bin/secret`]: { text: "#!/bin/sh\n", mode: 0o700 },
  [`${FOLDER}/token`]: { text: "hidden-token", mode: 0o600 },
  [`${FOLDER}/two`]: { text: openSshKey({ point: 2 }), mode: 0o600 },
  [`${FOLDER}/ca.pem`]: CERTIFICATE,
  [`${HOME}/.ssh/one`]: { text: openSshKey(), mode: 0o600 },
  [`${HOME}/.claude/skills/good/SKILL.md`]: "",
  [`${HOME}/.claude/skills/other/SKILL.md`]: "",
};

/** A host that has all that the manifest names, but for what is replaced. */
function host(
  changes: Readonly<Record<string, string | MemoryFile>> = {},
  options: CliOptions & { readonly identity?: string } = {},
): CliOptions {
  const files = Object.entries({ ...FILES, ...changes }).filter(([, file]) => file !== "gone");
  return {
    manifest: MANIFEST,
    env: { TAKEN: "hidden-value" },
    ...options,
    files: Object.fromEntries(files),
    arrange: ({ processes }) => {
      processes.on(/git config/, { stdout: options.identity ?? IDENTITY });
    },
  };
}

/** A manifest with one bottle, and an agent that uses it. */
function used(bottle: string): string {
  return `bottles: { dev: ${bottle} }\nagents: { a: { bottle: dev } }\n`;
}

interface Told {
  readonly path: string;
  readonly message: string;
  readonly concerns: string;
  readonly where: { readonly line: number };
}

async function warnings(options: CliOptions): Promise<readonly Told[]> {
  const run = await runCli(["validate", "--json"], options);
  assert.deepEqual(run.outcome, DONE, run.stderr);
  for (const text of [run.stdout, run.stderr]) assert.doesNotMatch(text, /hidden|PRIVATE|AAAAAA/);
  return JSON.parse(run.stdout).warnings;
}

Deno.test("validate warns of nothing where this host has all that the manifest names", async () => {
  const run = await runCli(["validate"], host());
  assert.deepEqual(run.outcome, DONE);
  assert.equal(run.stdout, "2 bottles, 2 agents: no problems\n");
  assert.equal(run.stderr, "");
  // Git alone is asked, once; no secret's command is run, no engine is asked.
  assert.equal(run.host.processes.lines.length, 1);
  assert.match(run.host.processes.lines[0] ?? "", /^sh -c cd \/ && exec git config /);
  assert.deepEqual(run.backend.calls, []);
});

const MISSES:
  readonly (readonly [what: string, options: CliOptions, path: string, line: number, message: RegExp])[] = [
    ["a variable", host({}, { env: {} }), "bottles.base.env.HOST", 4, /does not set .* HOST \(from TAKEN\)/],
    [
      "a program",
      host({ "/usr/bin/op": "gone" }),
      "bottles.base.env.WORD.secret.command[0]",
      5,
      /^op is not on PATH/,
    ],
    [
      "a program that is none",
      host({ "/usr/bin/op": { mode: 0o644 } }),
      "bottles.base.env.WORD.secret.command[0]",
      5,
      /^op is not on PATH/,
    ],
    [
      "a script",
      host({ [`${FOLDER}/bin/secret`]: "gone" }),
      "bottles.base.env.PATH_.secret.command[0]",
      6,
      /^no program is at .*\.config\/claude-bottle\/bin\/secret$/,
    ],
    [
      "a secret's file",
      host({ [`${FOLDER}/token`]: "gone" }),
      "bottles.base.env.FILE.secret.file",
      7,
      /^The file that FILE comes from is not there: /,
    ],
    [
      "a secret's file of its own",
      host({ [`${FOLDER}/token`]: { text: "hidden", mode: 0o644 } }),
      "bottles.base.env.FILE.secret.file",
      7,
      /others can read or change .* \(mode 0644\)/,
    ],
    [
      "a key",
      host({ [`${HOME}/.ssh/one`]: "gone" }),
      "bottles.base.ssh[0].IdentityFile",
      11,
      /^ssh key file not found/,
    ],
    [
      "a private key",
      host({ [`${HOME}/.ssh/one`]: { text: "hidden", mode: 0o600 } }),
      "bottles.base.ssh[0].IdentityFile",
      11,
      /is no private key/,
    ],
    [
      "a key of its own",
      host({ [`${FOLDER}/two`]: { text: openSshKey(), mode: 0o640 } }),
      "bottles.base.ssh[1].IdentityFile",
      12,
      /can be read or changed by others: .*two has mode 0640/,
    ],
    ["an identity", host({}, { identity: "" }), "bottles.base.git.identity", 13, /has no user\.name/],
    [
      "a certificate",
      host({ [`${FOLDER}/ca.pem`]: "x" }),
      "bottles.base.image.ca",
      14,
      /holds no certificate/,
    ],
    [
      "a skill",
      host({ [`${HOME}/.claude/skills/other/SKILL.md`]: "gone" }),
      "agents.parent.skills[1]",
      17,
      /^skill 'other' not found on host at \/home\/somebody\/\.claude\/skills\/other/,
    ],
    [
      "a skill that may be one",
      host({
        [`${HOME}/.claude/skills/other/SKILL.md`]: "gone",
        [`${HOME}/.claude/skills/other`]: { link: HOME },
      }),
      "agents.parent.skills[1]",
      17,
      /^Skill other is not copied: /,
    ],
  ];

for (const [what, options, path, line, message] of MISSES) {
  Deno.test(`validate warns, once and at its place, where this host lacks ${what}`, async () => {
    const found = await warnings(options);
    assert.equal(found.length, 1, JSON.stringify(found));
    const [warning] = found;
    assert.equal(warning?.path, path);
    assert.equal(warning.where.line, line);
    assert.equal(warning.concerns, "host");
    assert.ok(warning.message.startsWith(`${path}: `));
    assert.match(warning.message.slice(path.length + 2), message);
  });
}

Deno.test("validate tells warnings with caret and hint, exits 0, and counts them", async () => {
  const run = await runCli(["validate"], host({}, { env: {} }));
  assert.deepEqual(run.outcome, DONE);
  assert.equal(run.stdout, "2 bottles, 2 agents: no problems, 1 warning\n");
  assert.equal(
    run.stderr,
    [
      "warning: On this host one thing is missing or not as it must be; on another one it may be right",
      `  ${MANIFEST_PATH}:4:13: bottles.base.env.HOST: The host does not set what the bottle's env takes from it: HOST (from TAKEN)`,
      "            HOST: ${TAKEN}",
      "                  ^~~~~~~~",
      "  hint: Set TAKEN, or change where the manifest takes it from",
      "",
    ].join("\n"),
  );
  const both = await runCli(["validate"], host({ "/usr/bin/op": "gone" }, { env: {} }));
  assert.match(both.stdout, /, 2 warnings\n$/);
  assert.match(both.stderr, /^warning: On this host 2 things are missing or not as they must be;/);
});

Deno.test("validate tells warnings of one file beside the problems of another", async () => {
  const run = await runCli(["validate", "a.yaml", "b.yaml"], {
    files: {
      [`${CWD}/a.yaml`]: used('{ env: { A: "${NOT_SET}" } }'),
      [`${CWD}/b.yaml`]: "bottlez: {}\n",
    },
  });
  assert.deepEqual(run.outcome, USAGE);
  assert.match(run.stderr, /^warning: On this host one thing .*\n {2}a\.yaml:1:29: /);
  assert.match(run.stderr, /\nerror: The manifest has a problem\n {2}b\.yaml:1:1: /);
  assert.equal(run.stdout, "");
});

Deno.test("validate takes paths from the folder of the file that names them", async () => {
  const options = {
    files: {
      [`${CWD}/sub/a.yaml`]: used("{ env: { A: { secret: { file: token } } } }"),
      [`${CWD}/sub/token`]: { text: "x", mode: 0o600 },
    },
  };
  const found = await runCli(["validate", "sub/a.yaml"], options);
  assert.equal(found.stdout, "1 bottle, 1 agent: no problems\n", found.stderr);
  const missing = await runCli(["validate", "sub/a.yaml"], {
    files: {
      ...options.files,
      [`${CWD}/token`]: { text: "x", mode: 0o600 },
      [`${CWD}/sub/token`]: { link: "none" },
    },
  });
  assert.match(missing.stdout, /1 warning/);
  assert.match(missing.stderr, /project\/sub\/token/);
});

Deno.test("validate says what start would refuse, once for all that take it over", async () => {
  const manifest = `bottles:
  base: { image: { packages: [jq] } }
  dev: { extends: base }
agents:
  one: { bottle: base, prompt: Hi, command: [bash] }
  two: { extends: one, bottle: dev }
`;
  const run = await runCli(["validate"], { manifest });
  assert.deepEqual(run.outcome, DONE);
  assert.equal(run.stdout, "2 bottles, 2 agents: no problems, 2 warnings\n");
  assert.match(run.stderr, /^warning: 2 things in the manifest deserve a look\n/);
  assert.match(
    run.stderr,
    /:2:\d+: bottles\.base\.image\.packages: installing packages is not available yet\n/,
  );
  assert.match(
    run.stderr,
    /:5:\d+: agents\.one\.prompt: the agent's prompt is for Claude Code, but one runs bash\n/,
  );
  const refused = await runCli(["start", "two", "--prompt", "x"], { manifest });
  assert.deepEqual(refused.outcome, USAGE);
});

Deno.test("validate looks for programs where the command would be run", async () => {
  const manifest = used("{ env: { A: { secret: { command: [tool] } } } }");
  for (
    const [PATH, place, isThere] of [
      ["/usr/bin:/opt/bin", "/opt/bin/tool", true],
      ["/usr/bin", "/opt/bin/tool", false],
      ["bin", `${HOME}/bin/tool`, true],
      ["bin", `${CWD}/bin/tool`, false],
    ] as const
  ) {
    const files = { [place]: { mode: 0o755 } };
    const found = await runCli(["validate"], { manifest, env: { PATH }, files });
    assert.equal(found.stdout.endsWith("no problems\n"), isThere, `${PATH} ${place}`);
  }
});

Deno.test("validate shows people so many warnings of 1,000 agents, and says how many more there are", async () => {
  const agents = Array.from({ length: 1000 }, (_, index) => `  a${index}: { bottle: b, skills: [none] }\n`);
  const run = await runCli(["validate"], { manifest: `bottles: { b: {} }\nagents:\n${agents.join("")}` });
  assert.deepEqual(run.outcome, DONE);
  assert.equal(run.stdout, "1 bottle, 1000 agents: no problems, 1000 warnings\n");
  assert.equal(run.stderr.match(/skill 'none' not found/g)?.length, 200);
  assert.ok(
    run.stderr.endsWith("\n  … and 800 more: `validate --json` tells them all\n"),
    run.stderr.slice(-200),
  );
});
