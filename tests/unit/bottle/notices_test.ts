import assert from "node:assert/strict";
import { specNotices } from "../../../lib/bottle/notices.ts";
import type { BottleSpec } from "../../../lib/bottle/spec.ts";
import type { EnvSource } from "../../../lib/manifest/model.ts";
import { testSpec } from "../../support/plan_inputs.ts";

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

Deno.test("specNotices() has nothing to say of an ordinary bottle", () => {
  for (const mode of ["headless", "attached"] as const) {
    for (const forwardOauthToken of [true, false]) {
      assert.deepEqual(specNotices(testSpec({ mode, forwardOauthToken })), []);
    }
  }
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
    assert.deepEqual(specNotices(testSpec({ env, mode: "attached" })), [ASKS]);
    assert.deepEqual(specNotices(testSpec({ env, mode: "headless" })), []);
    assert.deepEqual(specNotices(testSpec({ env, mode: "attached", command: ["ls"] })), []);
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
