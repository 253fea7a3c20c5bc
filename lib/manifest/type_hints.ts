import type * as z from "zod";
import type { Path } from "./node.ts";
import { isJson, type Source } from "./source.ts";
import { shortened } from "./text.ts";
import { knownKeys } from "./unknown_keys.ts";
import { isMapping } from "./values.ts";

/** A value of another type than the one that is wanted. */
export interface WrongType {
  readonly path: Path;
  /** What is wanted, in words: `text`, `a list or a mapping`. */
  readonly expected: string;
  readonly value: unknown;
}

/** How lists and pairs are written in a format. */
interface Form {
  readonly words: (words: readonly string[]) => string;
  readonly pair: (key: string, value: string) => string;
  readonly listed: (key: string, list: string) => string;
  /** Tells how to make one entry a list of one. */
  readonly entry: string;
  /** Tells how to make something else a mapping. */
  readonly mapping: string;
  /** A bottle, and an agent. */
  readonly examples: readonly [string, string];
}

const YAML_FORM: Form = {
  words: (words) =>
    `[${words.map((word) => /^[\w./~@:+-]+$/.test(word) ? word : JSON.stringify(word)).join(", ")}]`,
  pair: (key, value) => `${key}: ${value}`,
  listed: (key, list) => `${key}: ${list}`,
  entry: "Begin the entry with a dash and a space, and indent its other lines alike",
  mapping: "Write `NAME: VALUE` on lines of their own, without dashes",
  examples: ["dev: {}", "reviewer: { bottle: dev }"],
};

const JSON_FORM: Form = {
  words: (words) => `[${words.map((word) => JSON.stringify(word)).join(", ")}]`,
  pair: (key, value) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`,
  listed: (key, list) => `${JSON.stringify(key)}: ${list}`,
  entry: "Put the entry in [ ]",
  mapping: 'Write { "NAME": VALUE }',
  examples: ['"dev": {}', '"reviewer": { "bottle": "dev" }'],
};

interface Context {
  readonly form: Form;
  readonly schema: z.core.$ZodType;
}

/** What to write instead of a value of the wrong type. */
export function typeHint(source: Source, wrong: WrongType, schema: z.core.$ZodType): string | undefined {
  const { path, expected, value } = wrong;
  const form = isJson(source.file) ? JSON_FORM : YAML_FORM;
  const wants = (kind: string): boolean => expected.split(/, | or /).includes(kind);
  if (value === null) return emptyHint(source, { path, isText: wants("text") });
  if (typeof value === "string") return textHint(wrong, { form, schema });
  if (typeof value === "number" || typeof value === "boolean") return plainHint(source, wrong, form);
  if (wants("a list") && isMapping(value)) return listHint(path, { form, keys: Object.keys(value) });
  if (Array.isArray(value) && wants("text") && wants("a mapping")) {
    return "Write its items by themselves, without the list around them";
  }
  if (wants("a mapping")) return mappingHint(wrong, { form, schema });
  return wants("text") && form === YAML_FORM ? oneTextHint(path, value) : undefined;
}

/** A list or a mapping where text is wanted. */
function oneTextHint(path: Path, value: unknown): string {
  const key = path.at(-1);
  const isList = Array.isArray(value);
  if (key === "prompt") return "Write `prompt: |` and the text below it, indented deeper";
  const inner: readonly unknown[] = isList ? value : isMapping(value) ? Object.values(value) : [];
  const [only, ...others] = inner;
  if (typeof key === "string" && typeof only === "string" && others.length === 0) {
    return `Write \`${key}: ${shortened(only, 60)}\``;
  }
  return `Write one text; put it in quotes if the ${isList ? "[" : "{"} is part of it`;
}

/** In YAML some values turn into nothing because of their first character. */
function emptyHint(
  source: Source,
  { path, isText }: { readonly path: Path; readonly isText: boolean },
): string {
  const { snippet = "" } = source.where(path);
  const behind = isJson(source.file) ? undefined : /[:-]\s+([#&].*)$/.exec(snippet.slice(0, 1000))?.[1];
  if (behind?.startsWith("#")) {
    return "What follows # is a comment: give a value before it, or put the # in quotes";
  }
  if (behind !== undefined) return `Put it in quotes: "${behind.trimEnd()}"`;
  return isText || isJson(source.file)
    ? "Give it a value, or remove it"
    : "Give it a value, or remove it; lines that belong to it are indented deeper";
}

/** Numbers and switches as they are written, which need not be how they are printed. */
function plainHint(source: Source, { path, expected, value }: WrongType, form: Form): string | undefined {
  if (/\btext\b/.test(expected)) {
    if (path.at(-2) === "resources" && typeof value === "number") {
      return "Write a unit behind it, such as `512m` or `4g`";
    }
    const { snippet, column, length = 1 } = source.where(path);
    const start = column - 1;
    const written = snippet === undefined ? value : [...snippet].slice(start, start + length).join("");
    return `Put it in quotes: "${written}"`;
  }
  if (expected === "true or false" && (value === 1 || value === 0)) return `Write ${value === 1}`;
  return /\ba list\b/.test(expected) ? listOf(path, { form, words: [String(value)] }) : undefined;
}

function textHint({ path, expected, value }: WrongType, context: Context): string | undefined {
  const { form } = context;
  const text = shortened(String(value), 60).trim();
  if (expected === "true or false") return switchHint(text);
  if (expected === "a number") {
    const example = path.at(-1) === "pids" ? 2048 : 2;
    return /^\d+(\.\d+)?$/.test(text)
      ? `Write it without quotes: ${text}`
      : `Write a number, such as ${example}`;
  }
  if (!/\ba list\b/.test(expected)) return pairHint(path, { ...context, text });
  if (path.at(-1) === "ssh") {
    return `Write a list of entries, each with ${form.pair("Host", "NAME")} and ${
      form.pair("IdentityFile", "PATH")
    }`;
  }
  const item = form === YAML_FORM ? /^(?:-+|[•·*]) ?(\S+)/.exec(text)?.[1] : undefined;
  if (item !== undefined) return `Begin each item with a dash and a space: \`- ${item}\``;
  if (path.at(-1) === "command") return listOf(path, { form, words: shellWords(text) });
  // No rule is without its space, and no other item of a list has one.
  const between = path.at(-1) === "allow" ? /\s*,\s*/ : /[\s,]+/;
  return listOf(path, { form, words: text.split(between).filter((word) => word !== "") });
}

/** The words of a command line, quotes taken off. */
function shellWords(text: string): readonly string[] {
  return (text.match(/"[^"]*"|'[^']*'|\S+/g) ?? []).map((word) => word.replaceAll(/^["']|["']$/g, ""));
}

function switchHint(text: string): string | undefined {
  if (/^(true|yes|on|y|1|enabled?)$/i.test(text)) return "Write true, without quotes";
  return /^(false|no|off|n|0|disabled?)$/i.test(text) ? "Write false, without quotes" : undefined;
}

/** What one value alone most likely means where a mapping is wanted. */
const MAIN_KEYS: ReadonlyMap<string, string> = new Map([
  ["git", "identity"],
  ["image", "base"],
  ["resources", "memory"],
]);

/** Text where a mapping is wanted: a pair that is not written as one, or the one value that matters most. */
function pairHint(path: Path, { form, schema, text }: Context & { readonly text: string }): string {
  const keys = knownKeys(schema, path);
  const [, key = "", value = ""] = /^([A-Za-z_][\w.-]*)\s*[:=]\s*(.*)$/.exec(text) ?? [];
  if (key !== "" && (keys.length === 0 || keys.includes(key))) {
    const colon = text.includes(":") ? ", with a space behind the colon" : "";
    return `Write \`${form.pair(key, value)}\`${colon}`;
  }
  const isAgent = path[0] === "agents" && path.length === 2;
  if (path.at(-1) === "secret") return secretHint(form, text);
  if (path.at(-2) === "ssh") return sshItemHint(form, text);
  const main = isAgent ? "bottle" : MAIN_KEYS.get(String(path.at(-1)));
  if (main !== undefined && keys.includes(main)) {
    return `Write \`{ ${form.pair(main, text)} }\` if that is meant`;
  }
  return keysHint(path, keys) ?? form.mapping;
}

/** What stands where a secret's file or command belongs. */
function secretHint(form: Form, text: string): string {
  if (/^(\$\{\w+\}|\?.*)$/.test(text)) {
    return `Write ${JSON.stringify(text)} itself, without \`secret\` around it`;
  }
  const from = /\s/.test(text)
    ? form.listed("command", form.words(shellWords(text)))
    : form.pair("file", text);
  return `Write \`{ ${from} }\` if that is meant`;
}

/** A host or a key alone, where both are wanted. */
function sshItemHint(form: Form, text: string): string {
  const isKey = text.includes("/");
  const pairs = [
    form.pair("Host", isKey ? "NAME" : text),
    form.pair("IdentityFile", isKey ? text : "~/.ssh/KEY"),
  ];
  return `Write \`{ ${pairs.join(", ")} }\``;
}

function keysHint(path: Path, keys: readonly string[]): string | undefined {
  if (keys.length === 0) return undefined;
  const shown = keys.map((known) => `\`${known}\``).join(", ");
  return path.length === 0 ? `A manifest has the keys ${shown}` : `Write its keys below it: ${shown}`;
}

function listHint(
  path: Path,
  { form, keys }: { readonly form: Form; readonly keys: readonly string[] },
): string {
  return path.at(-1) === "ssh" || keys.length === 0 || keys.length > 10
    ? form.entry
    : listOf(path, { form, words: keys.map((key) => shortened(key, 60)) });
}

function listOf(
  path: Path,
  { form, words }: { readonly form: Form; readonly words: readonly string[] },
): string {
  const key = path.at(-1);
  const list = form.words(words);
  return `Write \`${typeof key === "string" ? form.listed(key, list) : list}\``;
}

/** A list where a mapping is wanted. */
function mappingHint({ path, value }: WrongType, { form, schema }: Context): string {
  const [first]: readonly unknown[] = Array.isArray(value) ? value : [];
  const [, key, text = ""] = typeof first === "string" ? /^([A-Za-z_]\w*)[=:]\s*(.*)$/.exec(first) ?? [] : [];
  if (key !== undefined) {
    return `Write \`${form.pair(shortened(key, 60), shortened(text, 60))}\`, not as a list`;
  }
  if (path.length === 1) {
    return `Write each under its name, as in \`${form.examples[path[0] === "agents" ? 1 : 0]}\``;
  }
  return keysHint(path, knownKeys(schema, path)) ?? form.mapping;
}
