import assert from "node:assert/strict";
import fc from "fast-check";
import { type ExaminedKey, examineKey } from "../../../lib/bottle/private_key.ts";
import { openSshKey, pem } from "../../support/private_keys.ts";

function examined(text: string): ExaminedKey {
  return examineKey(new TextEncoder().encode(text));
}

function reason(text: string): string {
  const found = examined(text);
  return found.kind === "unusable" ? found.reason : found.kind;
}

Deno.test("examineKey() takes OpenSSH's form and knows the key by its public half", () => {
  const key = examined(openSshKey({ comment: "one" }));
  const again = examined(openSshKey({ comment: "two" }));
  const other = examined(openSshKey({ point: 8 }));
  assert.ok(key.kind === "key" && again.kind === "key" && other.kind === "key");
  assert.equal(key.text, openSshKey({ comment: "one" }));
  assert.equal(again.identity, key.identity);
  assert.notEqual(again.text, key.text);
  assert.notEqual(other.identity, key.identity);
});

Deno.test("examineKey() takes OpenSSL's forms and knows the key by its content", () => {
  for (const label of ["RSA PRIVATE KEY", "EC PRIVATE KEY", "PRIVATE KEY"]) {
    const key = examined(pem(label, "MIIBOgIBAAJBAK"));
    assert.ok(key.kind === "key", label);
    assert.equal(key.text, pem(label, "MIIBOgIBAAJBAK"));
    const other = examined(pem(label, "MIIBOgIBAAJBAL"));
    assert.ok(other.kind === "key" && other.identity !== key.identity);
  }
});

Deno.test("examineKey() gives a key the line endings that ssh-add takes, and leaves out what is not of it", () => {
  const parameters = pem("EC PARAMETERS", "BggqhkjOPQMBBw==");
  const key = pem("EC PRIVATE KEY", "MHcCAQEEIA==");
  for (
    const text of [
      key.trimEnd(),
      key.replaceAll("\n", "\r\n"),
      `\ufeff${key}`,
      parameters + key,
      `Bag Attributes\n    friendlyName: x\n${key}trailing`,
    ]
  ) {
    const found = examined(text);
    assert.ok(found.kind === "key", text);
    assert.equal(found.text, key);
  }
});

const OLD_ENCRYPTED =
  "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0A\n\nMIIB\n-----END RSA PRIVATE KEY-----\n";

for (
  const [what, text] of [
    ["OpenSSH's form", openSshKey({ cipher: "aes256-ctr" })],
    ["OpenSSL's old form", OLD_ENCRYPTED],
    ["PKCS 8", pem("ENCRYPTED PRIVATE KEY", "MIIB")],
  ] as const
) {
  Deno.test(`examineKey() takes ${what} with a passphrase, and tells it from one without`, () => {
    for (const windows of [text, text.replaceAll("\n", "\r\n")]) {
      const key = examined(windows);
      assert.ok(key.kind === "key", text);
      assert.equal(key.text, text);
      assert.equal(key.encrypted, true);
    }
    const open = examined(pem("PRIVATE KEY", "MIIB"));
    assert.ok(open.kind === "key" && !open.encrypted);
    const own = examined(openSshKey());
    assert.ok(own.kind === "key" && !own.encrypted);
  });
}

Deno.test("examineKey() knows an encrypted OpenSSH key by its public half, as it knows an open one", () => {
  const [locked, open] = [examined(openSshKey({ cipher: "aes256-ctr" })), examined(openSshKey())];
  assert.ok(locked.kind === "key" && open.kind === "key");
  assert.equal(locked.identity, open.identity);
});

for (
  const [what, text, expected] of [
    ["a public key", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPK me@here\n", "public"],
    ["another public key", "ecdsa-sha2-nistp256 AAAAE2VjZHNh\n", "public"],
    ["the public half of a security key", "sk-ssh-ed25519@openssh.com AAAAGnNr\n", "public"],
    ["a public key of OpenSSL", pem("PUBLIC KEY", "MCowBQYDK2VwAyEA"), "public"],
    ["a public key of RFC 4716", "---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n", "public"],
    [
      "other headers",
      "-----BEGIN RSA PRIVATE KEY-----\nComment: x\n\nMIIB\n-----END RSA PRIVATE KEY-----\n",
      "broken",
    ],
    [
      "an unknown encryption",
      "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: a b\n\nMIIB\n-----END RSA PRIVATE KEY-----\n",
      "broken",
    ],
    ["an encrypted key without its private half", openSshKey({ cipher: "aes256-ctr", cut: 60 }), "broken"],
    ["a security key", openSshKey({ type: "sk-ssh-ed25519@openssh.com" }), "hardware"],
    [
      "a security key with a passphrase",
      openSshKey({ type: "sk-ssh-ed25519@openssh.com", cipher: "aes256-ctr" }),
      "hardware",
    ],
    ["DSA", openSshKey({ type: "ssh-dss" }), "outdated"],
    ["DSA in OpenSSL's form", pem("DSA PRIVATE KEY", "MIIB"), "outdated"],
    ["a key cut off", openSshKey({ cut: 40 }), "broken"],
    ["a key without its private half", openSshKey({ cut: 60 }), "broken"],
    ["two keys in one", openSshKey({ count: 2 }), "broken"],
    ["bad base64", pem("OPENSSH PRIVATE KEY", "b3Blb*"), "broken"],
    ["an empty key", pem("RSA PRIVATE KEY", ""), "broken"],
    ["another magic word", openSshKey({ magic: "openssh-key-v2\0" }), "broken"],
    ["PuTTY's form", "PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n", "foreign"],
    ["a certificate", pem("CERTIFICATE", "MIIB"), "foreign"],
    ["nothing", "", "foreign"],
    ["words", "no key at all", "foreign"],
    ["a beginning alone", "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA", "foreign"],
  ] as const
) {
  Deno.test(`examineKey() refuses ${what}`, () => assert.equal(reason(text), expected));
}

Deno.test("examineKey() refuses what is no text", () => {
  assert.deepEqual(examineKey(Uint8Array.of(0xff, 0xfe, 0, 1)), { kind: "unusable", reason: "foreign" });
});

Deno.test("examineKey() takes any bytes without throwing", () => {
  const whole = new TextEncoder().encode(openSshKey());
  fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => void examineKey(bytes)));
  fc.assert(fc.property(fc.nat(whole.length - 1), fc.nat(255), (at, byte) => {
    const bytes = Uint8Array.from(whole);
    bytes[at] = byte;
    examineKey(bytes);
    examineKey(bytes.subarray(0, at));
  }));
});
