const LONGEST_TEXT = 255;

/** The members of a log line that is one JSON object; `undefined` for every other line. Never throws. */
export function jsonMembers(line: string): ReadonlyMap<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? new Map(Object.entries(value)) : undefined;
  } catch {
    return undefined;
  }
}

/** A number of bytes, whichever way the line has it; `undefined` for anything else. */
export function eventBytes(value: unknown): number | undefined {
  const bytes = typeof value === "string" && /^\d+$/.test(value) ? Number(value) : value;
  return typeof bytes === "number" && Number.isSafeInteger(bytes) && bytes >= 0 ? bytes : undefined;
}

/** Text that the bottle wrote, as an event may have it: printable ASCII, cut off. */
export function eventText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, "?").slice(0, LONGEST_TEXT);
}
