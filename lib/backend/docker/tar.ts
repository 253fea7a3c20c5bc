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

/** The largest number of 11 octal digits: 8 GiB less one. */
const OCTAL_LIMIT = 8 ** 11 - 1;

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
    const content = contentOf(file);
    const { mode, uid, gid } = file;
    const type = TYPE[file.kind ?? "text"];
    // Of the epoch, so that equal content gives equal bytes.
    parts.push(tarHead({ path, target, mode, uid, gid, type, size: content.length, modified: 0 }));
    parts.push(...padded(content));
  }
  parts.push(TAR_END);
  return joined(parts);
}

/** What stands behind the last entry. */
export const TAR_END: Uint8Array = new Uint8Array(2 * BLOCK);

/** What stands before an entry's content: its header and, where a field is too short, a pax header. */
export function tarHead(entry: TarHead): Uint8Array {
  const { path, target = new Uint8Array() } = entry;
  const long = [
    ...(path.length > FIELD_LIMIT ? [paxRecord("path", path)] : []),
    ...(target.length > FIELD_LIMIT ? [paxRecord("linkpath", target)] : []),
  ];
  if (long.length === 0) return header(entry);
  const records = joined(long);
  const name = ENCODER.encode("pax_header");
  const before = { path: name, mode: 0o644, uid: 0, gid: 0, type: "x", size: records.length, modified: 0 };
  return joined([header(before), ...padded(records), header(entry)]);
}

/** The zero bytes that fill the last block of a content. */
export function tarPadding(size: number): Uint8Array {
  return new Uint8Array((BLOCK - size % BLOCK) % BLOCK);
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
  return [content, tarPadding(content.length)];
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

/** An entry without its content. Paths are bytes: not every name is text. */
export interface TarHead {
  /** Relative to `/`; a directory's ends with a slash. */
  readonly path: Uint8Array;
  /** Of a link. */
  readonly target?: Uint8Array;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** `0` a file, `2` a link, `5` a directory. */
  readonly type: string;
  readonly size: number;
  /** Seconds since the epoch. */
  readonly modified: number;
}

function header({ path, target, mode, uid, gid, type, size, modified }: TarHead): Uint8Array {
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
  if (size <= OCTAL_LIMIT) put(124, octal(size, 12));
  else block.set(base256(size), 124);
  put(136, octal(Math.min(Math.max(modified, 0), OCTAL_LIMIT), 12));
  put(148, " ".repeat(8)); // the checksum counts its own field as spaces
  put(156, type);
  if (target !== undefined) block.set(target.subarray(0, FIELD_LIMIT), 157);
  put(257, "ustar\0" + "00");
  put(148, octal(block.reduce((sum, byte) => sum + byte, 0), 7) + " ");
  return block;
}

/** A number of twelve bytes, as GNU tar and its readers write what octal digits cannot. */
function base256(value: number): Uint8Array {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setBigUint64(4, BigInt(value));
  bytes[0] = 0x80;
  return bytes;
}
