import type { YAMLException } from "js-yaml";
import { SyntaxProblem } from "./text.ts";

/** What the parser stumbled over, at the place where people look for it. */
export function yamlSyntaxProblem(content: string, error: YAMLException): SyntaxProblem {
  const mark: unknown = error.mark;
  const position = typeof mark === "object" && mark !== null && "position" in mark ? mark.position : 0;
  const at = lastVisible(content, typeof position === "number" ? position : 0);
  const lineStart = content.lastIndexOf("\n", at - 1) + 1;
  const line = content.slice(lineStart, at + 1);
  const tab = /^ *\t/.exec(line);
  if (tab !== null) {
    const start = lineStart + tab[0].length - 1;
    return new SyntaxProblem("A tab in the indentation", { start, end: start + 1 }, [
      "YAML wants spaces there",
    ]);
  }
  return new SyntaxProblem(sentence(error.reason), { start: at, end: at + 1 }, syntaxHints(content, at));
}

/** The parser notices some slips only at the beginning of the next line or at the end of the file. */
function lastVisible(content: string, position: number): number {
  let at = Math.min(position, content.length);
  const rest = /^[ \t]*(?=\n|$)/.test(content.slice(at, at + 1000));
  const lineStart = content.lastIndexOf("\n", at - 1) + 1;
  if (rest && content.slice(lineStart, at).trim() === "") {
    while (at > 0 && /\s/.test(content[at] ?? " ")) at--;
  }
  return at;
}

/** The parser's most frequent reasons, in words for people who do not know its insides. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/^nesting exceeded/, "Nested too deep"],
  [/^bad indentation of a mapping/, "Not expected here: check the indentation, or put the value in quotes"],
  [/^bad indentation of a sequence/, "The indentation differs from that of the list's other items"],
  [/^deficient indentation/, "A quote or bracket is not closed, or a line is not indented enough"],
  [/multiline key|expected ':'/, "A colon is expected after a key"],
  [/^missed comma/, "A comma is expected between two entries"],
  [/^unexpected end of the (stream|document) within a .* quoted/, "The closing quote is missing"],
  [/^unexpected end of the stream within a flow/, "The closing bracket is missing"],
  [/^the stream contains non-printable/, "A control character, which YAML does not allow"],
];

function sentence(reason: string): string {
  const known = REASONS.find(([pattern]) => pattern.test(reason))?.[1];
  return known ?? `${reason.charAt(0).toUpperCase()}${reason.slice(1)}`;
}

function syntaxHints(content: string, at: number): readonly string[] {
  const line = content.slice(content.lastIndexOf("\n", at - 1) + 1).split("\n", 1)[0] ?? "";
  if (/[@`%]/.test(content[at] ?? "")) {
    return [`A value that begins with ${content[at]} must stand in quotes`];
  }
  if (/\{[^}]*\$\{/.test(line)) return ["Within { } a value such as ${NAME} must stand in quotes"];
  if (/: .*: /.test(line)) return ["A value that contains a colon and a space must stand in quotes"];
  return [];
}
