import * as z from "zod";
import type { Problem } from "../errors.ts";
import { nearest } from "./nearest.ts";
import { type Path, pathText } from "./node.ts";
import { HINT } from "./schema.ts";
import type { Source } from "./source.ts";
import { quoted } from "./text.ts";

type Issue = z.core.$ZodIssue;

/** The most problems of one kind that are worked out: a file that is no manifest at all has no end of them. */
export const FOUND_LIMIT = 500;

/** A file's content with the defaults filled in, or what a schema finds wrong with it, each thing at its place. */
export type Checking<T> =
  | { readonly data: T; readonly found: readonly [] }
  | { readonly data: undefined; readonly found: readonly Found[] };

/** Checks a whole file. Never throws. */
export function checkSource<T>(source: Source, schema: z.ZodType<T>): Checking<T> {
  const result = schema.safeParse(source.value);
  if (result.success) return { data: result.data, found: [] };
  return { data: undefined, found: problemsOf(result.error, { source, schema }) };
}

function problemsOf(error: z.ZodError, { source, schema }: Context): readonly Found[] {
  const issues = error.issues.slice(0, FOUND_LIMIT).flatMap((issue) => flatten(issue, []));
  const slips = new Set(
    issues.filter(({ issue }) => issue.code === "unrecognized_keys").map(({ path }) => pathText(path)),
  );
  // A mistyped key is what is wrong; that the right one is missing then needs no words.
  return issues.filter(({ path, issue }) => issue.code !== "custom" || !slips.has(pathText(path)))
    .flatMap((issue) => found(issue, { source, schema }));
}

/** A problem and the path of the value it is about. */
export interface Found {
  readonly path: Path;
  readonly problem: Problem;
}

/** A problem with the value at a path. */
export function problemAt(
  source: Source,
  what: {
    readonly path: Path;
    readonly message: string;
    readonly hint?: string | undefined;
    readonly key?: boolean;
  },
): Found {
  const { path, message, hint } = what;
  const where = what.key ? source.whereKey(path) : source.where(path);
  const shown = path.length === 0 ? message : `${pathText(path)}: ${message}`;
  return { path, problem: { message: shown, where, ...(hint === undefined ? {} : { hints: [hint] }) } };
}

interface Context {
  readonly source: Source;
  readonly schema: z.ZodType;
}

interface PlacedIssue {
  readonly path: Path;
  readonly issue: Issue;
}

/** A union's issue stands for those of the one alternative that was meant. */
function flatten(issue: Issue, above: Path): readonly PlacedIssue[] {
  const path = [...above, ...issue.path.map((step) => typeof step === "symbol" ? String(step) : step)];
  if (issue.code === "invalid_union") {
    const meant = issue.errors.filter((issues) => !issues.some((inner) => misses(inner)));
    const [only] = meant;
    if (meant.length === 1 && only !== undefined) {
      return only.flatMap((inner) => flatten(inner, path));
    }
  }
  return [{ path, issue }];
}

/** Whether an alternative is of another type altogether. */
function misses(issue: Issue): boolean {
  return issue.path.length === 0 && issue.code === "invalid_type";
}

function found(
  { path, issue }: PlacedIssue,
  context: Context,
): readonly Found[] {
  const { source, schema } = context;
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.slice(0, FOUND_LIMIT).map((key) =>
        unknownKey({ path: [...path, key], key }, { source, schema })
      );
    case "custom": {
      const hint: unknown = issue.params?.[HINT];
      const message = about(issue.message, valueAt(source.value, path));
      return [problemAt(source, { path, message, hint: typeof hint === "string" ? hint : undefined })];
    }
    case "invalid_value": {
      const words = issue.values.map(String);
      const value = valueAt(source.value, path);
      const near = typeof value === "string" ? nearest(value, words) : undefined;
      const hint = near === undefined ? undefined : `Did you mean \`${near}\`?`;
      return [
        problemAt(source, {
          path,
          message: `must be ${choice(words.map((word) => `\`${word}\``))}, found ${kind(value)}`,
          hint,
        }),
      ];
    }
    case "invalid_type":
      return [wrongType(source, { path, expected: expectedKind(issue.expected) })];
    case "invalid_union":
      return [wrongType(source, { path, expected: alternatives(issue.errors) })];
    default:
      return [problemAt(source, { path, message: issue.message })];
  }
}

/** Puts the value before what is said of it. */
function about(message: string, value: unknown): string {
  if (typeof value === "number") return `${value} ${message}`;
  return typeof value === "string" && value !== "" ? `${quoted(value)} ${message}` : message;
}

function unknownKey(
  what: { readonly path: Path; readonly key: string },
  context: Context,
): Found {
  const known = knownKeys(context.schema, what.path.slice(0, -1));
  const near = nearest(what.key, known);
  const hint = near !== undefined
    ? `Did you mean \`${near}\`?`
    : `Known here: ${known.map((key) => `\`${key}\``).join(", ")}`;
  return problemAt(context.source, { path: what.path, message: "unknown key", hint, key: true });
}

/** The keys that a schema knows at a path. */
function knownKeys(schema: z.core.$ZodType, path: Path): readonly string[] {
  const [step, ...rest] = path;
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) {
    return knownKeys(schema.unwrap(), path);
  }
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => knownKeys(option, path));
  if (schema instanceof z.ZodObject) {
    if (step === undefined) return Object.keys(schema.shape);
    const field: unknown = schema.shape[step];
    return field instanceof z.ZodType ? knownKeys(field, rest) : [];
  }
  if (step === undefined) return [];
  if (schema instanceof z.ZodRecord) return knownKeys(schema.valueType, rest);
  if (schema instanceof z.ZodArray) return knownKeys(schema.element, rest);
  return [];
}

function wrongType(source: Source, what: { readonly path: Path; readonly expected: string }): Found {
  const { path, expected } = what;
  const parent = valueAt(source.value, path.slice(0, -1));
  const last = path.at(-1);
  if (typeof last === "string" && isMapping(parent) && !Object.hasOwn(parent, last)) {
    const message = `\`${last}\` is missing`;
    return problemAt(source, { path: path.slice(0, -1), message, key: true });
  }
  const value = valueAt(source.value, path);
  return problemAt(source, {
    path,
    message: `must be ${expected}, found ${kind(value)}`,
    hint: typeHint(path, { expected, value }),
  });
}

function typeHint(
  path: Path,
  what: { readonly expected: string; readonly value: unknown },
): string | undefined {
  const { expected, value } = what;
  if (value === null) return "Give it a value, or remove it";
  if (!/^text\b/.test(expected) || (typeof value !== "number" && typeof value !== "boolean")) {
    return undefined;
  }
  const isSize = path.at(-2) === "resources" && typeof value === "number";
  return isSize ? "Write a unit behind it, such as `512m` or `4g`" : `Put it in quotes: "${String(value)}"`;
}

function alternatives(errors: readonly (readonly Issue[])[]): string {
  const kinds = errors.flatMap((issues) =>
    issues.flatMap((issue) => issue.code === "invalid_type" ? [expectedKind(issue.expected)] : [])
  );
  return choice([...new Set(kinds)]);
}

function choice(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words.at(-1)}`;
}

function expectedKind(expected: string): string {
  switch (expected) {
    case "string":
      return "text";
    case "array":
      return "a list";
    case "object":
    case "record":
      return "a mapping";
    case "number":
      return "a number";
    case "boolean":
      return "true or false";
    default:
      return expected;
  }
}

function kind(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "string") return quoted(value);
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  return "a mapping";
}

/** Whether plain data is a mapping. */
export function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
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
