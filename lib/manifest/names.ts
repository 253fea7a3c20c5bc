import { nearest } from "./nearest.ts";

/** A value as it is used, or why it cannot be. */
export type Checked<T> =
  | { readonly kind: "good"; readonly value: T }
  | { readonly kind: "bad"; readonly message: string; readonly hint?: string };

/** A good value. */
export function good<T>(value: T): Checked<T> {
  return { kind: "good", value };
}

/** A bad one: `message` is what is said of the value, such as `is not a size`. */
export function bad(message: string, hint?: string): Checked<never> {
  return hint === undefined ? { kind: "bad", message } : { kind: "bad", message, hint };
}

/** Agent names that are taken. */
export const RESERVED = "demo";

/** An agent's or bottle's name. */
export function checkName(name: string): Checked<string> {
  if (name === "") return bad("must not be empty");
  if (!/^[A-Za-z0-9 ._-]+$/.test(name)) {
    return bad("may contain letters, digits, spaces, `.`, `_` and `-` only");
  }
  if (name.length > 64) return bad("must have at most 64 characters");
  if (!/[A-Za-z0-9]/.test(name)) return bad("must contain a letter or digit");
  if (/^[ -]| $/.test(name)) return bad("must not begin with a dash or begin or end with a space");
  return good(name);
}

/** An agent's name: a bottle's rules, and not one of ours. */
export function checkAgentName(name: string): Checked<string> {
  const checked = checkName(name);
  if (checked.kind === "good" && nameSlug(name) === RESERVED) {
    return bad("is reserved", "It is kept for a tour; choose another name");
  }
  return checked;
}

/** A name as an engine's objects carry it; two agents with one slug would be one to the engine. */
export function nameSlug(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
}

/** The form of a skill's name. */
export const SKILL = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

/** A skill's name: a folder of that name, never a path. */
export function checkSkill(name: string): Checked<string> {
  if (SKILL.test(name) && name.length <= 128) return good(name);
  return bad("is not a skill's name: letters, digits, `.`, `_` and `-`, beginning with a letter or digit");
}

/** The form of a network's name. */
export const NETWORK = /^[A-Za-z0-9][A-Za-z0-9_.-]*$/;

/** The name of an engine's network. */
export function checkNetwork(name: string): Checked<string> {
  if (name === "host" || name === "none") return bad("cannot be joined by a sidecar");
  if (NETWORK.test(name) && name.length <= 128) return good(name);
  return bad("is not a network's name: letters, digits, `_`, `.` and `-`, beginning with a letter or digit");
}

/** The form of a Debian package's name. */
export const PACKAGE = /^[a-z0-9][a-z0-9+.-]*[a-z0-9+.]$/;

/** A Debian package's name, without version or architecture. */
export function checkPackage(name: string): Checked<string> {
  if (/^[a-z0-9][a-z0-9+.-]+-$/.test(name)) {
    return bad(
      "ends with a dash, with which apt would remove the package",
      `Write \`${name.replace(/-+$/, "")}\``,
    );
  }
  if (PACKAGE.test(name) && name.length <= 128) return good(name);
  return bad("is not a Debian package's name: lower-case letters, digits, `+`, `.` and `-`, at least two");
}

/** What ssh calls Host or User. */
export function checkSshWord(word: string): Checked<string> {
  if (word === "") return bad("must not be empty");
  if (word.startsWith("-")) return bad("must not begin with a dash");
  if (word.length > 253 || !/^[A-Za-z0-9._-]+$/.test(word)) {
    return bad("may contain letters, digits, `.`, `_` and `-` only");
  }
  if (!/[A-Za-z0-9]/.test(word)) return bad("must contain a letter or digit");
  return good(word);
}

const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const DOMAIN =
  "(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?::[0-9]+)?/)?";
/** The form of a reference to an image. */
export const IMAGE = new RegExp(
  `^${DOMAIN}${COMPONENT}(?:/${COMPONENT})*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$`,
);

/** A reference to an image. */
export function checkImage(reference: string): Checked<string> {
  if (reference.length <= 512 && IMAGE.test(reference)) return good(reference);
  return bad(
    "is not an image reference",
    "Write one such as `debian:trixie-slim` or `registry.example.com/base:1`",
  );
}

/** The most bytes of a path: Linux refuses longer ones (PATH_MAX, its terminator included). */
export const PATH_LIMIT = 4095;
/** The most bytes of one word of a command: Linux refuses longer ones (MAX_ARG_STRLEN, its terminator included). */
export const WORD_LIMIT = 131_071;

/** A path on the host, absolute, from the home folder (`~/`), or from the manifest's own folder. */
export function checkPath(path: string): Checked<string> {
  if (path === "") return bad("must not be empty");
  // deno-lint-ignore no-control-regex -- they belong in no path that is written by hand
  if (/[\u0000-\u001f\u007f]/.test(path)) return bad("must not contain control characters");
  if (!path.isWellFormed()) return halfCharacter();
  if (path === "~" || path === "~/") return bad("is your home folder, where a file is wanted");
  const [, user] = /^~([^/]+)/.exec(path) ?? [];
  if (user !== undefined) {
    const hint =
      "Write the whole path, or `~/…` for your own home; a file whose name begins with `~` is `./~…`";
    return bad("begins with another user's home, which is not looked up", hint);
  }
  const [variable, name] = /^\$\{?([A-Za-z_][A-Za-z0-9_]*)\}?(?=\/)/.exec(path) ?? [];
  if (variable !== undefined) {
    const rest = path.slice(variable.length + 1);
    return bad(
      "begins with a variable, which paths do not take",
      name === "HOME" ? `Write \`~/${rest}\`` : "Write the whole path, or `~/…` for your own home",
    );
  }
  return tooLong(path, PATH_LIMIT) ? tooManyBytes(PATH_LIMIT) : good(path);
}

/** Text that a process can be given. */
export function checkText(text: string): Checked<string> {
  if (text.includes("\0")) return bad("must not contain a NUL character");
  return text.isWellFormed() ? good(text) : halfCharacter();
}

/** One word of a command. */
export function checkWord(word: string): Checked<string> {
  if (word === "") return bad("must not be empty");
  return tooLong(word, WORD_LIMIT) ? tooManyBytes(WORD_LIMIT) : checkText(word);
}

/** JSON can write what no file and no process can hold; it would become another character on its way. */
function halfCharacter(): Checked<never> {
  return bad("must not contain half a character (`\\ud800` to `\\udfff` without its other half)");
}

/** Whether a text has more than `limit` bytes in UTF-8. */
export function tooLong(text: string, limit: number): boolean {
  // A code unit is at most three bytes.
  return text.length * 3 > limit && new TextEncoder().encode(text).length > limit;
}

/** What is said of a text that {@link tooLong} refuses. */
export function tooManyBytes(limit: number): Checked<never> {
  return bad(`is longer than the ${limit} bytes Linux allows`);
}

/** Headers that belong to a connection or to a message's form: whoever sets one changes what the request is, and to whom. */
export const RESERVED_HEADERS = [
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "expect",
  "host",
  "http2-settings",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** How a secret is put into a request. */
export function checkInjectionForm(form: string): Checked<string> {
  if (!/^(bearer|basic:[A-Za-z0-9._@-]{1,128}|header:[A-Za-z0-9-]{1,64})$/.test(form)) {
    return bad("must be `bearer`, `basic:USER` or `header:NAME`", injectionHint(form));
  }
  const header = /^header:(.*)$/.exec(form)?.[1]?.toLowerCase();
  if (header === undefined) return good(form);
  if (RESERVED_HEADERS.includes(header) || header.startsWith("proxy-")) {
    return bad(
      "names a header that is about the connection or the message, not about who asks",
      "Name the header that the host reads a key from, such as `header:X-Api-Key`",
    );
  }
  return /^[a-z]/.test(header) ? good(form) : bad("names a header that does not begin with a letter");
}

/** What was most likely meant by a form that is none. */
function injectionHint(form: string): string | undefined {
  if (/^basic:?$/i.test(form)) return "Write `basic:USER`: the secret is the password of that user";
  if (/^header:?$/i.test(form)) {
    return "Name the header that the secret stands in, such as `header:X-Api-Key`";
  }
  if (/^authorization$/i.test(form)) return "Write `bearer`";
  if (/^[A-Za-z][A-Za-z0-9]*(-[A-Za-z0-9]+)+$/.test(form)) return `Write \`header:${form}\``;
  const lower = /^(bearer|basic:.+|header:.+)$/i.test(form)
    ? form.replace(/^[A-Za-z]+/, (word) => word.toLowerCase())
    : form;
  if (lower !== form) return `Write \`${lower}\``;
  if (/^basic:/.test(form)) return "A user is up to 128 letters, digits and `.`, `_`, `@`, `-`";
  const [word = "", ...rest] = form.split(":");
  const near = nearest(word, rest.length > 0 ? ["basic", "header"] : ["bearer", "basic:USER", "header:NAME"]);
  const meant = [near, ...rest].join(":");
  return near === undefined || near === word ? undefined : `Did you mean \`${meant}\`?`;
}
