import type { Problem } from "../errors.ts";
import type { Agent, Bottle } from "../manifest/model.ts";

/** What an entry extends, the nearest first. */
export function ancestorsOf<T extends Agent | Bottle>(
  entry: T,
  entries: ReadonlyMap<string, T>,
): readonly T[] {
  const found: T[] = [];
  for (let at: T | undefined = entry; at?.extends !== undefined;) {
    at = entries.get(at.extends);
    if (at !== undefined) found.push(at);
  }
  return found;
}

/** Entries after what they extend. */
export function parentsFirst<T extends Agent | Bottle>(entries: ReadonlyMap<string, T>): readonly T[] {
  return [...entries.values()].map((entry) => ({ entry, depth: ancestorsOf(entry, entries).length }))
    .toSorted((a, b) => a.depth - b.depth).map(({ entry }) => entry);
}

/** What several entries take over from one stands in one place, and is told once: the first time. */
export function oncePerPlace<T extends Problem>(problems: readonly T[]): readonly T[] {
  const first = new Map<string, T>();
  for (const problem of problems) {
    const { where, message } = problem;
    const place = where === undefined ? message : `${where.file}:${where.line}:${where.column}`;
    if (!first.has(place)) first.set(place, problem);
  }
  return [...first.values()];
}
