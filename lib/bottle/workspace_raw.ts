import type { FileStatus } from "../host/files.ts";
import type { Processes } from "../host/processes.ts";

/*
 * Deno hands over names as text, so what is not UTF-8 cannot even be opened. A shell can: names go to it as escapes of
 * `printf` and come back as hexadecimal digits. Slow, and rare.
 */

/** One entry of a directory, its name as it is on the disk. */
export interface RawEntry extends Omit<FileStatus, "uid" | "birth"> {
  readonly name: Uint8Array;
  readonly readable: boolean;
  /** Where a link leads. */
  readonly target: Uint8Array | undefined;
}

/** Bytes that are read at once; the shell's answer has three characters for each. */
const READ_LIMIT = 1024 ** 2;

const BLOCK = 65_536;

/** Enters the directory in $1, by no link, and has the name in $2 as `name`. */
const ENTER = `
at=$(printf '%bx' "$1"); at=\${at%x}
name=$(printf '%bx' "$2"); name=\${name%x}
cd -P -- "$at" || exit 3
here=$(pwd -P; printf x)
[ "$here" = "$at
x" ] || exit 4
hex() { od -An -v -tx1 | tr -d ' \\n'; }
facts() { stat -c '%f %d:%i %s %Y' -- "$1" 2>/dev/null || stat -f '%Xp %d:%i %z %m' -- "$1"; }
`;

const LIST = `${ENTER}
[ -r . ] && [ -x . ] || exit 3
for name in .* *; do
  case $name in .|..) continue ;; esac
  [ -e "./$name" ] || [ -L "./$name" ] || continue
  facts "./$name" | tr -d '\\n' || exit 3
  if [ -r "./$name" ] || [ -L "./$name" ]; then printf ' r '; else printf ' - '; fi
  printf '%s' "$name" | hex
  if [ -L "./$name" ]; then printf ' '; readlink "./$name" | hex; fi
  echo
done
echo end
`;

const READ = `${ENTER}
[ ! -L "./$name" ] && [ -f "./$name" ] || exit 4
set -- "$3" "$4" "$5" $(facts "./$name")
[ "$1" = "$5" ] || exit 4
dd if="./$name" bs=${BLOCK} skip="$2" count="$3" 2>/dev/null | od -An -v -tx1
`;

/** Directories and files whose names are not UTF-8. */
export class RawFiles {
  readonly #processes: Processes;
  readonly #path: string;
  readonly #signal: AbortSignal;

  constructor(ports: { readonly processes: Processes; readonly path: string; readonly signal: AbortSignal }) {
    this.#processes = ports.processes;
    this.#path = ports.path;
    this.#signal = ports.signal;
  }

  /** What is in a directory; `undefined` when it is not there, not readable, or reached by a link. */
  async list(directory: Uint8Array): Promise<readonly RawEntry[] | undefined> {
    const stdout = await this.#shell(LIST, [octal(directory), ""]);
    const lines = stdout?.split("\n") ?? [];
    if (lines.at(-2) !== "end") return undefined;
    return lines.slice(0, -2).map(entryOf).filter((entry) => entry !== undefined);
  }

  /**
   * Up to 1 MiB of a file from `offset` on, a multiple of 64 KiB; `undefined` when it is no longer the file of that
   * identity.
   */
  async read(
    file: { readonly path: Uint8Array; readonly identity: string; readonly offset: number },
  ): Promise<Uint8Array | undefined> {
    const slash = file.path.lastIndexOf(0x2f);
    const [directory, name] = [file.path.subarray(0, slash), file.path.subarray(slash + 1)];
    const count = String(READ_LIMIT / BLOCK);
    const words = [octal(directory), octal(name), file.identity, String(file.offset / BLOCK), count];
    const stdout = await this.#shell(READ, words);
    return stdout === undefined ? undefined : fromHex(stdout);
  }

  async #shell(script: string, words: readonly string[]): Promise<string | undefined> {
    const call = {
      program: "sh",
      args: ["-c", script, "sh", ...words],
      env: { PATH: this.#path, LC_ALL: "C" },
    };
    const { code, stdout } = await this.#processes.run(call, { signal: this.#signal });
    return code === 0 ? stdout : undefined;
  }
}

/** Bytes as `printf %b` reads them. */
function octal(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => `\\0${byte.toString(8).padStart(3, "0")}`).join("");
}

function fromHex(text: string): Uint8Array {
  const digits = text.replaceAll(/\s/g, "");
  return Uint8Array.from(
    { length: digits.length / 2 },
    (_, index) => parseInt(digits.slice(2 * index, 2 * index + 2), 16),
  );
}

const KINDS: Readonly<Record<number, FileStatus["kind"]>> = {
  0o040000: "directory",
  0o100000: "file",
  0o120000: "symlink",
};

function entryOf(line: string): RawEntry | undefined {
  const [mode, identity, size, modified, readable, name, target] = line.split(" ");
  if (mode === undefined || identity === undefined || name === undefined) return undefined;
  const bits = parseInt(mode, 16);
  return {
    name: fromHex(name),
    kind: KINDS[bits & 0o170000] ?? "other",
    size: Number(size),
    mode: bits & 0o7777,
    modified: Number(modified),
    identity,
    readable: readable === "r",
    // Without the line feed that `readlink` adds.
    target: target === undefined ? undefined : fromHex(target).subarray(0, -1),
  };
}
