import assert from "node:assert/strict";
import fc from "fast-check";
import { placeholderFor } from "../../../lib/bottle/placeholders.ts";

const random = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));

const secrets = fc.oneof(
  fc.string({ minLength: 1, maxLength: 200 }),
  fc.stringMatching(
    /^(sk-ant-oat01-|sk-ant-|sk-proj-|sk-|ghp_|github_pat_|glpat-|npm_)?[A-Za-z0-9_-]{1,120}$/,
  ),
  fc.uuid(),
);

Deno.test("a placeholder is of plain characters, at least 20 of them random, and never the secret", () => {
  fc.assert(fc.property(secrets, fc.integer({ min: 0, max: 255 }), (secret, byte) => {
    for (const source of [random, (length: number) => new Uint8Array(length).fill(byte)]) {
      const placeholder = placeholderFor(secret, source);
      assert.match(placeholder, /^[A-Za-z0-9_-]{20,1044}$/);
      assert.notEqual(placeholder, secret);
    }
    assert.notEqual(placeholderFor(secret, random), placeholderFor(secret, random));
  }));
});

Deno.test("a placeholder is as long as its secret where that is long enough", () => {
  fc.assert(fc.property(fc.stringMatching(/^[A-Za-z0-9]{20,1000}$/), (secret) => {
    assert.equal(placeholderFor(secret, random).length, secret.length);
  }));
  assert.equal(placeholderFor("x".repeat(4096), random).length, 1024);
  assert.equal(placeholderFor("short", random).length, 20);
});

Deno.test("a placeholder looks like the token that it stands for", () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    [`sk-ant-oat01-${"aB3-_".repeat(19)}AA`, /^sk-ant-oat01-[A-Za-z0-9]{97}$/],
    [`sk-ant-api03-${"aB3".repeat(20)}`, /^sk-ant-api03-[A-Za-z0-9]{60}$/],
    [`sk-proj-${"aB3".repeat(20)}`, /^sk-proj-[A-Za-z0-9]{60}$/],
    [`ghp_${"aB3".repeat(12)}`, /^ghp_[A-Za-z0-9]{36}$/],
    [`github_pat_${"aB3".repeat(20)}`, /^github_pat_[A-Za-z0-9]{60}$/],
    [`glpat-${"aB3".repeat(7)}`, /^glpat-[A-Za-z0-9]{21}$/],
    [`npm_${"aB3".repeat(12)}`, /^npm_[A-Za-z0-9]{36}$/],
    ["AKIAIOSFODNN7EXAMPLE1234", /^AKIA[0-9A-Z]{20}$/],
    ["0123456789abcdef0123456789abcdef01234567", /^[0-9a-f]{40}$/],
    ["1234567890123456789012345", /^[0-9]{25}$/],
    [
      "123e4567-e89b-12d3-a456-426614174000",
      /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
    ],
    ["p4ss wörd!", /^[A-Za-z0-9]{20}$/],
    ["sk-", /^sk-[A-Za-z0-9]{20}$/],
  ];
  for (const [secret, look] of rows) assert.match(placeholderFor(secret, random), look, secret);
});

Deno.test("a placeholder tells nothing of the secret but its beginning, its length and its alphabet", () => {
  const fixed = (length: number): Uint8Array => new Uint8Array(length).fill(7);
  const one = placeholderFor(`ghp_${"Ab1".repeat(12)}`, fixed);
  const other = placeholderFor(`ghp_${"9zZ".repeat(12)}`, fixed);
  assert.equal(one, other);
});
