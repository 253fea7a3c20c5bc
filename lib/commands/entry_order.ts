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
