import { dirname, join } from "node:path";
import type { DirectoryEntry, Files, FileStatus, OpenFile } from "../../lib/host/files.ts";

/** A file, or a link when `link` is given. */
export interface MemoryFile {
  readonly text?: string;
  readonly bytes?: Uint8Array;
  /** Permission bits; 0o644 unless told. */
  readonly mode?: number;
  /** 1000 unless told. */
  readonly uid?: number;
  /** What this one is a link to. */
  readonly link?: string;
  /** `file` unless told; folders exist by their files, an empty one by itself. */
  readonly kind?: FileStatus["kind"];
  /** Seconds since the epoch at which it was changed last; 0 unless told. */
  readonly modified?: number;
  /** Its path unless told. */
  readonly birth?: string;
  /** What reading it throws. */
  readonly error?: Error;
}

/** Files that exist in memory alone; a plain string is a file's text. */
export function memoryFiles(content: Readonly<Record<string, string | MemoryFile>>): Files {
  const files = new Map<string, MemoryFile>();
  for (const [path, file] of Object.entries(content)) {
    files.set(path, typeof file === "string" ? { text: file } : file);
  }
  const store = new Store(files);
  return {
    readBytes: (path) => settle(() => store.bytes(path)),
    open: (path) => settle(() => store.open(path)),
    status: (path) => settle(() => store.status(store.real(path))),
    linkStatus: (path) => settle(() => store.status(store.real(dirname(path)), path)),
    readLink: (path) => settle(() => store.link(path)),
    realPath: (path) => settle(() => store.real(path)),
    readDirectory: (path) => settle(() => store.entries(path)),
  };
}

function settle<T>(work: () => T): Promise<T> {
  return new Promise((resolve) => resolve(work()));
}

class Store {
  readonly #files: ReadonlyMap<string, MemoryFile>;

  constructor(files: ReadonlyMap<string, MemoryFile>) {
    this.#files = files;
  }

  /** The path without links; `undefined` when there is nothing. */
  real(path: string, hops = 0, asked = path): string | undefined {
    if (path === "/") return "/";
    if (hops > 20) throw new Error(`Too many links: ${asked}`);
    const parent = this.real(dirname(path), hops, asked);
    if (parent === undefined) return undefined;
    const at = join(parent, path.slice(dirname(path).length));
    const link = this.#files.get(at)?.link;
    if (link !== undefined) return this.#followed(parent, { link, hops: hops + 1, asked });
    return this.#files.has(at) || this.#isFolder(at) ? at : undefined;
  }

  /** Where a link in `folder` leads, part by part: `..` is the parent of where the parts before it really are. */
  #followed(
    folder: string,
    { link, hops, asked }: { readonly link: string; readonly hops: number; readonly asked: string },
  ): string | undefined {
    let at: string | undefined = link.startsWith("/") ? "/" : folder;
    for (const part of link.split("/")) {
      if (part === "" || part === "." || at === undefined) continue;
      at = part === ".." ? dirname(at) : this.real(join(at, part), hops, asked);
    }
    return at;
  }

  /** The status of what is at `real`; of the last part of `unresolved` itself when that is given. */
  status(real: string | undefined, unresolved?: string): FileStatus | undefined {
    if (real === undefined) return undefined;
    const at = unresolved === undefined ? real : join(real, unresolved.slice(dirname(unresolved).length));
    const file = this.#files.get(at);
    if (file === undefined) {
      const folder = { size: 0, mode: 0o755, uid: 1000, modified: 0, identity: at, birth: at } as const;
      return this.#isFolder(at) ? { kind: "directory", ...folder } : undefined;
    }
    const { mode = 0o644, uid = 1000, modified = 0, birth = at } = file;
    const kind = file.link === undefined ? file.kind ?? "file" : "symlink";
    return { kind, size: content(file).length, mode, uid, modified, identity: at, birth };
  }

  /** What a link holds. */
  link(path: string): string | undefined {
    const parent = this.real(dirname(path));
    if (parent === undefined) return undefined;
    const at = join(parent, path.slice(dirname(path).length));
    const link = this.#files.get(at)?.link;
    if (link === undefined && this.real(at) !== undefined) throw new Error(`Not a link: ${path}`);
    return link;
  }

  bytes(path: string): Uint8Array | undefined {
    const file = this.#files.get(this.real(path) ?? "");
    if (file?.error !== undefined) throw file.error;
    return file === undefined ? undefined : content(file);
  }

  open(path: string): OpenFile | undefined {
    const bytes = this.bytes(path);
    const status = this.status(this.real(path));
    if (bytes === undefined || status === undefined) return undefined;
    let offset = 0;
    return {
      status: () => Promise.resolve(status),
      read: (into) => {
        const part = bytes.subarray(offset, offset + into.length);
        into.set(part);
        offset += part.length;
        return Promise.resolve(part.length === 0 ? undefined : part.length);
      },
      [Symbol.dispose]: () => {},
    };
  }

  entries(path: string): readonly DirectoryEntry[] | undefined {
    const real = this.real(path);
    if (real === undefined || !this.#isFolder(real)) return undefined;
    const below = real === "/" ? "/" : `${real}/`;
    const names = new Set(
      [...this.#files.keys()].filter((key) => key.startsWith(below)).map((key) =>
        key.slice(below.length).split("/", 1)[0] ?? ""
      ),
    );
    return [...names].map((name) => ({ name, kind: this.status(real, join(real, name))?.kind ?? "other" }));
  }

  #isFolder(path: string): boolean {
    const below = path === "/" ? "/" : `${path}/`;
    return this.#files.get(path)?.kind === "directory" ||
      [...this.#files.keys()].some((key) => key.startsWith(below));
  }
}

function content(file: MemoryFile): Uint8Array {
  return file.bytes ?? new TextEncoder().encode(file.text ?? "");
}
