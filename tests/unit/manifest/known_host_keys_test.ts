import assert from "node:assert/strict";
import { checkKnownHostKey } from "../../../lib/manifest/known_host_keys.ts";
import { HOST_KEY } from "../../support/plan_inputs.ts";

for (
  const [what, before, why] of [
    [
      "a certificate authority's line",
      "@cert-authority *.example.com ",
      /^is a certificate authority's line, /,
    ],
    ["a revoked line", "@revoked * ", /^is a revoked key$/],
    [
      "a hashed line",
      "|1|iZ1ahBJ/5Br0CbR3PAQTMHdjxhw=|BJSaC0rkwhpH1RttzuG9XwL6WOU= ",
      /^begins with a hashed host name$/,
    ],
    ["a line with a name", "git.example.com ", /^must begin with the key's type$/],
  ] as const
) {
  Deno.test(`checkKnownHostKey() refuses ${what} with a reason, and takes the key alone`, () => {
    const checked = checkKnownHostKey(before + HOST_KEY);
    assert.ok(checked.kind === "bad");
    assert.match(checked.message, why);
    assert.deepEqual(checkKnownHostKey(`${HOST_KEY} a comment`), checkKnownHostKey(HOST_KEY));
  });
}

Deno.test("checkKnownHostKey() tells a fingerprint from a key", () => {
  const checked = checkKnownHostKey("SHA256:uNiVztksCsDhcc0u9e8BrhJkcnSAuM5mbO2JzPHkUlE");
  assert.ok(checked.kind === "bad");
  assert.match(checked.message, /^is a fingerprint, /);
});

Deno.test("checkKnownHostKey() refuses a certificate with a reason", () => {
  const checked = checkKnownHostKey("ssh-ed25519-cert-v01@openssh.com AAAA");
  assert.ok(checked.kind === "bad");
  assert.match(checked.message, /^is a certificate, /);
});
