import type { Where } from "../errors.ts";

/** A manifest's text and what is needed to say where in it something stands. */
export interface Text {
  readonly file: string;
  /** Line endings are line feeds, without a byte order mark. */
  readonly content: string;
  /** The offset at which each line begins. */
  readonly lines: readonly number[];
  /** How many code points there are between two offsets. */
  count(start: number, end: number): number;
}

/** A range of offsets into a text, end-exclusive. */
export interface Range {
  readonly start: number;
  readonly end: number;
}

/** Longer lines are told apart by their column alone. */
const SNIPPET_LIMIT = 5000;

/** Text whose line endings have been made line feeds, and its lines. */
export function textOf(file: string, content: string): Text {
  const plain = content.replace(/^\ufeff/, "").replaceAll(/\r\n?/g, "\n");
  const lines = [0];
  for (let at = plain.indexOf("\n"); at !== -1; at = plain.indexOf("\n", at + 1)) lines.push(at + 1);
  return { file, content: plain, lines, count: counter(plain) };
}

/** How far apart the places are that are counted once and for all. */
const STRIDE = 1024;

/** Thousands of problems may be on one line of a megabyte: it is not counted again for each. */
function counter(content: string): Text["count"] {
  const counted = [0];
  const before = (offset: number): number => {
    for (let last = counted.length - 1; (last + 1) * STRIDE <= offset; last++) {
      counted.push(
        (counted[last] ?? 0) + codePoints(content, { start: last * STRIDE, end: (last + 1) * STRIDE }),
      );
    }
    const place = Math.floor(offset / STRIDE);
    return (counted[place] ?? 0) + codePoints(content, { start: place * STRIDE, end: offset });
  };
  return (start, end) =>
    end - start <= STRIDE ? codePoints(content, { start, end }) : before(end) - before(start);
}

/** How many code points begin in a range; half a one is one. */
function codePoints(content: string, { start, end }: Range): number {
  let count = 0;
  for (let at = start; at < end; at++) {
    if (!isLowHalf(content.charCodeAt(at)) || !isHighHalf(content.charCodeAt(at - 1))) count++;
  }
  return count;
}

function isHighHalf(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}

function isLowHalf(unit: number): boolean {
  return unit >= 0xdc00 && unit < 0xe000;
}

/** The place of a range; a range over several lines ends with its first. */
export function whereOf(text: Text, range: Range): Where {
  const start = Math.min(Math.max(range.start, 0), text.content.length);
  const line = lineAt(text, start);
  const from = text.lines[line] ?? 0;
  const next = text.lines[line + 1];
  const to = next === undefined ? text.content.length : next - 1;
  const end = start + text.content.slice(start, Math.min(Math.max(range.end, start), to)).trimEnd().length;
  return {
    file: text.file,
    line: line + 1,
    column: text.count(from, start) + 1,
    ...(to - from > SNIPPET_LIMIT ? {} : { snippet: text.content.slice(from, to) }),
    length: Math.max(1, text.count(start, end)),
  };
}

function lineAt(text: Text, offset: number): number {
  let low = 0;
  let high = text.lines.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if ((text.lines[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** What stops a file from being read as YAML or JSON at all: one a file. */
export class SyntaxProblem extends Error {
  override readonly name = "SyntaxProblem";
  readonly range: Range;
  readonly hints: readonly string[];

  constructor(message: string, range: Range, hints: readonly string[] = []) {
    super(message);
    this.range = range;
    this.hints = hints;
  }
}

/** Foreign text within a message: in quotes, on one line, and not endless. */
export function quoted(text: string): string {
  return JSON.stringify(shortened(text, 60));
}

/** At most so many code points of a text. */
export function shortened(text: string, most: number): string {
  if (text.length <= most) return text;
  // A code point is at most two units: no need to take all of a long text apart.
  const start = [...text.slice(0, 2 * most + 2)];
  return start.length > most ? `${start.slice(0, most - 1).join("")}…` : text;
}
