import type { Problem, Where } from "../errors.ts";
import { parseJson } from "./json.ts";
import { keyRangeOf, type Node, type Path, rangeOf } from "./node.ts";
import { SyntaxProblem, type Text, textOf, whereOf } from "./text.ts";
import { parseYaml } from "./yaml.ts";

/** The most bytes of a manifest. */
export const MANIFEST_BYTES = 1024 * 1024;

/** One manifest file as it was read. */
export interface Source {
  readonly file: string;
  /** The whole content as plain data. */
  readonly value: unknown;
  /** The place of a value, or of the nearest one around it that is in the file. */
  where(path: Path): Where;
  /** The place of a mapping's key, or of the nearest value around it. */
  whereKey(path: Path): Where;
  /** In the order of the file, for keys that data cannot keep in order. */
  readonly root: Node;
}

/** What came of reading one file: without a source there is exactly one problem. */
export interface Reading {
  readonly source: Source | undefined;
  readonly problems: readonly Problem[];
}

/** Reads one manifest: JSON when its name ends in `.json`, else YAML. Never throws. */
export function readSource(file: string, bytes: Uint8Array): Reading {
  if (bytes.length > MANIFEST_BYTES) return refused({ file, message: "is larger than 1 MiB" });
  const decoded = decode(bytes);
  if (typeof decoded !== "string") {
    const where = { file, line: decoded.line, column: 1 };
    const hints = ["Save it as UTF-8"];
    return { source: undefined, problems: [{ message: "This line is not valid UTF-8", where, hints }] };
  }
  const text = textOf(file, decoded);
  try {
    const parse = /\.json$/i.test(file) ? parseJson : parseYaml;
    const document = parse(text.content);
    const problems = document.problems.map(({ range, message, hints }) => ({
      message,
      where: whereOf(text, range),
      ...(hints === undefined ? {} : { hints }),
    }));
    return { source: sourceOf(text, document.root), problems };
  } catch (error) {
    if (error instanceof SyntaxProblem) {
      const where = whereOf(text, error.range);
      return { source: undefined, problems: [{ message: error.message, where, hints: error.hints }] };
    }
    return refused({ file, message: `cannot be read: ${error instanceof Error ? error.message : error}` });
  }
}

function sourceOf(text: Text, root: Node): Source {
  const start = { start: root.range.start, end: root.range.start + 1 };
  return {
    file: text.file,
    value: root.value,
    root,
    where: (path) => whereOf(text, rangeOf(root, path) ?? start),
    whereKey: (path) => whereOf(text, keyRangeOf(root, path) ?? rangeOf(root, path) ?? start),
  };
}

function refused(problem: { readonly file: string; readonly message: string }): Reading {
  return { source: undefined, problems: [{ message: `${problem.file} ${problem.message}` }] };
}

/** The text, or the number of the first line that is no UTF-8. */
function decode(bytes: Uint8Array): string | { readonly line: number } {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  try {
    return decoder.decode(bytes);
  } catch {
    let line = 1;
    let start = 0;
    for (;;) {
      const end = bytes.indexOf(10, start);
      try {
        decoder.decode(bytes.subarray(start, end === -1 ? bytes.length : end));
      } catch {
        return { line };
      }
      if (end === -1) return { line };
      start = end + 1;
      line++;
    }
  }
}
