import assert from "node:assert/strict";
import { Secret } from "../../../lib/bottle/env.ts";
import { formText, injectedUses, requestForms, requireInjectable } from "../../../lib/bottle/injected.ts";
import { forwardsOauthToken } from "../../../lib/bottle/claude_credentials.ts";
import type { EgressPolicy } from "../../../lib/egress/policy.ts";
import type { EnvSource } from "../../../lib/manifest/model.ts";
import { environmentOf } from "../../support/fake_host.ts";
import { INSPECTED } from "../../support/inspection.ts";

function envOf(values: Readonly<Record<string, string>>): ReadonlyMap<string, Secret> {
  return new Map(Object.entries(values).map(([name, value]) => [name, new Secret(value)]));
}

const NONE = envOf({});

/** The secrets of {@link INSPECTED}, beside an env. */
function required(
  injected: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): void {
  requireInjectable(envOf(injected), { env: envOf(env), policy: INSPECTED });
}

Deno.test("requireInjectable() takes what can stand where it is put, and nothing else", () => {
  for (const good of ["x", "sk-ant-oat01-abc", "x".repeat(4096), "~!@#$%^&*()"]) {
    required({ API_KEY: good, GIT_PASSWORD: good, NOWHERE: good });
  }
  // A password is encoded.
  required({ GIT_PASSWORD: "zwei Wörter" });
  const rows: readonly (readonly [string, RegExp])[] = [
    ["", /stands for is empty/],
    ["token\n", /has more than one line/],
    ["to\r\nken", /has more than one line/],
    ["tok\ten", /holds control characters/],
    ["tok\0en", /holds control characters/],
    [" token", /begins or ends with a space/],
    ["token ", /begins or ends with a space/],
    ["x".repeat(4097), /has 4097 bytes, more than the 4096/],
    ["ö".repeat(2049), /has 4098 bytes, more than the 4096/],
  ];
  for (const [bad, message] of rows) {
    for (const name of ["API_KEY", "GIT_PASSWORD"]) {
      assert.throws(() => required({ [name]: bad }), { code: "injected-invalid", message });
    }
  }
  assert.throws(() => required({ API_KEY: "tokén" }), { message: /characters that no header can hold/ });
  assert.throws(() => required({ API_KEY: "two words" }), { message: /a space, as no bearer token does/ });
});

Deno.test("requireInjectable() refuses a secret that enters the bottle another way, and shows it nowhere", () => {
  const secret = "very-secret-1";
  for (const value of [secret, `Bearer ${secret}`]) {
    assert.throws(() => required({ API_KEY: secret }, { A: "other", B: value }), (error: Error) => {
      assert.equal(
        error.message,
        "The secret that API_KEY stands for is in the bottle's env as well, as B",
      );
      assert.doesNotMatch(JSON.stringify(error), /very-secret/);
      return true;
    });
  }
  required({ API_KEY: secret }, { A: "very-secret-2" });
  // A short one stands in other words by chance.
  required({ API_KEY: "node" }, { HOME: "/home/node" });
  assert.throws(() => required({ API_KEY: "node" }, { A: "node" }), { code: "injected-granted" });
});

Deno.test("injectedUses() names each secret with the hosts that it is used at in the same way", () => {
  assert.deepEqual(injectedUses(INSPECTED).map(({ env, form, hosts }) => [env, formText(form), hosts]), [
    ["API_KEY", "bearer", ["api.test"]],
    ["GIT_PASSWORD", "basic:me", ["*.git.test"]],
  ]);
  const bearer = { env: "A", form: { kind: "bearer" } } as const;
  const header = { env: "A", form: { kind: "header", name: "x-key" } } as const;
  const hosts = ([["a.test", bearer], ["b.test", header], ["c.test", bearer]] as const)
    .map(([host, secret]): EgressPolicy["hosts"][number] => {
      return { host, private: false, http: false, inspection: { rules: undefined, secret } };
    });
  assert.deepEqual(injectedUses({ hosts, ssh: [] }).map(({ form, hosts }) => [formText(form), hosts]), [
    ["bearer", ["a.test", "c.test"]],
    ["header:x-key", ["b.test"]],
  ]);
});

Deno.test("requestForms() knows a password as it stands in a request", () => {
  const forms = requestForms(envOf({ API_KEY: "key", GIT_PASSWORD: "word" }), INSPECTED);
  assert.deepEqual(forms.map((form) => form.reveal()), [btoa("me:word")]);
  assert.equal(requestForms(envOf({ GIT_PASSWORD: "ö" }), INSPECTED)[0]?.reveal(), "bWU6w7Y=");
  assert.deepEqual(requestForms(NONE, INSPECTED), []);
});

Deno.test("the host's token is handed over only where no sidecar has it", () => {
  const set = environmentOf({ CLAUDE_BOTTLE_OAUTH_TOKEN: "token" });
  const host = (variable: string): EnvSource => ({ kind: "host", variable });
  assert.equal(forwardsOauthToken(new Map(), set), true);
  assert.equal(forwardsOauthToken(new Map([["OTHER", host("GH_PAT")]]), set), true);
  assert.equal(forwardsOauthToken(new Map([["OTHER", host("CLAUDE_BOTTLE_OAUTH_TOKEN")]]), set), false);
  assert.equal(forwardsOauthToken(new Map([["CLAUDE_CODE_OAUTH_TOKEN", host("X")]]), set), false);
  assert.equal(forwardsOauthToken(new Map(), environmentOf({})), false);
  assert.equal(forwardsOauthToken(new Map(), environmentOf({ CLAUDE_BOTTLE_OAUTH_TOKEN: "" })), false);
});
