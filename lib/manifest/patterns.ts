import { LARGEST, LEAST_DISK, LEAST_MEMORY, MOST_PORT, UNITS } from "./amounts.ts";
import { OURS, OURS_ALONE } from "./env_entries.ts";
import { KEY_TYPES } from "./known_host_keys.ts";
import { IMAGE, NETWORK, PACKAGE, RESERVED, RESERVED_HEADERS, SKILL } from "./names.ts";
import { RULE } from "./rules.ts";

const BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/**
 * What the checks of text say, as regular expressions for the JSON Schema, which can call none of them. They are
 * meant for the flag `u` and do without lookbehind; a property test holds them to the checks.
 */
export const PATTERNS = {
  name: whole(name()),
  /** Not what has the slug of a name that is taken either. */
  agentName: whole(not(`[^A-Za-z0-9]*${anyCase(RESERVED)}[^A-Za-z0-9]*`), name()),
  envName: whole(not(...OURS.map(anyCase)), "[A-Za-z_][A-Za-z0-9_]*"),
  /** Nor one without which the bottle's own programs go astray. */
  injectedName: whole(not(...OURS.map(anyCase), ...OURS_ALONE), "[A-Za-z_][A-Za-z0-9_]*"),
  envText: whole(either("(?!\\?)[^\\u0000]*", question())),
  text: "^[^\\u0000]*$",
  word: "^[^\\u0000]+$",
  program: "^[^-]",
  path: whole(
    "(?!~(?:/?$|[^/])|\\$\\{?[A-Za-z_][A-Za-z0-9_]*\\}?/)",
    "[^\\u0000-\\u001f\\u007f]+",
  ),
  host: whole("(?:\\*\\.)?", hostname()),
  sshHostname: whole(either(address(), hostname())),
  private: whole(either(address(), `(?:\\*\\.)?${hostname()}`)),
  sshWord: "^(?=[^A-Za-z0-9]*[A-Za-z0-9])[A-Za-z0-9._][A-Za-z0-9._-]{0,252}$",
  port: whole("(?=[0-9]{1,5}$)0*", wholeNumber(1, MOST_PORT)),
  hostKey: hostKey(),
  skill: SKILL.source,
  network: whole(not("host", "none"), inner(NETWORK)),
  package: PACKAGE.source,
  image: IMAGE.source,
  memory: size(LEAST_MEMORY),
  disk: size(LEAST_DISK),
  rule: RULE.source,
  repository: whole(
    "[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})/",
    "(?!\\.{1,2}$)(?!.*\\.[Gg][Ii][Tt]$)[A-Za-z0-9._-]{1,100}",
  ),
  injectionForm: whole(either("bearer", "basic:[A-Za-z0-9._@-]{1,128}", header())),
} as const;

function whole(...parts: readonly string[]): string {
  return `^${parts.join("")}$`;
}

function either(...alternatives: readonly string[]): string {
  return alternatives.length === 1 ? alternatives.join() : `(?:${alternatives.join("|")})`;
}

/** Looks ahead: the rest is none of these. */
function not(...rests: readonly string[]): string {
  return `(?!${either(...rests)}$)`;
}

function inner(pattern: RegExp): string {
  return pattern.source.replace(/^\^|\$$/g, "");
}

function anyCase(word: string): string {
  return word.replaceAll(/[A-Za-z]/g, (letter) => `[${letter.toUpperCase()}${letter.toLowerCase()}]`);
}

function name(): string {
  return "(?=[^A-Za-z0-9]*[A-Za-z0-9])[A-Za-z0-9._](?:[A-Za-z0-9 ._-]{0,62}[A-Za-z0-9._-])?";
}

/** A name in ASCII, by its labels, or one with other letters, whose form in ASCII no pattern can tell. */
function hostname(): string {
  const label = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?";
  const number = "(?:[0-9]+|0[Xx][0-9A-Fa-f]*)\\.?";
  const ascii = `(?=.{1,253}\\.?$)(?:${label}\\.)*${not(number)}${label}\\.?`;
  const other = "(?=.*[^\\u0000-\\u007f])(?:[A-Za-z0-9._-]|[^\\u0000-\\u007f\\s]){1,1000}";
  return either(ascii, other);
}

/** One line; what stands around it is cut off. */
function question(): string {
  return "\\?\\s*(?=\\S|$)[^\\u0000-\\u001f\\u007f]*(?=[\\t-\\r]|$)\\s*";
}

function header(): string {
  const reserved = [...RESERVED_HEADERS.map(anyCase), `${anyCase("proxy-")}.*`];
  return `header:${not(...reserved)}[A-Za-z][A-Za-z0-9-]{0,63}`;
}

function address(): string {
  const octet = "(?:0|[1-9][0-9]?|1[0-9]{2}|2[0-4][0-9]|25[0-5])";
  return `${octet}(?:\\.${octet}){3}`;
}

/** A size of at least so many bytes. */
function size(least: number): string {
  const units = [...UNITS].map(([unit, bytes]) =>
    wholeNumber(Math.ceil(least / bytes), LARGEST / bytes) + anyCase(unit)
  );
  return whole("0*", either(...units));
}

/** `TYPE BASE64` whose bytes say the type again and go on, and a comment perhaps. */
function hostKey(): string {
  const space = "[^\\S\\u0000-\\u001f]*";
  const types = KEY_TYPES.map((type) => `${escaped(type)} +(?=${keyBeginning(type)})`);
  const base64 = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?";
  return whole(space, either(...types), base64, `(?: [^\\u0000-\\u001f\\u007f]*|${space})`);
}

/** What the base64 of a key of that type begins with: six bits a character, its own type, one byte more. */
function keyBeginning(type: string): string {
  const bytes = 4 + type.length;
  const known = btoa(String.fromCharCode(0, 0, 0, type.length) + type).replace(/=+$/, "");
  const fixed = Math.floor(bytes * 8 / 6);
  const more = Math.ceil((bytes + 1) * 8 / 6) - known.length;
  return `${escaped(known.slice(0, fixed))}${sharing(known.slice(fixed), bytes)}${
    times("[A-Za-z0-9+/]", more)
  }`;
}

/** The characters that the last known one may be, since it lends its lower bits to the next byte. */
function sharing(character: string, bytes: number): string {
  if (character === "") return "";
  const from = BASE64.indexOf(character);
  return `[${BASE64.slice(from, from + (bytes % 3 === 1 ? 16 : 4))}]`;
}

function escaped(text: string): string {
  return text.replaceAll(/[.+]/g, "\\$&");
}

/** The whole numbers of a range, in digits without leading zeros. */
function wholeNumber(least: number, most: number): string {
  const shortest = String(least).length;
  const longest = String(most).length;
  if (shortest === longest) return sameLength(String(least), String(most));
  const between = longest - shortest < 2 ? [] : [`[1-9][0-9]{${shortest},${longest - 2}}`];
  const low = sameLength(String(least), "9".repeat(shortest));
  return either(low, ...between, sameLength(`1${"0".repeat(longest - 1)}`, String(most)));
}

/** The numbers from `low` to `high`, which have as many digits. */
function sameLength(low: string, high: string): string {
  const [first = "", last = ""] = [low[0], high[0]];
  const [lowRest, highRest] = [low.slice(1), high.slice(1)];
  const [allAbove, allBelow] = [/^0*$/.test(lowRest), /^9*$/.test(highRest)];
  if (first === last && !(allAbove && allBelow)) return first + sameLength(lowRest, highRest);
  const from = allAbove ? first : String(Number(first) + 1);
  const to = allBelow ? last : String(Number(last) - 1);
  return either(
    ...(allAbove ? [] : [first + sameLength(lowRest, "9".repeat(lowRest.length))]),
    ...(from <= to ? [range(from, to) + times("[0-9]", lowRest.length)] : []),
    ...(allBelow ? [] : [last + sameLength("0".repeat(highRest.length), highRest)]),
  );
}

function range(first: string, last: string): string {
  return first === last ? first : `[${first}-${last}]`;
}

function times(pattern: string, count: number): string {
  return count === 0 ? "" : count === 1 ? pattern : `${pattern}{${count}}`;
}
