import assert from "node:assert/strict";
import { type CliOptions, dockerCalls, MANIFEST_PATH, runCli } from "../support/cli_harness.ts";
import { PERSON } from "../support/memory_terminal.ts";
import { HOST_KEY } from "../support/plan_inputs.ts";
import { openSshKey } from "../support/private_keys.ts";

const HOME = "/home/somebody";

function manifest(...entries: readonly string[]): string {
  return `bottles:
  dev:
    ssh:
${entries.map((entry) => `      - { ${entry} }`).join("\n")}
    egress: { proxy: squid }
agents: { reviewer: { bottle: dev } }
`;
}

const GITEA =
  `Host: gitea, Hostname: git.example.com, Port: 2222, IdentityFile: ~/.ssh/gitea, KnownHostKey: ${HOST_KEY}`;
const BOX = "Host: box.example, User: me, IdentityFile: keys/box, unpinned: true";
const BOX_FILE = `${HOME}/.config/claude-bottle/keys/box`;

const FILES: NonNullable<CliOptions["files"]> = {
  [`${HOME}/.ssh/gitea`]: { link: `${HOME}/.ssh/id_ed25519` },
  [`${HOME}/.ssh/id_ed25519`]: { text: openSshKey(), mode: 0o600 },
  [BOX_FILE]: { text: openSshKey({ point: 8 }), mode: 0o600 },
};

/** `start --dry-run` over the real backend. */
function dryRun(entries: readonly string[], more: CliOptions = {}): ReturnType<typeof runCli> {
  return runCli(["start", "--dry-run", "--format", "json", "--color", "never"], {
    manifest: manifest(...entries),
    over: "docker",
    files: FILES,
    ...more,
  });
}

Deno.test("an ssh entry's key is looked for from the home or from the manifest's folder", async () => {
  const { backend } = await runCli(["start", "--dry-run"], {
    manifest: manifest(GITEA, BOX, BOX.replace("box.example", "b").replace("keys/box", "/srv/key")),
  });
  assert.deepEqual(backend.specs[0]?.ssh.map(({ identityFile }) => identityFile), [
    `${HOME}/.ssh/gitea`,
    `${MANIFEST_PATH.replace(/[^/]*$/, "")}keys/box`,
    "/srv/key",
  ]);
});

Deno.test("the preflight and the plan name each ssh entry and the key that it really uses", async () => {
  const text = await runCli(["start", "--dry-run"], {
    manifest: manifest(GITEA, BOX),
    over: "docker",
    files: FILES,
  });
  assert.ok(
    text.stderr.includes(
      `  ssh hosts    : gitea: git@git.example.com:2222 (key ${HOME}/.ssh/id_ed25519, pinned)\n` +
        `  ssh hosts    : box.example: me@box.example:22 (key ${BOX_FILE}, not pinned)\n`,
    ),
    text.stderr,
  );
  assert.ok(
    text.stderr.includes(
      `note           : ssh key ${BOX_FILE} (box.example): not bound to user and host: signs for anything while the bottle runs\n`,
    ),
    text.stderr,
  );
  assert.ok(text.stdout.includes(`# stdin: keys of ${HOME}/.ssh/id_ed25519 ${BOX_FILE}\n`), text.stdout);
  const { stdout } = await dryRun([GITEA, BOX]);
  const plan = JSON.parse(stdout);
  assert.deepEqual(plan.ssh_hosts, ["gitea", "box.example"]);
  assert.deepEqual(plan.ssh[0], {
    host: "gitea",
    user: "git",
    hostname: "git.example.com",
    port: 2222,
    key: `${HOME}/.ssh/id_ed25519`,
    passphrase: false,
    pinned: true,
    learned: false,
  });
  for (const said of [text.stdout, text.stderr, stdout]) assert.doesNotMatch(said, /b3BlbnNzaC1rZXk/);
});

Deno.test("a key that is not there is told before the question, and the engine is asked nothing", async () => {
  const run = await runCli(["start", "--color", "never"], {
    manifest: manifest(GITEA),
    over: "docker",
    terminals: PERSON,
    answers: ["y"],
  });
  assert.deepEqual(run.outcome, { kind: "exit", code: 1 });
  assert.equal(
    run.stderr,
    `error: ssh key file not found for host 'gitea': ${HOME}/.ssh/gitea

hint: Correct its IdentityFile, or make a key with \`ssh-keygen -t ed25519\`
`,
  );
  assert.deepEqual(dockerCalls(run), []);
});

Deno.test("an own image is said to hold the keys, and one whose variables steer programs gets none", async () => {
  const env = { CLAUDE_BOTTLE_IMAGE: "example.org/agent:1" };
  const facts = (variable: string): string =>
    JSON.stringify([{ Id: "sha256:1", Config: { Env: ["PATH=/bin", variable], User: "1000" } }]);
  for (
    const [variable, entries, code] of [
      ["LANG=C", [GITEA], 0],
      ["LD_PRELOAD=/x.so", [GITEA], 125],
    ] as const
  ) {
    const run = await dryRun(entries, {
      env,
      arrange: ({ processes }) =>
        void processes.on(/^docker image inspect example\.org/, { stdout: facts(variable) }),
    });
    assert.deepEqual(run.outcome, { kind: "exit", code }, run.stderr);
    if (code === 0) {
      assert.deepEqual(JSON.parse(run.stdout).notices, [
        "example.org/agent:1 is not built by claude-bottle: this image holds your keys",
      ]);
    } else {
      assert.match(
        run.stderr,
        /^error: example\.org\/agent:1 sets LD_PRELOAD, which would steer the programs/,
      );
    }
  }
});

const NEW = "Host: gitea, Hostname: git.example.com, IdentityFile: ~/.ssh/gitea";
const SSH_FILE = `${HOME}/.ssh/id_ed25519`;
const LOCKED: NonNullable<CliOptions["files"]> = {
  ...FILES,
  [SSH_FILE]: { text: openSshKey({ cipher: "aes256-ctr" }), mode: 0o600 },
};

for (
  const [what, args, terminals] of [
    ["without a terminal", [], []],
    ["without a terminal and with --yes", ["--yes"], []],
    ["with stderr going elsewhere", ["--yes"], ["stdin", "stdout"]],
    ["with --prompt on a terminal", ["--prompt", "x"], PERSON],
    ["with --detach and no terminal", ["--detach", "--yes"], []],
  ] as const
) {
  Deno.test(`start ${what} refuses an ssh host whose key is not known, before it looks at anything`, async () => {
    const run = await runCli(["start", "--color", "never", ...args], { manifest: manifest(NEW), terminals });
    assert.deepEqual(run.outcome, { kind: "exit", code: 2 });
    assert.deepEqual(run.backend.calls, []);
    assert.match(run.stderr, /^error: An ssh host's key is not known, and nobody can be asked about it\n/);
    assert.match(run.stderr, /claude-bottle\.yaml:4:9: gitea: has no KnownHostKey\n/);
    assert.match(
      run.stderr,
      /hint: Add its KnownHostKey: compare what `ssh-keyscan -p 22 git\.example\.com` prints/,
    );
    assert.match(run.stderr, /hint: Or write `unpinned: true`/);
    const unpinned = await runCli(["start", ...args], {
      manifest: manifest(`${NEW}, unpinned: true`),
      terminals,
    });
    assert.doesNotMatch(unpinned.stderr, /is not known/);
    assert.ok(unpinned.backend.calls.includes("prepare"));
  });

  Deno.test(`start ${what} refuses a key with a passphrase before the question, and names it`, async () => {
    const run = await runCli(["start", "--color", "never", ...args], {
      manifest: manifest(GITEA),
      over: "docker",
      files: LOCKED,
      terminals,
    });
    assert.deepEqual(run.outcome, { kind: "exit", code: 2 });
    assert.match(
      run.stderr,
      /error: The ssh key for host 'gitea' has a passphrase, and nobody can be asked for it: \S+\/id_ed25519\n/,
    );
    assert.equal(run.stderr.includes("[y/N]"), false);
    assert.equal(dockerCalls(run).some((call) => / create/.test(call)), false);
  });
}

Deno.test("the preflight says what will be asked, and a dry run needs nobody", async () => {
  for (const terminals of [PERSON, []]) {
    const run = await runCli(["start", "--dry-run"], {
      manifest: manifest(NEW),
      over: "docker",
      files: LOCKED,
      terminals,
    });
    assert.deepEqual(run.outcome, { kind: "exit", code: 0 }, run.stderr);
    assert.ok(
      run.stderr.includes(
        `gitea: git@git.example.com:22 (key ${SSH_FILE}, passphrase asked, host key unknown)`,
      ),
      run.stderr,
    );
    assert.ok(
      run.stderr.includes(
        "note           : host key of gitea unknown: it will be learned through the sidecar and you will be asked\n" +
          `note           : ssh key ${SSH_FILE} has a passphrase: you will be asked for it\n`,
      ),
      run.stderr,
    );
    assert.match(run.stdout, /^# host-keys: .*\n.* exec --user 47291:47291 .*ssh_host_keys\.pl /m);
    assert.equal(run.stdout.match(/^# ssh-agent: /gm)?.length, 1);
  }
});

Deno.test("the preflight says where a host's key is known already", async () => {
  const run = await runCli(["start", "--dry-run"], {
    manifest: manifest(NEW),
    over: "docker",
    files: { ...FILES, [`${HOME}/.ssh/known_hosts`]: `git.example.com ${HOST_KEY}\n` },
  });
  assert.ok(run.stderr.includes(`compared with ${HOME}/.ssh/known_hosts:1\n`), run.stderr);
});

Deno.test("a launch is given a person to ask, who is not echoed and whose Ctrl-C counts", async () => {
  const run = await runCli(["start"], {
    manifest: manifest(NEW),
    terminals: PERSON,
    answers: ["y", "a passphrase", "y", "no"],
  });
  const questions = run.backend.launches[0]?.questions;
  assert.ok(questions !== undefined);
  assert.equal(await questions.secret("passphrase of the ssh key /a\u001bb"), "a passphrase");
  assert.deepEqual([await questions.confirm("trust it?"), await questions.confirm("trust it?")], [
    true,
    false,
  ]);
  const { stderr } = run.host.terminal;
  assert.ok(
    stderr.endsWith(
      "claude-bottle: passphrase of the ssh key /a·b: claude-bottle: trust it? [y/N] claude-bottle: trust it? [y/N] ",
    ),
    stderr,
  );
  assert.equal(stderr.includes("a passphrase"), false);
  run.host.interrupts.raise("SIGINT");
  await assert.rejects(questions.confirm("trust it?"), { name: "Interrupted" });
  await assert.rejects(questions.secret("passphrase"), { name: "Interrupted" });
});

Deno.test("a key that signs commits is told of, and the plan shows what git in the bottle is given", async () => {
  const run = (entry: string): ReturnType<typeof runCli> =>
    runCli(["start", "--dry-run"], { manifest: manifest(entry), over: "docker", files: FILES });
  const signing = await run(`${GITEA}, sign: true`);
  assert.deepEqual(signing.outcome, { kind: "exit", code: 0 }, signing.stderr);
  const notice = `ssh key ${HOME}/.ssh/id_ed25519 also signs git commits (any commit, not bound to a host)\n`;
  const config = "usr/local/lib/claude-bottle/gitconfig";
  assert.ok(signing.stderr.includes(notice), signing.stderr);
  assert.ok(signing.stdout.includes(` ${config}`), signing.stdout);
  assert.ok(signing.stdout.includes(`--env GIT_CONFIG_SYSTEM=/${config}`), signing.stdout);
  // Still one step of root's, and bound where logins are signed.
  assert.equal(signing.stdout.split("exec --interactive --user 0:").length, 2);
  assert.equal(signing.stderr.includes("not bound to user and host"), false);
  const plain = await run(GITEA);
  assert.equal(plain.stderr.includes("signs git commits"), false);
  assert.equal(plain.stdout.includes(config), false);
});
