import { nearest } from "./nearest.ts";
import { bad, type Checked, good } from "./names.ts";

/**
 * What an inspected host can be asked. `CONNECT` and `TRACE` are the proxy's own; the path of `COPY` and `MOVE` says
 * only half of what they do, the rest stands in a header.
 */
export const METHODS: readonly string[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/** The most characters of a path behind its first slash. */
const PATH_LIMIT = 1000;

/**
 * An encoded character, but for those that servers read in more than one way: letters, digits, dots and what else needs
 * no encoding, `%`, `;`, `\` and control characters. A slash may be encoded, since npm asks for `/@scope%2fname`: no `*`
 * stands for it, so that the servers which take it for a slash are asked for nothing else.
 */
const ENCODED = "%(?:2[0-46-9A-CFa-cf]|3[AC-Fac-f]|40|5[BDEbde]|60|7[B-Db-d]|[89A-Fa-f][0-9A-Fa-f])";
const CHARACTER = `(?:[A-Za-z0-9._~!$&'()+,;=:@*/-]|${ENCODED})`;
const SLASH = "(?:/|%2[Ff])";
/** What is looked for ahead, in the path alone. */
const TWO_SLASHES = `[^?]*${SLASH}${SLASH}`;
const DOTS = `[^?]*${SLASH}\\.+(?:[;+?]|${SLASH}|$)`;
const TWO_STARS = ".*\\*\\*";

/** The form of a rule. */
export const RULE = new RegExp(
  `^(?:${METHODS.join("|")}) (?=.{1,${PATH_LIMIT + 1}}$)(?!${TWO_SLASHES})(?!${DOTS})(?!${TWO_STARS})` +
    `/${CHARACTER}*(?:\\?${CHARACTER}*)?$`,
);

const EXAMPLE = "Write a method and a path, such as `POST /v1/messages`";

/** What may be asked of an inspected host: a method and a path. */
export function checkRule(rule: string): Checked<string> {
  if (RULE.test(rule)) return good(rule);
  const [, method = "", path = ""] = /^(\S+)[ \t]+(\S.*)$/s.exec(rule) ?? [];
  if (method === "") return incomplete(rule);
  const upper = method.toUpperCase();
  if (!METHODS.includes(upper)) return badMethod(method);
  const better = `${upper} ${path}`;
  if (RULE.test(better)) return bad("is not a rule", `Write \`${better}\``);
  return badPath(upper, path);
}

function incomplete(rule: string): Checked<never> {
  const word = rule.trim();
  if (METHODS.includes(word.toUpperCase())) {
    return bad("is not a rule: it has no path", `Write \`${word.toUpperCase()} /*\` if any path is meant`);
  }
  const better = `GET ${word}`;
  return RULE.test(better)
    ? bad("is not a rule: it has no method", `Write \`${better}\`, or another method before it`)
    : bad("is not a rule", EXAMPLE);
}

function badMethod(method: string): Checked<never> {
  const known = METHODS.map((one) => `\`${one}\``).join(", ");
  if (/^(\*|any|all)$/i.test(method)) {
    return bad("names no method: each has a rule of its own", `The methods are ${known}`);
  }
  const near = /^[A-Za-z]{2,20}$/.test(method) ? nearest(method, METHODS) : undefined;
  return bad(
    "has a method that no rule lets through",
    near === undefined ? `The methods are ${known}` : `Did you mean \`${near}\`?`,
  );
}

/** Why a path is none, and what to write; the first that holds. */
const PATH_FAULTS: readonly {
  readonly form: RegExp;
  readonly message: string;
  readonly hint: string;
}[] = [
  {
    form: /\s/,
    message: "has a space in its path",
    hint: "Write it as `%20`; each rule is an item of the list",
  },
  {
    form: /#/,
    message: "has a `#`, which is never part of a request",
    hint: "Leave out what begins with the `#`",
  },
  {
    form: new RegExp(TWO_STARS),
    message: "has two `*` in a row",
    hint:
      "A `*` at the end stands for whatever follows, any other one for one or more characters without a slash",
  },
  {
    form: new RegExp(`^${TWO_SLASHES}`),
    message: "has two slashes in a row",
    hint:
      "Requests with such a path are refused, since servers read it in more than one way: write one slash",
  },
  {
    form: new RegExp(`^${DOTS}`),
    message: "has dots alone as a part of its path",
    hint: "Requests with such a path are refused: write the path that it leads to",
  },
  {
    form: /%(?![0-9A-Fa-f]{2})/,
    message: "has a `%` without two hexadecimal digits behind it",
    hint: "A `%` begins an encoded character, such as `%20`",
  },
  {
    form: new RegExp(`%(?!${ENCODED.slice(1)})`),
    message: "has an encoded character that servers read in more than one way",
    hint:
      "Write a letter, digit or dot as it is; `%25`, `%3B`, `%5C` and control characters are always refused",
  },
  {
    form: /\?.*\?/,
    message: "has two `?`",
    hint: "The query begins at the only `?`; write another one as `%3F`",
  },
];

function badPath(method: string, path: string): Checked<never> {
  const url = /^https?:\/\//i.test(path) ? URL.parse(path) : null;
  if (url !== null) {
    return bad(
      "has a URL, where a path is wanted",
      `Write \`${method} ${url.pathname}${url.search}\`: the host is named by its entry`,
    );
  }
  if (!path.startsWith("/")) {
    const better = `${method} /${path}`;
    return bad(
      "is not a rule: its path does not begin with `/`",
      RULE.test(better) ? `Write \`${better}\`` : EXAMPLE,
    );
  }
  if (path.length > PATH_LIMIT + 1) {
    return bad(`is not a rule: its path has more than ${PATH_LIMIT} characters`);
  }
  const fault = PATH_FAULTS.find(({ form }) => form.test(path));
  if (fault !== undefined) return bad(fault.message, fault.hint);
  return bad(
    "has a character that stands in no path as it is",
    "Write it encoded, as the host is asked: `%C3%A9` is `é`",
  );
}

/** A rule's method, its path, and its query where it has one. */
function partsOf(rule: string): { readonly method: string; readonly path: string; readonly query?: string } {
  const [, method = "", path = "", query] = /^(\S*) ([^?]*)(?:\?(.*))?$/s.exec(rule) ?? [];
  return { method, path, ...(query === undefined ? {} : { query }) };
}

/** The beginning of a path for which the rest may be anything, such as `/v1/`. */
function openFolder(path: string): string | undefined {
  return /^([^*]*\/)\*$/.exec(path)?.[1];
}

/** Whether a rule surely lets through whatever another one does: it is the same, wants no query, or ends with a folder. */
export function coversRule(rule: string, other: string): boolean {
  if (rule === other) return true;
  const [a, b] = [partsOf(rule), partsOf(other)];
  if (a.path === "" || a.method !== b.method || (a.query !== undefined && a.query !== b.query)) return false;
  const folder = openFolder(a.path);
  return a.path === b.path || folder !== undefined && b.path.startsWith(folder) && !/%2f/i.test(b.path);
}

/** The rules that {@link coversRule} may find to cover one. */
export function widerRules(rule: string): readonly string[] {
  const { method, path, query } = partsOf(rule);
  const folders = [...path.matchAll(/\//g)].map(({ index }) => path.slice(0, index + 1))
    .filter((folder) => !folder.includes("*"));
  const paths = [path, ...folders.map((folder) => `${folder}*`)];
  return [
    rule,
    ...paths.flatMap((path) => [
      `${method} ${path}`,
      ...(query === undefined ? [] : [`${method} ${path}?${query}`]),
    ]),
  ];
}
