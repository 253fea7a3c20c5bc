/** Bytes of a followed log that its client keeps: enough of what it says to tell why it failed. */
export const FOLLOWED_KEPT = 65_536;

/** A line and when the engine took it; empty where it does not say. Such times sort as text. */
export function stamped(line: string): { readonly at: string; readonly text: string } {
  const [, at = "", text = line] = /^(\d{4}-\d\d-\d\dT[\d:.]+Z) (.*)$/s.exec(line) ?? [];
  return { at, text };
}

/** Lines of a log that is followed with their times: engines tell a piece again when they start the log's next file. */
export class LogOrder {
  /** When the engine took the last line of each stream. */
  readonly last = { stdout: "", stderr: "" };

  /** What a line says; `undefined` of one that was there before. */
  next(line: string, stream: "stdout" | "stderr"): string | undefined {
    const { at, text } = stamped(line);
    if (at !== "" && at <= this.last[stream]) return undefined;
    this.last[stream] = at;
    return text;
  }
}
