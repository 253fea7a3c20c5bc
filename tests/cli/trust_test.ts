import assert from "node:assert/strict";
import { approvalPlace } from "../../lib/commands/approval_store.ts";
import { Failure, printable } from "../../lib/errors.ts";
import { FakeBackend, MANIFEST_PATH, runCli } from "../support/cli_harness.ts";
import { fakeHost } from "../support/fake_host.ts";
import { PROJECT_FILE, ROOT, TrustingMachine } from "../support/trusting_machine.ts";

const DONE = { kind: "exit", code: 0 };
const FAILED = { kind: "exit", code: 1 };
const USAGE = { kind: "exit", code: 2 };

const MANIFEST = `bottles:
  dev:
    env: { GITHUB_TOKEN: "\${GH_PAT}" }
    egress: { defaults: false, allowlist: [github.com], proxy: squid }
agents:
  reviewer: { bottle: dev }
`;

const WITH_ENV = { env: { GH_PAT: "x" } };
const QUESTION = "claude-bottle: approve these grants? [y/N] ";

const TOKEN =
  "claude-bottle: each of these agents also works with your CLAUDE_BOTTLE_OAUTH_TOKEN, once that is set\n";

/** What is shown of {@link MANIFEST} at first. */
const ALL = `claude-bottle: ${PROJECT_FILE} comes with the project and asks for:

agent reviewer
  + bottle    dev (claude-bottle.yaml:6)
  + as usual  command claude --dangerously-skip-permissions
bottle dev
! + env       GITHUB_TOKEN from your variable GH_PAT (claude-bottle.yaml:3)
  + host      github.com (claude-bottle.yaml:4)
  + proxy     squid (claude-bottle.yaml:4)
! + token     your CLAUDE_BOTTLE_OAUTH_TOKEN itself, which squid then keeps outside no more (claude-bottle.yaml:4)
  + as usual  runtime auto, cpus unlimited, memory 4 GiB, pids 2048 processes, disk 20 GiB

! 2 grants have an exclamation mark: they reach your secrets, keys or files, what runs on this machine, private networks, whole domains or images

${TOKEN}`;

Deno.test("trust shows all that a project asks for, asks, and remembers exactly that", async () => {
  const machine = new TrustingMachine(MANIFEST);
  const run = await machine.person(["trust"], "y");
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.equal(run.stdout, "");
  assert.equal(
    run.stderr,
    `${ALL}${QUESTION}claude-bottle: 11 grants of ${PROJECT_FILE} approved; \`claude-bottle trust --revoke\` takes that back\n`,
  );
  const [path = ""] = machine.stored;
  assert.match(path, /^\/home\/somebody\/\.local\/state\/claude-bottle\/trust\/[0-9a-f]{64}\.json$/);
  const stored = JSON.parse(new TextDecoder().decode(Object(machine.files[path]).bytes));
  assert.equal(stored.version, 1);
  assert.equal(stored.root, ROOT);
  assert.deepEqual(stored.approved.map((one: { parts: readonly string[] }) => one.parts.join(" ")), [
    "dev",
    "claude --dangerously-skip-permissions",
    "GITHUB_TOKEN host GH_PAT",
    "github.com",
    "squid",
    "auto",
    "unlimited",
    "4294967296",
    "2048",
    "21474836480",
    "inside",
  ]);
  assert.equal(Object(machine.files[path]).mode, 0o600);
  const again = await machine.person(["trust"]);
  assert.deepEqual(again.outcome, DONE);
  assert.equal(
    again.stderr,
    `claude-bottle: nothing new to approve: 11 grants of ${PROJECT_FILE}, all approved\n`,
  );
});

Deno.test("a start of what is approved asks nothing; other words and less ask nothing; one more host asks for that host", async () => {
  const machine = new TrustingMachine(MANIFEST);
  await machine.run(["trust", "--yes"]);
  const others = [
    MANIFEST,
    `# Reformatted\n${MANIFEST.replace("[github.com]", '["GitHub.com."]')}`,
    MANIFEST.replace(
      'env: { GITHUB_TOKEN: "${GH_PAT}" }',
      "runtime: runsc\n    resources: { memory: 1g, cpus: 1 }",
    ),
  ];
  for (const text of others) {
    machine.files[PROJECT_FILE] = text;
    assert.deepEqual(await machine.asked(), []);
    const run = await machine.run(["start", "--yes", "--prompt", "hi"], WITH_ENV);
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.ok(run.backend.calls.includes("launch"));
  }
  machine.files[PROJECT_FILE] = MANIFEST.replace("[github.com]", "[github.com, gitlab.com]");
  const run = await machine.person(["trust"], "n");
  assert.deepEqual(run.outcome, DONE);
  assert.equal(
    run.stderr,
    `claude-bottle: ${PROJECT_FILE} comes with the project and asks for:

agent reviewer
    unchanged  2
bottle dev
  + host       gitlab.com (claude-bottle.yaml:4)
    unchanged  9

${TOKEN}${QUESTION}claude-bottle: aborted by user
`,
  );
  assert.equal(machine.stored.length, 1);
  const refused = await machine.run(["start", "--yes"], WITH_ENV);
  assert.deepEqual(refused.outcome, FAILED);
  assert.match(refused.stderr, /asks for 1 grant that is not approved/);
  assert.deepEqual(refused.backend.calls, []);
  machine.files[PROJECT_FILE] = MANIFEST;
  assert.deepEqual((await machine.run(["start", "--yes", "--prompt", "hi"], WITH_ENV)).outcome, DONE);
});

Deno.test("trust --yes with less than was approved keeps the less", async () => {
  const machine = new TrustingMachine(MANIFEST);
  await machine.run(["trust", "--yes"]);
  machine.files[PROJECT_FILE] = MANIFEST.replace("[github.com]", "[]");
  const shown = await machine.run(["trust"]);
  assert.deepEqual(shown.outcome, DONE, shown.stderr);
  assert.match(shown.stderr, /^ {2}- host +github\.com$/m);
  assert.match(
    shown.stderr,
    /^- approved before, and not asked for any more; `claude-bottle trust --yes` forgets it$/m,
  );
  assert.equal(machine.stored.length, 1);
  await machine.run(["trust", "--yes"]);
  machine.files[PROJECT_FILE] = MANIFEST;
  assert.deepEqual(await machine.asked(), ["bottle dev: host github.com"]);
});

Deno.test("start at a terminal shows the grants, asks, remembers, and goes on with its own question", async () => {
  const machine = new TrustingMachine(MANIFEST);
  const run = await machine.run(["start", "--color", "never"], {
    ...WITH_ENV,
    terminals: ["stdin", "stdout", "stderr"],
    answers: ["y", "y"],
  });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.ok(run.stderr.startsWith(`${ALL}${QUESTION}`), run.stderr);
  assert.match(run.stderr, /launch this agent\? \[y\/N\]/);
  assert.ok(run.backend.calls.includes("launch"));
  assert.equal(machine.stored.length, 1);
  const again = await machine.run(["start"], {
    ...WITH_ENV,
    terminals: ["stdin", "stdout", "stderr"],
    answers: ["y"],
  });
  assert.deepEqual(again.outcome, DONE);
  assert.doesNotMatch(again.stderr, /approve these grants/);
});

/** An engine with a bottle that was launched from {@link MANIFEST}. */
async function withBottle(): Promise<FakeBackend> {
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(MANIFEST));
  const backend = new FakeBackend();
  backend.bottles = [{
    name: "claude-bottle-reviewer",
    id: "a".repeat(64),
    sidecar: "c".repeat(64),
    run: "aaaaaaaaaaaaa",
    agent: "reviewer",
    bottle: "dev",
    manifestFiles: [{ path: PROJECT_FILE, digest: new Uint8Array(digest).toHex() }],
    status: "running",
    since: 820_000,
    runtime: "runc",
    proxy: "squid",
    owner: "detached",
  }];
  return backend;
}

/** What looks for the bottle that is meant. */
const LOOKED = ["listActive stopped"];

Deno.test("whoever says no ends start, attach and exec there, and nothing is remembered or done", async () => {
  for (const argv of [["start"], ["attach", "reviewer"], ["exec", "reviewer", "--", "ls"]]) {
    for (const answer of ["n", "", "Yes please", undefined]) {
      const machine = new TrustingMachine(MANIFEST);
      const run = await machine.run(argv, {
        ...WITH_ENV,
        backend: await withBottle(),
        terminals: ["stdin", "stdout", "stderr"],
        answers: answer === undefined ? [] : [answer],
      });
      assert.deepEqual(run.outcome, DONE, run.stderr);
      assert.match(run.stderr, /approve these grants\? \[y\/N\] \n?claude-bottle: aborted by user\n$/);
      assert.deepEqual(run.backend.calls, argv[0] === "start" ? [] : LOOKED);
      assert.deepEqual(machine.stored, []);
    }
  }
});

Deno.test("where nobody can or may be asked, what is not approved is refused with the command that approves", async () => {
  const people = { terminals: ["stdin", "stdout", "stderr"], answers: ["y", "y", "y"] } as const;
  const rows: readonly (readonly [argv: readonly string[], options: object])[] = [
    [["start", "--yes"], people],
    [["start", "--prompt", "hi"], people],
    [["start", "--dry-run"], people],
    [["start", "--json"], people],
    [["attach", "reviewer", "--prompt", "hi"], people],
    [["attach", "reviewer", "--json"], people],
    [["exec", "reviewer", "--json", "--", "ls"], people],
    [["start"], {}],
    [["start"], { terminals: ["stdin", "stdout"] }],
    [["start"], { terminals: ["stdout", "stderr"] }],
    [["exec", "reviewer", "--", "ls"], {}],
    [["doctor", "--probe"], {}],
  ];
  for (const [argv, options] of rows) {
    const machine = new TrustingMachine(MANIFEST);
    const run = await machine.run(argv, { ...WITH_ENV, backend: await withBottle(), ...options });
    assert.deepEqual(run.outcome, FAILED, argv.join(" "));
    assert.match(run.stderr, /asks for 11 grants that are not approved/);
    assert.match(run.stderr, /claude-bottle trust --yes/);
    assert.deepEqual(machine.stored, []);
    assert.deepEqual(run.backend.calls, /attach|exec/.test(argv[0] ?? "") ? LOOKED : []);
  }
  const json = await new TrustingMachine(MANIFEST).run(["start", "--json"], WITH_ENV);
  assert.equal(JSON.parse(json.stderr).error.code, "project-not-approved");
});

Deno.test("attach and exec enter a bottle of what is approved", async () => {
  const machine = new TrustingMachine(MANIFEST);
  await machine.run(["trust", "--yes"]);
  for (const argv of [["attach", "reviewer", "--prompt", "hi"], ["exec", "reviewer", "--", "ls"]]) {
    const run = await machine.run(argv, { ...WITH_ENV, backend: await withBottle() });
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.equal(run.backend.commands.length, 1);
  }
  // On a terminal a yes does.
  const asked = new TrustingMachine(MANIFEST);
  const run = await asked.run(["exec", "reviewer", "--", "ls"], {
    ...WITH_ENV,
    backend: await withBottle(),
    terminals: ["stdin", "stdout", "stderr"],
    answers: ["y"],
  });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.equal(run.backend.commands.length, 1);
  assert.equal(asked.stored.length, 1);
});

Deno.test("the user's own agents in bottles of their own need no approval of what the project has besides", async () => {
  const manifest = "bottles: { own: { egress: { proxy: squid } } }\nagents: { mine: { bottle: own } }\n";
  const machine = new TrustingMachine(MANIFEST);
  const run = await machine.run(["start", "mine", "--prompt", "hi"], { manifest });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.deepEqual(
    (await machine.run(["start", "reviewer", "--prompt", "hi"], { manifest })).outcome,
    FAILED,
  );
  // The project's word on their bottle makes it the project's.
  machine.files[PROJECT_FILE] = `${
    MANIFEST.replace("agents:", "  own: { egress: { proxy: squid } }\nagents:")
  }`;
  assert.deepEqual((await machine.run(["start", "mine", "--prompt", "hi"], { manifest })).outcome, FAILED);
});

Deno.test("what takes Claude's token from the sidecar, or opens a default host beside it, asks although it names nothing new", async () => {
  const manifest = (egress: string): string =>
    `bottles:\n  dev:\n    egress: { proxy: squid${egress} }\nagents:\n  one: { bottle: dev }\n`;
  const trusting = async (egress: string): Promise<TrustingMachine> => {
    const machine = new TrustingMachine(manifest(egress));
    await machine.run(["trust", "--yes"]);
    return machine;
  };
  const plain = ", allowlist: [mine.example]";
  const token =
    "bottle dev: claude token your CLAUDE_BOTTLE_OAUTH_TOKEN itself, which squid then keeps outside no more";
  for (
    const [egress, ...asked] of [
      [", allowlist: [mine.example, api.anthropic.com]", "bottle dev: host api.anthropic.com", token],
      [", defaults: false, allowlist: [mine.example]", token],
      [", allowlist: [mine.example, sentry.io]", "bottle dev: host sentry.io"],
    ] as const
  ) {
    const machine = await trusting(plain);
    machine.files[PROJECT_FILE] = manifest(egress);
    assert.deepEqual(await machine.asked(), asked, egress);
  }
  // What was named and is no more than a default host then is less.
  const named = await trusting(", allowlist: [mine.example, sentry.io]");
  named.files[PROJECT_FILE] = manifest(plain);
  assert.deepEqual(await named.asked(), []);
  const injecting = new TrustingMachine(
    manifest(
      ', defaults: false, allowlist: [{ use: { anthropic: { token: "${CLAUDE_BOTTLE_OAUTH_TOKEN}" } } }]',
    ),
  );
  const first = await injecting.asked();
  assert.ok(first.length > 0 && !first.includes(token), first.join("\n"));
});

Deno.test("each of a repository's manifests has an approval of its own", async () => {
  const machine = new TrustingMachine(MANIFEST, {
    "/home/somebody/.git/config": "",
    "/home/somebody/other/claude-bottle.yaml": MANIFEST.replace("github.com", "gitlab.com"),
  });
  const other = {
    arrange: (host: object): void => void Object.assign(host, { cwd: "/home/somebody/other" }),
  };
  await machine.run(["trust", "--yes"]);
  assert.equal((await machine.asked(other)).length, 11);
  await machine.run(["trust", "--yes"], other);
  assert.deepEqual(await machine.asked(other), []);
  assert.deepEqual(await machine.asked(), []);
});

Deno.test("trust --verbose shows what is unchanged, too", async () => {
  const machine = new TrustingMachine(MANIFEST);
  await machine.run(["trust", "--yes"]);
  const { outcome, stderr } = await machine.run(["trust", "-v"]);
  assert.deepEqual(outcome, DONE);
  assert.match(stderr, /^ {4}env +GITHUB_TOKEN from your variable GH_PAT \(claude-bottle\.yaml:3\)$/m);
  assert.doesNotMatch(stderr, /unchanged|^! /m);
});

Deno.test("trust without a terminal shows the grants and exits 2, and approves with --yes", async () => {
  const machine = new TrustingMachine(MANIFEST);
  const run = await machine.run(["trust"]);
  assert.deepEqual(run.outcome, USAGE);
  assert.ok(run.stderr.startsWith(ALL), run.stderr);
  assert.match(run.stderr, /error: The question cannot be asked[\s\S]*`--yes`/);
  assert.deepEqual(machine.stored, []);
  assert.deepEqual((await machine.run(["trust", "--yes"])).outcome, DONE);
  assert.deepEqual(await machine.asked(), []);
});

Deno.test("trust --json tells each grant with its place and change, and approves only with --yes", async () => {
  const machine = new TrustingMachine(MANIFEST);
  const first = await machine.run(["trust", "--json"], {
    terminals: ["stdin", "stdout", "stderr"],
    answers: ["y"],
  });
  assert.deepEqual(first.outcome, DONE);
  assert.equal(first.stderr, "");
  const { grants, ...rest } = JSON.parse(first.stdout);
  assert.deepEqual(rest, { root: ROOT, file: PROJECT_FILE, approved: false });
  assert.deepEqual(grants[2], {
    subject: "bottle dev",
    kind: "env",
    value: ["GITHUB_TOKEN", "host", "GH_PAT"],
    text: "GITHUB_TOKEN from your variable GH_PAT",
    caution: true,
    change: "added",
    usual: false,
    note: null,
    where: { file: PROJECT_FILE, line: 3, column: 26 },
  });
  assert.deepEqual(machine.stored, []);
  const yes = await machine.run(["trust", "--json", "--yes"]);
  assert.equal(JSON.parse(yes.stdout).approved, true);
  machine.files[PROJECT_FILE] = MANIFEST.replace("[github.com]", "[gitlab.com]");
  const changed = JSON.parse((await machine.run(["trust", "--json"])).stdout);
  assert.equal(changed.approved, false);
  assert.deepEqual(
    changed.grants.filter(({ kind }: { kind: string }) => kind === "host")
      .map(({ text, change }: { text: string; change: string }) => [text, change]),
    [["gitlab.com", "added"], ["github.com", "removed"]],
  );
});

Deno.test("trust --revoke forgets, once and again, whatever the manifest says by now", async () => {
  const machine = new TrustingMachine(MANIFEST);
  assert.match((await machine.run(["trust", "--revoke"])).stderr, /nothing was approved of/);
  assert.deepEqual(machine.stored, []);
  await machine.run(["trust", "--yes"]);
  machine.files[PROJECT_FILE] = "bottles: [";
  const revoked = await machine.run(["trust", "--revoke"]);
  assert.deepEqual(revoked.outcome, DONE, revoked.stderr);
  assert.equal(revoked.stderr, `claude-bottle: 11 grants of ${PROJECT_FILE} not approved any more\n`);
  machine.files[PROJECT_FILE] = MANIFEST;
  assert.equal((await machine.asked()).length, 11);
  const json = await machine.run(["trust", "--revoke", "--json"]);
  assert.deepEqual(JSON.parse(json.stdout), { root: ROOT, file: PROJECT_FILE, revoked: 0 });
  assert.deepEqual((await machine.run(["trust", "--revoke", "--yes"])).outcome, USAGE);
});

Deno.test("trust says so where there is no project's manifest, and where it grants nothing", async () => {
  const none = await new TrustingMachine("").run(["trust"], { files: { [PROJECT_FILE]: { kind: "other" } } });
  assert.deepEqual(none.outcome, USAGE);
  const user = { manifest: MANIFEST, files: {} };
  for (const options of [{}, user]) {
    const run = await runCli(["trust"], options);
    assert.deepEqual(run.outcome, FAILED);
    assert.match(run.stderr, /^error: There is no project's manifest for \/home\/somebody\/project\n/);
  }
  const unused = await new TrustingMachine('bottles: { dev: { env: { A: "${A}" } } }\n').run(["trust"]);
  assert.deepEqual(unused.outcome, DONE);
  assert.match(unused.stderr, /nothing to approve: no agent uses what the project defines/);
});

Deno.test("a state folder that cannot be looked for is told as such", async () => {
  const host = fakeHost({ env: { HOME: "/home/somebody", XDG_STATE_HOME: "/root/state" } });
  const closed = { ...host, files: { ...host.files, realPath: () => Promise.reject(new Error("EACCES")) } };
  const error: unknown = await approvalPlace(closed, { root: ROOT, file: PROJECT_FILE })
    .catch((error: unknown) => error);
  assert.ok(error instanceof Failure, String(error));
  assert.equal(error.code, "state-folder-unreadable");
  assert.equal(error.message, "Cannot look for approvals in /root/state: EACCES");
});

Deno.test("info says nothing of approval for an agent that the project has no say in", async () => {
  const user = "bottles: { mine: {} }\nagents: { me: { bottle: mine } }\n";
  const machine = new TrustingMachine(MANIFEST, { [MANIFEST_PATH]: user });
  assert.doesNotMatch((await machine.run(["info", "me"])).stderr, /approved/);
  assert.match((await machine.run(["info", "reviewer"])).stderr, /11 grants are not approved/);
});

Deno.test("what shows a project's manifest says that it is not approved, until it is", async () => {
  const machine = new TrustingMachine(MANIFEST);
  const shown = [["info"], ["list"], ["list", "bottles"], ["validate"]];
  for (const argv of shown) {
    const run = await machine.run(argv);
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.notEqual(run.stdout, "");
    assert.match(run.stderr, /comes with the project, and 11 grants are not approved/);
    assert.match(run.stderr, /`claude-bottle trust` shows what is asked for/);
  }
  const doctor = JSON.parse((await machine.run(["doctor", "--json"])).stdout);
  const finding = doctor.findings.find(({ check }: { check: string }) => check === "manifest");
  assert.match(finding.sentence, /11 grants are not approved/);
  await machine.run(["trust", "--yes"]);
  for (const argv of shown) assert.doesNotMatch((await machine.run(argv)).stderr, /approved/);
});

Deno.test("an approval that others may have written, or that is damaged, counts for nothing until trust replaces it", async () => {
  const made = new TrustingMachine(MANIFEST);
  await made.run(["trust", "--yes"]);
  const [path = ""] = made.stored;
  const { bytes } = Object(made.files[path]);
  const text = new TextDecoder().decode(bytes);
  const rows = [
    { file: { bytes, uid: 1001 }, says: /is not yours/ },
    { file: { bytes, mode: 0o620 }, says: /can be written by others/ },
    { file: { bytes, mode: 0o602 }, says: /can be written by others/ },
    { file: { link: "/home/somebody/elsewhere.json" }, says: /is no regular file/ },
    { file: { text: text.slice(0, -20) }, says: /is not JSON/ },
    { file: { text: text.replace('"version": 1', '"version": 2') }, says: /was written by another version/ },
    { file: { text: text.replace(ROOT, "/elsewhere") }, says: /is the approval of another project/ },
    { file: { text: text.replace('"parts"', '"part"') }, says: /is damaged/ },
    { file: { bytes, error: new Error("EIO") }, says: /cannot be read: EIO/ },
    { file: { text: " ".repeat(32 * 1024 * 1024 + 1) }, says: /is too large/ },
  ];
  for (const { file, says } of rows) {
    const machine = new TrustingMachine(MANIFEST, {
      "/home/somebody/elsewhere.json": { bytes, mode: 0o600 },
      [path]: { mode: 0o600, ...file },
    });
    const run = await machine.run(["start", "--prompt", "hi"], WITH_ENV);
    assert.deepEqual(run.outcome, FAILED, run.stderr);
    assert.match(run.stderr, says);
    assert.ok(run.stderr.includes(path) && run.stderr.includes("`claude-bottle trust`"), run.stderr);
    assert.deepEqual(run.backend.calls, []);
    const trusted = await machine.run(["trust", "--yes"]);
    assert.deepEqual(trusted.outcome, DONE, trusted.stderr);
    assert.match(trusted.stderr, says);
    assert.deepEqual((await machine.run(["start", "--prompt", "hi"], WITH_ENV)).outcome, DONE);
  }
  const folder = new TrustingMachine(MANIFEST, {
    [path]: { bytes, mode: 0o600 },
    [path.slice(0, path.lastIndexOf("/"))]: { kind: "directory", mode: 0o777 },
  });
  assert.match(
    (await folder.run(["start", "--prompt", "hi"])).stderr,
    /is in a folder that others can write into/,
  );
});

Deno.test("approvals are for one folder: elsewhere, and in another one at the same place, all is asked again", async () => {
  const machine = new TrustingMachine(MANIFEST, { [ROOT]: { kind: "directory", birth: "1:2" } });
  await machine.run(["trust", "--yes"]);
  assert.deepEqual(await machine.asked(), []);
  machine.files[ROOT] = { kind: "directory", birth: "1:3" };
  assert.equal((await machine.asked()).length, 11);
  machine.files[ROOT] = { kind: "directory", birth: "1:2" };
  assert.deepEqual(await machine.asked(), []);
  // The same folder by another name is the same.
  machine.files["/home/somebody/link"] = { link: ROOT };
  const moved = { arrange: (host: object): void => void Object.assign(host, { cwd: "/home/somebody/link" }) };
  assert.deepEqual(await machine.asked(moved), []);
  machine.files["/home/somebody/copy/claude-bottle.yaml"] = MANIFEST;
  const copied = {
    arrange: (host: object): void => void Object.assign(host, { cwd: "/home/somebody/copy" }),
  };
  assert.equal((await machine.asked(copied)).length, 11);
});

Deno.test("approvals are never kept in the project that asks for them", async () => {
  const rows:
    readonly (readonly [state: string, files: Record<string, { link: string }>, isRefused: boolean])[] = [
      [`${ROOT}/state`, {}, true],
      [ROOT, {}, true],
      ["/home/somebody/link", { "/home/somebody/link": { link: ROOT } }, true],
      ["/home/somebody/link/a/b", { "/home/somebody/link": { link: ROOT } }, true],
      [`${ROOT}/out`, { [`${ROOT}/out`]: { link: "/home/somebody/other" } }, true],
      ["/home/somebody/other", {}, false],
      [`${ROOT}-2`, {}, false],
      ["relative", {}, false],
      ["", {}, false],
    ];
  for (const [state, files, isRefused] of rows) {
    const machine = new TrustingMachine(MANIFEST, { ...files, "/home/somebody/other/file": "" });
    const run = await machine.run(["trust", "--yes"], { env: { XDG_STATE_HOME: state } });
    assert.deepEqual(run.outcome, isRefused ? FAILED : DONE, `${state}: ${run.stderr}`);
    if (isRefused) assert.match(run.stderr, /^error: XDG_STATE_HOME leads into the project/);
    const folder = state.startsWith("/") ? state : "/home/somebody/.local/state";
    assert.equal(machine.stored.length, isRefused ? 0 : 1);
    for (const path of machine.stored) assert.ok(path.startsWith(`${folder}/claude-bottle/trust/`), path);
  }
  // A home that is a repository keeps its default.
  const home = new TrustingMachine(MANIFEST, { "/home/somebody/.git/config": "" });
  const run = await home.run(["trust", "--yes"]);
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.equal(JSON.parse((await home.run(["trust", "--json"])).stdout).root, "/home/somebody");
});

Deno.test("what a project's manifest says reaches the terminal harmless and whole", async () => {
  const long = Array.from({ length: 30 }, (_, index) => `word${index}`).join(" ");
  const hosts = Array.from({ length: 40 }, (_, index) => `h${index}.${"x".repeat(50)}.test`);
  const machine = new TrustingMachine(`bottles:
  dev:
    env:
      A: "?${long}\\u202e+ host forged"
      B: { secret: { command: [op, "\\e[2K\\r\\e]0;title\\a", "a\\n  + host forged"] } }
    egress: { defaults: false, allowlist: [${hosts.join(", ")}] }
agents:
  reviewer: { bottle: dev, command: [sh, -c, "echo\\n! + host forged.test"] }
`);
  for (const columns of [20, 80, 200]) {
    const { stderr } = await machine.run(["trust", "--color", "never"], { columns, terminals: ["stderr"] });
    assert.equal(stderr, printable(stderr));
    assert.match(stderr, /exclamation/);
    assert.doesNotMatch(stderr, /^.{0,3}[+] host forged/m);
    for (const word of [...long.split(" "), ...hosts]) {
      assert.ok(stderr.replaceAll(/\s+/g, "").includes(word), word);
    }
  }
});

Deno.test("the token that agents get besides is said", async () => {
  const machine = new TrustingMachine(MANIFEST);
  const run = await machine.run(["trust"], { env: { CLAUDE_BOTTLE_OAUTH_TOKEN: "sk-ant-oat01-secret" } });
  assert.match(run.stderr, /each of these agents also works with your CLAUDE_BOTTLE_OAUTH_TOKEN$/m);
  assert.doesNotMatch(run.stderr, /sk-ant/);
});

Deno.test("an agent's prompt may change, and a file that --manifest names needs no approval", async () => {
  const machine = new TrustingMachine(MANIFEST);
  await machine.run(["trust", "--yes"]);
  machine.files[PROJECT_FILE] = MANIFEST.replace("bottle: dev }", "bottle: dev, prompt: anything }");
  assert.deepEqual(await machine.asked(), []);
  const named = new TrustingMachine(MANIFEST);
  const run = await named.run(["start", "--prompt", "hi", "--manifest", "claude-bottle.yaml"], WITH_ENV);
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.deepEqual(named.stored, []);
});

Deno.test("trust names a script once, with its content's digest", async () => {
  const script = `${ROOT}/token.sh`;
  const machine = new TrustingMachine(
    MANIFEST.replace('"${GH_PAT}"', "{ secret: { command: [./token.sh] } }"),
  );
  machine.files[script] = { text: "#!/bin/sh\n", mode: 0o755 };
  const { stderr } = await machine.run(["trust"]);
  assert.match(stderr, new RegExp(`runs on this machine: ${script} \\(sha256 [0-9a-f]{12}\\) .*\\(written `));
});
