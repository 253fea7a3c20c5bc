import assert from "node:assert/strict";
import type { ActiveBottle } from "../../lib/bottle/active.ts";
import { Failure } from "../../lib/errors.ts";
import { sha256 } from "../../lib/host/digest.ts";
import { type CliOptions, type CliRun, FakeBackend, MANIFEST_PATH, runCli } from "../support/cli_harness.ts";
import { PERSON } from "../support/memory_terminal.ts";

const DONE = { kind: "exit", code: 0 };
const ID = "a".repeat(64);

const MANIFEST = `bottles:
  dev:
    env: { LITERAL: one }
    egress:
      proxy: squid
      defaults: false
      allowlist:
        - host: api.test
          allow: [POST /v1/messages, GET /v1/models]
          inject: { env: API_KEY, secret: "\${REAL_KEY}", as: bearer }
        - { host: git.test, inject: { env: GIT_PASSWORD, secret: "?password of git", as: "basic:me" } }
        - { host: read.test, allow: [GET /docs/*] }
  plain:
    egress: { proxy: squid }
agents:
  lister: { bottle: dev, command: [ls, -l] }
  plain: { bottle: plain, command: [ls] }
`;

async function entered(
  argv: readonly string[],
  { bottle = {}, ...options }: CliOptions & { readonly bottle?: Partial<ActiveBottle> } = {},
): Promise<CliRun> {
  const backend = options.backend ?? new FakeBackend();
  backend.bottles = [{
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
    proxy: "squid",
    owner: "detached",
    ...bottle,
  }];
  return await runCli([...argv.slice(0, 2), "--color=never", ...argv.slice(2)], {
    manifest: MANIFEST,
    ...options,
    backend,
  });
}

const KEY = { REAL_KEY: "very-secret" };
const ASKED = { env: KEY, terminals: PERSON, answers: ["word"] };
const PLAIN = { name: "claude-bottle-plain", agent: "plain", bottle: "plain" };

function injectionsOf({ backend }: CliRun): readonly unknown[] {
  return backend.injections.map((values) =>
    Object.fromEntries([...values].map(([name, value]) => [name, value.reveal()]))
  );
}

Deno.test("start shows which hosts are opened and which secret goes where, by name", async () => {
  const run = await runCli(["start", "lister", "--dry-run"], { manifest: MANIFEST, env: KEY });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  for (
    const row of [
      "env            : LITERAL, API_KEY (placeholder), GIT_PASSWORD (placeholder)",
      "  inspected    : api.test (POST /v1/messages, GET /v1/models)",
      "  inspected    : git.test (any request)",
      "  inspected    : read.test (GET /docs/*)",
      "  injected     : API_KEY → api.test (bearer, from REAL_KEY)",
      "  injected     : GIT_PASSWORD → git.test (basic:me, asked)",
    ]
  ) {
    assert.ok(run.stderr.split("\n").includes(row), `${row}\n${run.stderr}`);
  }
  const plain = await runCli(["start", "plain", "--dry-run"], { manifest: MANIFEST });
  assert.doesNotMatch(plain.stderr, /inspected|injected|placeholder/);
});

Deno.test("the plan for programs says the same", async () => {
  const run = await runCli(["start", "lister", "--dry-run", "--json"], { manifest: MANIFEST, env: KEY });
  const plan = JSON.parse(run.stdout);
  assert.deepEqual(plan.env_names, ["LITERAL", "API_KEY", "GIT_PASSWORD"]);
  assert.deepEqual(plan.egress.inspected, [
    { host: "api.test", allow: ["POST /v1/messages", "GET /v1/models"], inject: "API_KEY" },
    { host: "git.test", allow: null, inject: "GIT_PASSWORD" },
    { host: "read.test", allow: ["GET /docs/*"], inject: null },
  ]);
  assert.deepEqual(plan.injected, [
    { env: "API_KEY", hosts: ["api.test"], as: "bearer", source: { kind: "host", name: "REAL_KEY" } },
    { env: "GIT_PASSWORD", hosts: ["git.test"], as: "basic:me", source: { kind: "prompt" } },
  ]);
});

Deno.test("start asks for injected secrets after y, and gives them to the launch apart from the env", async () => {
  const backend = new FakeBackend();
  const run = await runCli(["start", "lister"], {
    manifest: MANIFEST,
    backend,
    env: KEY,
    terminals: PERSON,
    answers: ["y", "word"],
  });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  const [launched] = backend.launches;
  const values = (env: ReadonlyMap<string, { reveal(): string }> | undefined): unknown =>
    Object.fromEntries([...env ?? []].map(([name, value]) => [name, value.reveal()]));
  assert.deepEqual(values(launched?.env), { LITERAL: "one" });
  assert.deepEqual(values(launched?.injected), { API_KEY: "very-secret", GIT_PASSWORD: "word" });
  assert.match(run.stderr, /launch this agent\? \[y\/N\][^]*value of GIT_PASSWORD \(password of git\):/);
  assert.doesNotMatch(run.stderr, /very-secret/);
});

Deno.test("attach and exec --secrets renew the sidecar's secrets and give the command its placeholders", async () => {
  for (const argv of [["attach", "lister"], ["exec", "lister", "--secrets", "--", "ls"]]) {
    const run = await entered(argv, ASKED);
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.deepEqual(injectionsOf(run), [{ API_KEY: "very-secret", GIT_PASSWORD: "word" }]);
    const [command] = run.backend.commands;
    assert.deepEqual(Object.fromEntries(command?.placeholders ?? []), {
      API_KEY: "placeholder-of-API_KEY",
      GIT_PASSWORD: "placeholder-of-GIT_PASSWORD",
    });
    assert.deepEqual([...command?.env.keys() ?? []], ["LITERAL"]);
    const { calls } = run.backend;
    assert.ok(
      calls.indexOf("inject API_KEY GIT_PASSWORD") < calls.findIndex((call) => call.startsWith("run ")),
    );
  }
});

Deno.test("exec without --secrets asks for nothing and holds no placeholder", async () => {
  const run = await entered(["exec", "lister", "--", "ls"]);
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.deepEqual(injectionsOf(run), []);
  assert.equal(run.backend.commands[0]?.placeholders, undefined);
});

Deno.test("nobody is asked for a secret as long as another one cannot be had", async () => {
  const manifest = MANIFEST.replace("LITERAL: one", 'ASKED: "?first"');
  for (const argv of [["attach", "lister"], ["exec", "lister", "--secrets", "--", "ls"]]) {
    const run = await entered(argv, {
      manifest,
      terminals: PERSON,
      answers: ["word", "word"],
      bottle: { manifestFiles: [{ path: MANIFEST_PATH, digest: await sha256(manifest) }] },
    });
    assert.deepEqual(run.outcome, { kind: "exit", code: 1 });
    assert.match(run.stderr, /does not set .*API_KEY \(from REAL_KEY\)/);
    assert.doesNotMatch(run.stderr, /value of ASKED/);
  }
});

Deno.test("a bottle that injects nothing is entered as ever", async () => {
  const run = await entered(["exec", "plain", "--secrets", "--", "ls"], { bottle: PLAIN });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.deepEqual(injectionsOf(run), []);
});

Deno.test("secrets lists what is injected where, by name, and asks for nothing", async () => {
  const run = await entered(["secrets", "lister"]);
  assert.deepEqual(run.outcome, DONE, run.stderr);
  assert.equal(
    run.stdout,
    "API_KEY → api.test (bearer, from REAL_KEY)\nGIT_PASSWORD → git.test (basic:me, asked)\n",
  );
  assert.deepEqual(injectionsOf(run), []);
  const json = await entered(["secrets", "lister", "--json"]);
  assert.deepEqual(JSON.parse(json.stdout), {
    bottle: "claude-bottle-lister",
    injected: [
      { env: "API_KEY", hosts: ["api.test"], as: "bearer", source: { kind: "host", name: "REAL_KEY" } },
      { env: "GIT_PASSWORD", hosts: ["git.test"], as: "basic:me", source: { kind: "prompt" } },
    ],
    renewed: [],
  });
  const none = await entered(["secrets", "plain"], { bottle: PLAIN });
  assert.deepEqual([none.outcome, none.stdout], [DONE, ""]);
  assert.equal(none.stderr, "claude-bottle: the sidecar of claude-bottle-plain injects no secret\n");
});

Deno.test("secrets --refresh takes every secret from its source again, of a running start as well", async () => {
  for (const owner of ["detached", "alive"] as const) {
    const run = await entered(["secrets", "lister", "--refresh"], { ...ASKED, bottle: { owner } });
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.deepEqual(injectionsOf(run), [{ API_KEY: "very-secret", GIT_PASSWORD: "word" }]);
    assert.equal(run.stdout, "renewed API_KEY\nrenewed GIT_PASSWORD\n");
    assert.deepEqual(run.backend.commands, []);
  }
});

Deno.test("secrets --refresh refuses what cannot be renewed, before the sidecar is asked", async () => {
  const rows = [
    {
      argv: ["secrets", "plain", "--refresh"],
      options: { bottle: PLAIN },
      code: 2,
      said: /nothing to renew/,
    },
    {
      argv: ["secrets", "lister", "--refresh"],
      options: {},
      code: 1,
      said: /does not set .*API_KEY \(from REAL_KEY\)/,
    },
    {
      argv: ["secrets", "lister", "--refresh"],
      options: { ...ASKED, env: { REAL_KEY: "two\nlines" } },
      code: 1,
      said: /API_KEY stands for has more than one line/,
    },
    {
      argv: ["secrets", "lister", "--refresh"],
      options: { ...ASKED, bottle: { owner: "elsewhere" } as const },
      code: 1,
      said: /belongs to another machine/,
    },
    {
      argv: ["secrets", "lister", "--refresh"],
      options: { ...ASKED, manifest: `${MANIFEST}\n# changed\n` },
      code: 2,
      said: /launched from another manifest/,
    },
  ];
  for (const { argv, options, code, said } of rows) {
    const run = await entered(argv, options);
    assert.deepEqual(run.outcome, { kind: "exit", code }, run.stderr);
    assert.match(run.stderr, said);
    assert.deepEqual(injectionsOf(run), []);
  }
});

Deno.test("a sidecar that takes no secret is a failure that runs nothing", async () => {
  const backend = new FakeBackend();
  backend.before = (call) => {
    if (call.startsWith("inject ")) throw new Failure("sidecar-closed", "It takes none");
  };
  const run = await entered(["attach", "lister"], { ...ASKED, backend });
  assert.deepEqual(run.outcome, { kind: "exit", code: 1 });
  assert.deepEqual(backend.commands, []);
});
