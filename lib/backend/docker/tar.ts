import type { TarFile } from "../../bottle/invocation.ts";
import { joined } from "./bytes.ts";

/*
 * Written by hand: the start-up cost of the tar libraries on npm (they stand on node's streams) is more than
 * the whole program's, and all we write is small: the ustar format of POSIX.1-1988, with a pax header of
 * POSIX.1-2001 before an entry whose path or target is longer than its field.
 */

const BLOCK = 512;
/** The longest path, and the longest target of a link, that fits its ustar field. */
const FIELD_LIMIT = 100;
/** The longest path that Linux takes, its terminator not counted. */
const PATH_LIMIT = 4095;

const TYPE = { text: "0", bytes: "0", link: "2", directory: "5" } as const;
const ENCODER = new TextEncoder();

/**
 * A tar stream of these entries in their order, and of none besides: one for a directory that is there already
 * would change who owns it.
 *
 * @throws RangeError for what no entry can hold
 */
export function tarOf(files: readonly TarFile[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const file of files) {
    const path = ENCODER.encode(checkedPath(file));
    const target = ENCODER.encode(file.kind === "link" ? checkedTarget(file.target) : "");
    const long = [
      ...(path.length > FIELD_LIMIT ? [paxRecord("path", path)] : []),
      ...(target.length > FIELD_LIMIT ? [paxRecord("linkpath", target)] : []),
    ];
    if (long.length > 0) {
      const records = joined(long);
      const name = ENCODER.encode("pax_header");
      parts.push(header({ path: name, mode: 0o644, uid: 0, gid: 0, type: "x", size: records.length }));
      parts.push(...padded(records));
    }
    const content = contentOf(file);
    const { mode, uid, gid } = file;
    parts.push(
      header({ path, target, mode, uid, gid, type: TYPE[file.kind ?? "text"], size: content.length }),
    );
    parts.push(...padded(content));
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return joined(parts);
}

function contentOf(file: TarFile): Uint8Array {
  switch (file.kind) {
    case "bytes":
      return file.bytes;
    case "link":
    case "directory":
      return new Uint8Array();
    default:
      return ENCODER.encode(file.text);
  }
}

function padded(content: Uint8Array): readonly Uint8Array[] {
  return [content, new Uint8Array((BLOCK - content.length % BLOCK) % BLOCK)];
}

/** The path as an entry has it: a directory's ends with a slash. */
function checkedPath({ path, kind }: TarFile): string {
  const parts = path.split("/");
  if (parts.some((part) => part === "" || part === "." || part === "..") || path.includes("\0")) {
    throw new RangeError(`Not a path for a tar entry: ${JSON.stringify(path)}`);
  }
  if (ENCODER.encode(path).length > PATH_LIMIT) throw new RangeError(`Too long for a tar entry: ${path}`);
  return kind === "directory" ? `${path}/` : path;
}

function checkedTarget(target: string): string {
  if (target === "" || target.includes("\0")) {
    throw new RangeError(`Not a link's target for a tar entry: ${JSON.stringify(target)}`);
  }
  if (ENCODER.encode(target).length > PATH_LIMIT) throw new RangeError(`Too long for a tar entry: ${target}`);
  return target;
}

/** `LENGTH KEY=VALUE` and a line feed, where the length counts its own digits too. */
function paxRecord(key: "path" | "linkpath", value: Uint8Array): Uint8Array {
  const rest = ` ${key}=`.length + value.length + 1;
  let length = rest + String(rest).length;
  if (String(length).length > String(rest).length) length++;
  return joined([ENCODER.encode(`${length} ${key}=`), value, ENCODER.encode("\n")]);
}

interface Header {
  readonly path: Uint8Array;
  readonly target?: Uint8Array;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly type: string;
  readonly size: number;
}

function header({ path, target, mode, uid, gid, type, size }: Header): Uint8Array {
  const block = new Uint8Array(BLOCK);
  const put = (offset: number, text: string): void => block.set(ENCODER.encode(text), offset);
  const octal = (value: number, width: number): string => {
    const digits = value.toString(8).padStart(width - 1, "0");
    if (digits.length >= width) throw new RangeError(`Too large for a tar entry: ${value}`);
    return `${digits}\0`;
  };
  block.set(path.subarray(0, FIELD_LIMIT), 0); // a longer one stands in the pax header
  put(100, octal(mode, 8));
  put(108, octal(uid, 8));
  put(116, octal(gid, 8));
  put(124, octal(size, 12));
  put(136, octal(0, 12)); // mtime: the epoch, so that equal content gives equal bytes
  put(148, " ".repeat(8)); // the checksum counts its own field as spaces
  put(156, type);
  if (target !== undefined) block.set(target.subarray(0, FIELD_LIMIT), 157);
  put(257, "ustar\0" + "00");
  put(148, octal(block.reduce((sum, byte) => sum + byte, 0), 7) + " ");
  return block;
}
