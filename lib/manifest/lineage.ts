import { type Found, problemAt } from "./issues.ts";
import type { EntryKind } from "./model.ts";
import { nearest } from "./nearest.ts";
import { FOUND_LIMIT, type Node, type Path, SIZE_LIMIT } from "./node.ts";
import type { Source } from "./source.ts";
import { quoted } from "./text.ts";
import { isMapping, valueAt } from "./values.ts";

/** The file that each entry of a kind is taken from, by name. */
export type Entries = ReadonlyMap<string, Source>;

/** One of the entries that make up an effective one. */
export interface Layer {
  readonly source: Source;
  readonly path: Path;
}

/** An entry with all that it extends: its own layer first, then its parent's, and so on. */
export interface Lineage {
  readonly kind: EntryKind;
  readonly name: string;
  readonly layers: readonly [Layer, ...Layer[]];
}

/** What came of following `extends`; an entry with a problem in its line has no lineage. */
export interface Lineages {
  readonly lineages: readonly Lineage[];
  readonly problems: readonly Found[];
}

/** Follows `extends` of every entry. Unless `complete`, a missing parent may be defined in a file that could not be read. */
export function lineagesOf(
  kind: EntryKind,
  entries: Entries,
  options: { readonly complete: boolean },
): Lineages {
  const lineages: Lineage[] = [];
  const problems: Found[] = [];
  const told = new Set<string>();
  let inherited = 0;
  for (const name of entries.keys()) {
    const line = lineOf(kind, { name, entries });
    if (line.end === "root") {
      const parents = line.names.slice(1).map((name) => layerOf(kind, { name, entries }));
      const lineage: Lineage = { kind, name, layers: [layerOf(kind, { name, entries }), ...parents] };
      inherited += sizeOf(parents);
      if (inherited > SIZE_LIMIT) return { lineages, problems: [...problems, tooMuch(lineage)] };
      lineages.push(lineage);
      continue;
    }
    // Each break of a line is told once, at the `extends` that makes it, however many entries lead there; and of many
    // lines that are too long the first.
    const breach = line.end === "long" ? line.end : `${line.end} ${line.at}`;
    if (told.has(breach) || problems.length >= FOUND_LIMIT) continue;
    if (line.end === "missing" && !options.complete) continue;
    told.add(breach);
    problems.push(brokenLine(kind, { line, entries }));
  }
  return { lineages, problems };
}

/** The most entries that one takes over, one through another. */
const LINE_LIMIT = 32;

type Line =
  | { readonly end: "root"; readonly names: readonly string[] }
  /** `at` is the entry that it begins with. */
  | { readonly end: "long"; readonly names: readonly string[]; readonly at: string }
  /** `at` is the entry whose `extends` leads nowhere. */
  | { readonly end: "missing"; readonly names: readonly string[]; readonly at: string }
  /** `at` is the first entry of the circle, in the order of the alphabet, and `names` the circle from there. */
  | { readonly end: "circle"; readonly names: readonly string[]; readonly at: string };

interface Start {
  readonly name: string;
  readonly entries: Entries;
}

function lineOf(kind: EntryKind, { name, entries }: Start): Line {
  const names = [name];
  const seen = new Set(names);
  for (let at = name;;) {
    const parent = parentOf(kind, { name: at, entries });
    if (parent === undefined) return { end: "root", names };
    if (!entries.has(parent)) return { end: "missing", names, at };
    if (seen.has(parent)) return circle(names.slice(names.indexOf(parent)));
    if (names.length > LINE_LIMIT) return { end: "long", names, at: name };
    names.push(parent);
    seen.add(parent);
    at = parent;
  }
}

/** The same for every entry that leads into it. */
function circle(names: readonly string[]): Line {
  const [first = ""] = names.toSorted();
  const start = names.indexOf(first);
  return { end: "circle", names: [...names.slice(start), ...names.slice(0, start)], at: first };
}

function parentOf(kind: EntryKind, { name, entries }: Start): string | undefined {
  const parent = valueAt(entries.get(name)?.value, [kind, name, "extends"]);
  return typeof parent === "string" ? parent : undefined;
}

function layerOf(kind: EntryKind, { name, entries }: Start): Layer {
  const source = entries.get(name);
  if (source === undefined) throw new RangeError(`No entry is named ${name}`);
  return { source, path: [kind, name] };
}

function sizeOf(layers: readonly Layer[]): number {
  return layers.reduce((sum, { source, path }) => sum + (nodeAt(source.root, path)?.size ?? 0), 0);
}

/** A small file can take over the same large entry thousands of times. */
function tooMuch({ kind, name, layers: [{ source }] }: Lineage): Found {
  return problemAt(source, {
    path: [kind, name, "extends"],
    message: `the ${kind} up to here take over more than ${SIZE_LIMIT} values in all`,
    hint: "Let fewer of them extend a large one",
  });
}

/** How many names are listed or compared when one of them is meant: thousands would help nobody. */
const NAMES_SHOWN = 20;
const NAMES_COMPARED = 500;

/** What is said of a name that none of the entries has. */
export function unknownName(
  kind: EntryKind,
  name: string,
  entries: Entries,
): { message: string; hint: string } {
  const names = [...entries.keys()];
  const near = nearest(name, names.slice(0, NAMES_COMPARED));
  const shown = names.slice(0, NAMES_SHOWN).map((name) => `\`${name}\``).join(", ");
  const fallback = names.length === 0 ? `Define it under \`${kind}\`` : `Defined are ${shown}`;
  return {
    message: `no ${kind === "bottles" ? "bottle" : "agent"} is named ${quoted(name)}`,
    hint: near === undefined ? fallback : `Did you mean \`${near}\`?`,
  };
}

/** An entry is no parent of its own. */
function withoutEntry(entries: Entries, name: string): Entries {
  return new Map([...entries].filter(([other]) => other !== name));
}

/** Other tools extend files. */
function fileHint(parent: string): string | undefined {
  return /\.(ya?ml|json)$/.test(parent) || parent.includes("/")
    ? "It names an entry of the manifest, and never a file"
    : undefined;
}

function brokenLine(
  kind: EntryKind,
  { line, entries }: { readonly line: Exclude<Line, { end: "root" }>; readonly entries: Entries },
): Found {
  const { source } = layerOf(kind, { name: line.at, entries });
  const path = [kind, line.at, "extends"];
  if (line.end === "missing") {
    const parent = parentOf(kind, { name: line.at, entries }) ?? "";
    const { message, hint } = unknownName(kind, parent, withoutEntry(entries, line.at));
    return problemAt(source, { path, message, hint: fileHint(parent) ?? hint });
  }
  if (line.end === "long") {
    return problemAt(source, {
      path,
      message: `extends more than ${LINE_LIMIT} entries, one through another`,
      hint: "Put what they have in common into one",
    });
  }
  const way = [...line.names, line.at].map((name) => quoted(name)).join(" → ");
  return problemAt(source, {
    path,
    message: `extends itself: ${way}`,
    hint: "Remove one `extends` of the circle",
  });
}

/**
 * The data of an entry with all that it extends: mappings are merged key by key, anything else is replaced as a
 * whole. `extends` is its own alone.
 */
export function effectiveValue({ layers }: Lineage): unknown {
  const values = layers.map(({ source, path }) => valueAt(source.value, path));
  return values.reduceRight((below, above) => merged(below, above, []));
}

function merged(below: unknown, above: unknown, path: Path): unknown {
  if (!isMapping(below) || !isMapping(above) || isWhole(path)) return above;
  const result: Record<string, unknown> = path.length === 0 ? without(below, "extends") : { ...below };
  for (const [key, value] of Object.entries(above)) {
    result[key] = Object.hasOwn(below, key) ? merged(below[key], value, [...path, key]) : value;
  }
  return result;
}

function without(value: Readonly<Record<string, unknown>>, key: string): Record<string, unknown> {
  const { [key]: _, ...rest } = value;
  return rest;
}

/** A variable's value is one thing even when it is written as a mapping: a file and a command have no union. */
function isWhole(path: Path): boolean {
  return path.length === 2 && path[0] === "env";
}

/** Where a value below an entry stands, in whichever layer; the nearest enclosing value when it stands in none. */
export function placeBelow({ layers: [own, ...parents] }: Lineage, below: Path): Layer {
  let nodes = [own, ...parents].map((layer) => ({ layer, node: nodeAt(layer.source.root, layer.path) }));
  let place = own;
  let path: Path = [];
  for (const step of below) {
    nodes = nodes.flatMap(({ layer, node }) => {
      const next = typeof step === "number" ? node?.items[step] : node?.entries.get(step)?.node;
      return next === undefined ? [] : [{ layer, node: next }];
    });
    const [nearest] = nodes;
    if (nearest === undefined) break;
    path = [...path, step];
    place = { source: nearest.layer.source, path: [...nearest.layer.path, ...path] };
    const mappings = nodes.findIndex(({ node }) => node?.kind !== "mapping");
    if (isWhole(path) || mappings === 0) nodes = nodes.slice(0, 1);
    else if (mappings > 0) nodes = nodes.slice(0, mappings);
  }
  return place;
}

function nodeAt(root: Node, path: Path): Node | undefined {
  let node: Node | undefined = root;
  for (const step of path) {
    node = typeof step === "number" ? node?.items[step] : node?.entries.get(step)?.node;
  }
  return node;
}
