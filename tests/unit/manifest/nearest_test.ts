import assert from "node:assert/strict";
import { distance, nearest, sameLetters } from "../../../lib/manifest/nearest.ts";

const DISTANCES: readonly (readonly [string, string, number])[] = [
  ["", "", 0],
  ["abc", "", 3],
  ["kitten", "sitting", 3],
  ["evn", "env", 1],
  ["allowlist", "alowlist", 1],
];

for (const [a, b, steps] of DISTANCES) {
  Deno.test(`distance() of ${a} and ${b} is ${steps}`, () => assert.equal(distance(a, b), steps));
}

Deno.test("nearest() gives the candidate with the fewest slips", () => {
  const keys = ["env", "ssh", "egress", "resources"];
  assert.equal(nearest("evn", keys), "env");
  assert.equal(nearest("ENV", keys), "env");
  assert.equal(nearest("resuorces", keys), "resources");
  assert.equal(nearest("prompt", keys), undefined);
  assert.equal(nearest("x", ["y"]), undefined);
  assert.equal(nearest("a".repeat(10_000), ["a"]), undefined);
});

Deno.test("nearest() overlooks what a word processor puts around a word", () => {
  assert.equal(nearest("“dev”", ["dev", "ops"]), "dev");
  assert.equal(nearest("dev;", ["dev", "ops"]), "dev");
  assert.equal(nearest("“”", ["dev"]), undefined);
});

Deno.test("sameLetters() overlooks case and punctuation", () => {
  assert.ok(sameLetters("identity_file", "IdentityFile"));
  assert.ok(sameLetters("allow-list", "allowlist"));
  assert.ok(!sameLetters("hosts", "Host"));
  assert.ok(!sameLetters("", ""));
  assert.ok(!sameLetters("--", ""));
});
