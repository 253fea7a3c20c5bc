import assert from "node:assert/strict";
import fc from "fast-check";
import { textOf, whereOf } from "../../../lib/manifest/text.ts";

/** Of one and two code units, and the ends of lines. */
const CHARACTERS = ["a", "é", "日", "🍾", "\ud800", "\n"];

Deno.test("whereOf() counts code points on whatever line, however long, and in whatever order", () => {
  const part = fc.tuple(fc.constantFrom(...CHARACTERS), fc.constantFrom(1, 2, 700, 1500))
    .map(([character, times]) => character.repeat(character === "\n" ? 1 : times));
  const places = fc.array(fc.tuple(fc.nat(20), fc.nat(3)), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), places, (parts, places) => {
      const content = parts.join("");
      const text = textOf("m.yaml", content);
      const characters = [...content];
      for (const [at, long] of places) {
        const index = Math.floor(at / 20 * characters.length);
        const start = characters.slice(0, index).join("").length;
        const end = characters.slice(0, index + long).join("").length;
        const before = content.slice(0, start).split("\n");
        const { line, column, length } = whereOf(text, { start, end });
        assert.deepEqual([line, column], [before.length, [...before.at(-1) ?? ""].length + 1]);
        const [token = ""] = content.slice(start, end).split("\n");
        assert.equal(length, Math.max(1, [...token].length));
      }
    }),
    { numRuns: 300 },
  );
});
