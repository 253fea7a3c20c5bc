import type { YAMLException } from "js-yaml";
import { nestedTooDeep } from "./node.ts";
import { type Range, SyntaxProblem } from "./text.ts";
import { lookalikeHint } from "./typography.ts";
import { openAt } from "./yaml_open.ts";
import { layoutSlip } from "./yaml_layout.ts";
import { lineOf, type Slip, type Stop, valueFrom } from "./yaml_lines.ts";
import { characterSlip, inYamlQuotes, reserved } from "./yaml_slips.ts";

/** What the parser stumbled over, at the place where people look for it. */
export function yamlSyntaxProblem(content: string, error: YAMLException): SyntaxProblem {
  const mark: unknown = error.mark;
  const position = typeof mark === "object" && mark !== null && "position" in mark ? mark.position : 0;
  const reached = Math.min(typeof position === "number" ? position : 0, content.length);
  const at = lastVisible(content, reached);
  const stop: Stop = { content, at, line: lineOf(content, at), reason: error.reason };
  const slip = tabSlip(stop) ?? reasonSlip(stop, reached) ?? characterSlip(stop) ?? layoutSlip(stop) ??
    unknownSlip(stop);
  const lookalike = lookalikeHint(stop.line.text);
  const hints = lookalike === undefined ? slip.hints : [lookalike];
  return new SyntaxProblem(slip.message, slip.range, hints);
}

/** The parser notices some slips only at the beginning of the next line or at the end of the file. */
function lastVisible(content: string, position: number): number {
  let at = position;
  const rest = /^[ \t]*(?=\n|$)/.test(content.slice(at, at + 1000));
  const lineStart = content.lastIndexOf("\n", at - 1) + 1;
  if (rest && content.slice(lineStart, at).trim() === "") {
    while (at > 0 && /\s/.test(content[at] ?? " ")) at--;
  }
  return at;
}

function tabSlip({ line, at, reason }: Stop): Slip | undefined {
  const before = line.text.slice(0, at - line.start + 1);
  const indentation = /^ *\t/.exec(before);
  if (indentation !== null) {
    const start = line.start + indentation[0].length - 1;
    const range = { start, end: start + 1 };
    return { message: "A tab in the indentation", range, hints: ["YAML wants spaces there"] };
  }
  const start = line.start + before.indexOf("\t");
  if (!/^deficient/.test(reason) || start < line.start) return undefined;
  return {
    message: "A tab before a value",
    range: { start, end: start + 1 },
    hints: ["Write a space there"],
  };
}

/** What the parser's reason says clearly enough; `reached` is where it stopped, blank or not. */
function reasonSlip(stop: Stop, reached: number): Slip | undefined {
  const known = REASONS.find(([pattern]) => pattern.test(stop.reason))?.[1];
  return known?.(stop, reached);
}

const REASONS: readonly (readonly [RegExp, (stop: Stop, reached: number) => Slip | undefined])[] = [
  [/^nesting exceeded/, (stop) => nestedTooDeep(stop.at)],
  [/non-printable/, (stop) => ({
    message: "A control character, which YAML does not allow",
    range: one(stop.at),
    hints: ["Remove it, or write it as \\uXXXX within double quotes"],
  })],
  [/null byte/, (stop, reached) => ({
    message: "A NUL character, which no manifest may contain",
    range: one(reached),
    hints: [stop.content.includes("\0", reached + 1) ? "Save the file as UTF-8" : "Remove it"],
  })],
  [/deficient indentation|within a (single|double) quoted|within a flow collection/, unclosed],
  [/^missed comma/, missedComma],
  [/but found ','/, (stop) => ({ message: "A comma too many", range: one(stop.at), hints: ["Remove it"] })],
  [/^name of an? (alias|anchor) node/, emptyName],
  [/\btags?\b/i, tag],
  [/escape sequence|hexadecimal/, escape],
  [/^a line break is expected/, blockHeader],
  [/whitespace character is expected after the key/, (stop) => ({
    message: "A space must follow the colon",
    range: one(stop.at - 1),
    hints: ["Write `KEY: VALUE`"],
  })],
  [/directive/, directive],
];

function one(start: number): Range {
  return { start, end: start + 1 };
}

/** A quote or bracket that ended neither with its line nor with the lines that are indented enough. */
function unclosed(stop: Stop, reached: number): Slip | undefined {
  const { content } = stop;
  const open = openAt(content, reached).at(-1);
  if (open === undefined) return undefined;
  const { character, start } = open;
  if (character === "'" || character === '"') {
    const hint = `Write ${character} where it ends${
      reached < content.length ? ", and indent what comes before that" : ""
    }`;
    return { message: "The closing quote is missing", range: one(start), hints: [hint] };
  }
  const closing = character === "{" ? "}" : "]";
  const end = /^\s*[}\]]/.exec(lineOf(content, reached).text.slice(0, 100));
  if (end !== null) {
    const message = `This ${closing} must be indented deeper than the key of its ${character}`;
    return { message, range: one(reached), hints: ["Put a space before it"] };
  }
  return {
    message: `This ${character} is never closed`,
    range: one(start),
    hints: [`Write ${closing} where it ends, and indent what comes before that`],
  };
}

function missedComma(stop: Stop): Slip {
  const { content, at, line } = stop;
  const open = openAt(content, at).at(-1)?.character;
  const next = content[at] ?? "";
  const wanted = open === "[" ? "]" : "}";
  if ((next === "}" || next === "]") && next !== wanted) {
    const message = `${next} cannot close what ${open ?? "{"} has opened`;
    return { message, range: one(at), hints: [`Write ${wanted} before it`] };
  }
  const message = "A comma is expected between two entries";
  const variable = /\$\{[^}]*\}?/.exec(line.text.slice(0, 1000));
  if (variable !== null && at >= line.start + variable.index) {
    const hints = [
      `Within { } and [ ] a value such as ${variable[0]} must stand in quotes: "${variable[0]}"`,
    ];
    return { message, range: one(at), hints };
  }
  const word = /^[^\s,{}[\]:]+/.exec(content.slice(at, at + 100))?.[0].length ?? 1;
  const hints = next === ":"
    ? ["Write a comma before the key, or put a value that contains a colon in quotes"]
    : ["Write a comma before it"];
  return { message, range: { start: at, end: at + word }, hints };
}

/** A lone `*` or `&`; the parser stopped behind it. */
function emptyName(stop: Stop, reached: number): Slip {
  const line = lineOf(stop.content, reached - 1);
  const item = /^\s*\* +(\S.*)$/.exec(line.text.slice(0, 200))?.[1];
  if (item !== undefined) {
    const hints = [`Write \`- ${item.trimEnd()}\``];
    return { message: "An item of a list begins with a dash", range: one(reached - 1), hints };
  }
  return reserved({ ...stop, line }, reached - 1);
}

/** How far before the place a tag is looked for: longer ones are none. */
const LOOK_BACK = 1000;

function tag(stop: Stop): Slip | undefined {
  const { line, at } = stop;
  const end = at - line.start + 1;
  const from = Math.max(0, end - LOOK_BACK);
  const begin = /(?:^|[\s,[{])(![^\s]*)\s*$/.exec(line.text.slice(from, end));
  if (begin?.[1] === undefined) return undefined;
  return reserved(stop, line.start + from + begin.index + begin[0].indexOf("!"));
}

function escape({ content, at }: Stop): Slip {
  const start = Math.max(content.lastIndexOf("\\", at), at - 10);
  const letter = content[start + 1] ?? "";
  const message = /[xuU]/.test(letter)
    ? `Hexadecimal digits must follow \\${letter}`
    : `\\${letter} is not an escape that YAML knows`;
  const hints = ["Write \\\\ for a backslash, or put the text in single quotes, which know no escapes"];
  return { message, range: { start, end: at + 1 }, hints };
}

/** Text behind the `|` or `>` whose block begins on the next line. */
function blockHeader(stop: Stop): Slip {
  const { line, at } = stop;
  const header = /[|>][^|>]*$/.exec(line.text.slice(0, at - line.start));
  const start = line.start + (header?.index ?? at - line.start);
  const value = valueFrom(stop, start);
  const sign = stop.content[start] ?? "|";
  const isPart = at === start + 1;
  return {
    message: `The text of a ${sign} block begins on the next line`,
    range: { start: at, end: start + value.length },
    hints: [
      `Move it to the next line, or ${
        isPart ? `put all of it in quotes: ${inYamlQuotes(value)}` : `leave out the ${sign}`
      }`,
    ],
  };
}

/** `%YAML` and the like are for nobody who writes a manifest. */
function directive({ content, at }: Stop): Slip {
  const before = content.slice(0, at).lastIndexOf("\n%") + 1;
  const message = "A line cannot begin with %";
  return { message, range: one(before), hints: ["Remove it; text that begins with % must stand in quotes"] };
}

function unknownSlip({ reason, at }: Stop): Slip {
  const isPlain = /^bad indentation|^expected ':'|multiline key|^end of the stream/.test(reason);
  const message = isPlain ? "This is not expected here" : `This is not expected here: ${reason}`;
  return { message, range: one(at), hints: ["Check the indentation, or put the value in quotes"] };
}
