import type { Path } from "./node.ts";

/** Whether plain data is a mapping. */
export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** How many items and entries a beginning has at each level. */
const BEGINNING = 500;

/** Plain data of which long lists, and long mappings but for the keys that have a meaning, are cut short. */
export function beginning(value: unknown, names: ReadonlySet<string>): unknown {
  if (Array.isArray(value)) return value.slice(0, BEGINNING).map((item) => beginning(item, names));
  if (!isMapping(value)) return value;
  const entries = Object.entries(value).filter(([key], index) => index < BEGINNING || names.has(key));
  return Object.fromEntries(entries.map(([key, item]) => [key, beginning(item, names)]));
}

/** The value at a path of plain data. */
export function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const step of path) {
    if (Array.isArray(at) && typeof step === "number") at = at[step];
    else if (isMapping(at) && Object.hasOwn(at, step)) at = at[step];
    else return undefined;
  }
  return at;
}
