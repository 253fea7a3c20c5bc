import { join } from "node:path";

const SCRIPT = new URL("../testdata/engine/sightings.pl", import.meta.url).pathname;

/** What must not be seen: its name, and the bytes it can be recognised by. */
export interface Canary {
  readonly name: string;
  readonly forms: readonly Uint8Array[];
}

/** Names of canaries that were seen. */
export type Seen = ReadonlySet<string>;

/** A text as itself, in two bytes a character, in hex, and in base64 wherever it stands in what was encoded. */
export function textForms(text: string): readonly Uint8Array[] {
  const encoder = new TextEncoder();
  const base64 = [0, 1, 2].map((before) => {
    const encoded = btoa("\0".repeat(before) + text);
    // The first and last characters depend on what stands around it.
    return encoded.slice(before === 0 ? 0 : 4, Math.floor((before + text.length) / 3) * 4);
  });
  const hex = Array.from(encoder.encode(text), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const wide = text.replaceAll(/./g, "$&\0");
  return [text, wide, hex, ...base64].map((form) => encoder.encode(form));
}

/** The secret numbers of a private key, and what of each of its file's lines tells of them. */
export async function keyForms(path: string): Promise<readonly Uint8Array[]> {
  const text = await Deno.readTextFile(path);
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("-"));
  const blob = bytesOf(atob(lines.join("")));
  const [, publicBase64 = ""] = (await Deno.readTextFile(`${path}.pub`)).split(" ");
  const secret = secretOf(blob, bytesOf(atob(publicBase64)));
  // Six bits a character.
  const start = indexOfBytes(blob, secret) * 8;
  const [from, to] = [Math.ceil(start / 6), Math.floor((start + secret.length * 8) / 6)];
  const pieces = lines.map((line, number) => {
    const at = number * (lines[0] ?? "").length;
    return line.slice(Math.max(from - at, 0), Math.max(to - at, 0));
  });
  return [
    secret,
    ...pieces.filter(({ length }) => length >= 16).map((piece) => new TextEncoder().encode(piece)),
  ];
}

/**
 * The secret number of a key in OpenSSH's own form, without a passphrase: ed25519's seed, ecdsa's number, the first
 * 128 bytes of RSA's exponent.
 */
function secretOf(blob: Uint8Array, publicHalf: Uint8Array): Uint8Array {
  // magic, cipher, kdf, options, count, public half; then the private section: two check numbers first.
  const start = indexOfBytes(blob, publicHalf) + publicHalf.length + 4 + 8;
  const [type, ...fields] = countedFields(blob.subarray(start));
  if (new TextDecoder().decode(type) === "ssh-ed25519") return (fields[1] ?? new Uint8Array()).slice(0, 32);
  // ecdsa: curve, point, secret. rsa: n, e, d. A first byte of zero is only a sign.
  const number = fields[2] ?? new Uint8Array();
  return number.slice(number[0] === 0 ? 1 : 0).slice(0, 128);
}

/** The counted strings at the beginning of some bytes. */
function countedFields(bytes: Uint8Array): readonly Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fields: Uint8Array[] = [];
  for (let at = 0; at + 4 <= bytes.length;) {
    const length = view.getUint32(at);
    if (at + 4 + length > bytes.length) break;
    fields.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return fields;
}

function bytesOf(binary: string): Uint8Array {
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/** Where `needle` begins in `haystack`, or -1. */
export function indexOfBytes(haystack: Uint8Array, needle: Uint8Array): number {
  const [first] = needle;
  if (first === undefined) return -1;
  for (let at = haystack.indexOf(first); at >= 0; at = haystack.indexOf(first, at + 1)) {
    if (needle.every((byte, index) => haystack[at + index] === byte)) return at;
  }
  return -1;
}

export function includesBytes(haystack: Uint8Array, needle: Uint8Array): boolean {
  return indexOfBytes(haystack, needle) >= 0;
}

/** Places and what was seen there; and how much of each was looked at. */
export interface Sightings {
  readonly seen: ReadonlyMap<string, Seen>;
  /** `PLACE NAME WHERE`, for people. */
  readonly hits: readonly string[];
  readonly looked: ReadonlyMap<string, number>;
}

/** Looks for a fixed set of canaries. */
export class Lookout {
  readonly #canaries: readonly Canary[];
  readonly #file: string;

  private constructor(canaries: readonly Canary[], file: string) {
    this.#canaries = canaries;
    this.#file = file;
  }

  /** Its list of canaries is kept in `folder`, which must not be looked through. */
  static async create(folder: string, canaries: readonly Canary[]): Promise<Lookout> {
    const hex = (form: Uint8Array): string =>
      Array.from(form, (byte) => byte.toString(16).padStart(2, "0")).join("");
    const lines = canaries.flatMap(({ name, forms }) => forms.map((form) => `${name} ${hex(form)}\n`));
    const file = join(folder, "canaries");
    await Deno.writeTextFile(file, lines.join(""), { mode: 0o600 });
    return new Lookout(canaries, file);
  }

  /** What is in a text. */
  inText(text: string): Seen {
    const bytes = new TextEncoder().encode(text);
    const found = this.#canaries.filter(({ forms }) => forms.some((form) => includesBytes(bytes, form)));
    return new Set(found.map(({ name }) => name));
  }

  /** What a command says on its stdout. @throws Error when it fails */
  async inOutput(words: readonly string[]): Promise<Sightings> {
    const script = 'file=$1; shift; "$@" | perl "$0" "$file" stream';
    return await this.#sightings("bash", ["-o", "pipefail", "-c", script, SCRIPT, this.#file, ...words]);
  }

  /** What is in files and in their names, folders with all that is in them. */
  async inFiles(paths: readonly string[]): Promise<Sightings> {
    return await this.#sightings("perl", [SCRIPT, this.#file, "files", ...paths]);
  }

  async #sightings(program: string, args: readonly string[]): Promise<Sightings> {
    const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args], stdin: "null" })
      .output();
    if (!success) throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
    return parsed(new TextDecoder().decode(stdout));
  }

  /**
   * Watches the machine until it is told to end: argv and environment of every process, and what the engine keeps
   * for a moment. Left out are the environments of the agent's user, and of processes with all `words` in their argv.
   */
  async watch(agentUid: number, words: readonly string[]): Promise<Watch> {
    const child = new Deno.Command("perl", {
      args: [SCRIPT, this.#file, "watch", String(agentUid), ...words],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const { value: first = "" } = await reader.read();
    const end = async (): Promise<Sightings> => {
      await child.stdin.close();
      let text = first;
      for (let part = await reader.read(); !part.done; part = await reader.read()) text += part.value;
      await child.status;
      return parsed(text);
    };
    return { end };
  }
}

/** A watch that goes on. */
export interface Watch {
  /** Ends it; what it has seen. */
  end(): Promise<Sightings>;
}

function parsed(text: string): Sightings {
  const seen = new Map<string, Set<string>>();
  const looked = new Map<string, number>();
  const hits: string[] = [];
  for (const line of text.split("\n")) {
    const [kind, place = "", value = ""] = line.split(" ");
    if (kind === "looked") looked.set(place, Number(value));
    if (kind !== "hit") continue;
    hits.push(line.slice(4));
    seen.set(place, (seen.get(place) ?? new Set()).add(value));
  }
  return { seen, hits, looked };
}
