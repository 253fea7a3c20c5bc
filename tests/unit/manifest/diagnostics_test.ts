import assert from "node:assert/strict";
import { renderProblem } from "../../../lib/manifest/diagnostics.ts";
import { readSource } from "../../../lib/manifest/source.ts";

Deno.test("renderProblem() puts the caret under the token", () => {
  assert.equal(
    renderProblem({
      message: "env.A: must be text",
      hints: ["Put it in quotes", "Or not"],
      where: { file: "/m.yaml", line: 3, column: 6, snippet: "  A: five", length: 4 },
    }),
    [
      "/m.yaml:3:6: env.A: must be text",
      "      A: five",
      "         ^~~~",
      "hint: Put it in quotes",
      "hint: Or not",
    ].join("\n"),
  );
});

Deno.test("renderProblem() counts wide characters as two columns and combining ones as none", () => {
  const snippet = "日本: e\u0301: 猫";
  assert.equal(
    renderProblem({ message: "x", where: { file: "m", line: 1, column: 9, snippet, length: 1 } }),
    ["m:1:9: x", `    ${snippet}`, "             ^~"].join("\n"),
  );
});

Deno.test("renderProblem() lets no control character through", () => {
  const snippet = "\ta: \x1b[31m\u202ered\u200b";
  assert.equal(
    renderProblem({
      message: "a\x1b]0;b\nc\u2028d",
      hints: ["\x07"],
      where: { file: "m\n\x1b[2J", line: 1, column: 5, snippet, length: 2 },
    }),
    ["m··[2J:1:5: a·]0;b·c·d", "     a: ·[31m·red·", "        ^~", "hint: ·"].join("\n"),
  );
});

Deno.test("renderProblem() shows the part of a long line that matters", () => {
  const snippet = `${"a".repeat(300)}HERE${"b".repeat(300)}`;
  const [, line = "", caret = ""] = renderProblem({
    message: "x",
    where: { file: "m", line: 1, column: 301, snippet, length: 4 },
  }).split("\n");
  assert.equal(line.slice(caret.indexOf("^"), caret.length), "HERE");
  assert.equal(caret.trim(), "^~~~");
  assert.ok(line.length < 110);
});

Deno.test("renderProblem() does without a place", () => {
  assert.equal(
    renderProblem({ message: "x is too large", hints: ["Shorten it"] }),
    "x is too large\nhint: Shorten it",
  );
  assert.equal(
    renderProblem({ message: "x", where: { file: "m", line: 1, column: 1, snippet: "" } }),
    "m:1:1: x",
  );
});

/** What stands above the caret and its tail, when both are shown in a terminal of that width for each cell. */
const CARETS:
  readonly (readonly [name: string, text: string, token: string, before: number, marked: number])[] = [
    ["plain text", "key: value", "value", 5, 5],
    ["a tab before it", "\t\tkey: value", "value", 7, 5],
    ["combining marks before it", "e\u0301e\u0301: x", "x", 4, 1],
    ["combining marks in it", "k: e\u0301a\u0323\u0302", "e\u0301a\u0323\u0302", 3, 2],
    ["wide characters before it", "日本語: x", "x", 8, 1],
    ["wide characters in it", "k: 日本", "日本", 3, 4],
    ["half-width and full-width forms", "ｱｲ：ＡＢ x", "x", 9, 1],
    ["Hangul syllables", "한국: x", "x", 6, 1],
    ["Hangul in parts", "\u1112\u1161\u11ab: x", "x", 4, 1],
    ["an emoji", "🍾: x", "x", 4, 1],
    ["an emoji of the lower planes", "⌚✅⭐: x", "x", 8, 1],
    ["a sign that is an emoji only when it is told so", "☎☎\ufe0f: x", "x", 5, 1],
    ["a keycap", "1\ufe0f\u20e3: x", "x", 4, 1],
    ["a skin tone", "👍🏽: x", "x", 4, 1],
    ["a skin tone by itself", "a🏽: x", "x", 5, 1],
    ["a flag", "🇩🇪: x", "x", 4, 1],
    ["two flags", "🇩🇪🇯🇵: x", "x", 6, 1],
    ["emoji that are joined", "👩\u200d💻: x", "x", 7, 1],
    ["a family", "👨\u200d👩\u200d👧: x", "x", 10, 1],
    ["letters that are written from the right", "שלום: x", "x", 6, 1],
    ["the vowel signs of Devanagari", "कि: x", "x", 4, 1],
    ["what cannot be seen", "a\u200bb\u202e: x", "x", 6, 1],
  ];

for (const [name, text, token, before, marked] of CARETS) {
  Deno.test(`renderProblem() keeps the caret right with ${name}`, () => {
    const points = [...text];
    const length = [...token].length;
    const column = [...text.slice(0, text.lastIndexOf(token))].length + 1;
    assert.ok(column - 1 + length <= points.length);
    const where = { file: "m", line: 1, column, snippet: text, length };
    const [, , caret] = renderProblem({ message: "x", where }).split("\n");
    assert.equal(caret, `    ${" ".repeat(before)}^${"~".repeat(marked - 1)}`);
  });
}

Deno.test("renderProblem() keeps the caret right behind a byte order mark and with any line ends", () => {
  for (const end of ["\n", "\r\n", "\r"]) {
    const bytes = new TextEncoder().encode(`\ufeff"日": é${end}"é\u0301": { b: 🍾, b: x }${end}`);
    const [problem] = readSource("m.yaml", bytes).problems;
    assert.ok(problem !== undefined);
    assert.deepEqual(renderProblem(problem).split("\n").slice(1, 3), [
      '    "é\u0301": { b: 🍾, b: x }',
      `    ${" ".repeat(14)}^`,
    ]);
  }
});
