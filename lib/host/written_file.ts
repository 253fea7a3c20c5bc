import { EXIT, Failure } from "../errors.ts";
import type { Host } from "./host.ts";

/** A file to write, whole or not at all. */
export interface FileToWrite {
  /** Absolute. */
  readonly path: string;
  readonly content: string;
  /** Permission bits, e.g. 0o600. */
  readonly mode: number;
  /** Whether it may take the place of what is there already; a link there is replaced, not followed. */
  readonly replace: boolean;
}

/** Folders that are missing are made for the user alone. 3: something is there already. */
const SCRIPT = `set -eu
# Relative folders of PATH would begin where other people's files are.
cd /
umask 077
folder=$1 name=$2 mode=$3 replace=$4
target=$folder/$name
mkdir -p -- "$folder"
if [ -d "$target" ]; then echo "it is a folder" >&2; exit 1; fi
part=$(mktemp -- "$folder/.$name.XXXXXXXX")
trap 'rm -f -- "$part"' EXIT
cat >"$part"
chmod -- "$mode" "$part"
if [ "$replace" = no ]; then (set -C; : >"$target") 2>/dev/null || exit 3; fi
mv -f -- "$part" "$target"
`;
const TAKEN = 3;

/**
 * Writes a file of the host beside its place and moves it there: nobody reads half of it. Goes through `sh`, so that
 * this program itself has no permission to write.
 *
 * @throws Failure `file-exists` (nothing was changed), `file-not-written`
 */
export async function writeFile(
  host: Pick<Host, "processes" | "environment">,
  { path, content, mode, replace }: FileToWrite,
): Promise<void> {
  const slash = path.lastIndexOf("/");
  const folder = path.slice(0, slash) || "/";
  const outcome = await host.processes.run({
    program: "sh",
    args: ["-c", SCRIPT, "sh", folder, path.slice(slash + 1), mode.toString(8), replace ? "yes" : "no"],
    env: { PATH: host.environment.get("PATH") ?? "/usr/bin:/bin", LC_ALL: "C" },
  }, { input: new TextEncoder().encode(content), deadlineMs: 10_000 });
  if (outcome.code === 0) return;
  if (outcome.code === TAKEN) {
    throw new Failure("file-exists", `${path} exists already`, { exit: EXIT.failed });
  }
  throw new Failure("file-not-written", `Cannot write ${path}: ${outcome.stderr.trim()}`, {
    exit: EXIT.failed,
  });
}
