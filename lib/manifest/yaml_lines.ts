import type { Range } from "./text.ts";
import { indentationOf } from "./yaml_open.ts";

/** Where the parser could not go on. */
export interface Stop {
  readonly content: string;
  readonly at: number;
  readonly line: Line;
  /** The parser's own words. */
  readonly reason: string;
}

/** One line of a text, without its end. */
export interface Line {
  readonly start: number;
  readonly text: string;
}

/** What is wrong, where, and what to write instead. */
export interface Slip {
  readonly message: string;
  readonly range: Range;
  readonly hints: readonly string[];
}

/** A key, its colon, and a value on the same line; dashes of list items may come before. */
export const PAIR = /^(\s*(?:-\s+)*)("[^"]*"|'[^']*'|[^\s'"#{[&*!|>%@`-][^:]*?)(\s*:\s+)(\S.*)$/;
/** The most lines and characters that are looked at to understand one slip. */
export const LINES_ABOVE = 200;
export const LONGEST = 1000;

/** The line around an offset. */
export function lineOf(content: string, at: number): Line {
  const start = content.lastIndexOf("\n", at - 1) + 1;
  const end = content.indexOf("\n", start);
  return { start, text: content.slice(start, end === -1 ? content.length : end) };
}

/** The nearest line above with more than a comment on it; the beginning of a long one. */
export function above(content: string, line: Line): Line | undefined {
  let start = line.start;
  for (let count = 0; count < LINES_ABOVE && start > 0; count++) {
    const { start: begin, text } = lineOf(content, start - 1);
    const found = { start: begin, text: text.slice(0, LONGEST) };
    if (!/^\s*(#|$)/.test(found.text)) return found;
    start = begin;
  }
  return undefined;
}

/** The value that begins at an offset, without a comment behind it. */
export function valueFrom({ line }: Stop, start: number): string {
  const rest = line.text.slice(start - line.start, start - line.start + LONGEST);
  return rest.replace(/\s+#.*$/, "").trimEnd();
}

/** The range of a line without its indentation and comment. */
export function lineRange(line: Line): Range {
  const start = line.start + indentationOf(line.text);
  return { start, end: line.start + line.text.replace(/\s+#.*$/, "").trimEnd().length };
}
