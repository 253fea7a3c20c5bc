import assert from "node:assert/strict";
import { DEFAULT_HOSTS } from "../../lib/egress/allowlist.ts";
import { ANTHROPIC_RULES } from "../../lib/manifest/ready_made/anthropic_rules.ts";
import { runCli } from "../support/cli_harness.ts";

const DONE = { kind: "exit", code: 0 };
const TOKEN = { CLAUDE_BOTTLE_OAUTH_TOKEN: "token-4711" };

interface Told {
  readonly env: readonly string[];
  /** `VARIABLE=what it comes from`. */
  readonly injected: readonly string[];
  readonly forwarded: boolean;
  readonly inspected: readonly string[];
  readonly keptOut: readonly string[] | undefined;
}

/** What a launch of a bottle with these lines would do about Claude Code's credential. */
async function told(
  lines: { readonly env?: string; readonly egress?: string; readonly command?: string },
  { variables = TOKEN, argv = [] }: {
    readonly variables?: Readonly<Record<string, string>>;
    readonly argv?: readonly string[];
  } = {},
): Promise<Told> {
  const { env = "{}", egress = "{ proxy: squid }", command = "[claude]" } = lines;
  const manifest = `bottles:\n  dev:\n    env: ${env}\n    egress: ${egress}\n` +
    `agents:\n  one: { bottle: dev, command: ${command} }\n`;
  const run = await runCli(["start", "--dry-run", ...argv], { manifest, env: variables });
  assert.deepEqual(run.outcome, DONE, run.stderr);
  const [spec] = run.backend.specs;
  assert.ok(spec !== undefined);
  return {
    env: [...spec.env.keys()],
    injected: [...spec.injected].map(([name, source]) =>
      `${name}=${source.kind === "host" ? source.variable : source.kind}`
    ),
    forwarded: spec.forwardOauthToken,
    inspected: spec.policy.hosts.filter(({ inspection }) => inspection !== undefined).map(({ host }) => host),
    keptOut: spec.claudeInjection?.keptOut,
  };
}

const API = ["api.anthropic.com"];
const NOTHING = { env: [], injected: [], inspected: [], keptOut: undefined };

Deno.test("squid keeps the host's token outside, whatever the agent's command is", async () => {
  for (const command of ["[claude]", "[sh, -c, env]"]) {
    assert.deepEqual(await told({ command }), {
      env: [],
      injected: ["CLAUDE_CODE_OAUTH_TOKEN=CLAUDE_BOTTLE_OAUTH_TOKEN"],
      forwarded: false,
      inspected: API,
      keptOut: [],
    });
  }
});

Deno.test("the credential enters where nothing can or may be injected, and the host is then left alone", async () => {
  const enters = { ...NOTHING, forwarded: true };
  assert.deepEqual(await told({ egress: "{ proxy: pipelock }" }), enters);
  assert.deepEqual(await told({ egress: "{ proxy: squid, allowlist: [api.anthropic.com] }" }), enters);
  assert.deepEqual(await told({ egress: "{ proxy: squid, defaults: false }" }), enters);
  assert.deepEqual(await told({}, { argv: ["--remote-control"] }), enters);
  const elsewhere = { env: '{ ANTHROPIC_BASE_URL: "https://gateway.example" }' };
  assert.deepEqual(await told(elsewhere), { ...enters, env: ["ANTHROPIC_BASE_URL"] });
});

Deno.test("without a credential nothing is inspected: who signs in inside has the host as it is", async () => {
  assert.deepEqual(await told({}, { variables: {} }), { ...NOTHING, forwarded: false });
  const empty = { env: '{ ANTHROPIC_API_KEY: "" }' };
  assert.deepEqual(await told(empty, { variables: {} }), {
    ...NOTHING,
    env: ["ANTHROPIC_API_KEY"],
    forwarded: false,
  });
});

Deno.test("of several credentials the one that Claude Code prefers is injected, the others stay outside", async () => {
  const all = { env: "{ OTHER: x, CLAUDE_CODE_OAUTH_TOKEN: '${T}', ANTHROPIC_API_KEY: '${K}' }" };
  const variables = { ...TOKEN, T: "t", K: "k" };
  assert.deepEqual(await told(all, { variables }), {
    env: ["OTHER"],
    injected: ["ANTHROPIC_API_KEY=K"],
    forwarded: false,
    inspected: API,
    keptOut: ["CLAUDE_CODE_OAUTH_TOKEN"],
  });
  const key = { env: "{ ANTHROPIC_API_KEY: '${K}' }" };
  assert.deepEqual((await told(key, { variables })).keptOut, ["CLAUDE_BOTTLE_OAUTH_TOKEN"]);
  const bearer = { env: "{ ANTHROPIC_AUTH_TOKEN: { secret: { file: /t } }, ANTHROPIC_API_KEY: '${K}' }" };
  const { injected, keptOut } = await told(bearer, { variables });
  assert.deepEqual([injected, keptOut], [
    ["ANTHROPIC_AUTH_TOKEN=file"],
    ["ANTHROPIC_API_KEY", "CLAUDE_BOTTLE_OAUTH_TOKEN"],
  ]);
});

Deno.test("a wildcard beside the default host does not untouch it", async () => {
  const egress = '{ proxy: squid, allowlist: ["*.anthropic.com"] }';
  assert.deepEqual((await told({ egress })).inspected, API);
  const manifest = `bottles: { dev: { egress: ${egress} } }\nagents: { one: { bottle: dev } }\n`;
  const { stderr } = await runCli(["start", "--dry-run"], { manifest, env: TOKEN });
  assert.match(stderr, /\*\.anthropic\.com passes unopened beside api\.anthropic\.com: /);
});

Deno.test("an inspected wildcard of the manifest lets through no more than it says", async () => {
  const rules = 'allow: ["GET /v1/models"]';
  const narrow = `{ proxy: squid, allowlist: [{ host: "*.anthropic.com", ${rules} }] }`;
  assert.deepEqual(await told({ egress: narrow }), {
    ...NOTHING,
    forwarded: true,
    inspected: ["*.anthropic.com"],
  });
});

Deno.test("of the default hosts the inspected one alone is left: past its rules the others would be ways out", async () => {
  const allowed = async (egress: string, env: Readonly<Record<string, string>> = TOKEN) => {
    const manifest = `bottles: { dev: { egress: ${egress} } }\nagents: { one: { bottle: dev } }\n`;
    const { backend } = await runCli(["start", "--dry-run"], { manifest, env });
    const hosts = backend.specs[0]?.policy.hosts.map(({ host }) => host);
    const { stdout } = await runCli(["info", "one", "--json"], { manifest, env });
    const grants: readonly Readonly<Record<string, unknown>>[] = JSON.parse(stdout).grants;
    assert.deepEqual(grants.filter(({ kind }) => kind === "host").map(({ value }) => value).sort(), hosts);
    return hosts;
  };
  assert.deepEqual(await allowed("{ proxy: squid }"), API);
  assert.deepEqual(await allowed("{ proxy: squid, allowlist: [claude.ai] }"), [...API, "claude.ai"]);
  assert.deepEqual(await allowed("{ proxy: squid }", {}), DEFAULT_HOSTS);
  assert.deepEqual(await allowed("{ proxy: pipelock }"), DEFAULT_HOSTS);
});

Deno.test("info shows what is injected, and the only requests to its host", async () => {
  const manifest = "bottles: { dev: { egress: { proxy: squid } } }\nagents: { one: { bottle: dev } }\n";
  const { stdout } = await runCli(["info", "one", "--json"], { manifest, env: TOKEN });
  const grants: readonly Readonly<Record<string, unknown>>[] = JSON.parse(stdout).grants;
  const host = grants.find(({ value }) => value === "api.anthropic.com");
  assert.deepEqual(host?.["allow"], ANTHROPIC_RULES);
  assert.deepEqual(grants.filter(({ kind }) => kind === "env"), []);
  const [injected] = grants.filter(({ kind }) => kind === "injected");
  assert.equal(injected?.["name"], "CLAUDE_CODE_OAUTH_TOKEN");
  const piped = await runCli(["info", "one"], {
    manifest: manifest.replace("squid", "pipelock"),
    env: TOKEN,
  });
  assert.match(piped.stdout, /^ {2}env +CLAUDE_CODE_OAUTH_TOKEN/m);
});
