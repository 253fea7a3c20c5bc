import type { DirectoryEntry, Files, FileStatus, OpenFile } from "./files.ts";

function kindOf(info: { isFile: boolean; isDirectory: boolean; isSymlink: boolean }): FileStatus["kind"] {
  if (info.isSymlink) return "symlink";
  if (info.isDirectory) return "directory";
  return info.isFile ? "file" : "other";
}

function statusOf(info: Deno.FileInfo): FileStatus {
  return {
    kind: kindOf(info),
    size: info.size,
    mode: (info.mode ?? 0) & 0o7777,
    uid: info.uid ?? 0,
    modified: Math.floor((info.mtime?.getTime() ?? 0) / 1000),
    identity: `${info.dev}:${info.ino}`,
    birth: `${info.ino}:${info.birthtime?.getTime() ?? 0}`,
  };
}

async function openFile(path: string): Promise<OpenFile> {
  const file = await Deno.open(path);
  return {
    status: async () => statusOf(await file.stat()),
    read: async (into) => await file.read(into) ?? undefined,
    [Symbol.dispose]: () => file.close(),
  };
}

/** `undefined` for what does not exist, also below something that is no directory. */
async function unlessMissing<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    // In the runtime's own words one would have to run it with rights that it must not have.
    if (error instanceof Deno.errors.NotCapable) throw new Error("it is the system's own", { cause: error });
    throw error;
  }
}

/** Files of this machine, read only. */
export function denoFiles(): Files {
  return {
    readBytes: (path) => unlessMissing(() => Deno.readFile(path)),
    open: (path) => unlessMissing(() => openFile(path)),
    status: (path) => unlessMissing(async () => statusOf(await Deno.stat(path))),
    linkStatus: (path) => unlessMissing(async () => statusOf(await Deno.lstat(path))),
    readLink: (path) => unlessMissing(() => Deno.readLink(path)),
    realPath: (path) => unlessMissing(() => Deno.realPath(path)),
    readDirectory: (path) =>
      unlessMissing(async () => {
        const entries: DirectoryEntry[] = [];
        for await (const entry of Deno.readDir(path)) entries.push({ name: entry.name, kind: kindOf(entry) });
        return entries;
      }),
  };
}
