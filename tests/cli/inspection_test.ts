import assert from "node:assert/strict";
import { ANTHROPIC_RULES } from "../../lib/manifest/ready_made/anthropic_rules.ts";
import { type CliRun, MANIFEST_PATH, runCli } from "../support/cli_harness.ts";
import { TrustingMachine } from "../support/trusting_machine.ts";

const DONE = { kind: "exit", code: 0 };
const USAGE = { kind: "exit", code: 2 };

function manifest(proxy: string): string {
  return `bottles:
  dev:
    egress:${proxy === "" ? "" : `\n      proxy: ${proxy}`}
      allowlist:
        - use: anthropic
        - { host: api.example.org, inject: { env: API_KEY, secret: "\${KEY}", as: bearer } }
        - { host: b.example.org, allow: [GET /v1/*] }
        - { host: c.example.org, inject: { env: C, secret: hidden-literal, as: "header:X-Key" } }
agents:
  reviewer: { bottle: dev }
`;
}

/** The command line's proxy, the manifest's, the host's variable, and the hints of the refusal. */
const REFUSED:
  readonly (readonly [argv: readonly string[], named: string, preset: string, hints: readonly string[]])[] = [
    [[], "", "", ['Add to the bottle "dev": egress: { proxy: squid }', "Or, for once: --proxy squid"]],
    [[], "", "pipelock", [
      'Add to the bottle "dev": egress: { proxy: squid }',
      "Or, for once: --proxy squid",
    ]],
    [["--proxy", "pipelock"], "", "squid", [
      'Add to the bottle "dev": egress: { proxy: squid }',
      "Leave out `--proxy pipelock`",
    ]],
    [["--proxy", "pipelock"], "squid", "", ["Leave out `--proxy pipelock`"]],
  ];

const ALLOWED: readonly (readonly [argv: readonly string[], named: string, preset: string])[] = [
  [["--proxy", "squid"], "", "pipelock"],
  [[], "squid", "pipelock"],
  [[], "", "squid"],
];

function start(
  argv: readonly string[],
  { named, preset }: { readonly named: string; readonly preset: string },
): Promise<CliRun> {
  return runCli(["start", "--dry-run", "--color", "never", ...argv], {
    manifest: manifest(named),
    env: { KEY: "hidden-value", CLAUDE_BOTTLE_PROXY: preset },
  });
}

Deno.test("start refuses inspected hosts with a proxy that inspects none, before anything is asked of an engine", async () => {
  for (const [argv, named, preset, hints] of REFUSED) {
    const run = await start(argv, { named, preset });
    assert.deepEqual(run.outcome, USAGE, run.stderr);
    assert.deepEqual(run.backend.calls, []);
    assert.deepEqual(run.host.processes.lines, []);
    assert.match(run.stderr, /^error: Bottle "dev" has inspected hosts, which pipelock cannot inspect$/m);
    assert.deepEqual(run.stderr.match(/(?<=^hint: ).*$/gm), hints, run.stderr);
    assert.doesNotMatch(run.stderr, /hidden/);
  }
});

Deno.test("start takes inspected hosts with the proxy that inspects, whoever names it", async () => {
  for (const [argv, named, preset] of ALLOWED) {
    const run = await start(argv, { named, preset });
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.deepEqual(run.backend.calls, ["prepare"]);
  }
});

Deno.test("start --json tells each inspected host at its place", async () => {
  const run = await runCli(["start", "--json", "--yes"], { manifest: manifest("") });
  assert.deepEqual(run.outcome, USAGE);
  const { error } = JSON.parse(run.stderr.trim().split("\n").at(-1) ?? "");
  assert.equal(error.code, "inspection-needs-squid");
  assert.deepEqual(
    error.problems.map((
      { message, where }: { message: string; where: { line: number } },
    ) => [message, where.line]),
    [
      ["bottles.dev.egress.allowlist[0].use: the requests to anthropic are inspected", 5],
      ["bottles.dev.egress.allowlist[1]: its requests are inspected, because of `inject`", 6],
      ["bottles.dev.egress.allowlist[2]: its requests are inspected, because of `allow`", 7],
      ["bottles.dev.egress.allowlist[3]: its requests are inspected, because of `inject`", 8],
    ],
  );
});

Deno.test("a bottle without inspected hosts starts with any proxy", async () => {
  for (const proxy of ["pipelock", "squid"]) {
    const run = await runCli(["start", "--dry-run", "--proxy", proxy], {
      manifest:
        "bottles: { dev: { egress: { allowlist: [a.example.org] } } }\nagents: { a: { bottle: dev } }\n",
    });
    assert.deepEqual(run.outcome, DONE, run.stderr);
  }
});

Deno.test("validate warns where no proxy is named, and of what the injected secrets lack on this host", async () => {
  const told = async (named: string, env: Readonly<Record<string, string>>): Promise<readonly string[]> => {
    const run = await runCli(["validate", "--json"], { manifest: manifest(named), env });
    assert.deepEqual(run.outcome, DONE, run.stderr);
    assert.doesNotMatch(run.stdout, /hidden/);
    return JSON.parse(run.stdout).warnings.map(
      ({ message, where: { line } }: { message: string; where: { line: number } }) => `${line}: ${message}`,
    );
  };
  const literal = /^\d+: bottles\.dev\.egress\.allowlist\[3\]\.inject\.secret: looks like a secret/;
  const [unnamed = "", unset = "", first = ""] = await told("", {});
  assert.equal(
    unnamed,
    "5: bottles.dev.egress.allowlist[0].use: is inspected, for which the bottle must name `squid` as its proxy",
  );
  assert.match(unset, /^6: bottles\.dev\.egress\.allowlist\[1\]\.inject\.secret: .* API_KEY \(from KEY\)$/);
  assert.match(first, literal);
  const [only = "", ...others] = await told("squid", { KEY: "hidden-value" });
  assert.match(only, literal);
  assert.deepEqual(others, []);
});

Deno.test("validate says how a variable is named, where an injected secret is written like one of a shell", async () => {
  for (
    const [written, hint] of [["$KEY", "Write `${KEY}` to take it from the host"], ["hidden", "Take it from"]]
  ) {
    const inject = `{ env: KEY, secret: ${JSON.stringify(written)}, as: bearer }`;
    const run = await runCli(["validate", "--json"], {
      manifest: `bottles:
  dev:
    egress: { proxy: squid, allowlist: [{ host: a.example.org, inject: ${inject} }] }
agents: { a: { bottle: dev } }
`,
    });
    assert.deepEqual(run.outcome, DONE, run.stderr);
    const [warning, ...others] = JSON.parse(run.stdout).warnings;
    assert.deepEqual(others, []);
    assert.match(warning.message, /allowlist\[0\]\.inject\.secret: /);
    assert.ok(warning.hints.some((text: string) => text.startsWith(hint ?? "")), JSON.stringify(warning));
    assert.doesNotMatch(run.stdout, /hidden/);
  }
});

Deno.test("validate looks for the files and programs of injected secrets", async () => {
  const run = await runCli(["validate", "--json"], {
    manifest: `bottles:
  dev:
    egress:
      proxy: squid
      allowlist:
        - use: { github: { repos: [me/app], token: { file: token } } }
        - { host: a.example.org, inject: { env: A, secret: { command: [no-such-program] }, as: bearer } }
agents:
  reviewer: { bottle: dev }
`,
  });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  const warnings: readonly { readonly path: string; readonly concerns: string }[] =
    JSON.parse(run.stdout).warnings;
  assert.deepEqual(warnings.map(({ path, concerns }) => [path, concerns]), [
    ["bottles.dev.egress.allowlist[0].use.github.token.file", "host"],
    ["bottles.dev.egress.allowlist[1].inject.secret.command[0]", "host"],
  ]);
});

const USES = `bottles:
  dev:
    egress:
      defaults: false
      proxy: squid
      allowlist:
        - a.example.org
        - use: anthropic
        - use: { openai: { key: "?the key" } }
agents:
  reviewer: { bottle: dev }
`;

Deno.test("info shows what a service stands for, each host and rule, and where it is named", async () => {
  const run = await runCli(["info"], { manifest: USES });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  const hosts = run.stdout.split("\n").filter((line) => line.startsWith("  host "))
    .map((line) => line.replaceAll(/ {2,}/g, "  ").replace(/\S*:(?=\d+$)/, ""));
  assert.deepEqual(hosts, [
    "  host  a.example.org  7",
    `  host  api.anthropic.com (only ${ANTHROPIC_RULES.join(", ")}; use: anthropic)  8`,
    "  host  api.openai.com (only POST /v1/responses, POST /v1/chat/completions, POST /v1/embeddings, GET /v1/models, GET /v1/models/*; injects OPENAI_API_KEY as bearer, asked: the key; use: openai)  9",
  ]);
});

Deno.test("info --json has a service's hosts as records of their own", async () => {
  const run = await runCli(["info", "--json"], { manifest: USES });
  const grants: readonly Readonly<Record<string, unknown>>[] = JSON.parse(run.stdout).grants;
  assert.deepEqual(grants.filter(({ kind }) => kind === "host").at(1), {
    of: "bottle",
    kind: "host",
    value: "api.anthropic.com",
    http: false,
    allow: ANTHROPIC_RULES,
    use: "anthropic",
    from: "manifest",
    where: { file: MANIFEST_PATH, line: 8, column: 16 },
  });
});

Deno.test("trust shows what inspected hosts may be asked, and asks again for more of it only", async () => {
  const machine = new TrustingMachine(USES);
  const run = await machine.person(["trust"], "y");
  assert.deepEqual(run.outcome, DONE, run.stderr);
  const bottle = run.stderr.slice(run.stderr.indexOf("bottle dev\n"), run.stderr.indexOf("\n\n!"));
  assert.equal(
    bottle,
    `bottle dev
  + host      a.example.org (claude-bottle.yaml:7)
${
      ANTHROPIC_RULES.map((rule) => `  + host      api.anthropic.com, only ${rule} (claude-bottle.yaml:8)`)
        .join("\n")
    }
  + host      api.openai.com, only POST /v1/responses, with the injected secret alone (claude-bottle.yaml:9)
  + host      api.openai.com, only POST /v1/chat/completions, with the injected secret alone (claude-bottle.yaml:9)
  + host      api.openai.com, only POST /v1/embeddings, with the injected secret alone (claude-bottle.yaml:9)
  + host      api.openai.com, only GET /v1/models, with the injected secret alone (claude-bottle.yaml:9)
  + host      api.openai.com, only GET /v1/models/*, with the injected secret alone (claude-bottle.yaml:9)
! + inject    OPENAI_API_KEY from you, asked at the launch: "the key"; put into requests to api.openai.com as bearer (claude-bottle.yaml:9)
  + proxy     squid (claude-bottle.yaml:5)
! + token     your CLAUDE_BOTTLE_OAUTH_TOKEN itself, which squid then keeps outside no more (claude-bottle.yaml:3)
  + as usual  runtime auto, cpus unlimited, memory 4 GiB, pids 2048 processes, disk 20 GiB`,
  );
  assert.deepEqual(await machine.asked(), []);
  const [file = ""] = Object.keys(machine.files);
  machine.files[file] = USES.replace("a.example.org", "{ host: a.example.org, allow: [GET /x] }");
  assert.deepEqual(await machine.asked(), []);
  machine.files[file] = USES.replace('{ openai: { key: "?the key" } }', "openai");
  assert.deepEqual(await machine.asked(), [
    "bottle dev: host api.openai.com, only POST /v1/responses",
    "bottle dev: host api.openai.com, only POST /v1/chat/completions",
    "bottle dev: host api.openai.com, only POST /v1/embeddings",
    "bottle dev: host api.openai.com, only GET /v1/models",
    "bottle dev: host api.openai.com, only GET /v1/models/*",
  ]);
});
