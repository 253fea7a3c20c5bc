import assert from "node:assert/strict";
import { openAt } from "../../../lib/manifest/yaml_open.ts";

/** Texts, and what is open at their ends. */
const OPEN: readonly (readonly [text: string, open: string])[] = [
  ["a: b", ""],
  ["a: {", "{"],
  ["a: { b: [c, ", "{["],
  ["a: { b: [c, d], e: ", "{"],
  ["a: {}", ""],
  ["a: b{c[d", ""],
  ["a: it's", ""],
  ["a: 'it", "'"],
  ["a: 'it''s", "'"],
  ["a: 'it''s'", ""],
  ['a: "b\\"', '"'],
  ['a: "b\\\\"', ""],
  ["a: [\"b, 'c", '["'],
  ["a: # {[", ""],
  ["a: b#{ [", ""],
  ["a: {b: x#{", "{"],
  ["- [", "["],
  ['- "', '"'],
  ["a: &x {", "{"],
  ["a: !!map {", "{"],
  ["'k", "'"],
  ["a: |\n  {[\"'\n  x: '", ""],
  ["a: |\n  {\nb: [", "["],
  ["x:\n  a: >-  # c\n    '\n\n    {\n  b: [", "["],
  ["- |\n  {\n- {", "{"],
  ["a: [\n  |\n  {", "[{"],
  ["a: 'b\n  c: {", "'"],
];

for (const [text, open] of OPEN) {
  Deno.test(`openAt() finds ${open === "" ? "nothing" : open} open behind ${JSON.stringify(text)}`, () => {
    const found = openAt(text, text.length);
    assert.equal(found.map(({ character }) => character).join(""), open);
    for (const { character, start } of found) assert.equal(text[start], character);
  });
}

Deno.test("openAt() reads no further than it is told", () => {
  assert.deepEqual(openAt("a: { b: 'c' }", 4), [{ character: "{", start: 3 }]);
  assert.deepEqual(openAt("a: { b: 'c' }", 13), []);
});
