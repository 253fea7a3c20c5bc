import { shellQuoted } from "../bottle/invocation.ts";
import { oneLine } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { join, resolve } from "../host/paths.ts";
import type { Remark } from "../manifest/problems.ts";

/** Where programs are looked for when PATH is not set. */
const DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin";

/** What is said of a command whose program is not there; a path in it is absolute. Runs nothing. */
export async function missingProgram(
  argv: readonly string[],
  host: Pick<Host, "files" | "environment">,
): Promise<Remark | undefined> {
  const [program = ""] = argv;
  const isPath = program.includes("/");
  const places = isPath ? [program] : onPath(program, host);
  const found = await Promise.all(places.map((place) => isProgram(place, host)));
  if (found.includes(true)) return undefined;
  return {
    message: isPath ? `no program is at ${oneLine(program)}` : `${oneLine(program)} is not on PATH`,
    hints: [`Install it, or correct the command: ${oneLine(shellQuoted(argv))}`],
  };
}

/** The command is run in the home folder, where relative folders of PATH then begin. */
function onPath(name: string, { environment }: Pick<Host, "environment">): readonly string[] {
  const home = environment.get("HOME") || "/";
  const folders = (environment.get("PATH") ?? DEFAULT_PATH).split(":");
  return [...new Set(folders.map((folder) => join(resolve(home, folder), name)))];
}

async function isProgram(path: string, { files }: Pick<Host, "files">): Promise<boolean> {
  try {
    const status = await files.status(path);
    return status?.kind === "file" && (status.mode & 0o111) !== 0;
  } catch {
    // What cannot be looked at cannot be run either.
    return false;
  }
}
