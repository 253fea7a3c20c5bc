import { oneLine, type Problem, type Where } from "../errors.ts";

/** The most columns of a source line that are shown. */
const SNIPPET_COLUMNS = 100;

/** East Asian wide characters that are no emoji; what is an emoji by itself is wide as well. */
const WIDE =
  /^[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18d8f}\u{1aff0}-\u{1b2fb}\u{20000}-\u{3fffd}]$/u;
const EMOJI = /^(?!\p{Regional_Indicator})\p{Emoji_Presentation}$/u;
/** Marks, and the vowels and finals of Hangul that are drawn into the syllable before them. */
const NO_WIDTH = /^[\p{Mn}\p{Me}\u1160-\u11ff\ud7b0-\ud7fb]$/u;
/** Makes an emoji of the sign before it, as in the keycaps. */
const EMOJI_SELECTOR = "\ufe0f";
const SKIN_TONE = /^\p{Emoji_Modifier}$/u;
const TAKES_SKIN_TONE = /^\p{Emoji_Modifier_Base}$/u;

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

/**
 * One code point as a terminal may have it: tabs as a space, what cannot be seen as a dot. Of what joins
 * emoji to one terminals make one sign or several; a dot is as wide everywhere.
 */
function shown(character: string): string {
  if (character === "\t") return " ";
  return /^[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]$/u.test(character) ? "·" : character;
}

/** How many columns of a terminal a text takes. */
export function displayWidth(text: string): number {
  return columns([...text]);
}

function columns(characters: readonly string[]): number {
  return characters.reduce((sum, character, index) => sum + width(character, characters[index - 1]), 0);
}

/** The columns that a code point adds to the one before it. Flags are two letters of one column each. */
function width(character: string, before = ""): number {
  if (character === EMOJI_SELECTOR) return /^\p{Emoji}$/u.test(before) ? 2 - width(before) : 0;
  if (SKIN_TONE.test(character) && TAKES_SKIN_TONE.test(before)) return 0;
  if (NO_WIDTH.test(character)) return 0;
  return WIDE.test(character) || EMOJI.test(character) ? 2 : 1;
}
