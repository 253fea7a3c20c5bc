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
const RESERVED = "demo";

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

/** A skill's name: a folder of that name, never a path. */
export function checkSkill(name: string): Checked<string> {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name) && name.length <= 128) return good(name);
  return bad("is not a skill's name: letters, digits, `.`, `_` and `-`, beginning with a letter or digit");
}

/** The name of an engine's network. */
export function checkNetwork(name: string): Checked<string> {
  if (name === "host" || name === "none") return bad("cannot be joined by a sidecar");
  if (/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(name) && name.length <= 128) return good(name);
  return bad("is not a network's name: letters, digits, `_`, `.` and `-`, beginning with a letter or digit");
}

/** A Debian package's name, without version or architecture. */
export function checkPackage(name: string): Checked<string> {
  if (/^[a-z0-9][a-z0-9+.-]+$/.test(name) && name.length <= 128) return good(name);
  return bad("is not a Debian package's name: lower-case letters, digits, `+`, `.` and `-`, at least two");
}

/** What ssh calls Host or User. */
export function checkSshWord(word: string): Checked<string> {
  if (word === "") return bad("must not be empty");
  if (word.startsWith("-")) return bad("must not begin with a dash");
  if (word.length > 253 || !/^[A-Za-z0-9._-]+$/.test(word)) {
    return bad("may contain letters, digits, `.`, `_` and `-` only");
  }
  return good(word);
}

const COMPONENT = "[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*";
const DOMAIN =
  "(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?::[0-9]+)?/)?";
const IMAGE = new RegExp(
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

/** A path on the host. */
export function checkPath(path: string): Checked<string> {
  if (path === "") return bad("must not be empty");
  // deno-lint-ignore no-control-regex -- they belong in no path that is written by hand
  if (/[\u0000-\u001f\u007f]/.test(path)) return bad("must not contain control characters");
  return good(path);
}

/** Text that a process can be given. */
export function checkText(text: string): Checked<string> {
  return text.includes("\0") ? bad("must not contain a NUL character") : good(text);
}

/** One word of a command. */
export function checkWord(word: string): Checked<string> {
  return word === "" ? bad("must not be empty") : checkText(word);
}
