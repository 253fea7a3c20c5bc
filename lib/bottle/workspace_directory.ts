import { Failure, oneLine } from "../errors.ts";
import type { Environment } from "../host/environment.ts";
import type { Files } from "../host/files.ts";
import { dirname, isWithin, join } from "../host/paths.ts";

/** Folders of a home that are all credentials: nothing in them is a workspace. */
const CREDENTIAL_FOLDERS = [
  ".ssh",
  ".aws",
  ".azure",
  ".gnupg",
  ".docker",
  ".kube",
  ".mozilla",
  ".password-store",
  ".local/share/keyrings",
  ".config/gcloud",
  ".config/gh",
  ".config/op",
] as const;

/** Folders that hold credentials among other things: what is below them may be a workspace. */
const MIXED_FOLDERS = [".config", ".claude"] as const;

/** @throws Failure `workspace-refused` for a directory that holds more than anybody means to hand over */
export async function refuseUnsafeDirectory(
  directory: string,
  { files, environment }: { readonly files: Files; readonly environment: Environment },
): Promise<void> {
  const refuse = (why: string): Failure =>
    new Failure("workspace-refused", `${oneLine(directory)} is not copied: ${why}`, {
      hints: ["Change to the project's own directory and run again, or leave --cwd out"],
    });
  if (directory === "/") throw refuse("it is the whole file system");
  const home = environment.get("HOME") ?? "";
  if (!home.startsWith("/")) return;
  const both = async (path: string): Promise<readonly string[]> => [
    path,
    await files.realPath(path).catch(() => undefined) ?? path,
  ];
  for (const at of await both(home)) {
    if (directory === at) throw refuse("it is your home, with all that is in it");
    if (isWithin(at, directory)) throw refuse("your home is in it");
  }
  for (const folder of CREDENTIAL_FOLDERS) {
    for (const at of await both(join(home, folder))) {
      if (isWithin(directory, at)) throw refuse(`credentials are in ${oneLine(at)}`);
      if (isWithin(at, directory) && await files.status(at) !== undefined) {
        throw refuse(`${oneLine(at)} is in it, where credentials are`);
      }
    }
  }
  for (const folder of MIXED_FOLDERS) {
    if ((await both(join(home, folder))).includes(directory)) throw refuse("credentials are in it");
  }
}

/** The directory above whose repository this one is a part of; `undefined` when it is one itself, or in none. */
export async function repositoryAbove(directory: string, files: Files): Promise<string | undefined> {
  for (let at = directory;; at = dirname(at)) {
    const found = await files.linkStatus(join(at, ".git")).catch(() => undefined);
    if (found !== undefined) return at === directory ? undefined : at;
    if (at === "/") return undefined;
  }
}
