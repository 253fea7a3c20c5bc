import assert from "node:assert/strict";
import { specNotices } from "../../../lib/bottle/notices.ts";
import type { BottleSpec } from "../../../lib/bottle/spec.ts";
import type { EnvSource } from "../../../lib/manifest/model.ts";
import { TEST_PROXY, testSpec } from "../../support/plan_inputs.ts";

/** Every kind of source: what is noted does not depend on the value. */
const SOURCES: readonly EnvSource[] = [
  { kind: "literal", value: "secret-19" },
  { kind: "host", variable: "SECRET" },
  { kind: "prompt", text: "?" },
];

function hosts(...names: readonly string[]): Pick<BottleSpec, "policy"> {
  return { policy: { hosts: names.map((host) => ({ host, private: false, http: false })), ssh: [] } };
}

const ELSEWHERE = "env sets ANTHROPIC_BASE_URL: your Claude token goes to that host";
const UNREACHABLE = "api.anthropic.com is not an allowed host: Claude Code will try for minutes and give up";
const ASKS = "Claude Code asks whether to use ANTHROPIC_API_KEY before its first prompt";

const BLIND = { ...TEST_PROXY, inspects: false };
const ENTERS = "enters the bottle: squid keeps it outside (`--proxy squid`)";

Deno.test("specNotices() has nothing to say of an ordinary bottle", () => {
  for (const mode of ["headless", "attached"] as const) {
    assert.deepEqual(specNotices(testSpec({ mode })), []);
  }
});

Deno.test("specNotices() says why Claude Code's credential enters, and how it would not", () => {
  const token = { forwardOauthToken: true };
  const said = (changes: Partial<BottleSpec>): readonly string[] => specNotices(testSpec(changes));
  assert.deepEqual(said({ ...token, proxy: BLIND }), [`your Claude token ${ENTERS}`]);
  const named = "your Claude token enters the bottle: the manifest names api.anthropic.com itself";
  assert.deepEqual(said(token), [`${named}, with nothing to inject`]);
  const other = { env: "OTHER_TOKEN", form: { kind: "bearer" } } as const;
  const inspection = { rules: undefined, secret: other };
  const rule = { host: "api.anthropic.com", private: false, http: false, inspection };
  assert.deepEqual(said({ ...token, policy: { hosts: [rule], ssh: [] } }), [named]);
  const remote = "your Claude token enters the bottle: what --remote-control asks is not known";
  assert.deepEqual(said({ ...token, remoteControl: true }), [remote]);
  const key = new Map<string, EnvSource>([["ANTHROPIC_API_KEY", { kind: "host", variable: "KEY" }]]);
  assert.deepEqual(said({ ...token, env: key, proxy: BLIND }), [`ANTHROPIC_API_KEY ${ENTERS}`]);
  // What a manifest's text says is no secret of it.
  const literal = new Map<string, EnvSource>([["ANTHROPIC_API_KEY", { kind: "literal", value: "k" }]]);
  assert.deepEqual(said({ env: literal, proxy: BLIND }), []);
});

Deno.test("specNotices() says that the token enters a bottle that cannot use it", () => {
  const enters = "your Claude token enters the bottle, though api.anthropic.com is not an allowed host";
  const spec = { ...hosts("a.example"), command: ["ls"] };
  assert.deepEqual(specNotices(testSpec({ ...spec, forwardOauthToken: true })), [enters]);
  assert.deepEqual(specNotices(testSpec({ ...spec, forwardOauthToken: false })), []);
  assert.deepEqual(specNotices(testSpec({ ...spec, forwardOauthToken: true, proxy: BLIND })), []);
});

const LEFT =
  "the sidecar puts it into requests to api.anthropic.com, and of the default hosts only those that the manifest lists are left";

Deno.test("specNotices() says that what is injected never enters, and what stays outside besides", () => {
  const env = "ANTHROPIC_API_KEY";
  const spec = testSpec({ claudeInjection: { env, keptOut: ["CLAUDE_BOTTLE_OAUTH_TOKEN"] } });
  assert.deepEqual(specNotices(spec), [
    `${env} never enters the bottle: ${LEFT}`,
    `CLAUDE_BOTTLE_OAUTH_TOKEN stays outside: Claude Code is given ${env}, and only one can be injected`,
  ]);
  const token = testSpec({ claudeInjection: { env: "CLAUDE_CODE_OAUTH_TOKEN", keptOut: [] } });
  assert.deepEqual(specNotices(token), [`your Claude token never enters the bottle: ${LEFT}`]);
});

Deno.test("specNotices() names what passes unopened beside an inspected host", () => {
  const beside = (...untouched: readonly string[]) =>
    specNotices(testSpec({ command: ["ls"], neighbours: [{ inspected: "api.example.org", untouched }] }));
  const goes = "a server that answers for both can be asked past its rules";
  assert.deepEqual(beside("www.example.org"), [
    `www.example.org passes unopened beside api.example.org: ${goes}`,
  ]);
  assert.deepEqual(beside("*.example.org", "www.example.org", "b.example.org"), [
    `*.example.org and 2 more pass unopened beside api.example.org: ${goes}`,
  ]);
});

Deno.test("specNotices() says that the token goes elsewhere when it does", () => {
  for (const source of SOURCES) {
    const env = new Map([["ANTHROPIC_BASE_URL", source]]);
    assert.deepEqual(specNotices(testSpec({ env, forwardOauthToken: true })), [ELSEWHERE]);
    assert.deepEqual(specNotices(testSpec({ env, forwardOauthToken: false })), []);
    assert.deepEqual(specNotices(testSpec({ env, forwardOauthToken: true, command: ["ls"] })), [ELSEWHERE]);
  }
});

Deno.test("specNotices() says that Claude Code cannot reach its model, unless it is told of another", () => {
  for (const names of [[], ["claude.ai"], ["*.claude.ai"], ["statsig.anthropic.com"], ["anthropic.com"]]) {
    const spec = hosts(...names);
    assert.deepEqual(specNotices(testSpec(spec)), [UNREACHABLE], names.join(" "));
    assert.deepEqual(specNotices(testSpec({ ...spec, command: ["ls", "claude"] })), []);
    const env = new Map<string, EnvSource>([["ANTHROPIC_BASE_URL", { kind: "host", variable: "X" }]]);
    assert.deepEqual(specNotices(testSpec({ ...spec, env })), []);
  }
  for (const names of [["api.anthropic.com"], ["*.anthropic.com"], ["a.example", "api.anthropic.com"]]) {
    assert.deepEqual(specNotices(testSpec(hosts(...names))), [], names.join(" "));
  }
});

Deno.test("specNotices() does not take an ssh entry for a way to the model", () => {
  const policy = { hosts: [], ssh: [{ host: "api.anthropic.com", port: 22, private: false }] };
  assert.deepEqual(specNotices(testSpec({ policy })), [UNREACHABLE]);
});

Deno.test("specNotices() says that Claude Code asks about a key, where somebody can answer", () => {
  for (const source of SOURCES) {
    const env = new Map([["ANTHROPIC_API_KEY", source]]);
    const asks = (changes: Partial<BottleSpec>): boolean => specNotices(testSpec(changes)).includes(ASKS);
    assert.ok(asks({ env, mode: "attached" }));
    assert.ok(asks({ injected: env, mode: "attached" }));
    assert.ok(!asks({ env, mode: "headless" }));
    assert.ok(!asks({ env, mode: "attached", command: ["ls"] }));
  }
});

Deno.test("specNotices() tells all that apply", () => {
  const [literal] = SOURCES;
  assert.ok(literal !== undefined);
  const key = new Map([["ANTHROPIC_API_KEY", literal]]);
  assert.deepEqual(specNotices(testSpec({ ...hosts(), env: key, mode: "attached" })), [UNREACHABLE, ASKS]);
  const both = new Map([...key, ["ANTHROPIC_BASE_URL", literal]]);
  const spec = testSpec({ ...hosts(), env: both, mode: "attached", forwardOauthToken: true });
  assert.deepEqual(specNotices(spec), [ELSEWHERE, ASKS]);
});
