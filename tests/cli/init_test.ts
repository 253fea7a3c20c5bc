import assert from "node:assert/strict";
import { type CliOptions, type CliRun, MANIFEST_PATH, runCli, TWO_AGENTS } from "../support/cli_harness.ts";
import type { MemoryFile } from "../support/memory_files.ts";
import { PERSON } from "../support/memory_terminal.ts";
import { openSshKey } from "../support/private_keys.ts";

const DONE = { kind: "exit", code: 0 };
const FAILED = { kind: "exit", code: 1 };
const USAGE = { kind: "exit", code: 2 };

const HOME = "/home/somebody";
const CWD = `${HOME}/project`;
const REPOSITORY = { [`${HOME}/project/.git/HEAD`]: "" };
const KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAgDZRIRbqP2k/JMt1/4TsT8moet4ZOI+/Q3Mcpw8Vkl";

const SKILLS = {
  [`${HOME}/.claude/skills/one/SKILL.md`]: "",
  [`${HOME}/.claude/skills/null/SKILL.md`]: "",
  // None of these is one that a launch would take.
  [`${HOME}/.claude/skills/two words/SKILL.md`]: "",
  [`${HOME}/.claude/skills/README.md`]: "",
  [`${HOME}/.claude/skills/lost`]: { link: "nowhere" },
  [`${HOME}/.claude/skills/all`]: { link: HOME },
};

const KEYS: Readonly<Record<string, string | MemoryFile>> = {
  [`${HOME}/.ssh/id_ed25519`]: { text: openSshKey(), mode: 0o600 },
  [`${HOME}/.ssh/id_ed25519.pub`]: "",
  [`${HOME}/.ssh/open`]: { text: openSshKey(), mode: 0o644 },
  [`${HOME}/.ssh/open.pub`]: "",
  [`${HOME}/.ssh/config`]: "",
  [`${HOME}/.ssh/known_hosts`]: `git.example.org ${KEY}\n`,
};

interface Written {
  readonly path: string;
  readonly mode: string;
  readonly text: string;
}

/** The files that a run wrote. */
function written({ host }: CliRun): readonly Written[] {
  return host.processes.calls.filter(({ program, input }) => program === "sh" && input !== undefined)
    .map(({ args: [, , , folder, name, mode, replace], input }) => {
      assert.equal(replace, "no");
      return { path: `${folder}/${name}`, mode: mode ?? "", text: new TextDecoder().decode(input) };
    });
}

/** The manifest that a run wrote; it loads without a problem or warning on the same host. */
async function goodManifest(run: CliRun, options: CliOptions): Promise<Written> {
  assert.deepEqual(run.outcome, DONE, run.stderr);
  const [manifest, schema, ...more] = written(run);
  assert.ok(manifest !== undefined && schema !== undefined);
  assert.deepEqual(more, []);
  assert.equal(schema.path, manifest.path.replace(/yaml$/, "schema.json"));
  assert.equal(schema.text, (await runCli(["schema"])).stdout);
  const { terminals: _, answers: __, ...same } = options;
  const files = {
    ...same.files,
    [manifest.path]: { text: manifest.text, mode: Number.parseInt(manifest.mode, 8) },
  };
  // A project's is named: it counts for nothing yet, which would be a warning.
  const named = manifest.mode === "644" ? [manifest.path] : [];
  const validated = await runCli(["validate", ...named], { ...same, files });
  assert.deepEqual(validated.outcome, DONE, validated.stderr);
  assert.match(validated.stdout, /: no problems\n$/, validated.stderr + manifest.text);
  return manifest;
}

Deno.test("init writes the user's manifest and its schema, for the user alone, and says what is next", async () => {
  const run = await runCli(["init"]);
  const { path, mode, text } = await goodManifest(run, {});
  assert.equal(path, MANIFEST_PATH);
  assert.equal(mode, "600");
  assert.match(text, /^# yaml-language-server: \$schema=\.\/claude-bottle\.schema\.json\n/);
  assert.match(text, /^agents:\n {2}claude:\n {4}bottle: default\n/m);
  assert.equal(run.stdout, `${MANIFEST_PATH}\n`);
  assert.equal(
    run.stderr,
    [
      "claude-bottle: agent claude; `claude-bottle edit` opens the manifest",
      "claude-bottle: next: claude-bottle start",
      "",
    ].join("\n"),
  );
  assert.deepEqual(run.backend.calls, []);
});

Deno.test("init: start then finds the agent", async () => {
  const [manifest] = written(await runCli(["init", "--agent", "My agent"]));
  const run = await runCli(["start", "--prompt", "x"], { manifest: manifest?.text ?? "" });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.equal(run.backend.specs[0]?.agent, "My agent");
  assert.equal(run.backend.specs[0]?.proxy.name, "squid");
});

Deno.test("init gives the skills that a launch would take, and no key unless asked", async () => {
  const options = { files: { ...SKILLS, ...KEYS } };
  for (const flags of [[], ["--yes"], ["--user"], ["-y", "--user"]]) {
    const run = await runCli(["init", ...flags], options);
    const { text } = await goodManifest(run, options);
    assert.match(text, /^ {4}skills:\n {6}- "null"\n {6}- one\n\n/m);
    assert.doesNotMatch(text, /^ {4}ssh:/m);
    assert.match(run.stderr, /agent claude, given the skills null, one; /);
  }
  const person = { ...options, terminals: PERSON };
  const yes = await runCli(["init", "--yes"], person);
  assert.equal(
    (await goodManifest(yes, person)).text,
    (await goodManifest(await runCli(["init"], options), options)).text,
  );
});

Deno.test("init asks a person for name, skills, key and host, each until the answer can be used", async () => {
  const options = {
    files: { ...SKILLS, ...KEYS },
    terminals: PERSON,
    answers: [
      "-x",
      "demo",
      "null",
      "nope",
      "one",
      "open",
      "/none",
      "id_ed25519",
      "-oProxyCommand=x",
      "https://git.example.org/me/app",
      "git@git.example.org",
      "git.example.org",
    ],
  };
  const run = await runCli(["init"], options);
  const { text } = await goodManifest(run, options);
  assert.match(text, /^ {2}"null":\n {4}bottle: default$/m);
  assert.match(text, /^ {4}skills:\n {6}- one\n\n/m);
  assert.match(
    text,
    new RegExp(
      ` {4}ssh:\\n {6}- Host: git\\.example\\.org\\n {8}IdentityFile: ~/\\.ssh/id_ed25519\\n` +
        ` {8}KnownHostKey:\\n {10}- ${KEY.replaceAll(/[+/]/g, "\\$&")}\\n`,
    ),
  );
  const said = run.stderr.split("\n");
  for (
    const part of [
      "claude-bottle: what is the agent called? [claude] claude-bottle: the name must not begin with a dash",
      "claude-bottle: the name is reserved. It is kept for a tour; choose another name",
      "claude-bottle: skills of this host: null, one",
      'claude-bottle: no skill of this host is named "nope"',
      "claude-bottle: ssh keys of this host: ~/.ssh/id_ed25519, ~/.ssh/open",
      "The ssh key can be read or changed by others: /home/somebody/.ssh/open has mode 0644. `chmod 600",
      "claude-bottle: there is no /none. `none` goes on without a key",
      'claude-bottle: "-oProxyCommand=x" must not begin with a dash',
      "is a URL, where a host name is wanted. Write `git.example.org`",
      'claude-bottle: "git@git.example.org" has a user, where a host name is wanted. Write `git.example.org`',
    ]
  ) assert.ok(said.some((line) => line.includes(part)), `${part}\n${run.stderr}`);
});

Deno.test("init takes the usual answers for empty lines, and asks only what there is a choice of", async () => {
  const options = { files: { ...SKILLS, ...KEYS }, terminals: PERSON, answers: ["", "", ""] };
  const run = await runCli(["init"], options);
  const { text } = await goodManifest(run, options);
  assert.match(text, /^ {4}skills:\n {6}- "null"\n {6}- one\n\n/m);
  assert.doesNotMatch(text, /^ {4}ssh:/m);
  const bare = { terminals: PERSON, answers: [] };
  const named = await runCli(["init", "--agent", "x"], bare);
  await goodManifest(named, bare);
  assert.doesNotMatch(named.stderr, /\?/);
});

Deno.test("init writes nothing when the person ends the input", async () => {
  for (const answers of [[], [""], ["", ""], ["", "", "id_ed25519"]]) {
    const run = await runCli(["init"], { files: { ...SKILLS, ...KEYS }, terminals: PERSON, answers });
    assert.deepEqual(run.outcome, DONE);
    assert.deepEqual(written(run), []);
    assert.match(run.stderr, /claude-bottle: aborted by user\n$/);
    assert.equal(run.stdout, "");
  }
});

Deno.test("init without a known host key leaves the line for it", async () => {
  const answers = ["", "id_ed25519", ""];
  const run = await runCli(["init"], { files: KEYS, terminals: PERSON, answers });
  assert.deepEqual(run.outcome, DONE);
  const [manifest] = written(run);
  assert.match(
    manifest?.text ?? "",
    /IdentityFile: ~\/\.ssh\/id_ed25519\n {8}# .*\n {8}# here: KnownHostKey\n/,
  );
  const validated = await runCli(["validate"], { files: KEYS, manifest: manifest?.text ?? "" });
  assert.deepEqual(validated.outcome, DONE, validated.stderr);
});

Deno.test("init respects XDG_CONFIG_HOME, and passes over a relative one", async () => {
  const set = await runCli(["init"], { env: { XDG_CONFIG_HOME: "/etc/me" } });
  assert.equal(set.stdout, "/etc/me/claude-bottle/claude-bottle.yaml\n");
  const relative = await runCli(["init"], { env: { XDG_CONFIG_HOME: "me" } });
  assert.equal(relative.stdout, `${MANIFEST_PATH}\n`);
});

Deno.test("init --project writes into the repository's root, with names of its own, and speaks of trust", async () => {
  const rows = [
    { files: REPOSITORY, path: `${CWD}/claude-bottle.yaml`, agent: "project" },
    { files: {}, path: `${CWD}/claude-bottle.yaml`, agent: "project" },
    { files: { [`/home/.git/HEAD`]: "" }, path: "/home/claude-bottle.yaml", agent: "home" },
  ];
  for (const { files, path, agent } of rows) {
    const options = { files: { ...files, ...SKILLS, ...KEYS }, manifest: TWO_AGENTS };
    const run = await runCli(["init", "--project"], options);
    const written = await goodManifest(run, options);
    assert.equal(written.path, path);
    assert.equal(written.mode, "644");
    assert.match(written.text, new RegExp(`^agents:\\n {2}${agent}:\\n {4}bottle: ${agent}\\n`, "m"));
    assert.doesNotMatch(written.text, /^ {4}(skills|ssh):/m);
    assert.match(run.stderr, /`claude-bottle trust` shows what it grants/);
    assert.match(run.stderr, new RegExp(`next: claude-bottle start ${agent}\n$`));
  }
  const spaced = await runCli(["init", "--project", "--agent", "Code Reviewer"], { files: REPOSITORY });
  assert.match(spaced.stderr, /next: claude-bottle start 'Code Reviewer'\n$/);
  const person = { files: { ...REPOSITORY, ...SKILLS, ...KEYS }, terminals: PERSON, answers: ["helper"] };
  assert.match(
    (await goodManifest(await runCli(["init", "--project"], person), person)).text,
    /^ {2}helper:\n/m,
  );
});

Deno.test("init never writes over a manifest, and names edit", async () => {
  const project = { ...REPOSITORY, [`${CWD}/claude-bottle.json`]: "{}" };
  const rows: readonly (readonly [flags: readonly string[], options: CliOptions, taken: string])[] = [
    [[], { manifest: TWO_AGENTS }, MANIFEST_PATH],
    [["--user", "--yes"], { manifest: TWO_AGENTS }, MANIFEST_PATH],
    [[], { files: { [`${HOME}/claude-bottle.json`]: "{}" } }, `${HOME}/claude-bottle.json`],
    [[], { files: project }, `${CWD}/claude-bottle.json`],
    [["--project"], { files: project }, `${CWD}/claude-bottle.json`],
    // A broken one is one too.
    [[], { manifest: "%" }, MANIFEST_PATH],
    [[], { files: { [MANIFEST_PATH]: { link: "nowhere" } } }, MANIFEST_PATH],
  ];
  for (const [flags, options, taken] of rows) {
    const run = await runCli(["init", ...flags], options);
    assert.deepEqual(run.outcome, FAILED, run.stderr);
    assert.deepEqual(written(run), []);
    assert.ok(run.stderr.startsWith(`error: There is a manifest already: ${taken}\n`), run.stderr);
    assert.match(run.stderr, /hint: `claude-bottle edit` opens it/);
  }
  const beside = await runCli(["init", "--user"], { files: project });
  assert.deepEqual(beside.outcome, DONE, beside.stderr);
  const other = await runCli(["init", "--project"], { files: REPOSITORY, manifest: TWO_AGENTS });
  assert.deepEqual(other.outcome, DONE, other.stderr);
});

Deno.test("init says so when a file came between, and when nothing can be written", async () => {
  const raced = await runCli(["init"], {
    arrange: ({ processes }) => processes.on(/ claude-bottle\.yaml /, { code: 3 }),
  });
  assert.deepEqual(raced.outcome, FAILED);
  assert.match(raced.stderr, /^error: There is a manifest already: /);
  const refused = await runCli(["init"], {
    arrange: ({ processes }) => processes.on(/ claude-bottle\.yaml /, { code: 1, stderr: "mkdir: no\n" }),
  });
  assert.deepEqual(refused.outcome, FAILED);
  assert.match(refused.stderr, /^error: Cannot write .*claude-bottle\.yaml: mkdir: no\n/);
  assert.equal(refused.stdout, "");
});

Deno.test("init leaves a schema that is there, and says so when it is another one", async () => {
  const path = MANIFEST_PATH.replace(/yaml$/, "schema.json");
  const arrange: CliOptions["arrange"] = ({ processes }) => {
    processes.on(/ claude-bottle\.schema\.json /, { code: 3 });
  };
  const same = { [path]: (await runCli(["schema"])).stdout };
  const quiet = await runCli(["init"], { files: same, arrange });
  assert.deepEqual(quiet.outcome, DONE);
  assert.doesNotMatch(quiet.stderr, /schema/);
  const other = await runCli(["init"], { files: { [path]: "{}" }, arrange });
  assert.deepEqual(other.outcome, DONE);
  assert.match(other.stderr, /schema\.json exists already: `claude-bottle schema` prints/);
});

Deno.test("init refuses what no agent can be called, both flags at once, and a project that is the home", async () => {
  const name = await runCli(["init", "--agent", "a\u001b[31m/b"]);
  assert.deepEqual(name.outcome, USAGE);
  // deno-lint-ignore no-control-regex -- control characters are what this is about
  assert.doesNotMatch(name.stderr, /\u001b/);
  assert.match(name.stderr, /The agent's name may contain letters/);
  const inherited = await runCli(["init", "--agent", "__proto__"]);
  assert.deepEqual(inherited.outcome, USAGE);
  const both = await runCli(["init", "--user", "--project"]);
  assert.deepEqual(both.outcome, USAGE);
  assert.match(both.stderr, /--user and --project contradict each other/);
  const home = await runCli(["init", "--project"], { files: { [`${HOME}/.git/HEAD`]: "" } });
  assert.deepEqual(home.outcome, FAILED);
  assert.match(home.stderr, /is your home: a manifest there would be your own/);
  for (const run of [name, inherited, both, home]) assert.deepEqual(written(run), []);
});

Deno.test("init --json asks nothing and tells what was written", async () => {
  const run = await runCli(["init", "--json"], { files: { ...SKILLS, ...KEYS }, terminals: PERSON });
  assert.deepEqual(run.outcome, DONE);
  assert.deepEqual(JSON.parse(run.stdout), {
    path: MANIFEST_PATH,
    schema: MANIFEST_PATH.replace(/yaml$/, "schema.json"),
    origin: "user",
    agent: "claude",
    bottle: "default",
    skills: ["null", "one"],
  });
  assert.equal(run.stderr, "");
});
