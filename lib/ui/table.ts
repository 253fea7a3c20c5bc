import { oneLine } from "../errors.ts";
import { displayWidth } from "../manifest/diagnostics.ts";

/** Wider cells stand as they are and push their own row alone, so that one of them spoils no table. */
const WIDEST = 60;

/** Rows of foreign text in aligned columns, a line each; safe for a terminal whatever the cells contain. */
export function table(rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map(oneLine));
  const widths: number[] = [];
  for (const row of cells) {
    for (const [index, cell] of row.entries()) {
      const width = displayWidth(cell);
      if (width <= WIDEST) widths[index] = Math.max(widths[index] ?? 0, width);
    }
  }
  return cells.map((row) => `${line(row, widths)}\n`).join("");
}

function line(row: readonly string[], widths: readonly number[]): string {
  return row.map((cell, index) => cell + " ".repeat(Math.max(0, (widths[index] ?? 0) - displayWidth(cell))))
    .join("  ").trimEnd();
}
