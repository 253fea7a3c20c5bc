import type { Problem } from "../errors.ts";
import { quoted, type Range, SyntaxProblem } from "./text.ts";

/** Where in a manifest: keys and indexes from its root. */
export type Path = readonly (string | number)[];

/** One value of a manifest with its place in the text. */
export interface Node {
  readonly kind: "scalar" | "sequence" | "mapping";
  /** The token of a scalar; the beginning of a sequence or mapping. */
  readonly range: Range;
  /** What the text means, as plain data. */
  readonly value: unknown;
  /** By index; empty for anything but a sequence. */
  readonly items: readonly Node[];
  /** By key; empty for anything but a mapping. */
  readonly entries: ReadonlyMap<string, Entry>;
  /** How many values it holds, itself and those behind aliases included. */
  readonly size: number;
  /** How many levels it holds. */
  readonly height: number;
}

/** One pair of a mapping. */
export interface Entry {
  readonly key: Range;
  readonly node: Node;
}

/** The most values in one manifest, aliases counted as often as they are used. */
export const SIZE_LIMIT = 200_000;
/** How many UTF-16 units of a text count as one value more: whoever takes it over or refers to it repeats it. */
const TEXT_SIZE = 64;
/** The most problems of one kind that are worked out: a file that is no manifest at all has no end of them. */
export const FOUND_LIMIT = 500;
/** The deepest nesting. A manifest needs eight levels. */
export const DEPTH_LIMIT = 32;

/** What is thrown for a manifest with more values than {@link SIZE_LIMIT}. */
export function tooManyValues(): SyntaxProblem {
  return new SyntaxProblem(`The manifest holds more than ${SIZE_LIMIT} values`, { start: 0, end: 0 }, [
    "A manifest needs a few hundred: check whether this is the right file",
  ]);
}

/** What is thrown for nesting deeper than {@link DEPTH_LIMIT}. */
export function nestedTooDeep(start: number): SyntaxProblem {
  return new SyntaxProblem("Nested too deep", { start, end: start + 1 }, [
    "A manifest needs no more than eight levels: check the brackets and the indentation",
  ]);
}

const NO_ITEMS: readonly Node[] = [];
const NO_ENTRIES: ReadonlyMap<string, Entry> = new Map();

/** A scalar's node. */
export function scalarNode(range: Range, value: unknown): Node {
  const size = typeof value === "string" ? 1 + Math.floor(value.length / TEXT_SIZE) : 1;
  return { kind: "scalar", range, value, items: NO_ITEMS, entries: NO_ENTRIES, size, height: 1 };
}

/** A sequence's node. */
export function sequenceNode(range: Range, items: readonly Node[]): Node {
  const value = items.map((item) => item.value);
  return { kind: "sequence", range, value, items, entries: NO_ENTRIES, ...extent(items) };
}

/** A mapping's node. */
export function mappingNode(range: Range, entries: ReadonlyMap<string, Entry>): Node {
  const value: Record<string, unknown> = {};
  const nodes: Node[] = [];
  for (const [key, { node }] of entries) {
    value[key] = node.value;
    nodes.push(node);
  }
  return { kind: "mapping", range, value, items: NO_ITEMS, entries, ...extent(nodes) };
}

function extent(nodes: readonly Node[]): { size: number; height: number } {
  let size = 1;
  let height = 0;
  for (const node of nodes) {
    size += node.size;
    height = Math.max(height, node.height);
  }
  return { size, height: height + 1 };
}

/** A problem whose place is still a range of its file. */
export interface RangedProblem extends Omit<Problem, "where"> {
  readonly range: Range;
  /** What it clashes with, further up. */
  readonly first?: Range;
}

/** A document that could be read; its problems are such as do not stop the rest from being checked. */
export interface Document {
  readonly root: Node;
  readonly problems: readonly RangedProblem[];
}

/** Why a key must not be taken into a mapping, or `undefined`; `first` is where it stands already. */
export function keyProblem(key: string, range: Range, first: Range | undefined): RangedProblem | undefined {
  if (key === "__proto__") {
    return { range, message: "`__proto__` cannot be a key", hints: ["Choose another name"] };
  }
  return first === undefined ? undefined : { range, first, message: `${quoted(key)} stands here twice` };
}

/**
 * The range that stands for a path: a scalar's own token, the key of a sequence or mapping. For what is not in
 * the text, the nearest enclosing value's; `undefined` for a root that has no key.
 */
export function rangeOf(root: Node, path: Path): Range | undefined {
  let node = root;
  let range: Range | undefined;
  for (const step of path) {
    if (typeof step === "number") {
      const item = node.items[step];
      if (item === undefined) break;
      node = item;
      range = item.range;
    } else {
      const entry = node.entries.get(step);
      if (entry === undefined) break;
      node = entry.node;
      range = isToken(node) ? node.range : entry.key;
    }
  }
  return range;
}

/** Whether a value can be pointed at: an empty one has no characters. */
function isToken(node: Node): boolean {
  return node.kind === "scalar" && node.range.end > node.range.start;
}

/** The range of a key. */
export function keyRangeOf(root: Node, path: Path): Range | undefined {
  const key = path.at(-1);
  let node: Node | undefined = root;
  for (const step of path.slice(0, -1)) {
    node = typeof step === "number" ? node?.items[step] : node?.entries.get(step)?.node;
  }
  return typeof key === "string" ? node?.entries.get(key)?.key : undefined;
}

/** The same text for the same path and for no other, which {@link pathText}, made for people, does not promise. */
export function pathKey(path: Path): string {
  return JSON.stringify(path);
}

/** A path as people write it: `bottles.dev.ssh[0].Port`; what is long in it is shortened. */
export function pathText(path: Path): string {
  return path.map((step, index) => {
    if (typeof step === "number") return `[${step}]`;
    const name = /^[A-Za-z0-9_-]{1,64}$/.test(step) ? step : quoted(step);
    return index === 0 ? name : `.${name}`;
  }).join("");
}
