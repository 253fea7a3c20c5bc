import { oneLine } from "../errors.ts";
import { displayWidth } from "../manifest/diagnostics.ts";
import { table } from "./table.ts";
import { hanging, wrapped } from "./wrap.ts";

/** A column of a table that a terminal may be too narrow for. */
export interface Column {
  readonly heading: string;
  /** Said once, below the table, where all rows have the same and there is no room for it. */
  readonly shared?: boolean;
  /** Made of words: broken between them where there is no room. Names never are, for who would copy them. */
  readonly isText?: boolean;
}

type Row = readonly string[];

/** Between two columns. */
const GAP = 2;
/** Narrower columns of text are harder to read than rows of several lines. */
const NARROWEST = 14;
/** What the further lines of a row begin with. */
const INDENT = "    ";

/**
 * Rows of foreign text in aligned columns, below their headings, in at most `width` columns of a terminal: what is
 * equal in all rows is said once if it may be, then texts are broken, and at last a row takes several lines.
 */
export function fittedTable(columns: readonly Column[], rows: readonly Row[], width: number): string {
  const cells = rows.map((row) => row.map(oneLine));
  const shown = columns.map((_, index) => index);
  const shared: number[] = [];
  for (const index of columns.keys().filter((index) => columns[index]?.shared).toArray().reverse()) {
    if (widthOf(widthsOf(columns, cells, shown)) <= width) break;
    if (cells.every((row) => row[index] === cells[0]?.[index])) {
      shown.splice(shown.indexOf(index), 1);
      shared.unshift(index);
    }
  }
  const grid = [columns.map(({ heading }) => heading), ...cells].map((row) =>
    shown.map((index) => row[index] ?? "")
  );
  const text = shown.map((index) => columns[index]?.isText ?? false);
  const said = shared.map((index) => `${columns[index]?.heading.toLowerCase()} ${cells[0]?.[index]}`);
  return broken(grid, { text, width }) +
    (said.length === 0 ? "" : `${hanging("all: ", said.join(", "), width)}\n`);
}

function widthsOf(
  columns: readonly Column[],
  cells: readonly Row[],
  shown: readonly number[],
): readonly number[] {
  return shown.map((index) =>
    Math.max(
      displayWidth(columns[index]?.heading ?? ""),
      ...cells.map((row) => displayWidth(row[index] ?? "")),
    )
  );
}

function widthOf(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, GAP * (widths.length - 1));
}

/** The grid with its texts broken as far as there is need; in several lines a row where that does not do. */
function broken(
  grid: readonly Row[],
  { text, width }: { readonly text: readonly boolean[]; readonly width: number },
): string {
  const widths = text.map((_, index) => Math.max(...grid.map((row) => displayWidth(row[index] ?? ""))));
  // No word is broken, and none may stick out of its column.
  const least = text.map((_, index) => Math.max(NARROWEST, longestWord(grid.map((row) => row[index] ?? ""))));
  while (widthOf(widths) > width) {
    const isLong = widths.map((of, index) => text[index] === true && of > (least[index] ?? 0));
    if (!isLong.includes(true)) return folded(grid, { widths, width });
    const widest = Math.max(...widths.filter((_, index) => isLong[index]));
    widths[widths.findIndex((of, index) => isLong[index] && of === widest)] = widest - 1;
  }
  return table(
    grid.flatMap((row) =>
      linesOf(row.map((cell, index) => text[index] ? wrapped(cell, widths[index] ?? 0) : [cell]))
    ),
  );
}

/** How many columns the longest word of any of these texts takes. */
export function longestWord(texts: readonly string[]): number {
  return texts.flatMap((text) => text.split(" ")).reduce(
    (most, word) => Math.max(most, displayWidth(word)),
    0,
  );
}

/** Rows of single lines from cells of several. */
function linesOf(cells: readonly (readonly string[])[]): readonly Row[] {
  const height = Math.max(...cells.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) => cells.map((lines) => lines[line] ?? ""));
}

/** Each row in as many lines as its columns need, the further ones indented; each line has columns of its own. */
function folded(
  grid: readonly Row[],
  { widths, width }: { readonly widths: readonly number[]; readonly width: number },
): string {
  const groups: number[][] = [];
  let used = Infinity;
  for (const [index, column] of widths.entries()) {
    used += GAP + column;
    if (used > width) {
      used = (groups.length === 0 ? 0 : INDENT.length) + column;
      groups.push([]);
    }
    groups.at(-1)?.push(index);
  }
  const parts = groups.map((group) =>
    table(grid.map((row) => group.map((index) => row[index] ?? ""))).split("\n")
  );
  return grid.map((_, row) =>
    parts.map((lines, part) => `${part === 0 ? "" : INDENT}${lines[row]}\n`).join("")
  )
    .join("");
}
