import { oneLine, type Problem, type Where } from "../errors.ts";

/** The most columns of a source line that are shown. */
const SNIPPET_COLUMNS = 100;

const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f680}-\u{1f6ff}\u{1f900}-\u{1faff}\u{20000}-\u{3fffd}]$/u;

/**
 * A problem as plain text without a line feed at its end: where and what, the source line with a caret under
 * the exact token, and hints. Safe for a terminal whatever the file contains.
 */
export function renderProblem(problem: Problem): string {
  const { where } = problem;
  const message = oneLine(problem.message);
  const hints = (problem.hints ?? []).map((hint) => `hint: ${oneLine(hint)}`);
  if (where === undefined) return [message, ...hints].join("\n");
  const place = `${oneLine(where.file)}:${where.line}:${where.column}`;
  return [`${place}: ${message}`, ...snippetLines(where), ...hints].join("\n");
}

function snippetLines(where: Where): readonly string[] {
  if (where.snippet === undefined || where.snippet.trim() === "") return [];
  const all = [...where.snippet].map(shown);
  const start = Math.min(where.column - 1, all.length);
  const { cells, from } = window(all, start);
  const before = cells.slice(0, start - from);
  const length = Math.max(1, Math.min(where.length ?? 1, cells.length - before.length));
  const marked = columns(cells.slice(before.length, before.length + length));
  const caret = `${" ".repeat(columns(before))}^${"~".repeat(Math.max(0, marked - 1))}`;
  return [`    ${cells.join("").trimEnd()}`, `    ${caret}`];
}

/** The part of a long line that shows `start`. */
function window(all: readonly string[], start: number): { cells: readonly string[]; from: number } {
  if (all.length <= SNIPPET_COLUMNS) return { cells: all, from: 0 };
  const from = start < SNIPPET_COLUMNS / 2 ? 0 : start - SNIPPET_COLUMNS / 4;
  const cells = all.slice(from, from + SNIPPET_COLUMNS);
  if (from > 0) cells[0] = "…";
  if (from + SNIPPET_COLUMNS < all.length) cells.push("…");
  return { cells, from };
}

/** One code point as a terminal may have it: tabs as a space, what cannot be seen as a dot. */
function shown(character: string): string {
  if (character === "\t") return " ";
  return /^[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]$/u.test(character) ? "·" : character;
}

/** How many columns of a terminal a text takes. */
export function displayWidth(text: string): number {
  return columns([...text]);
}

function columns(characters: readonly string[]): number {
  return characters.reduce((sum, character) => sum + width(character), 0);
}

function width(character: string): number {
  if (/^\p{M}$/u.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}
