import type { OnEvent } from "../../../bottle/events.ts";
import { counted, megabytes, type Workspace, type WorkspaceEntry } from "../../../bottle/workspace.ts";
import { changed, rawPlace, unreadable } from "../../../bottle/workspace_listing.ts";
import { RawFiles } from "../../../bottle/workspace_raw.ts";
import { EXIT, Failure } from "../../../errors.ts";
import type { Files, OpenFile } from "../../../host/files.ts";
import type { Processes } from "../../../host/processes.ts";
import { joined } from "../bytes.ts";
import { TAR_END, tarHead, tarPadding } from "../tar.ts";

/** Bytes that are handed over at once. */
const CHUNK = 256 * 1024;
/** How many files are opened ahead: waiting for one at a time takes most of the time of small ones. */
const AHEAD = 32;
/** Files up to this size are also read ahead. */
const SMALL = 64 * 1024;
/** What goes between two lines of progress. */
const PROGRESS = { bytes: 10_000_000, files: 1000 } as const;

const ENCODER = new TextEncoder();

/** What a workspace becomes in the bottle. */
export interface WorkspaceTarget {
  /** Its name in the folder that the stream is unpacked in. */
  readonly name: string;
  readonly user: { readonly uid: number; readonly gid: number };
}

export interface WorkspaceStreamPorts {
  readonly files: Files;
  readonly processes: Processes;
  readonly path: string;
  readonly onEvent: OnEvent;
}

/**
 * A workspace as a tar stream that is made while it is read: a few files are in memory at a time. It fails with a
 * {@link Failure} when a file is gone, is another one, or became shorter; what one grew meanwhile is left out.
 */
export function workspaceStream(
  workspace: Workspace,
  { target, ports }: { readonly target: WorkspaceTarget; readonly ports: WorkspaceStreamPorts },
): ReadableStream<Uint8Array> {
  const stop = new AbortController();
  const parts = gathered(new Packer(workspace, { target, ports, signal: stop.signal }).parts());
  return new ReadableStream({
    async pull(controller): Promise<void> {
      const { done, value } = await parts.next().catch((error) => {
        throw beforeAgent(error);
      });
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(): Promise<void> {
      stop.abort();
      await parts.return(undefined);
    },
  }, { highWaterMark: 1 });
}

/** The same bytes in pieces that are worth a write each. */
async function* gathered(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let waiting: Uint8Array[] = [];
  let size = 0;
  for await (const part of parts) {
    waiting.push(part);
    size += part.length;
    if (size < CHUNK) continue;
    yield joined(waiting);
    waiting = [];
    size = 0;
  }
  if (size > 0) yield joined(waiting);
}

/** A file that is open, and all of it when it is small. */
interface Opened {
  readonly file: OpenFile;
  readonly size: number;
  readonly modified: number;
  readonly mode: number;
  readonly all: Uint8Array | undefined;
}

/** One entry on its way: `failure` is told when its turn comes. */
interface Prepared {
  readonly entry: WorkspaceEntry;
  readonly opened: Promise<{ readonly value?: Opened; readonly failure?: unknown }>;
}

class Packer {
  readonly #workspace: Workspace;
  readonly #target: WorkspaceTarget;
  readonly #files: Files;
  readonly #raw: RawFiles;
  readonly #onEvent: OnEvent;
  readonly #copied = { bytes: 0, files: 0 };
  readonly #told = { bytes: 0, files: 0 };

  constructor(workspace: Workspace, { target, ports, signal }: {
    readonly target: WorkspaceTarget;
    readonly ports: WorkspaceStreamPorts;
    readonly signal: AbortSignal;
  }) {
    this.#workspace = workspace;
    this.#target = target;
    this.#files = ports.files;
    this.#raw = new RawFiles({ processes: ports.processes, path: ports.path, signal });
    this.#onEvent = ports.onEvent;
  }

  async *parts(): AsyncGenerator<Uint8Array> {
    const ahead: Prepared[] = [];
    const { entries } = this.#workspace;
    try {
      for (let next = 0; next < entries.length || ahead.length > 0;) {
        while (ahead.length < AHEAD && next < entries.length) {
          const entry = entries[next++];
          if (entry !== undefined) ahead.push({ entry, opened: settled(this.#open(entry)) });
        }
        const first = ahead[0];
        if (first !== undefined) yield* this.#entry(first);
        ahead.shift();
      }
      yield TAR_END;
    } finally {
      for (const { opened } of ahead) (await opened).value?.file[Symbol.dispose]();
    }
  }

  async *#entry({ entry, opened }: Prepared): AsyncGenerator<Uint8Array> {
    const { content } = entry;
    const { value, failure } = await opened;
    if (failure !== undefined) throw failure;
    switch (content.kind) {
      case "directory":
        yield this.#head(entry, { type: "5", size: 0 });
        return;
      case "link":
        yield this.#head(entry, { type: "2", size: 0, target: content.target });
        return;
      case "text":
        yield this.#head(entry, { type: "0", size: content.bytes.length });
        yield content.bytes;
        yield tarPadding(content.bytes.length);
        return;
      case "file": {
        const size = value?.size ?? content.size;
        const { mode, modified } = value ?? entry;
        this.#progress({ files: 1 });
        yield this.#head({ ...entry, mode, modified }, { type: "0", size });
        for await (
          const part of value === undefined ? this.#rawBytes(entry, content) : this.#bytes(entry, value)
        ) {
          yield part;
          this.#progress({ bytes: part.length });
        }
        yield tarPadding(size);
        value?.file[Symbol.dispose]();
        return;
      }
      default:
        content satisfies never;
    }
  }

  #head(
    { path, rawPath = ENCODER.encode(path), mode, modified }: WorkspaceEntry,
    parts: { readonly type: string; readonly size: number; readonly target?: Uint8Array },
  ): Uint8Array {
    const { name, user } = this.#target;
    const slash = path === "" ? "" : "/";
    const whole = [ENCODER.encode(name + slash), rawPath, ENCODER.encode(parts.type === "5" ? "/" : "")];
    return tarHead({ ...parts, ...user, path: joined(whole), mode, modified });
  }

  /** `undefined` for what has nothing to open. */
  async #open({ path, rawPath, content }: WorkspaceEntry): Promise<Opened | undefined> {
    if (content.kind !== "file" || rawPath !== undefined) return undefined;
    const at = `${this.#workspace.directory}/${path}`;
    // Opening a pipe would wait for its other end.
    const before = await this.#files.linkStatus(at);
    if (before?.kind !== "file") throw changed(path);
    const file = await this.#files.open(at);
    if (file === undefined) throw changed(path);
    try {
      const { size, modified, mode, identity, kind } = await file.status();
      // An editor may have put a new file in its place; one that a link leads to is another matter.
      const isSame = identity === content.identity ||
        (identity === before.identity && await this.#files.realPath(at) === at);
      if (!isSame || kind !== "file") throw changed(path);
      const all = size <= SMALL ? await this.#filled(file, { path, size }) : undefined;
      return { file, size, modified, mode: mode & 0o777, all };
    } catch (error) {
      file[Symbol.dispose]();
      throw error instanceof Failure ? error : unreadable(path, error);
    }
  }

  async #filled(
    file: OpenFile,
    { path, size }: { readonly path: string; readonly size: number },
  ): Promise<Uint8Array> {
    const bytes = new Uint8Array(size);
    for (let filled = 0; filled < size;) {
      const count = await file.read(bytes.subarray(filled));
      if (count === undefined) throw changed(path);
      filled += count;
    }
    return bytes;
  }

  async *#bytes({ path }: WorkspaceEntry, { file, size, all }: Opened): AsyncGenerator<Uint8Array> {
    if (all !== undefined) {
      yield all;
      return;
    }
    for (let done = 0; done < size;) {
      const part = await this.#filled(file, { path, size: Math.min(CHUNK, size - done) });
      yield part;
      done += part.length;
    }
  }

  async *#rawBytes(
    { path, rawPath }: WorkspaceEntry,
    { size, identity }: { readonly size: number; readonly identity: string },
  ): AsyncGenerator<Uint8Array> {
    const at = rawPlace(this.#workspace.directory, { path, raw: rawPath });
    for (let done = 0; done < size;) {
      const part = await this.#raw.read({ path: at, identity, offset: done });
      if (part === undefined || part.length === 0) throw changed(path);
      const wanted = part.subarray(0, size - done);
      yield wanted;
      done += wanted.length;
    }
  }

  /** Counts what went, and tells of it now and then: a workspace may be one large file, or very many small ones. */
  #progress({ bytes = 0, files = 0 }: { readonly bytes?: number; readonly files?: number }): void {
    const [copied, told] = [this.#copied, this.#told];
    copied.bytes += bytes;
    copied.files += files;
    if (copied.bytes - told.bytes < PROGRESS.bytes && copied.files - told.files < PROGRESS.files) return;
    Object.assign(told, copied);
    const of = `${megabytes(copied.bytes)} of ${megabytes(this.#workspace.bytes)}`;
    const line = `${of}, ${copied.files} of ${counted(this.#workspace.files, "file")}`;
    this.#onEvent({ kind: "output", id: "workspace-files", line });
  }
}

/** A promise that never rejects: a failure of what is ahead of its turn is nobody's yet. */
async function settled(
  work: Promise<Opened | undefined>,
): Promise<{ readonly value?: Opened; readonly failure?: unknown }> {
  try {
    const value = await work;
    return value === undefined ? {} : { value };
  } catch (failure) {
    return { failure };
  }
}

/** The same failure as one of a launch. */
function beforeAgent(error: unknown): unknown {
  if (!(error instanceof Failure)) return error;
  const { code, message, hints, cause } = error;
  return new Failure(code, message, { hints, cause, exit: EXIT.beforeAgent });
}
