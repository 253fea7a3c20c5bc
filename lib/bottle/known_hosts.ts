/** What one line of a known_hosts file says of a host. */
export interface KnownHostLine {
  /** `revoked` must never be taken; an `authority` vouches for certificates, not for a plain key. */
  readonly kind: "key" | "revoked" | "authority";
  /** `TYPE BASE64`. */
  readonly key: string;
  /** Where it stands, for people, e.g. `/home/me/.ssh/known_hosts:12`. */
  readonly where: string;
  /** False for a line that names the host alone where another port than 22 is meant: it may confirm, not contradict. */
  readonly exact: boolean;
}

const MARKERS = new Map<string, KnownHostLine["kind"]>([
  ["@revoked", "revoked"],
  ["@cert-authority", "authority"],
]);

/** The lines of a known_hosts file that are about one host, in their order, read as ssh reads them. */
export async function knownHostLines(
  text: string,
  { hostname, port, file }: { readonly hostname: string; readonly port: number; readonly file: string },
): Promise<readonly KnownHostLine[]> {
  const host = hostname.toLowerCase();
  const exactName = port === 22 ? host : `[${host}]:${port}`;
  const found: KnownHostLine[] = [];
  for (const [index, line] of text.split("\n").entries()) {
    const words = line.trim().split(/[ \t]+/);
    const marked = words[0]?.startsWith("@") === true;
    const kind = marked ? MARKERS.get(words[0] ?? "") : "key";
    const [names = "", type = "", blob = ""] = marked ? words.slice(1) : words;
    // What ssh does not understand it passes over.
    if (kind === undefined || names.startsWith("#") || !isKey(type, blob)) continue;
    const exact = await isNamed(exactName, names);
    if (!exact && (port === 22 || !await isNamed(host, names))) continue;
    found.push({ kind, key: `${type} ${blob}`, where: `${file}:${index + 1}`, exact });
  }
  return found;
}

function isKey(type: string, blob: string): boolean {
  return /^[a-z0-9@.-]+$/.test(type) && blob.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(blob);
}

/** Whether a line's first field, a hashed name or patterns divided by commas, stands for a name. */
async function isNamed(name: string, field: string): Promise<boolean> {
  if (field.startsWith("|")) return await isHashOf(name, field);
  let named = false;
  for (const pattern of field.toLowerCase().split(",")) {
    if (pattern.startsWith("!")) {
      if (isMatch(name, pattern.slice(1))) return false;
    } else if (isMatch(name, pattern)) named = true;
  }
  return named;
}

/** `*` is any characters, `?` is one. */
function isMatch(name: string, pattern: string): boolean {
  const words = pattern.replaceAll(/\*+/g, "*").replaceAll(/[\\^$+.()|[\]{}]/g, "\\$&");
  return new RegExp(`^${words.replaceAll("*", ".*").replaceAll("?", ".")}$`).test(name);
}

/** `|1|SALT|HASH`: both base64, the hash an HMAC-SHA1 of the name. */
async function isHashOf(name: string, field: string): Promise<boolean> {
  const [, salt = "", hash = ""] = /^\|1\|([A-Za-z0-9+/]+=*)\|([A-Za-z0-9+/]+=*)$/.exec(field) ?? [];
  if (salt === "" || salt.length % 4 !== 0) return false;
  const algorithm = { name: "HMAC", hash: "SHA-1" };
  const key = await crypto.subtle.importKey("raw", bytesOf(salt), algorithm, false, ["sign"]);
  const signed = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(name));
  return base64Of(new Uint8Array(signed)) === hash;
}

/** A host key's fingerprint as ssh shows it: `SHA256:…`. */
export async function fingerprint(key: string): Promise<string> {
  const digest = await crypto.subtle.digest("SHA-256", bytesOf(key.split(" ")[1] ?? ""));
  return `SHA256:${base64Of(new Uint8Array(digest)).replace(/=+$/, "")}`;
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function base64Of(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes));
}
