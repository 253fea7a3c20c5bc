import assert from "node:assert/strict";
import type { ActiveBottle } from "../../lib/bottle/active.ts";
import { Failure } from "../../lib/errors.ts";
import { sha256 } from "../../lib/host/digest.ts";
import { BUILTIN_MANIFEST } from "../../lib/manifest/builtin.ts";
import { type CliOptions, type CliRun, FakeBackend, MANIFEST_PATH, runCli } from "../support/cli_harness.ts";
import { PERSON } from "../support/memory_terminal.ts";

const DONE = { kind: "exit", code: 0 };
const USAGE = { kind: "exit", code: 2 };
const ID = "a".repeat(64);

const MANIFEST = `bottles:
  dev:
    env: { LITERAL: one, GH: "\${GH_PAT}", ASKED: "?your word" }
    egress: { proxy: pipelock }
agents:
  reviewer: { bottle: dev, prompt: Be kind. }
  lister: { bottle: dev, command: [ls, -l] }
`;

async function detached(changes: Partial<ActiveBottle> = {}): Promise<ActiveBottle> {
  return {
    name: "claude-bottle-lister",
    id: ID,
    sidecar: "c".repeat(64),
    run: "aaaaaaaaaaaaa",
    agent: "lister",
    bottle: "dev",
    manifestFiles: [{ path: MANIFEST_PATH, digest: await sha256(MANIFEST) }],
    status: "running",
    since: 820_000,
    runtime: "runc",
    proxy: "pipelock",
    owner: "detached",
    ...changes,
  };
}

/** One command line among one bottle, whose manifest is {@link MANIFEST} unless told. */
async function entered(
  argv: readonly string[],
  { bottle = {}, ...options }: CliOptions & { readonly bottle?: Partial<ActiveBottle> } = {},
): Promise<CliRun> {
  const backend = options.backend ?? new FakeBackend();
  backend.bottles = [await detached(bottle)];
  return await runCli([...argv.slice(0, 2), "--color=never", ...argv.slice(2)], {
    manifest: MANIFEST,
    ...options,
    backend,
  });
}

function envOf(run: CliRun): unknown {
  const [command] = run.backend.commands;
  return {
    env: Object.fromEntries([...command?.env ?? []].map(([name, value]) => [name, value.reveal()])),
    token: command?.forwardOauthToken,
  };
}

const SECRETS = { GH_PAT: "pat", CLAUDE_BOTTLE_OAUTH_TOKEN: "token" };
const REVIEWER = { name: "claude-bottle-reviewer", agent: "reviewer" };

Deno.test("attach runs the agent's command with its whole env, and leaves the bottle", async () => {
  const backend = new FakeBackend();
  backend.code = 6;
  backend.events = [{
    time: 1,
    verdict: "refused",
    host: "evil.test",
    port: 443,
    reason: "not an allowed host",
    bytes: undefined,
  }];
  const run = await entered(["attach", "lister", "--", "-a"], {
    backend,
    env: SECRETS,
    terminals: PERSON,
    answers: ["my word"],
  });
  assert.deepEqual(run.outcome, { kind: "exit", code: 6 });
  assert.deepEqual(backend.calls, ["listActive stopped", `open ${ID}`, "watchEgress", "run attached"]);
  assert.deepEqual(backend.commands[0]?.command, ["ls", "-l", "-a"]);
  assert.deepEqual(envOf(run), { env: { LITERAL: "one", GH: "pat", ASKED: "my word" }, token: true });
  assert.equal(run.stdout, "");
  assert.equal(
    run.stderr,
    "claude-bottle: value of ASKED (your word): claude-bottle: refused evil.test:443 (not an allowed host)\n" +
      "claude-bottle: claude-bottle-lister stays until `claude-bottle stop claude-bottle-lister`\n",
  );
});

Deno.test("a bottle whose sidecar could have kept the token outside is not given it afterwards", async () => {
  for (const [proxy, token] of [["squid", false], ["pipelock", true]] as const) {
    const run = await entered(["attach", "lister"], {
      bottle: { proxy },
      env: SECRETS,
      terminals: PERSON,
      answers: ["w"],
    });
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.deepEqual(envOf(run), { env: { LITERAL: "one", GH: "pat", ASKED: "w" }, token });
    assert.equal(
      run.stderr.includes(
        "your Claude token stays outside: claude-bottle-lister was launched without one; start it anew\n",
      ),
      !token,
    );
  }
});

Deno.test("attach composes Claude Code's arguments for the bottle's own home", async () => {
  const file = ["--append-system-prompt-file", "/home/other/.claude-bottle-prompt.txt"];
  const claude = ["claude", "--dangerously-skip-permissions"];
  const rows = [
    { argv: [], mode: "attached", command: [...claude, ...file] },
    { argv: ["--remote-control"], mode: "attached", command: [...claude, "--remote-control=", ...file] },
    { argv: ["--", "--continue"], mode: "attached", command: [...claude, ...file, "--continue"] },
    { argv: ["-p", "hi"], mode: "headless", command: [...claude, "--print", ...file, "--", "hi"] },
  ];
  for (const { argv, mode, command } of rows) {
    const run = await entered(["attach", "reviewer", ...argv], {
      bottle: REVIEWER,
      env: SECRETS,
      terminals: PERSON,
      answers: ["w"],
    });
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.deepEqual(run.backend.commands[0]?.command, command);
    assert.equal(run.backend.commands[0]?.mode, mode);
  }
});

Deno.test("attach refuses what cannot work, before anything is asked or run", async () => {
  const rows: readonly {
    readonly argv: readonly string[];
    readonly options?: Parameters<typeof entered>[1];
    readonly code: number;
    readonly said: RegExp;
  }[] = [
    {
      argv: ["attach", "reviewer"],
      options: { bottle: REVIEWER },
      code: 2,
      said: /^error: claude needs a terminal.*\n\nhint: Run it headless with `--prompt TEXT`\n/,
    },
    {
      argv: ["attach", "lister", "--prompt", "hi"],
      options: { terminals: PERSON },
      code: 2,
      said: /^error: --prompt is for Claude Code, but lister runs ls\n/,
    },
    { argv: ["attach", "nobody"], code: 1, said: /^error: There is no bottle "nobody"\n/ },
    {
      argv: ["attach", "lister"],
      options: { bottle: { owner: "alive" } },
      code: 1,
      said:
        /^error: claude-bottle-lister has an agent already[^]*hint: .*attach claude-bottle-lister --shell\n/,
    },
    {
      argv: ["attach", "lister"],
      options: { bottle: { owner: "elsewhere" } },
      code: 1,
      said: /^error: claude-bottle-lister belongs to another machine, user or container\n/,
    },
    {
      argv: ["exec", "lister", "--", "ls"],
      options: { bottle: { owner: "elsewhere" } },
      code: 1,
      said: /^error: claude-bottle-lister belongs to another machine, user or container\n/,
    },
    {
      argv: ["exec", "lister", "--", "ls"],
      options: { bottle: { bottle: "other\u001b" } },
      code: 2,
      said:
        /^error: claude-bottle-lister says that its agent "lister" is in the bottle "other·", and the manifest/,
    },
    {
      argv: ["attach", "lister", "--shell", "--prompt", "x", "--", "y"],
      options: { terminals: PERSON },
      code: 2,
      said: /^error: --shell starts no agent, so --prompt and -- ARGS would have no effect\n/,
    },
    {
      argv: ["attach", "lister", "--shell"],
      code: 2,
      said: /^error: A shell needs a terminal[^]*hint: .* claude-bottle exec claude-bottle-lister -- CMD\n/,
    },
  ];
  for (const { argv, options, code, said } of rows) {
    const run = await entered(argv, { env: SECRETS, ...options });
    assert.deepEqual(run.outcome, { kind: "exit", code }, run.stderr);
    assert.match(run.stderr, said);
    assert.equal(run.stdout, "");
    assert.deepEqual(run.backend.commands, []);
    assert.deepEqual(run.host.terminal.secretsRead, []);
  }
});

Deno.test("attach refuses an unset host variable, exec and --shell do without", async () => {
  const attach = await entered(["attach", "lister"], {});
  assert.deepEqual(attach.outcome, { kind: "exit", code: 1 });
  assert.match(attach.stderr, /does not set what the bottle's env takes from it: GH \(from GH_PAT\)/);
  for (const argv of [["exec", "lister", "--", "ls"], ["attach", "lister", "--shell"]]) {
    const run = await entered(argv, { terminals: PERSON });
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.deepEqual(envOf(run), { env: { LITERAL: "one" }, token: false });
    const secret = await entered([...argv.slice(0, 2), "--secrets", ...argv.slice(2)], { terminals: PERSON });
    assert.deepEqual(secret.outcome, { kind: "exit", code: 1 });
  }
});

Deno.test("attach --shell and exec are given the token and all else with --secrets alone, also beside an agent", async () => {
  for (const owner of ["alive", "detached", "gone"] as const) {
    for (const argv of [["exec", "lister", "--", "ls"], ["attach", "lister", "--shell"]]) {
      for (const secrets of [true, false]) {
        const run = await entered(
          [...argv.slice(0, 2), ...(secrets ? ["--secrets"] : []), ...argv.slice(2)],
          {
            bottle: { owner },
            env: SECRETS,
            terminals: PERSON,
            answers: ["w"],
          },
        );
        assert.deepEqual(run.outcome, DONE, run.stderr);
        assert.deepEqual(
          envOf(run),
          secrets
            ? { env: { LITERAL: "one", GH: "pat", ASKED: "w" }, token: true }
            : { env: { LITERAL: "one" }, token: false },
        );
        assert.equal(
          run.stderr.includes("the next `start` or `cleanup` removes the bottle"),
          owner === "gone",
        );
      }
    }
  }
});

Deno.test("exec has a terminal when stdin and stdout are one, and passes everything else on", async () => {
  const rows = [
    { terminals: PERSON, mode: "attached" },
    { terminals: ["stdin", "stdout"], mode: "attached" },
    { terminals: ["stdin", "stderr"], mode: "piped" },
    { terminals: ["stdout"], mode: "piped" },
    { terminals: [], mode: "piped" },
  ] as const;
  for (const { terminals, mode } of rows) {
    const run = await entered(["exec", "lister", "--", "git", "log", "--help", "--"], { terminals });
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.deepEqual(run.backend.calls, ["listActive stopped", `open ${ID}`, `run ${mode}`]);
    assert.deepEqual(run.backend.commands[0]?.command, ["git", "log", "--help", "--"]);
    assert.equal(run.stdout + run.stderr, "");
  }
});

Deno.test("exec ends with the command's code, and with 125 when the bottle failed before", async () => {
  const backend = new FakeBackend();
  backend.code = 77;
  assert.deepEqual((await entered(["exec", "lister", "--", "x"], { backend })).outcome, {
    kind: "exit",
    code: 77,
  });
  const failing = new FakeBackend();
  failing.before = (call) => {
    if (call.startsWith("open")) throw new Failure("sidecar-failed", "It died", { exit: 125 });
  };
  const run = await entered(["exec", "lister", "--json", "--", "x"], { backend: failing });
  assert.deepEqual(run.outcome, { kind: "exit", code: 125 });
  assert.equal(JSON.parse(run.stderr).error.code, "sidecar-failed");
});

Deno.test("exec needs words behind --, and refuses --user", async () => {
  const rows = [
    {
      argv: ["exec", "lister"],
      said: "error: There is no command behind `--`\n\nhint: claude-bottle exec lister -- ls -l\n",
    },
    { argv: ["exec", "lister", "--"], said: "error: There is no command behind `--`\n" },
    {
      argv: ["exec", "lister", "--user", "root", "--", "id"],
      said: "error: Everything in a bottle runs as the agent's user",
    },
    {
      argv: ["exec", "lister", "-u", "0", "--", "id"],
      said: "error: Everything in a bottle runs as the agent's user",
    },
    {
      argv: ["exec", "lister", "ls"],
      said: 'error: Too many arguments: "ls"\n\n' +
        "hint: The command goes behind `--`: claude-bottle exec BOTTLE -- CMD\n",
    },
  ];
  for (const { argv, said } of rows) {
    const run = await entered(argv);
    assert.deepEqual(run.outcome, USAGE);
    assert.ok(run.stderr.startsWith(said), run.stderr);
    assert.deepEqual(run.backend.calls, []);
  }
});

Deno.test("attach and exec refuse a manifest that is not the one of the launch, naming what differs and the ways out", async () => {
  const changed = "d".repeat(64);
  const restart =
    "hint: Or make it anew: claude-bottle stop claude-bottle-lister, then claude-bottle start lister";
  const rows = [
    {
      files: [{ path: MANIFEST_PATH, digest: changed }],
      said: [`  ${MANIFEST_PATH} has changed since the launch\n`, `${restart} --detach\n`],
      not: ["--manifest"],
    },
    {
      files: [{ path: "/other/a b\u001b.yaml", digest: changed }],
      said: [
        "  it was launched from /other/a b·.yaml, which does not count now\n",
        `  ${MANIFEST_PATH} counts now and did not at the launch\n`,
        "hint: If you trust that file, name it: --manifest $'/other/a b\\x1b.yaml'\n",
      ],
      not: ["\u001b"],
    },
    {
      files: [{ path: "built-in", digest: await sha256(BUILTIN_MANIFEST) }],
      said: [
        "  it was launched from the manifest in the program, which does not count now\n",
        "from another folder",
      ],
      not: ["--manifest"],
    },
    {
      files: [],
      said: ["  the bottle does not say what it was launched from\n", restart],
      not: ["--manifest"],
    },
    {
      files: [
        { path: MANIFEST_PATH, digest: await sha256(MANIFEST) },
        { path: "/project/claude-bottle.yaml", digest: changed },
      ],
      said: ["  it was launched from /project/claude-bottle.yaml, which does not count now\n"],
      not: [`${MANIFEST_PATH} `],
    },
  ];
  for (const { files, said, not } of rows) {
    for (
      const argv of [["attach", "lister"], ["exec", "lister", "--", "ls"], ["attach", "lister", "--shell"]]
    ) {
      const run = await entered(argv, { bottle: { manifestFiles: files }, env: SECRETS, terminals: PERSON });
      assert.deepEqual(run.outcome, USAGE);
      for (const text of said) assert.ok(run.stderr.includes(text), `${text}\n${run.stderr}`);
      for (const text of not) assert.ok(!run.stderr.includes(text), `${text}\n${run.stderr}`);
      assert.deepEqual(run.backend.calls, ["listActive stopped"]);
      const json = await entered([...argv.slice(0, 2), "--json", ...argv.slice(2)], {
        bottle: { manifestFiles: files },
      });
      assert.equal(JSON.parse(json.stderr).error.code, "manifest-changed");
    }
  }
});

Deno.test("attach and exec take the built-in manifest and --manifest for what a launch took", async () => {
  const builtin = await runCli(["exec", "claude", "--", "ls"], {
    backend: await backendWith({
      agent: "claude",
      bottle: "default",
      manifestFiles: [{ path: "built-in", digest: await sha256(BUILTIN_MANIFEST) }],
    }),
  });
  assert.deepEqual(builtin.outcome, DONE, builtin.stderr);
  const path = "/home/somebody/own.yaml";
  const named = await runCli(["exec", "lister", "--manifest", path, "--", "ls"], {
    files: { [path]: MANIFEST },
    backend: await backendWith({ manifestFiles: [{ path, digest: await sha256(MANIFEST) }] }),
  });
  assert.deepEqual(named.outcome, DONE, named.stderr);
});

async function backendWith(changes: Partial<ActiveBottle>): Promise<FakeBackend> {
  const backend = new FakeBackend();
  backend.bottles = [await detached(changes)];
  return backend;
}

Deno.test("a word that may mean two bottles is not guessed", async () => {
  const backend = new FakeBackend();
  backend.bottles = [
    await detached(),
    await detached({ name: "claude-bottle-lister-2", id: "b".repeat(64) }),
  ];
  const options = { backend, manifest: MANIFEST };
  const unclear = await runCli(["exec", "lister", "--", "ls"], options);
  assert.deepEqual(unclear.outcome, USAGE);
  assert.match(unclear.stderr, /hint:\S* claude-bottle exec claude-bottle-lister -- CMD\n/);
  const clear = await runCli(["exec", "lister-2", "--", "ls"], options);
  assert.deepEqual(clear.outcome, DONE, clear.stderr);
  assert.equal(backend.calls.at(-2), `open ${"b".repeat(64)}`);
});
