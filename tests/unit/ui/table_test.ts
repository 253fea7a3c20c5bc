import assert from "node:assert/strict";
import { table } from "../../../lib/ui/table.ts";

Deno.test("table() pads by the width a terminal gives, and leaves nothing at the end of a line", () => {
  assert.equal(
    table([["NAME", "WHAT"], ["日本", "wide"], ["e\u0301", "combining"], ["long one", ""], []]),
    "NAME      WHAT\n日本      wide\ne\u0301         combining\nlong one\n\n",
  );
});

Deno.test("table() lets a very wide cell push its own row alone", () => {
  const wide = "x".repeat(61);
  assert.equal(table([["a", "1"], [wide, "2"], ["bb", "3"]]), `a   1\n${wide}  2\nbb  3\n`);
  const most = "x".repeat(60);
  assert.equal(table([["a", "1"], [most, "2"]]), `a${" ".repeat(59)}  1\n${most}  2\n`);
});

Deno.test("table() keeps foreign text on its line and harmless", () => {
  assert.equal(table([["a\nb\u001b[31m", "\u202ec\u2028\u009b\u200b"]]), "a·b·[31m  ·c···\n");
  assert.equal(table([]), "");
});
