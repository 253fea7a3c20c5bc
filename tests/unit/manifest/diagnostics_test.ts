import assert from "node:assert/strict";
import { renderProblem } from "../../../lib/manifest/diagnostics.ts";

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
