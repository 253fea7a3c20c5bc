import assert from "node:assert/strict";

import type { Where } from "../../../lib/errors.ts";
import { type Reading, readSource } from "../../../lib/manifest/source.ts";

function read(text: string | Uint8Array, file = "m.yaml"): Reading {
  return readSource(file, typeof text === "string" ? new TextEncoder().encode(text) : text);
}

/** What a place covers, cut out of its line. */
function token(where: Where | undefined): string {
  const from = (where?.column ?? 1) - 1;
  return [...where?.snippet ?? ""].slice(from, from + (where?.length ?? 1)).join("");
}

Deno.test("readSource() places keys and values in text that is not ASCII", () => {
  for (const end of ["\n", "\r\n"]) {
    const text = [
      "# ключ 🍾",
      '"🍾é": { ü: 日本, b: [ä, "ö ö"] }',
      "list:",
      "  - 'ß': |",
      "      blöck",
      "      zwei",
      "    n: 猫猫 # Katze",
      "",
    ].join(end);
    const { source, problems } = read(`\ufeff${text}`);
    assert.deepEqual(problems, []);
    assert.deepEqual(source?.value, {
      "🍾é": { ü: "日本", b: ["ä", "ö ö"] },
      list: [{ ß: "blöck\nzwei\n", n: "猫猫" }],
    });
    const place = (
      where: Where | undefined,
    ): readonly unknown[] => [where?.line, where?.column, token(where)];
    assert.deepEqual(place(source?.where(["🍾é", "ü"])), [2, 12, "日本"]);
    assert.deepEqual(place(source?.where(["🍾é", "b", 1])), [2, 23, '"ö ö"']);
    assert.deepEqual(place(source?.where(["🍾é", "b"])), [2, 16, "b"]);
    assert.deepEqual(place(source?.whereKey(["🍾é"])), [2, 1, '"🍾é"']);
    assert.deepEqual(place(source?.whereKey(["list", 0, "ß"])), [4, 5, "'ß'"]);
    assert.deepEqual(place(source?.where(["list", 0, "ß"])), [5, 7, "blöck"]);
    assert.deepEqual(place(source?.where(["list", 0, "n"])), [7, 8, "猫猫"]);
  }
});

Deno.test("readSource() places keys and values of JSON", () => {
  const { source } = read('{\n\t"🍾": [1, {"a\\u0062": "x\\ty"}]\n}', "m.JSON");
  assert.deepEqual(source?.value, { "🍾": [1, { ab: "x\ty" }] });
  const where = source?.where(["🍾", 1, "ab"]);
  assert.deepEqual([where?.line, where?.column, token(where)], [2, 23, '"x\\ty"']);
  assert.equal(token(source?.whereKey(["🍾", 1, "ab"])), '"a\\u0062"');
});

Deno.test("readSource() reads YAML 1.2's core schema", () => {
  const { source } = read(
    "[no, on, yes, 0o17, 0x1f, 1_000, 12:30, 2024-01-01, ~, null, true, 1.5, 22, '22', !!str 22]",
  );
  assert.deepEqual(source?.value, [
    ...["no", "on", "yes", 15, 31, "1_000", "12:30", "2024-01-01", null, null, true, 1.5, 22, "22", "22"],
  ]);
});

Deno.test("readSource() takes keys for text, whatever they look like", () => {
  assert.deepEqual(read("{ 1: a, yes: b, null: c, true: d }").source?.value, {
    "1": "a",
    yes: "b",
    null: "c",
    true: "d",
  });
});

Deno.test("readSource() places what stands behind an alias where it is written", () => {
  const { source } = read("a: &x { b: bad }\nc: *x\nd: &y word\ne: *y\n");
  const line = (path: readonly string[]): number | undefined => source?.where(path).line;
  assert.deepEqual(source?.value, { a: { b: "bad" }, c: { b: "bad" }, d: "word", e: "word" });
  assert.equal(line(["c", "b"]), 1);
  assert.equal(line(["c"]), 2);
  assert.equal(token(source?.where(["e"])), "*y");
});

Deno.test("readSource() refuses aliases that multiply", () => {
  const levels = Array.from({ length: 8 }, (_, index) => {
    const before = index === 0 ? "x" : `*a${index - 1}`;
    return `a${index}: &a${index} [${Array(6).fill(before).join(", ")}]`;
  });
  assert.deepEqual(read(levels.join("\n")).problems.map((problem) => problem.message), [
    "The alias *a6 makes the manifest too large",
  ]);
  const many = read(`a: &a x\nb: [${Array(60).fill("*a").join(", ")}]`);
  assert.deepEqual(many.problems.map((problem) => problem.message), ["More than 50 aliases"]);
});

Deno.test("readSource() keeps __proto__ away from the data's prototype", () => {
  for (const file of ["m.yaml", "m.json"]) {
    const { source, problems } = read('{"a": {"__proto__": {"polluted": true}}}', file);
    assert.deepEqual(problems.map((problem) => problem.message), ["`__proto__` cannot be a key"]);
    assert.deepEqual(source?.value, { a: {} });
    assert.equal(Object.getPrototypeOf(source?.value), Object.prototype);
  }
});

Deno.test("readSource() says which bytes are no UTF-8, also behind a replacement character", () => {
  for (const before of ["a: ü\nb: ", "\ufeffa: \ufffd\r\nb: ", "a: 日本🍾\nb: "]) {
    const bytes = new Uint8Array([...new TextEncoder().encode(before), 0xfc, 0x0a]);
    assert.deepEqual(read(bytes).problems, [
      {
        message: "These bytes are not valid UTF-8",
        hints: ["Save it as UTF-8"],
        where: { file: "m.yaml", line: 2, column: 4, snippet: "b: \ufffd", length: 1 },
      },
    ]);
  }
  const cut = new TextEncoder().encode("a: 日").subarray(0, 5);
  assert.deepEqual(read(cut).problems[0]?.where?.column, 4);
});

Deno.test("readSource() takes the replacement character for what it is", () => {
  assert.deepEqual(read("a: \ufffd").source?.value, { a: "\ufffd" });
});

Deno.test("readSource() tells UTF-16 by its mark or its zeros", () => {
  const wide = [...new TextEncoder().encode("a: b\n")].flatMap((byte) => [byte, 0]);
  for (const bytes of [wide, [0xff, 0xfe, ...wide], [0xfe, 0xff, 0, ...wide], [0, ...wide]]) {
    for (const file of ["m.yaml", "m.json"]) {
      const [problem] = read(new Uint8Array(bytes), file).problems;
      assert.equal(problem?.message, "This is UTF-16, and a manifest is UTF-8");
    }
  }
});

Deno.test("readSource() collects no end of problems", () => {
  for (
    const [file, text] of [["m.yaml", "a: 1\n".repeat(2000)], ["m.json", `{${'"a":1,'.repeat(2000)}"b":1}`]]
  ) {
    const { problems } = read(text ?? "", file);
    assert.equal(problems.length, 500);
    assert.deepEqual(problems[499]?.hints, ["The first is on line 1: remove one of them"]);
  }
});

Deno.test("readSource() reads nothing larger than 1 MiB", () => {
  assert.deepEqual(read(" ".repeat(1024 * 1024 + 1)).problems, [{ message: "m.yaml is larger than 1 MiB" }]);
});

Deno.test("readSource() survives a JSON string of a whole file", () => {
  const text = JSON.stringify({ a: "\\\n".repeat(200_000) });
  assert.deepEqual(read(text, "m.json").source?.value, JSON.parse(text));
  assert.equal(read(text.slice(0, -2), "m.json").problems[0]?.message, "The closing quote is missing");
});

Deno.test("readSource() points at a NUL character", () => {
  for (
    const [file, text, message] of [
      ["m.yaml", 'a:\n  b: "c\0d"\n', "A NUL character, which no manifest may contain"],
      ["m.json", '{"a":\n  "b\0d"}', "A NUL character"],
    ]
  ) {
    const [problem] = read(text ?? "", file).problems;
    assert.equal(problem?.message, message);
    assert.deepEqual(problem?.hints, ["Remove it"]);
    assert.equal(problem?.where?.line, 2);
    assert.equal(token(problem?.where), "\0");
  }
});
