import assert from "node:assert/strict";
import { printable } from "../../lib/errors.ts";
import { PERSON } from "../support/memory_terminal.ts";
import { MANIFEST_PATH, runCli, TWO_AGENTS } from "../support/cli_harness.ts";

const DONE = { kind: "exit", code: 0 };
const FAILED = { kind: "exit", code: 1 };
const USAGE = { kind: "exit", code: 2 };

const PROJECT = "/home/somebody/project/claude-bottle.yaml";

const THREE_PROBLEMS = `bottles:
  dev:
    evn: {}
    egress: { proxy: sqid }
agents:
  reviewer: { bottle: deV }
`;

Deno.test("start reports every problem of the manifest in one run, and makes no call", async () => {
  for (const over of [undefined, "docker"] as const) {
    const run = await runCli(["start", "reviewer", "--prompt", "hi"], {
      manifest: THREE_PROBLEMS,
      ...(over === undefined ? {} : { over }),
    });
    assert.deepEqual(run.outcome, USAGE);
    assert.equal(run.stdout, "");
    assert.ok(run.stderr.startsWith("error: The manifest has 3 problems\n"), run.stderr);
    const places = run.stderr.match(/claude-bottle\.yaml:\d+:\d+: \S+/g);
    assert.deepEqual(places, [
      "claude-bottle.yaml:3:5: bottles.dev.evn:",
      "claude-bottle.yaml:4:22: bottles.dev.egress.proxy:",
      "claude-bottle.yaml:6:23: agents.reviewer.bottle:",
    ]);
    assert.deepEqual(run.backend.calls, []);
    assert.deepEqual(run.host.processes.lines, []);
  }
});

Deno.test("--json tells every problem with its place", async () => {
  const run = await runCli(["start", "reviewer", "--prompt", "hi", "--json"], { manifest: THREE_PROBLEMS });
  assert.deepEqual(run.outcome, USAGE);
  const { error } = JSON.parse(run.stderr);
  assert.equal(error.code, "manifest-invalid");
  assert.equal(error.where.file, MANIFEST_PATH);
  assert.deepEqual([error.where.line, error.where.column], [3, 5]);
  assert.deepEqual(
    error.problems.map((problem: { where: { line: number; column: number } }) => [
      problem.where.line,
      problem.where.column,
    ]),
    [[3, 5], [4, 22], [6, 23]],
  );
});

Deno.test("start does not show a manifest's control characters to the terminal", async () => {
  const manifest = TWO_AGENTS.replace("reviewer:", '"re\\e[31mviewer\\u202e":');
  const run = await runCli(["start", "lister", "--yes"], { manifest });
  assert.deepEqual(run.outcome, USAGE);
  assert.equal(run.stderr, printable(run.stderr));
});

Deno.test("a project's own manifest is refused with the way to use it, and used with --manifest", async () => {
  const files = { [PROJECT]: TWO_AGENTS };
  for (const manifest of [undefined, TWO_AGENTS]) {
    const refused = await runCli(["start", "lister", "--yes"], {
      files,
      ...(manifest === undefined ? {} : { manifest }),
    });
    assert.deepEqual(refused.outcome, FAILED);
    assert.equal(
      refused.stderr,
      `error: ${PROJECT} comes with the project and asks for 17 grants that are not approved\n\n` +
        "hint: `claude-bottle trust` shows what is asked for\n" +
        "hint: `claude-bottle trust --yes` approves it\n" +
        `hint: Or, for once, \`--manifest ${PROJECT}\` uses it as your own\n`,
    );
    assert.deepEqual(refused.backend.calls, []);
  }
  for (const name of [PROJECT, "claude-bottle.yaml", "./claude-bottle.yaml"]) {
    const used = await runCli(["start", "lister", "--yes", "--manifest", name], { files });
    assert.deepEqual(used.outcome, DONE, used.stderr);
    assert.deepEqual(used.backend.specs[0]?.manifestFiles.map(({ path }) => path), [PROJECT]);
  }
});

Deno.test("what is not there yet is refused for the agent that asks for it, and only for that one", async () => {
  const manifest = `bottles:
  dev: { egress: { proxy: squid } }
  keys: { egress: { proxy: squid }, image: { dockerfile: d, packages: [jq] } }
agents:
  plain: { bottle: dev }
  skilled: { bottle: keys, skills: [code-review] }
`;
  const plain = await runCli(["start", "plain", "--prompt", "hi"], { manifest });
  assert.deepEqual(plain.outcome, DONE, plain.stderr);
  const skilled = await runCli(["start", "skilled", "--prompt", "hi"], { manifest });
  assert.deepEqual(skilled.outcome, USAGE);
  for (const feature of ["installing packages", "a Dockerfile"]) {
    assert.ok(skilled.stderr.includes(`${feature} is not available yet`), skilled.stderr);
  }
  assert.deepEqual(skilled.backend.calls, []);
});

Deno.test("a manifest without agents is told what to add, whatever is there to ask on", async () => {
  for (const agents of ["", "agents: {}\n"]) {
    for (const terminals of [PERSON, []]) {
      const run = await runCli(["start", "--color", "never"], {
        manifest: `bottles: { dev: { egress: { proxy: squid } } }\n${agents}`,
        terminals,
        answers: ["1"],
      });
      assert.deepEqual(run.outcome, USAGE, run.stderr);
      assert.equal(
        run.stderr,
        "error: The manifest defines no agents\n\nhint: Add one below `agents:`, e.g. `me: { bottle: dev }`\n",
      );
      assert.deepEqual(run.backend.calls, []);
    }
  }
});

Deno.test("start without a HOME says so instead of guessing where the manifest is", async () => {
  const run = await runCli(["start", "--prompt", "hi"], { env: { HOME: "" } });
  assert.deepEqual(run.outcome, USAGE);
  assert.match(run.stderr, /HOME is not set to an absolute path/);
  assert.deepEqual(run.backend.calls, []);
});

Deno.test("a manifest that others may change is refused", async () => {
  for (const file of [{ text: TWO_AGENTS, mode: 0o666 }, { text: TWO_AGENTS, uid: 1001 }]) {
    const run = await runCli(["start", "lister", "--yes"], { files: { [MANIFEST_PATH]: file } });
    assert.deepEqual(run.outcome, USAGE);
    assert.match(run.stderr, /others may change it|can be written by everyone/);
    assert.deepEqual(run.backend.calls, []);
  }
});

Deno.test("a manifest of the original, in the home folder as it was, launches its agent unchanged", async () => {
  const original = await Deno.readTextFile(new URL("../testdata/manifest/original.json", import.meta.url));
  const run = await runCli(["start", "gitea-dev", "--dry-run"], {
    files: { "/home/somebody/claude-bottle.json": original },
    env: { GH_PAT: "token" },
  });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  const [spec] = run.backend.specs;
  assert.deepEqual([spec?.agent, spec?.bottle], ["gitea-dev", "gitea-dev"]);
  assert.deepEqual([spec?.skills, spec?.prompt], [["code-review"], "You review pull requests.\n"]);
  assert.deepEqual(Object.fromEntries(spec?.env ?? []), {
    GIT_AUTHOR_NAME: { kind: "literal", value: "didericis" },
    GITHUB_TOKEN: { kind: "host", variable: "GH_PAT" },
    GITEA_TOKEN: { kind: "prompt", text: "paste your Gitea API token" },
    NPM_TOKEN: { kind: "prompt", text: "" },
    GREETING: { kind: "literal", value: "a${X}b" },
  });
  assert.deepEqual(
    spec?.ssh.map(({ host, hostname, user, port, identityFile }) => [
      host,
      `${user}@${hostname}:${port}`,
      identityFile,
    ]),
    [
      ["gitea", "git@git.example.com:2222", "/home/somebody/.ssh/gitea_ed25519"],
      ["box.example.org", "git@box.example.org:22", "/home/somebody/.ssh/id_ed25519"],
    ],
  );
  assert.deepEqual(spec?.namedHosts, ["git.example.com", "github.com"]);
});
