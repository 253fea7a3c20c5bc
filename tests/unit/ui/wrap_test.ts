import assert from "node:assert/strict";
import { hanging, resultColumns, wrapped } from "../../../lib/ui/wrap.ts";

Deno.test("text is broken between words, and never within one", () => {
  assert.deepEqual(wrapped("one two three", 7), ["one two", "three"]);
  assert.deepEqual(wrapped("a word-that-is-longer b", 6), ["a", "word-that-is-longer", "b"]);
  assert.deepEqual(wrapped("", 10), [""]);
  assert.deepEqual(wrapped("a b c", Infinity), ["a b c"]);
});

Deno.test("a text of a hundred thousand words is broken as any other", () => {
  const words = "a ".repeat(100_000).trimEnd();
  assert.equal(wrapped(words, 80).length, 2500);
  assert.equal(wrapped(words, 200_000).length, 1);
  assert.deepEqual(wrapped(words, Infinity), [words]);
});

Deno.test("wide characters take the columns that a terminal gives them", () => {
  assert.deepEqual(wrapped("漢字 漢字", 8), ["漢字", "漢字"]);
  assert.deepEqual(wrapped("漢字 漢字", 9), ["漢字 漢字"]);
});

Deno.test("lines hang below the first, and a terminal too narrow for that breaks them itself", () => {
  assert.equal(hanging("name  ", "what it does in words", 26), "name  what it does in\n      words");
  assert.equal(hanging(" ".repeat(30), "twenty columns stay it", 10).split("\n").length, 2);
});

Deno.test("only a terminal has an edge", () => {
  const columns = (): number => 60;
  assert.equal(resultColumns({ stdoutIsTerminal: true, columns }), 60);
  assert.equal(resultColumns({ stdoutIsTerminal: false, columns }), Infinity);
});
