import assert from "node:assert/strict";
import fc from "fast-check";
import { annotation } from "../../../lib/commands/annotations.ts";
import type { Problem } from "../../../lib/errors.ts";

const FOLDERS = { cwd: "/repo/sub", workspace: undefined };

function at(file: string, problem: Partial<Problem> = {}): Problem {
  return { message: "no", where: { file, line: 2, column: 3, length: 4 }, ...problem };
}

/** What GitHub's runner makes of a line: its own parser, in short. */
function asTheRunnerReads(
  line: string,
): { command: string; properties: Record<string, string>; data: string } {
  const match = /^::(?<command>[a-z]+) (?<properties>.*?)::(?<data>.*)$/s.exec(line);
  assert.ok(match?.groups, line);
  const unescaped = (text: string): string =>
    text.replaceAll("%0D", "\r").replaceAll("%0A", "\n").replaceAll("%3A", ":").replaceAll("%2C", ",")
      .replaceAll("%25", "%");
  const properties = (match.groups["properties"] ?? "").split(",")
    .map((pair) => [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)]);
  return {
    command: match.groups["command"] ?? "",
    properties: Object.fromEntries(properties.map(([name, value]) => [name, unescaped(value ?? "")])),
    data: unescaped(match.groups["data"] ?? ""),
  };
}

Deno.test("annotation() has place, title and hints, and leaves out of the message what the title says", () => {
  const problem = at("a.yaml", {
    path: "bottles.dev",
    message: "bottles.dev: is wrong",
    hints: ["Do", "Or"],
  });
  assert.equal(
    annotation(problem, "warning", FOLDERS),
    "::warning file=a.yaml,line=2,col=3,endColumn=7,title=claude-bottle%3A bottles.dev::is wrong%0Ahint: Do%0Ahint: Or",
  );
  assert.equal(annotation({ message: "gone" }, "error", FOLDERS), "::error title=claude-bottle::gone");
  const builtin = at("built-in");
  assert.equal(annotation(builtin, "error", FOLDERS), "::error title=claude-bottle::no");
});

Deno.test("annotation() names files from the workspace, else from the working directory", () => {
  const rows = [
    ["a.yaml", undefined, "a.yaml"],
    ["a.yaml", "/repo", "sub/a.yaml"],
    ["/repo/a.yaml", "/repo", "a.yaml"],
    ["/repo/a.yaml", undefined, "/repo/a.yaml"],
    ["../a.yaml", "/repo", "a.yaml"],
    ["/elsewhere/a.yaml", "/repo", "/elsewhere/a.yaml"],
    ["/repository/a.yaml", "/repo", "/repository/a.yaml"],
    ["/repo/..a.yaml", "/repo", "..a.yaml"],
    ["a.yaml", "relative", "a.yaml"],
  ] as const;
  for (const [file, workspace, expected] of rows) {
    const { properties } = asTheRunnerReads(annotation(at(file), "error", { ...FOLDERS, workspace }));
    assert.equal(properties["file"], expected, `${file} in ${workspace}`);
  }
});

const HOSTILE = [
  "a\nb",
  "a\r\n::set-output name=x::y",
  "a::error::b",
  "a,line=9",
  "50%",
  "%0A::stop-commands::x",
  "\u001b[2J",
  "\u2028::add-mask::x",
  "\u202eabc",
  "a=b",
];

Deno.test("annotation() stays one command whatever stands in names and messages", () => {
  for (const text of HOSTILE) {
    const problem = at(`${text}.yaml`, { path: text, message: `${text}: ${text}`, hints: [text] });
    const line = annotation(problem, "error", FOLDERS);
    // deno-lint-ignore no-control-regex -- control characters are what this is about
    assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e]/, JSON.stringify(text));
    const { command, properties, data } = asTheRunnerReads(line);
    assert.equal(command, "error");
    assert.deepEqual(Object.keys(properties), ["file", "line", "col", "endColumn", "title"]);
    assert.equal(properties["line"], "2");
    assert.equal(data.split("\n").length, 2);
  }
  const shown = asTheRunnerReads(annotation(at("a,b:50%0A.yaml", { message: "50%0A: x" }), "error", FOLDERS));
  assert.equal(shown.properties["file"], "a,b:50%0A.yaml");
  assert.equal(shown.data, "50%0A: x");
});

Deno.test("annotation() gives back every printable text as it was", () => {
  const printable = fc.string({ unit: "grapheme-ascii" }).filter((text) => !/[\n\r]/.test(text));
  fc.assert(
    fc.property(printable, printable, (title, message) => {
      const line = annotation(at("a.yaml", { path: title, message: `x${message}` }), "warning", FOLDERS);
      const read = asTheRunnerReads(line);
      assert.equal(read.data, `x${message}`);
      assert.equal(read.properties["title"], `claude-bottle: ${title}`);
    }),
  );
});
