import { Failure, oneLine } from "../errors.ts";
import type { Files, FileStatus } from "../host/files.ts";
import type { RawFiles } from "./workspace_raw.ts";
import { shellQuoted } from "./invocation.ts";
import { patternFor } from "./workspace_exclude.ts";

/** One entry of a directory as it was found. */
export interface Found extends Omit<FileStatus, "uid" | "birth"> {
  readonly name: string;
  /** The name as it is on the disk, where `name` cannot say it. */
  readonly rawName: Uint8Array | undefined;
  /** Where a link leads, and the same as text. */
  readonly target: Uint8Array | undefined;
}

/** A directory by its path from the root; `raw` where that cannot say it. */
export interface Place {
  readonly path: string;
  readonly raw: Uint8Array | undefined;
}

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder();
/** What stands for bytes that are no text. */
const REPLACEMENT = "\ufffd";
/** How many entries are looked at at the same time. */
const ABREAST = 64;

/** Lists directories below a root without following links. */
export class Listing {
  readonly #root: string;
  readonly #files: Files;
  readonly #raw: RawFiles;
  readonly #uid: number | undefined;

  constructor(
    parts: {
      readonly root: string;
      readonly files: Files;
      readonly raw: RawFiles;
      readonly uid: number | undefined;
    },
  ) {
    this.#root = parts.root;
    this.#files = parts.files;
    this.#raw = parts.raw;
    this.#uid = parts.uid;
  }

  /**
   * What is in a directory, but for the names that `isWanted` refuses, in an order that is always the same.
   *
   * @throws Failure `workspace-unreadable`, `workspace-changed`
   */
  async of(place: Place, isWanted: (name: string) => boolean): Promise<readonly Found[]> {
    if (place.raw !== undefined) return await this.#rawly(place, isWanted);
    const at = this.#at(place.path);
    const entries = await this.#readable(place.path, () => this.#files.readDirectory(at));
    if (entries === undefined) throw changed(place.path);
    const names = entries.map(({ name }) => name).filter(isWanted).sort();
    if (names.some((name) => name.includes(REPLACEMENT))) return await this.#rawly(place, isWanted);
    const found: Found[] = [];
    for (let first = 0; first < names.length; first += ABREAST) {
      const batch = names.slice(first, first + ABREAST);
      const looked = await Promise.all(batch.map((name) => this.#look(place, name)));
      found.push(...looked.filter((entry) => entry !== undefined));
    }
    // One that became a link meanwhile was followed just now.
    if (await this.#files.realPath(at) !== at) throw changed(place.path);
    return found;
  }

  /** `undefined` for what went while we looked. */
  async #look(place: Place, name: string): Promise<Found | undefined> {
    const path = below(place.path, name);
    return await this.#readable(path, async () => {
      const status = await this.#files.linkStatus(this.#at(path));
      if (status === undefined) return undefined;
      await this.#tryOpening(path, status);
      const link = status.kind === "symlink" ? await this.#files.readLink(this.#at(path)) : undefined;
      if (link?.includes(REPLACEMENT) === true) {
        const raw = (await this.#rawly(place, (other) => other === name))[0];
        return raw;
      }
      const target = link === undefined ? undefined : ENCODER.encode(link);
      return { ...status, name, rawName: undefined, target };
    });
  }

  /** Told before anything is created, not in the middle of the copy. */
  async #tryOpening(path: string, { kind, uid, mode }: FileStatus): Promise<void> {
    if (kind !== "file" || this.#uid === 0 || (uid === this.#uid && (mode & 0o400) !== 0)) return;
    (await this.#files.open(this.#at(path)))?.[Symbol.dispose]();
  }

  async #rawly(place: Place, isWanted: (name: string) => boolean): Promise<readonly Found[]> {
    const directory = rawPlace(this.#root, place);
    const entries = await this.#raw.list(directory);
    if (entries === undefined) throw unreadable(place.path);
    const found = entries.map((entry) => ({ entry, name: DECODER.decode(entry.name) }))
      .filter(({ name }) => isWanted(name));
    const closed = found.find(({ entry }) => !entry.readable);
    if (closed !== undefined) throw unreadable(below(place.path, closed.name));
    return found.map(({ entry, name }) => ({
      ...entry,
      name,
      rawName: place.raw === undefined && !name.includes(REPLACEMENT) ? undefined : entry.name,
    }));
  }

  #at(path: string): string {
    return path === "" ? this.#root : `${this.#root}/${path}`;
  }

  async #readable<T>(path: string, read: () => Promise<T>): Promise<T> {
    try {
      return await read();
    } catch (error) {
      if (error instanceof Failure) throw error;
      throw unreadable(path, error);
    }
  }
}

/** The path of an entry. */
export function below(path: string, name: string): string {
  return path === "" ? name : `${path}/${name}`;
}

/** The path of an entry as it is on the disk; `undefined` where text says it. */
export function rawBelow({ path, raw }: Place, { rawName }: Found): Uint8Array | undefined {
  if (rawName === undefined) return undefined;
  const before = raw ?? ENCODER.encode(path);
  return before.length === 0 ? rawName : Uint8Array.of(...before, 0x2f, ...rawName);
}

/** Where a place is on the host. */
export function rawPlace(root: string, { path, raw = ENCODER.encode(path) }: Place): Uint8Array {
  return raw.length === 0 ? ENCODER.encode(root) : Uint8Array.of(...ENCODER.encode(root), 0x2f, ...raw);
}

/** What cannot be read is not left out in silence: the agent's tree would be another one. */
export function unreadable(path: string, error?: unknown): Failure {
  const why = error instanceof Error ? `: ${oneLine(error.message)}` : "";
  return new Failure("workspace-unreadable", `${oneLine(path) || "The directory"} cannot be read${why}`, {
    hints: path === "" ? [] : [`Make it readable, or leave it out: ${excludeOption(path)}`],
    cause: error,
  });
}

/** Somebody works in the directory while it is copied. */
export function changed(path: string): Failure {
  return new Failure("workspace-changed", `${oneLine(path) || "The directory"} changed while it was read`, {
    hints: [
      "Run the command again",
      ...(path === "" ? [] : [`If it changes all the time: ${excludeOption(path)}`]),
    ],
  });
}

/** The option that leaves out one entry, as a person can type it. */
export function excludeOption(path: string): string {
  return `--exclude ${shellQuoted([patternFor(path)])}`;
}
