import { type Range, shortened, SyntaxProblem } from "./text.ts";

/** What the reader was at when it could not go on. */
export type JsonPlace =
  | "empty"
  | "key"
  | "colon"
  | "value"
  | "string"
  | "after an entry"
  | "after an item"
  | "after the end";

/** Where the reader could not go on. */
export interface JsonStop {
  readonly place: JsonPlace;
  /** The beginning of the token. */
  readonly start: number;
  /** The first character that cannot be. */
  readonly at: number;
  /** The innermost bracket that is still open. */
  readonly open: number | undefined;
}

/** What is wrong there, in the words of somebody who meant JavaScript, Python or YAML. */
export function jsonSlip(content: string, stop: JsonStop): SyntaxProblem {
  const { place, at } = stop;
  if (place === "empty") {
    return new SyntaxProblem("The manifest is empty", { start: 0, end: 0 }, [
      'Write at least `{ "bottles": {}, "agents": {} }`',
    ]);
  }
  if (place === "string") return stringSlip(content, stop);
  if (at >= content.length) return endsEarly(content, stop);
  return comment(content, at) ?? typographicQuote(content, at) ?? atPlace(content, stop);
}

function atPlace(content: string, stop: JsonStop): SyntaxProblem {
  const { place, at } = stop;
  switch (place) {
    case "key":
      return keySlip(content, stop);
    case "value":
      return valueSlip(content, at);
    case "colon":
      return new SyntaxProblem("A colon is expected after a key", wordAt(content, at), [
        'Write `"KEY": VALUE`',
      ]);
    case "after the end":
      return new SyntaxProblem("Nothing may follow the end of the manifest", wordAt(content, at), [
        "Put everything between the first { and the last }",
      ]);
    default:
      return afterValue(content, stop);
  }
}

/** The bracket that has no partner says more than the end of the file. */
function endsEarly(content: string, { open }: JsonStop): SyntaxProblem {
  const end = content.trimEnd().length;
  if (open === undefined) return new SyntaxProblem("The file ends too early", { start: end - 1, end });
  const [bracket, closing] = bracketAt(content, open);
  return new SyntaxProblem(`This ${bracket} is never closed`, {
    start: open,
    end: open + 1,
  }, [`Write ${closing} where it ends`]);
}

function bracketAt(content: string, open: number): readonly [string, string] {
  return content[open] === "{" ? ["{", "}"] : ["[", "]"];
}

function comment(content: string, at: number): SyntaxProblem | undefined {
  if (!/^(?:\/[/*]|#)/.test(content.slice(at, at + 2))) return undefined;
  const end = content.indexOf("\n", at);
  return new SyntaxProblem("JSON has no comments", { start: at, end: end === -1 ? content.length : end }, [
    "Remove it, or rename the file to claude-bottle.yaml, where # begins a comment",
  ]);
}

function typographicQuote(content: string, at: number): SyntaxProblem | undefined {
  const quote = content[at] ?? "";
  if (!/[“”„‟‘’‚«»]/.test(quote)) return undefined;
  return new SyntaxProblem(`${quote} is not a quote that JSON knows`, { start: at, end: at + 1 }, [
    'Write plain double quotes: "',
  ]);
}

/** Text between quotes that are not JSON's. */
function otherQuotes(
  content: string,
  at: number,
): { readonly range: Range; readonly text: string } | undefined {
  const match = /^(['`])([^'`\n]*)\1/.exec(content.slice(at, at + 500));
  if (match === null) return undefined;
  return { range: { start: at, end: at + match[0].length }, text: match[2] ?? "" };
}

function keySlip(content: string, { at }: JsonStop): SyntaxProblem {
  const next = content[at];
  if (next === "}") return trailingComma(content, at);
  if (next === ",") return new SyntaxProblem("A comma too many", wordAt(content, at), ["Remove it"]);
  const other = otherQuotes(content, at);
  if (other !== undefined) return singleQuotes("A key", other);
  const range = wordAt(content, at);
  const word = content.slice(range.start, range.end);
  return new SyntaxProblem(
    "A key must stand in double quotes",
    range,
    /^[\w$-]/.test(word) ? [`Write ${inQuotes(word)}`] : ['Write `"KEY": VALUE`'],
  );
}

function singleQuotes(
  what: string,
  { range, text }: { readonly range: Range; readonly text: string },
): SyntaxProblem {
  return new SyntaxProblem(`${what} must stand in double quotes`, range, [`Write ${inQuotes(text)}`]);
}

/** The comma that has nothing behind it. */
function trailingComma(content: string, at: number): SyntaxProblem {
  const comma = content.lastIndexOf(",", at);
  return new SyntaxProblem(`No comma may stand before ${content[at]}`, { start: comma, end: comma + 1 }, [
    "Remove it",
  ]);
}

/** Values of other languages, and what stands for them here. */
const FOREIGN_WORDS: ReadonlyMap<string, string> = new Map([
  ["True", "Write `true`"],
  ["False", "Write `false`"],
  ["TRUE", "Write `true`"],
  ["FALSE", "Write `false`"],
  ["yes", "Write `true`"],
  ["no", "Write `false`"],
  ["None", "Leave the key out"],
  ["nil", "Leave the key out"],
  ["undefined", "Leave the key out"],
  ["NaN", "Write a number"],
  ["Infinity", "Write a number"],
]);

function valueSlip(content: string, at: number): SyntaxProblem {
  const next = content[at] ?? "";
  const range = wordAt(content, at);
  if (next === "}" || next === "]") {
    return content.slice(0, at).trimEnd().endsWith(",")
      ? trailingComma(content, at)
      : new SyntaxProblem("A value is missing", range, ["Write one after the colon, or remove the key"]);
  }
  if (next === ",") {
    return new SyntaxProblem("A value is missing before the comma", range, ["Write it, or remove the comma"]);
  }
  const other = otherQuotes(content, at);
  if (other !== undefined) return singleQuotes("Text", other);
  const word = content.slice(range.start, range.end);
  const known = FOREIGN_WORDS.get(word.replace(/^[+-]/, ""));
  if (known !== undefined) return new SyntaxProblem(`JSON has no ${word}`, range, [known]);
  const number = numberSlip(word);
  if (number !== undefined) return new SyntaxProblem(number.message, range, [number.hint]);
  if (at === 0 || /^\s*$/.test(content.slice(0, at))) {
    return new SyntaxProblem("A manifest in JSON begins with {", range, [
      "If this is YAML, rename the file to claude-bottle.yaml",
    ]);
  }
  if (!/^[\w$~/.-]/.test(word)) {
    return new SyntaxProblem("A value is expected", range, [
      "Write text in double quotes, a number, true, false, [ ] or { }",
    ]);
  }
  return new SyntaxProblem("Text must stand in double quotes", range, [`Write ${inQuotes(word)}`]);
}

function numberSlip(word: string): { readonly message: string; readonly hint: string } | undefined {
  if (/^[+-]?0[xob][\da-f]+$/i.test(word)) {
    return { message: "JSON has decimal numbers only", hint: `Write ${Number(word.replace(/^[+-]/, ""))}` };
  }
  if (!/^[+-]?[\d._]+(?:e[+-]?\d+)?$/i.test(word) || !/\d/.test(word)) return undefined;
  const value = Number(word.replaceAll("_", ""));
  if (Number.isNaN(value)) {
    return { message: "This is not a number", hint: `Put it in double quotes: ${inQuotes(word)}` };
  }
  return { message: "JSON does not write numbers like this", hint: `Write ${value}` };
}

function afterValue(content: string, { place, at, open }: JsonStop): SyntaxProblem {
  const closing = place === "after an entry" ? "}" : "]";
  const range = wordAt(content, at);
  const next = content[at] ?? "";
  if (next === "}" || next === "]") {
    const [bracket] = bracketAt(content, open ?? 0);
    return new SyntaxProblem(`${next} cannot close what ${bracket} has opened`, range, [
      `Write ${closing} before it`,
    ]);
  }
  if (next === ";") {
    return new SyntaxProblem("A comma is expected, not a semicolon", range, ["Write a comma"]);
  }
  if (next === ":") {
    return new SyntaxProblem("A colon stands behind keys of { } only", range, [
      place === "after an item" ? "Put the pair in { }, or the list in { } instead of [ ]" : "Remove it",
    ]);
  }
  return new SyntaxProblem(`A comma or ${closing} is expected after a value`, range, [
    `Write a comma before ${shortened(content.slice(range.start, range.end), 40)}`,
  ]);
}

function stringSlip(content: string, { start, at }: JsonStop): SyntaxProblem {
  const next = content[at];
  if (next === undefined || next === "\n") {
    const more = next === "\n" && nextLineCloses(content, at);
    return new SyntaxProblem(
      "The closing quote is missing",
      { start, end: at },
      more
        ? ["A string must end on its line: write \\n where a new line is meant"]
        : ['Write " where it ends'],
    );
  }
  if (next === "\\") return escapeSlip(content, at);
  const range = { start: at, end: at + 1 };
  if (next === "\t") return new SyntaxProblem("A tab within a string", range, ["Write \\t for it"]);
  if (next === "\0") return new SyntaxProblem("A NUL character", range, ["Remove it"]);
  const code = next.charCodeAt(0).toString(16).padStart(4, "0");
  return new SyntaxProblem("A control character within a string", range, [`Write \\u${code} for it`]);
}

/** Whether the string goes on in a line that has its end, and not with the next key. */
function nextLineCloses(content: string, at: number): boolean {
  const next = content.slice(at + 1, at + 500).split("\n", 1)[0] ?? "";
  return /^[^"]*[^\s",[{]"[\s,\]}]*$/.test(next);
}

function escapeSlip(content: string, at: number): SyntaxProblem {
  const escape = /^\\(?:x[\da-f]{2}|u[\da-f]{0,3}|.)?/iu.exec(content.slice(at, at + 8))?.[0] ?? "\\";
  const range = { start: at, end: at + escape.length };
  const message = `${escape.slice(0, 2)} is not an escape that JSON knows`;
  if (/^\\u/i.test(escape)) {
    return new SyntaxProblem("Four hexadecimal digits must follow \\u", range, [
      "Write \\\\ if a backslash is meant",
    ]);
  }
  const hex = /^\\x(..)$/.exec(escape)?.[1];
  if (hex !== undefined) return new SyntaxProblem(message, range, [`Write \\u00${hex}`]);
  const character = escape.slice(1);
  return new SyntaxProblem(message, range, [
    /^['`$]$/.test(character)
      ? `Write ${character} without a backslash`
      : "Write \\\\ if a backslash is meant",
  ]);
}

function inQuotes(text: string): string {
  return JSON.stringify(shortened(text, 60));
}

/** The word that begins somewhere, or one character. */
function wordAt(content: string, at: number): Range {
  const word = /^(?:"(?:[^"\\\n]|\\.)*"|[\w$~/.@+-]+)/.exec(content.slice(at, at + 200))?.[0] ?? "";
  const first = String.fromCodePoint(content.codePointAt(at) ?? 32);
  return { start: at, end: at + Math.max(word.length, first.length) };
}
