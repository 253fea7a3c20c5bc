import assert from "node:assert/strict";
import {
  agentEnvironment,
  environmentNames,
  ownEnvironment,
} from "../../../lib/backend/docker/provision/env.ts";
import { Secret } from "../../../lib/bottle/env.ts";
import { environmentOf } from "../../support/fake_host.ts";
import { testSpec } from "../../support/plan_inputs.ts";

const NOTHING = { rules: undefined, secret: undefined };

const HOST = environmentOf({
  TERM: "xterm-256color",
  COLORTERM: "truecolor",
  CLAUDE_BOTTLE_OAUTH_TOKEN: "token-53",
});

Deno.test("ownEnvironment() passes on the host's terminal to an attached agent only, and only a plain name", () => {
  const attached = testSpec({ mode: "attached" });
  assert.equal(ownEnvironment(attached, HOST).get("TERM"), "xterm-256color");
  assert.equal(ownEnvironment(attached, HOST).get("COLORTERM"), "truecolor");
  assert.equal(ownEnvironment(testSpec(), HOST).has("TERM"), false);
  for (const TERM of ["", "a b", "x\x1b[2J", "../x", "a".repeat(65)]) {
    assert.equal(ownEnvironment(attached, environmentOf({ TERM })).has("TERM"), false, JSON.stringify(TERM));
  }
});

Deno.test("ownEnvironment() points programs at extra authorities when there are some", () => {
  const plain = ownEnvironment(testSpec(), HOST);
  const inspected = [{ host: "api.test", private: false, http: false, inspection: NOTHING }];
  for (const changes of [{ ca: "PEM" }, { policy: { hosts: inspected, ssh: [] } }]) {
    const extra = ownEnvironment(testSpec(changes), HOST);
    const added = [...extra].filter(([name]) => !plain.has(name));
    assert.deepEqual(added, [
      ["NODE_EXTRA_CA_CERTS", "/usr/local/share/claude-bottle/ca.pem"],
      ["DENO_CERT", "/usr/local/share/claude-bottle/ca.pem"],
      ["SSL_CERT_FILE", "/run/env/ca-bundle.pem"],
      ["CURL_CA_BUNDLE", "/run/env/ca-bundle.pem"],
      ["GIT_SSL_CAINFO", "/run/env/ca-bundle.pem"],
      ["REQUESTS_CA_BUNDLE", "/run/env/ca-bundle.pem"],
      ["PIP_CERT", "/run/env/ca-bundle.pem"],
      ["CARGO_HTTP_CAINFO", "/run/env/ca-bundle.pem"],
      ["AWS_CA_BUNDLE", "/run/env/ca-bundle.pem"],
    ]);
  }
  assert.equal(plain.get("HOME"), "/home/node");
});

Deno.test("agentEnvironment() lets the manifest win and forwards the token only when asked to", () => {
  const env = new Map(
    [
      ["HOME", { kind: "literal", value: "/elsewhere" }],
      ["MINE", { kind: "literal", value: "1" }],
    ] as const,
  );
  const resolved = new Map([["HOME", new Secret("/elsewhere")], ["MINE", new Secret("1")]]);
  for (const forwardOauthToken of [true, false]) {
    const spec = testSpec({ env, forwardOauthToken });
    const all = agentEnvironment(spec, { environment: HOST, resolved });
    assert.equal(all.get("HOME")?.reveal(), "/elsewhere");
    assert.equal(all.get("CLAUDE_CODE_OAUTH_TOKEN")?.reveal(), forwardOauthToken ? "token-53" : undefined);
    // What the plan prints is what is sent, in that order.
    assert.deepEqual([...all.keys()], environmentNames(spec, HOST));
    assert.equal([...all.keys()].at(-1), "MINE");
  }
});

Deno.test("agentEnvironment() refuses a token that no process can be given, without showing it", () => {
  const spec = testSpec({ env: new Map(), forwardOauthToken: true });
  const rows = [
    { token: "token-53\0", message: /^The value of CLAUDE_BOTTLE_OAUTH_TOKEN contains a NUL byte/ },
    {
      token: "x".repeat(131_072),
      message: /^The value of CLAUDE_BOTTLE_OAUTH_TOKEN is longer than the 131071 bytes/,
    },
  ];
  for (const { token, message } of rows) {
    const environment = environmentOf({ CLAUDE_BOTTLE_OAUTH_TOKEN: token });
    assert.throws(() => agentEnvironment(spec, { environment, resolved: new Map() }), {
      code: "env-invalid",
      message,
    });
    const kept = agentEnvironment(testSpec({ env: new Map() }), { environment, resolved: new Map() });
    assert.equal(kept.has("CLAUDE_CODE_OAUTH_TOKEN"), false);
  }
});

Deno.test("agentEnvironment() takes the token from the manifest when both name it", () => {
  const name = "CLAUDE_CODE_OAUTH_TOKEN";
  const spec = testSpec({
    env: new Map([[name, { kind: "literal", value: "own" }]]),
    forwardOauthToken: true,
  });
  const all = agentEnvironment(spec, { environment: HOST, resolved: new Map([[name, new Secret("own")]]) });
  assert.equal(all.get(name)?.reveal(), "own");
  assert.deepEqual([...all.keys()], environmentNames(spec, HOST));
});
