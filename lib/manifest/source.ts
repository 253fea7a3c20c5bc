import type { Problem, Where } from "../errors.ts";
import { parseJson } from "./json.ts";
import { keyRangeOf, type Node, type Path, type RangedProblem, rangeOf } from "./node.ts";
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
  const foreign = otherEncoding(file, bytes);
  if (foreign !== undefined) return { source: undefined, problems: [foreign] };
  const decoded = decode(bytes);
  if (decoded === undefined) return { source: undefined, problems: [notUtf8(file, bytes)] };
  const text = textOf(file, decoded);
  try {
    const parse = isJson(file) ? parseJson : parseYaml;
    const document = parse(text.content);
    const problems = document.problems.map((problem) => placed(text, problem));
    return { source: sourceOf(text, document.root), problems };
  } catch (error) {
    if (error instanceof SyntaxProblem) {
      const { message, range, hints } = error;
      return { source: undefined, problems: [placed(text, { message, range, hints })] };
    }
    return refused({ file, message: `cannot be read: ${error instanceof Error ? error.message : error}` });
  }
}

/** Whether a file of this name is read as JSON. */
export function isJson(file: string): boolean {
  return /\.json$/i.test(file);
}

function placed(text: Text, { message, range, first, hints = [] }: RangedProblem): Problem {
  const line = first === undefined ? undefined : whereOf(text, first).line;
  const all = line === undefined ? hints : [...hints, `The first is on line ${line}: remove one of them`];
  return { message, where: whereOf(text, range), ...(all.length === 0 ? {} : { hints: all }) };
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

function decode(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

const SAVE = "Save it as UTF-8";

/** Windows programs write UTF-16 at times, of which every second byte is NUL. */
function otherEncoding(file: string, bytes: Uint8Array): Problem | undefined {
  const [first, second] = bytes;
  const marked = (first === 0xff && second === 0xfe) || (first === 0xfe && second === 0xff);
  const halved = bytes.length > 1 && (first === 0) !== (second === 0);
  if (!marked && !halved) return undefined;
  return {
    message: "This is UTF-16, and a manifest is UTF-8",
    where: { file, line: 1, column: 1 },
    hints: [SAVE],
  };
}

/** Points at the first bytes that are no UTF-8: where reading them leniently gives what they do not say. */
function notUtf8(file: string, bytes: Uint8Array): Problem {
  const lenient = new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
  let offset = 0;
  let at = lenient.indexOf("\ufffd");
  const encoder = new TextEncoder();
  for (let from = 0; at !== -1; from = at + 1, at = lenient.indexOf("\ufffd", from)) {
    offset += encoder.encode(lenient.slice(from, at)).length;
    // Somebody may have written the replacement character itself.
    if (bytes[offset] !== 0xef || bytes[offset + 1] !== 0xbf || bytes[offset + 2] !== 0xbd) break;
    offset += 3;
  }
  const start = textOf(file, lenient.slice(0, Math.max(at, 0))).content.length;
  const where = whereOf(textOf(file, lenient), { start, end: start + 1 });
  return { message: "These bytes are not valid UTF-8", where, hints: [SAVE] };
}
