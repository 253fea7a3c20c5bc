import assert from "node:assert/strict";
import { type Column, fittedTable, longestWord } from "../../../lib/ui/fitted_table.ts";

const COLUMNS: readonly Column[] = [
  { heading: "AGENT" },
  { heading: "NAME" },
  { heading: "RUNTIME", shared: true },
  { heading: "PROXY", shared: true },
  { heading: "WHY", isText: true },
];

const ROWS = [
  ["reviewer", "claude-bottle-reviewer", "runc", "squid", "its owner is gone"],
  ["lister", "claude-bottle-lister", "runc", "pipelock", "its owner cannot be seen from here"],
];

function linesAt(width: number, rows: readonly (readonly string[])[] = ROWS): readonly string[] {
  const lines = fittedTable(COLUMNS, rows, width).split("\n");
  assert.equal(lines.pop(), "");
  return lines;
}

Deno.test("fittedTable() is a plain table where there is room, as in a pipe", () => {
  const plain = [
    "AGENT     NAME                    RUNTIME  PROXY     WHY",
    "reviewer  claude-bottle-reviewer  runc     squid     its owner is gone",
    "lister    claude-bottle-lister    runc     pipelock  its owner cannot be seen from here",
  ];
  assert.deepEqual(linesAt(Infinity), plain);
  assert.deepEqual(linesAt(87), plain);
});

Deno.test("fittedTable() says once what is equal in all rows, only where there is no room and only what may be", () => {
  assert.deepEqual(linesAt(86), [
    "AGENT     NAME                    PROXY     WHY",
    "reviewer  claude-bottle-reviewer  squid     its owner is gone",
    "lister    claude-bottle-lister    pipelock  its owner cannot be seen from here",
    "all: runtime runc",
  ]);
  const same = ROWS.map(([agent = "", name = "", , , why = ""]) => [agent, name, "runsc", "squid", why]);
  // From the right, and no more than needed.
  assert.deepEqual(linesAt(83, same), [
    "AGENT     NAME                    RUNTIME  WHY",
    "reviewer  claude-bottle-reviewer  runsc    its owner is gone",
    "lister    claude-bottle-lister    runsc    its owner cannot be seen from here",
    "all: proxy squid",
  ]);
  assert.equal(linesAt(70, same).at(-1), "all: runtime runsc, proxy squid");
});

Deno.test("fittedTable() breaks texts, then gives a row several lines, and never breaks a name", () => {
  assert.deepEqual(linesAt(64), [
    "AGENT     NAME                    PROXY     WHY",
    "reviewer  claude-bottle-reviewer  squid     its owner is gone",
    "lister    claude-bottle-lister    pipelock  its owner cannot be",
    "                                            seen from here",
    "all: runtime runc",
  ]);
  assert.deepEqual(linesAt(40), [
    "AGENT     NAME",
    "    PROXY     WHY",
    "reviewer  claude-bottle-reviewer",
    "    squid     its owner is gone",
    "lister    claude-bottle-lister",
    "    pipelock  its owner cannot be seen from here",
    "all: runtime runc",
  ]);
  assert.ok(linesAt(10).includes("    claude-bottle-reviewer"));
});

Deno.test("fittedTable() lets no word of a text stick out of its column", () => {
  const columns = [{ heading: "A", isText: true }, { heading: "B" }];
  const rows = [["raw.githubusercontent.com and more", "x".repeat(10)]];
  const lines = (width: number): readonly string[] => fittedTable(columns, rows, width).trimEnd().split("\n");
  assert.deepEqual(lines(37), [
    "A                          B",
    "raw.githubusercontent.com  xxxxxxxxxx",
    "and more",
  ]);
  assert.deepEqual(lines(36), ["A", "    B", "raw.githubusercontent.com and more", "    xxxxxxxxxx"]);
  assert.equal(longestWord(["a bcd", "日本 e", ""]), 4);
  assert.equal(longestWord([]), 0);
});

Deno.test("fittedTable() keeps foreign text on its line and harmless, wherever it stands", () => {
  const foreign = ["a\nb", "\u001b[2J", "c\u202e", "d\u0007", "e\u2028f"];
  for (const width of [Infinity, 30, 12]) {
    const text = fittedTable(COLUMNS, [foreign], width);
    // deno-lint-ignore no-control-regex -- control characters are what this is about
    assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u202e\u2028]/);
    for (const cell of ["a·b", "·[2J", "c·", "d·", "e·f"]) assert.ok(text.includes(cell), `${width} ${cell}`);
  }
});
