import type { Files, FileStatus } from "./files.ts";

/**
 * The content of the very file that was looked at; `undefined` when another one is in its place, or its size is another
 * one. A path alone does not tell: a link to somewhere else may take it, and be gone again before anybody looks.
 */
export async function contentOfSame(
  files: Files,
  path: string,
  { size, identity }: Pick<FileStatus, "size" | "identity">,
): Promise<Uint8Array | undefined> {
  using file = await files.open(path);
  if (file === undefined || (await file.status()).identity !== identity) return undefined;
  // One more, to see that it ends there.
  const buffer = new Uint8Array(size + 1);
  let length = 0;
  while (length < buffer.length) {
    const read = await file.read(buffer.subarray(length));
    if (read === undefined) break;
    length += read;
  }
  return length === size ? buffer.subarray(0, size) : undefined;
}
