import fc from "fast-check";
import { isPart } from "./manifest_schema.ts";

/** Where in some data: keys, and indexes as text. */
export type Path = readonly string[];

/** The places of all values of some data, its own first. */
export function paths(value: unknown, path: Path = []): readonly Path[] {
  if (typeof value !== "object" || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([key, below]) => paths(below, [...path, key]))];
}

/** One change at one place. */
export type Change =
  | { readonly kind: "replace"; readonly value: unknown }
  | { readonly kind: "edit"; readonly edits: readonly { at: number; remove: number; insert: string }[] }
  | { readonly kind: "remove" | "repeat" }
  | { readonly kind: "rename" | "add"; readonly key: string };

/** Any change: values are from `values`, keys from `keys`, and texts are edited. */
export function changes(
  from: { readonly values: readonly unknown[]; readonly keys: readonly string[] },
): fc.Arbitrary<Change> {
  const key = fc.oneof(
    fc.constantFrom(...from.keys),
    fc.string({ unit: fc.constantFrom(...CHARACTERS), maxLength: 4 }),
  );
  return fc.oneof(
    {
      weight: 5,
      arbitrary: fc.record({ kind: fc.constant("replace"), value: fc.constantFrom(...from.values) }),
    },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant("edit"), edits }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("remove", "repeat") }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom("rename", "add"), key }) },
  );
}

/** Characters that some texts may have and others must not. */
export const CHARACTERS = [
  ..."aZ09._-:/@*~$?%+ \n\t\0\x7f\"'\\",
  "é",
  "ß",
  "。",
  "\u00ad",
  "🍾",
  "\u00a0",
  "\ud800",
];

/** Changes to one text. */
const edits = fc.array(
  fc.record({ at: fc.nat(80), remove: fc.nat(2), insert: fc.constantFrom("", ...CHARACTERS) }),
  { minLength: 1, maxLength: 2 },
);

/** Data with one thing changed; as it is when there is no such place any more. */
export function changed(value: unknown, path: Path, change: Change): unknown {
  const [key, ...rest] = path;
  if (key === undefined) return changedHere(value, change);
  if (Array.isArray(value)) {
    const list = value.flatMap((item: unknown, index) => {
      if (String(index) !== key) return [item];
      if (rest.length > 0) return [changed(item, rest, change)];
      if (change.kind === "remove") return [];
      return change.kind === "repeat" ? [item, item] : [changedHere(item, change)];
    });
    return list;
  }
  if (!isPart(value)) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([name, below]) => {
      if (name !== key) return [[name, below]];
      if (rest.length > 0) return [[name, changed(below, rest, change)]];
      if (change.kind === "remove") return [];
      return [[change.kind === "rename" ? change.key : name, changedHere(below, change)]];
    }),
  );
}

function changedHere(value: unknown, change: Change): unknown {
  switch (change.kind) {
    case "replace":
      return change.value;
    case "edit":
      if (typeof value !== "string") return value;
      return change.edits.reduce((text, { at, remove, insert }) => {
        const start = Math.min(at, text.length);
        return text.slice(0, start) + insert + text.slice(start + remove);
      }, value);
    case "add":
      return isPart(value) ? { ...value, [change.key]: "x" } : value;
    default:
      return value;
  }
}
