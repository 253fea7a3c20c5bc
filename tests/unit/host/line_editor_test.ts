import assert from "node:assert/strict";
import { LineEditor } from "../../../lib/host/line_editor.ts";

function typed(text: string): { readonly results: readonly string[]; readonly text: string } {
  const editor = new LineEditor();
  const results = [...new TextEncoder().encode(text)].map((byte) => editor.key(byte));
  return { results, text: editor.text };
}

Deno.test("LineEditor.key() ends a line at either line ending, and at Ctrl-D or the end when something was typed", () => {
  for (const end of ["\r", "\n", "\x04"]) {
    assert.deepEqual(typed(`ab${end}`), { results: ["more", "more", "done"], text: "ab" });
  }
  const editor = new LineEditor();
  assert.equal(editor.key(undefined), "end");
  assert.equal(editor.key(4), "end");
  editor.key(97);
  assert.equal(editor.key(undefined), "done");
});

Deno.test("LineEditor.key() reports Ctrl-C and keeps it out of the line", () => {
  assert.deepEqual(typed("a\x03"), { results: ["more", "interrupt"], text: "a" });
});

Deno.test("LineEditor.key() takes back whole characters and whole lines", () => {
  assert.equal(typed("aü€\x7f").text, "aü");
  assert.equal(typed("aü\x7f\x08").text, "");
  assert.equal(typed("\x7f\x7fb").text, "b");
  assert.equal(typed("wrong\x15right").text, "right");
});
