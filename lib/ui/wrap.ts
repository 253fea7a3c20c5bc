import type { Terminal } from "../host/terminal.ts";
import { displayWidth } from "../manifest/diagnostics.ts";

/** Narrower columns of text are harder to read than lines that the terminal breaks. */
const NARROWEST = 20;

/** Text in lines of at most `width` columns, broken between words; a longer word has a line of its own. */
export function wrapped(text: string, width: number): readonly string[] {
  if (width === Infinity) return [text];
  const lines: string[] = [];
  let taken = 0;
  for (const word of text.split(" ")) {
    const more = displayWidth(word);
    const last = lines.at(-1);
    if (last === undefined || taken + 1 + more > width) {
      lines.push(word);
      taken = more;
    } else {
      lines[lines.length - 1] = `${last} ${word}`;
      taken += 1 + more;
    }
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
