import type { Terminal } from "../host/terminal.ts";
import { displayWidth } from "../manifest/diagnostics.ts";

/** Narrower columns of text are harder to read than lines that the terminal breaks. */
const NARROWEST = 20;

/** Text in lines of at most `width` columns, broken between words; a longer word has a line of its own. */
export function wrapped(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    const longer = last === undefined ? word : `${last} ${word}`;
    if (last === undefined || displayWidth(longer) > width) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

/** Text behind `head`, its further lines below its first; at most `width` columns wide where that leaves room. */
export function hanging(head: string, text: string, width: number): string {
  const indent = displayWidth(head);
  return wrapped(text, Math.max(NARROWEST, width - indent))
    .map((line, index) => (index === 0 ? head : " ".repeat(indent)) + line).join("\n");
}

/** Columns that results may take: a file or a pipe has no edge to break lines at. */
export function resultColumns(terminal: Pick<Terminal, "stdoutIsTerminal" | "columns">): number {
  return terminal.stdoutIsTerminal ? terminal.columns() : Infinity;
}
