import type * as z from "zod";
import type { Problem } from "../errors.ts";
import { nearest } from "./nearest.ts";
import { FOUND_LIMIT, type Path, pathKey, pathText } from "./node.ts";
import { HINT } from "./fields.ts";
import { isJson, type Source } from "./source.ts";
import { quoted } from "./text.ts";
import { typeHint } from "./type_hints.ts";
import { lookalikeHint } from "./typography.ts";
import { allKeys, keyAdvice } from "./unknown_keys.ts";
import { beginning, isMapping, valueAt } from "./values.ts";

type Issue = z.core.$ZodIssue;

/** A file's content with the defaults filled in, or what a schema finds wrong with it, each thing at its place. */
export type Checking<T> =
  | { readonly data: T; readonly found: readonly [] }
  | { readonly data: undefined; readonly found: readonly Found[] };

/** Checks a whole file. Never throws. */
export function checkSource<T>(source: Source, schema: z.ZodType<T>): Checking<T> {
  const result = parsed(source, schema);
  if (result.success) return { data: result.data, found: [] };
  const context: Context = { source, schema, keys: allKeys(schema), meant: new Set() };
  return { data: undefined, found: problemsOf(result.error, context) };
}

function problemsOf(error: z.ZodError, context: Context): readonly Found[] {
  const { source } = context;
  const issues = error.issues.slice(0, FOUND_LIMIT).flatMap((issue) => flatten(issue, []));
  const [slips, others] = [
    issues.filter(({ issue }) => issue.code === "unrecognized_keys"),
    issues.filter(({ issue }) => issue.code !== "unrecognized_keys"),
  ];
  const slipped = new Set(slips.map(({ path }) => pathKey(path)));
  // A mistyped key is what is wrong; that the right one is missing then needs no words.
  return [
    ...slips.flatMap((issue) => found(issue, context)),
    ...others.filter(({ path, issue }) => issue.code !== "custom" || !slipped.has(pathKey(path)))
      .filter(({ path }) => !isMeant(path, context) || valueAt(source.value, path) !== undefined)
      .flatMap((issue) => found(issue, context)),
  ];
}

/** Keys of which an entry has one: who means the second needs not be told that the first is missing. */
const INSTEAD = new Map<unknown, string>([["host", "use"]]);

/** Whether a mistyped key stands for what is missing, or for what may stand in its place. */
function isMeant(path: Path, { meant }: Context): boolean {
  const other = INSTEAD.get(path.at(-1));
  return meant.has(pathKey(path)) ||
    (other !== undefined && meant.has(pathKey([...path.slice(0, -1), other])));
}

/** From how many values on a manifest's beginning is looked at first: that may have problems enough. */
const LARGE = 10_000;

function parsed<T>(source: Source, schema: z.ZodType<T>): z.ZodSafeParseResult<T> {
  if (source.root.size < LARGE) return schema.safeParse(source.value);
  const names = new Set(allKeys(schema).map((path) => String(path.at(-1))));
  const first = schema.safeParse(beginning(source.value, names));
  const isEnough = !first.success && first.error.issues.length >= FOUND_LIMIT;
  return isEnough ? first : schema.safeParse(source.value);
}

interface Context {
  readonly source: Source;
  readonly schema: z.ZodType;
  readonly keys: readonly Path[];
  /** The paths of the keys that mistyped ones stand for. */
  readonly meant: Set<string>;
}

/** A problem and the path of the value it is about. */
export interface Found {
  readonly path: Path;
  readonly problem: Problem;
}

/** In a longer text, such as a prompt, typographic quotes are what is meant. */
const LONGEST_WORD = 100;

/** What is found in some of a thousand places: looking for more of one kind would only take time. */
export function enoughOf<T>(
  places: readonly T[],
  foundIn: (place: T, index: number) => readonly Found[],
): readonly Found[] {
  const found: Found[] = [];
  for (const [index, place] of places.entries()) {
    if (found.length >= FOUND_LIMIT) break;
    found.push(...foundIn(place, index));
  }
  return found;
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
  const text = pathText(path);
  const value = what.key ? path.at(-1) : valueAt(source.value, path);
  const isWord = typeof value === "string" && value.length <= LONGEST_WORD;
  const lookalike = isWord ? lookalikeHint(value) : undefined;
  // With a wrong character in it a value says little of what else might be wrong.
  const others = lookalike === undefined || hint?.startsWith("Did you mean") ? [hint] : [];
  const hints = [lookalike, ...others].filter((one) => one !== undefined);
  return {
    path,
    problem: {
      ...(path.length === 0 ? {} : { path: text }),
      message: path.length === 0 ? message : `${text}: ${message}`,
      where,
      ...(hints.length === 0 ? {} : { hints }),
    },
  };
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

function found({ path, issue }: PlacedIssue, context: Context): readonly Found[] {
  const { source } = context;
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.slice(0, FOUND_LIMIT).map((key) => unknownKey([...path, key], context));
    case "custom": {
      const hint: unknown = issue.params?.[HINT];
      const message = about(issue.message, valueAt(source.value, path));
      return [
        problemAt(source, { path, message, hint: joinedLines(source, path) ?? textOrNothing(hint) }),
      ];
    }
    case "invalid_value":
      return [wrongChoice(issue.values.map(String), { path, source })];
    case "invalid_type":
      return [wrongType(context, { path, expected: expectedKind(issue.expected) })];
    case "invalid_union":
      return [wrongType(context, { path, expected: alternatives(issue.errors) })];
    default:
      return [problemAt(source, { path, message: issue.message })];
  }
}

function textOrNothing(hint: unknown): string | undefined {
  return typeof hint === "string" ? hint : undefined;
}

/** YAML takes an item that lacks its comma, or is indented too deep, for more text of the one above. */
function joinedLines(source: Source, path: Path): string | undefined {
  const value = valueAt(source.value, path);
  if (typeof path.at(-1) !== "number" || typeof value !== "string" || isJson(source.file)) return undefined;
  const { length = 1, snippet = "", column } = source.where(path);
  const isQuoted = /["']/.test([...snippet][column - 1] ?? "");
  if (isQuoted || [...value.trimEnd()].length <= length) return undefined;
  return / - /.test(value)
    ? "Begin all items of the list in one column: the next line is taken for more of this one"
    : "The next line is taken for more of this one: write a comma or a dash between them";
}

/** Puts the value before what is said of it. */
function about(message: string, value: unknown): string {
  if (typeof value === "number") return `${value} ${message}`;
  return typeof value === "string" && value !== "" ? `${quoted(value)} ${message}` : message;
}

function unknownKey(path: Path, { source, schema, keys, meant }: Context): Found {
  const advice = keyAdvice(path, { schema, keys, manifest: source.value });
  if (advice.meant !== undefined) meant.add(pathKey([...path.slice(0, -1), advice.meant]));
  return problemAt(source, { path, message: "unknown key", hint: advice.hint, key: true });
}

/** What people call what is known here by another word. */
const OTHER_WORDS: ReadonlyMap<string, string> = new Map([
  ["gvisor", "gVisor is `runsc`"],
  ["docker", "`auto` is gVisor where the engine has it, and else `runc`"],
  ["default", "`auto` is gVisor where the engine has it, and else `runc`"],
]);

/** What is to be known of a field of which nothing near is written. */
const FALLBACK: ReadonlyMap<string, string> = new Map([
  ["identity", "`host` takes user.name and user.email from the host's git; other names go into `env`"],
  ["proxy", "Every bottle has an egress proxy: without this line it is `pipelock`"],
]);

function wrongChoice(
  words: readonly string[],
  { path, source }: { readonly path: Path; readonly source: Source },
): Found {
  const value = valueAt(source.value, path);
  const message = `must be ${choice(words.map((word) => `\`${word}\``))}, found ${kind(value)}`;
  if (typeof value !== "string") {
    return problemAt(source, { path, message, hint: FALLBACK.get(String(path.at(-1))) });
  }
  const near = nearest(value, words);
  const other = words.includes("runsc") ? OTHER_WORDS.get(value.toLowerCase()) : undefined;
  const hint = near === undefined ? other ?? FALLBACK.get(String(path.at(-1))) : `Did you mean \`${near}\`?`;
  return problemAt(source, { path, message, hint });
}

/** How to add what must be there. */
const ADD: ReadonlyMap<string, string> = new Map([
  ["bottle", "Add `bottle: NAME`, with the name of one defined under `bottles`"],
  ["Host", "Add `Host: NAME`, as the agent will write it after `ssh`"],
  ["IdentityFile", "Add `IdentityFile: ~/.ssh/KEY`, the private key on this machine"],
  ["host", "Add `host: NAME`, as in `git.example.com`"],
  ["secret", "A value is text, or `{ secret: { file: PATH } }`, or `{ secret: { command: [PROGRAM, …] } }`"],
  ["env", "Add `env: NAME`, the bottle's variable that holds the placeholder"],
  ["as", "Add `as: bearer`, `as: basic:USER` or `as: header:NAME`"],
]);

function wrongType(
  { source, schema }: Context,
  what: { readonly path: Path; readonly expected: string },
): Found {
  const { path, expected } = what;
  const parent = valueAt(source.value, path.slice(0, -1));
  const last = path.at(-1);
  if (typeof last === "string" && isMapping(parent) && !Object.hasOwn(parent, last)) {
    const message = `\`${last}\` is missing`;
    return problemAt(source, { path: path.slice(0, -1), message, hint: ADD.get(last), key: true });
  }
  const value = valueAt(source.value, path);
  return problemAt(source, {
    path,
    message: `must be ${expected}, found ${kind(value)}`,
    hint: typeHint(source, { path, expected, value }, schema),
  });
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
