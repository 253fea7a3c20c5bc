import type { TarFile } from "../../bottle/invocation.ts";
import { joined } from "./bytes.ts";

/*
 * Written by hand: the start-up cost of the tar libraries on npm (they stand on node's streams) is more than
 * the whole program's, and all we write is a handful of small files in the ustar format of POSIX.1-1988.
 */

const BLOCK = 512;
/** The longest path that fits ustar's name field. */
const NAME_LIMIT = 100;

/** A tar stream of regular files, and of no directories: an entry for one would change who owns an existing one. */
export function tarOf(files: readonly TarFile[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const file of files) {
    const content = new TextEncoder().encode(file.text);
    parts.push(
      header(file, content.length),
      content,
      new Uint8Array((BLOCK - content.length % BLOCK) % BLOCK),
    );
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return joined(parts);
}

function header(file: TarFile, size: number): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (offset: number, text: string): void => block.set(new TextEncoder().encode(text), offset);
  const octal = (value: number, width: number): string => {
    const digits = value.toString(8).padStart(width - 1, "0");
    if (digits.length >= width) throw new RangeError(`Too large for a tar entry: ${value}`);
    return `${digits}\0`;
  };
  if (new TextEncoder().encode(file.path).length > NAME_LIMIT) {
    throw new RangeError(`Too long for a tar entry: ${file.path}`);
  }
  put(0, file.path);
  put(100, octal(file.mode, 8));
  put(108, octal(file.uid, 8));
  put(116, octal(file.gid, 8));
  put(124, octal(size, 12));
  put(136, octal(0, 12)); // mtime: the epoch, so that equal content gives equal bytes
  put(148, " ".repeat(8)); // the checksum counts its own field as spaces
  put(156, "0");
  put(257, "ustar\0" + "00");
  put(148, octal(block.reduce((sum, byte) => sum + byte, 0), 7) + " ");
  return block;
}
