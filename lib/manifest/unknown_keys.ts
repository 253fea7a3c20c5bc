import * as z from "zod";
import { foreignKeyHint, nearForeignKeyHint } from "./foreign_keys.ts";
import { nearest, sameLetters } from "./nearest.ts";
import { type Path, pathText } from "./node.ts";
import { shortened } from "./text.ts";
import { isMapping, valueAt } from "./values.ts";

/** A name that the user chose, within the path of a key that a schema knows. */
const ANY_NAME = "*";
/** An item of a list, likewise. */
const ANY_ITEM = -1;

/** What an unknown key may stand for. */
export interface KeyAdvice {
  readonly hint: string;
  /** The known key that is meant, when it is one of the same mapping. */
  readonly meant?: string;
}

/** What is known of keys, and the manifest with the unknown one. */
export interface KeyContext {
  readonly schema: z.core.$ZodType;
  /** {@link allKeys} of the schema: for one file there may be hundreds of questions. */
  readonly keys: readonly Path[];
  readonly manifest: unknown;
}

/** What somebody who wrote a key that is not known at its place most likely meant. */
export function keyAdvice(
  path: Path,
  context: KeyContext,
): KeyAdvice {
  const key = String(path.at(-1));
  const parent = path.slice(0, -1);
  const known = knownKeys(context.schema, parent);
  const same = known.find((word) => sameLetters(word, key));
  if (same !== undefined) return meaning(same);
  const joined = joinedPair(key, known);
  if (joined !== undefined) return joined;
  // ssh's own words keep their meaning: `Port` is no slip for compose's `ports`.
  const isSsh = /^[A-Z]/.test(key) && context.keys.some((other) => lastOf(other) === key);
  const foreign = isSsh ? undefined : foreignKeyHint(parent, key);
  if (foreign !== undefined) return foreign;
  const elsewhere = context.keys.filter((other) => known.length > 0 && !known.includes(lastOf(other)));
  const exact = elsewhere.filter((other) =>
    lastOf(other) === key || (sameLetters(lastOf(other), key) && shared(other, path) === parent.length)
  );
  const near = nearest(key, known);
  // One letter too few is likelier than another level: `bottle` at the top is `bottles`.
  if (near !== undefined && (exact.length === 0 || near.startsWith(key) || key.startsWith(near))) {
    return meaning(near);
  }
  const place = closest(exact, path);
  if (place !== undefined) {
    return { hint: `\`${lastOf(place)}\` belongs ${level(place, { path, manifest: context.manifest })}` };
  }
  const others = { path, manifest: context.manifest };
  return begun(key, known) ?? shapeAdvice(path, context) ?? nearForeignKeyHint(parent, key) ??
    nearElsewhere(elsewhere, others) ?? {
    hint: known.length === 0 ? "Remove it" : `Known here: ${known.map((word) => `\`${word}\``).join(", ")}`,
  };
}

/** `{bottle:dev}` is one key to YAML. */
function joinedPair(key: string, known: readonly string[]): KeyAdvice | undefined {
  const [, meant = "", value = ""] = /^([A-Za-z]+)[:=](.*)$/.exec(key.slice(0, 200)) ?? [];
  if (!known.includes(meant)) return undefined;
  return { hint: `Write \`${meant}: ${shortened(value, 60)}\`, with a space behind the colon`, meant };
}

/** The one key that a shorter word is the beginning of. */
function begun(key: string, known: readonly string[]): KeyAdvice | undefined {
  const [word, ...others] = known.filter((word) => word.startsWith(key));
  return word !== undefined && others.length === 0 && key.length > 2 ? meaning(word) : undefined;
}

function meaning(word: string): KeyAdvice {
  return { hint: `Did you mean \`${word}\`?`, meant: word };
}

function lastOf(path: Path): string {
  return String(path.at(-1));
}

/** A bottle or agent that stands at the top betrays itself by its keys. */
function shapeAdvice(
  path: Path,
  { schema, manifest }: KeyContext,
): KeyAdvice | undefined {
  const value = valueAt(manifest, path);
  if (path.length !== 1 || !isMapping(value)) return undefined;
  for (const [kind, what] of [["agents", "an agent"], ["bottles", "a bottle"]] as const) {
    const keys = knownKeys(schema, [kind, ANY_NAME]);
    if (Object.keys(value).some((key) => keys.includes(key))) {
      return { hint: `If it is ${what}, it belongs under \`${kind}\`` };
    }
  }
  return undefined;
}

function nearElsewhere(
  elsewhere: readonly Path[],
  where: { readonly path: Path; readonly manifest: unknown },
): KeyAdvice | undefined {
  const key = lastOf(where.path);
  // What only its case tells apart, such as ssh's `User`, is no slip for it anywhere else.
  const others = elsewhere.filter((other) => !sameLetters(lastOf(other), key));
  const near = nearest(key, others.map(lastOf));
  const place = closest(others.filter((other) => lastOf(other) === near), where.path);
  if (near === undefined || place === undefined) return undefined;
  return { hint: `Did you mean \`${near}\`? It belongs ${level(place, where)}` };
}

/** Of several places the one that is the fewest levels away from a path. */
function closest(places: readonly Path[], path: Path): Path | undefined {
  const levels = (place: Path): number => place.length - 2 * shared(place.slice(0, -1), path);
  return places.toSorted((a, b) => levels(a) - levels(b))[0];
}

/** How many steps a known key's place and a path begin with in common. */
function shared(place: Path, path: Path): number {
  const differs = place.findIndex((step, index) => {
    const other = path[index];
    if (step === ANY_NAME) return typeof other !== "string";
    return step === ANY_ITEM ? typeof other !== "number" : step !== other;
  });
  return differs === -1 ? place.length : differs;
}

/** The level of a place in words, with the names that the path around the mistake has. */
function level(place: Path, { path, manifest }: { readonly path: Path; readonly manifest: unknown }): string {
  const common = shared(place.slice(0, -1), path.slice(0, -1));
  const names = place.slice(0, -1).map((step, index) => {
    if (index < common) return path[index] ?? "";
    if (step !== ANY_NAME) return step;
    const bottle = place[0] === "bottles" ? valueAt(manifest, [...path.slice(0, 2), "bottle"]) : undefined;
    return index === 1 && path[0] === "agents" && typeof bottle === "string" ? bottle : "NAME";
  });
  if (names.length === 0) return "at the top of the file";
  return names.at(-1) === ANY_ITEM
    ? `in an entry of \`${levelText(names.slice(0, -1))}\``
    : `under \`${levelText(names)}\``;
}

function levelText(level: Path): string {
  return pathText(level).replaceAll(`[${ANY_ITEM}]`, "[]");
}

/** The paths of all keys of a schema, with stand-ins for names and items. */
export function allKeys(schema: z.core.$ZodType, above: Path = []): readonly Path[] {
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodUnion) return inner.options.flatMap((option) => allKeys(option, above));
  if (inner instanceof z.ZodRecord) return allKeys(inner.valueType, [...above, ANY_NAME]);
  if (inner instanceof z.ZodArray) return allKeys(inner.element, [...above, ANY_ITEM]);
  if (!(inner instanceof z.ZodObject)) return [];
  const shape: Readonly<Record<string, unknown>> = inner.shape;
  return Object.entries(shape).flatMap(([key, field]) => {
    const path = [...above, key];
    return field instanceof z.ZodType ? [path, ...allKeys(field, path)] : [path];
  });
}

/** The keys that a schema knows at a path. */
export function knownKeys(schema: z.core.$ZodType, path: Path): readonly string[] {
  const [step, ...rest] = path;
  const inner = unwrapped(schema);
  if (inner instanceof z.ZodUnion) return inner.options.flatMap((option) => knownKeys(option, path));
  if (inner instanceof z.ZodObject) {
    if (step === undefined) return Object.keys(inner.shape);
    const field: unknown = inner.shape[step];
    return field instanceof z.ZodType ? knownKeys(field, rest) : [];
  }
  if (step === undefined) return [];
  if (inner instanceof z.ZodRecord) return knownKeys(inner.valueType, rest);
  if (inner instanceof z.ZodArray) return knownKeys(inner.element, rest);
  return [];
}

function unwrapped(schema: z.core.$ZodType): z.core.$ZodType {
  return schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault
    ? unwrapped(schema.unwrap())
    : schema;
}
