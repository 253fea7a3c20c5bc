/** What a file that should hold a private key holds. */
export type ExaminedKey =
  | {
    readonly kind: "key";
    /** The key alone, as ssh-add reads it. */
    readonly text: string;
    /** Equal for equal keys: the public half where the file shows it, the key itself where it does not. */
    readonly identity: string;
    /** Whether a passphrase opens it. */
    readonly encrypted: boolean;
  }
  | {
    readonly kind: "unusable";
    readonly reason: "public" | "hardware" | "outdated" | "broken" | "foreign";
  };

// Of an encrypted PEM the body has headers, whose names hold dashes.
const BLOCK = /-----BEGIN ((?:[A-Z0-9]+ )*PRIVATE KEY)-----\r?\n((?:(?!-----)[^])*)-----END \1-----/;
const PUBLIC = /^\s*(?:(?:ssh|ecdsa|sk)-[a-z0-9@.-]+ AAAA|-{4,5} ?BEGIN [A-Z0-9 ]*PUBLIC KEY ?-{4,5})/;

/** Looks at a private key without using it: whether an ssh-agent will take it, and which one it is. */
export function examineKey(bytes: Uint8Array): ExaminedKey {
  const text = decoded(bytes);
  if (PUBLIC.test(text)) return unusable("public");
  const [, label = "", body = ""] = BLOCK.exec(text) ?? [];
  switch (label) {
    case "OPENSSH PRIVATE KEY":
      return examineOpenSsh(label, body);
    case "RSA PRIVATE KEY":
    case "EC PRIVATE KEY":
    case "PRIVATE KEY":
    case "ENCRYPTED PRIVATE KEY":
      return examinePem(label, body);
    case "DSA PRIVATE KEY":
      return unusable("outdated");
    default:
      return unusable("foreign");
  }
}

function unusable(reason: Extract<ExaminedKey, { kind: "unusable" }>["reason"]): ExaminedKey {
  return { kind: "unusable", reason };
}

function decoded(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return "";
  }
}

/** The headers of a PEM that OpenSSL encrypted in its older way. */
const ENCRYPTED_HEADERS = /^Proc-Type: 4,ENCRYPTED\r?\n(DEK-Info: [A-Z0-9-]+,[0-9A-Fa-f]+)\r?\n/;

/** OpenSSL's forms: nothing in them tells the public half without arithmetic. */
function examinePem(label: string, body: string): ExaminedKey {
  const [all = "", cipher] = ENCRYPTED_HEADERS.exec(body) ?? [];
  const lines = body.slice(all.length).split(/\s+/).filter((line) => line !== "");
  if (bytesOf(lines.join("")) === undefined) return unusable("broken");
  const headers = cipher === undefined ? [] : ["Proc-Type: 4,ENCRYPTED", cipher, ""];
  return {
    kind: "key",
    text: armoured(label, [...headers, ...lines]),
    identity: `${label} ${lines.join("")}`,
    encrypted: cipher !== undefined || label.startsWith("ENCRYPTED "),
  };
}

/**
 * OpenSSH's own form: after a magic word the cipher, the key derivation and its options, the number of keys, the
 * public half and the private one, which alone is encrypted.
 */
function examineOpenSsh(label: string, body: string): ExaminedKey {
  const lines = body.split(/\s+/).filter((line) => line !== "");
  const bytes = bytesOf(lines.join(""));
  if (bytes === undefined) return unusable("broken");
  const reader = new Reader(bytes);
  const magic = reader.take(MAGIC.length);
  const [cipher, , , count] = [reader.string(), reader.string(), reader.string(), reader.number()];
  const publicHalf = reader.string();
  const privateHalf = reader.string();
  if (magic === undefined || cipher === undefined || count !== 1) return unusable("broken");
  if (latin1(magic) !== MAGIC || publicHalf === undefined) return unusable("broken");
  const type = latin1(new Reader(publicHalf).string() ?? new Uint8Array());
  if (type.startsWith("sk-")) return unusable("hardware");
  if (type === "ssh-dss") return unusable("outdated");
  if (privateHalf === undefined || type === "") return unusable("broken");
  const encrypted = latin1(cipher) !== "none";
  return { kind: "key", text: armoured(label, lines), identity: latin1(publicHalf), encrypted };
}

const MAGIC = "openssh-key-v1\0";

/** Without carriage returns and with a last line feed: OpenSSH takes no other. */
function armoured(label: string, lines: readonly string[]): string {
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

function bytesOf(base64: string): Uint8Array | undefined {
  if (base64 === "" || base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined;
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

function latin1(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
}

/** Reads big-endian numbers and counted strings; `undefined` from the first that is not there. */
class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  take(length: number): Uint8Array | undefined {
    if (this.#at + length > this.#bytes.length) {
      this.#at = this.#bytes.length;
      return undefined;
    }
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  number(): number | undefined {
    const bytes = this.take(4);
    return bytes?.reduce((value, byte) => value * 256 + byte, 0);
  }

  string(): Uint8Array | undefined {
    const length = this.number();
    return length === undefined ? undefined : this.take(length);
  }
}
