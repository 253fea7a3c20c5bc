import { sha256 } from "../host/digest.ts";
import type { Files } from "../host/files.ts";

/** What a file holds, as it is compared and shown: `sha256 DIGEST PATH`. */
export async function contentMark(path: string, bytes: Uint8Array): Promise<string> {
  return `sha256 ${await sha256(new Uint8Array(bytes))} ${path}`;
}

/** The first of the files that does not hold what its mark says; marks of anything else say nothing. */
export async function changedFile(marks: readonly string[], files: Files): Promise<string | undefined> {
  for (const mark of marks) {
    const [, path] = /^sha256 [0-9a-f]{64} (.*)$/s.exec(mark) ?? [];
    if (path === undefined) continue;
    // Reading a pipe in its place might never end.
    const isFile = (await files.status(path))?.kind === "file";
    const bytes = isFile ? await files.readBytes(path) : undefined;
    if (bytes === undefined || await contentMark(path, bytes) !== mark) return path;
  }
  return undefined;
}
