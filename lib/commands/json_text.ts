import { asciiControls, type Where } from "../errors.ts";

/** A result for programs, as it is written to stdout: indented, or each on one line where several follow. */
export function jsonText(value: unknown, form: "indented" | "line" = "indented"): string {
  return `${asciiControls(JSON.stringify(value, undefined, form === "indented" ? 2 : undefined))}\n`;
}

/** A place in a manifest for programs, without the source line: it may hold a literal's value. */
export function placeData({ file, line, column }: Where): unknown {
  return { file, line, column };
}
