import { EXIT, Failure } from "../errors.ts";
import type { Environment } from "../host/environment.ts";
import type { Files, FileStatus } from "../host/files.ts";
import { dirname, isWithin, join, resolve } from "../host/paths.ts";

/** The names a manifest may have. */
const NAMES = ["claude-bottle.yaml", "claude-bottle.yml", "claude-bottle.json"] as const;

/** Where to look. */
export interface DiscoverOptions {
  readonly files: Files;
  readonly environment: Environment;
  /** Absolute. */
  readonly cwd: string;
  /** `undefined` where files have no owners. */
  readonly uid: number | undefined;
  /** `--manifest FILE`. */
  readonly manifestFile?: string | undefined;
}

/** A manifest file, and whose it is. What the project's grants counts only once it is approved. */
export type DiscoveredFile =
  /** `path` is absolute. */
  | { readonly path: string; readonly origin: "user" }
  /** `root`: real path of the repository's root, or of the working directory where there is no repository. */
  | { readonly path: string; readonly origin: "project"; readonly root: string };

/**
 * The files that make up the manifest, in order of rising precedence; none when there is no manifest at all.
 *
 * @throws Failure for a file that must not be used: nothing is left out silently.
 */
export async function discoverManifests(options: DiscoverOptions): Promise<readonly DiscoveredFile[]> {
  return await looking(() => discover(options));
}

/** @throws Failure `manifest-unreadable` for what the platform refuses to look for, and those of `work` */
export async function looking<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Failure) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new Failure("manifest-unreadable", `Cannot look for a manifest: ${reason}`, {
      exit: EXIT.usage,
      cause: error,
    });
  }
}

async function discover(options: DiscoverOptions): Promise<readonly DiscoveredFile[]> {
  if (options.manifestFile !== undefined) return [await namedFile(options, options.manifestFile)];
  const home = homeOf(options.environment);
  const root = await repositoryRoot(options);
  const user = await userFile(options, { home, root });
  const project = await projectFile(options, { home, root, user });
  const found: DiscoveredFile[] = [];
  if (user?.origin === "user") found.push(await checked(options, user));
  if (project !== undefined) found.push(await checked(options, project));
  return found;
}

async function namedFile(options: DiscoverOptions, name: string): Promise<DiscoveredFile> {
  const path = resolve(options.cwd, name);
  if (name === "" || await options.files.status(path) === undefined) {
    throw new Failure("manifest-missing", `There is no manifest at ${path}`, {
      exit: EXIT.usage,
      hints: ["Name an existing file with `--manifest FILE`, or leave the option out"],
    });
  }
  return await checked(options, { path, origin: "user" });
}

/** The user's home. @throws Failure `home-unset` */
export function homeOf(environment: Environment): string {
  const home = environment.get("HOME") ?? "";
  if (home.startsWith("/")) return home;
  throw new Failure("home-unset", "Cannot look for a manifest: HOME is not set to an absolute path", {
    exit: EXIT.usage,
    hints: ["Set HOME, or name the file with `--manifest FILE`"],
  });
}

/** Where the search begins and ends. */
export interface Places {
  readonly home: string;
  readonly root: string | undefined;
}

async function userFile(options: DiscoverOptions, places: Places): Promise<DiscoveredFile | undefined> {
  const fallback = join(places.home, ".config");
  const config = configFolder(options.environment, places.home);
  const found = await manifestIn(options.files, join(config, "claude-bottle"));
  if (found === undefined) {
    const path = await manifestIn(options.files, places.home);
    return path === undefined ? undefined : { path, origin: "user" };
  }
  // A repository's own tooling may have set the variable: the file is then as trusted as the repository.
  const sameAsDefault = await options.files.realPath(config) === await options.files.realPath(fallback);
  const folder = places.root ?? await unpackedFolder(options, places.home);
  if (folder !== undefined && !sameAsDefault && await isInside(options.files, { path: found, folder })) {
    return { path: found, origin: "project", root: folder };
  }
  return { path: found, origin: "user" };
}

/** The working directory, which may be a project without a repository; not what holds the home, or is all there is. */
async function unpackedFolder(options: DiscoverOptions, home: string): Promise<string | undefined> {
  const folder = await realCwd(options);
  return isWithin(await options.files.realPath(home) ?? home, folder) ? undefined : folder;
}

/** Where the user's programs keep their configuration. */
export function configFolder(environment: Environment, home: string): string {
  const set = environment.get("XDG_CONFIG_HOME") ?? "";
  // The XDG specification has relative paths ignored.
  return set.startsWith("/") ? set : join(home, ".config");
}

/** Whether a path is below a folder, as it is written or as it really is. */
async function isInside(
  files: Files,
  { path, folder }: { readonly path: string; readonly folder: string },
): Promise<boolean> {
  return isWithin(await files.realPath(path) ?? path, folder) || isWithin(path, folder);
}

/** The real path of the folder with `.git` at or above the working directory. */
export async function repositoryRoot(options: DiscoverOptions): Promise<string | undefined> {
  for (const folder of upwards(await realCwd(options))) {
    if (await options.files.linkStatus(join(folder, ".git")) !== undefined) return folder;
  }
  return undefined;
}

/** The real path of the working directory. */
export async function realCwd(options: DiscoverOptions): Promise<string> {
  return await options.files.realPath(options.cwd) ?? options.cwd;
}

/**
 * The nearest manifest from the working directory up to the repository's root, unless it is the user's. The home
 * folder is no project.
 *
 * @throws Failure for a second file that counts as the project's
 */
async function projectFile(
  options: DiscoverOptions,
  places: Places & { readonly user: DiscoveredFile | undefined },
): Promise<DiscoveredFile | undefined> {
  const { user } = places;
  const configured = user?.origin === "project" ? user : undefined;
  const path = await nearestManifest(options, places);
  if (path === undefined) return configured;
  const same = user !== undefined &&
    await options.files.realPath(path) === await options.files.realPath(user.path);
  if (same) return configured;
  if (configured !== undefined) throw ambiguous([configured.path, path]);
  return { path, origin: "project", root: places.root ?? await realCwd(options) };
}

/** The nearest manifest from the working directory up to the repository's root; the home folder is passed over. */
export async function nearestManifest(options: DiscoverOptions, places: Places): Promise<string | undefined> {
  const cwd = await realCwd(options);
  const home = await options.files.realPath(places.home);
  for (const folder of upwards(cwd)) {
    const found = folder === home ? undefined : await manifestIn(options.files, folder);
    if (found !== undefined) return found;
    if (places.root === undefined || folder === places.root) return undefined;
  }
  return undefined;
}

function upwards(from: string): readonly string[] {
  const folders = [from];
  for (let folder = from; dirname(folder) !== folder; folder = dirname(folder)) folders.push(dirname(folder));
  return folders;
}

/** The one manifest of a folder. @throws Failure when there are two */
export async function manifestIn(files: Files, folder: string): Promise<string | undefined> {
  const found: string[] = [];
  for (const name of NAMES) {
    const path = join(folder, name);
    if (await files.linkStatus(path) !== undefined) found.push(path);
  }
  const [first, second] = found;
  if (second === undefined) return first;
  throw ambiguous(found);
}

function ambiguous(found: readonly string[]): Failure {
  return new Failure("manifest-ambiguous", `There is more than one manifest: ${found.join(" and ")}`, {
    exit: EXIT.usage,
    hints: ["Keep one of them, or name the one to use with `--manifest FILE`"],
  });
}

/** Whether a path in the working directory's project leads to something that is none of it. */
export async function leadsOut(options: DiscoverOptions, path: string): Promise<boolean> {
  return await looking(() => isLinkOut(options, path));
}

async function isLinkOut(options: DiscoverOptions, path: string): Promise<boolean> {
  const root = await repositoryRoot(options) ?? await realCwd(options);
  const [folder, real] = await Promise.all([
    options.files.realPath(dirname(path)),
    options.files.realPath(path),
  ]);
  if (folder === undefined || real === undefined) return false;
  return (isWithin(path, root) || isWithin(folder, root)) && !isWithin(real, root);
}

/** A file that nobody but the user and root can have written, and a project's stands in the project. @throws Failure */
async function checked(options: DiscoverOptions, file: DiscoveredFile): Promise<DiscoveredFile> {
  const { files, uid } = options;
  const status = await files.status(file.path);
  const wrong = status === undefined ? dangling(file.path) : notOwn(file.path, { status, uid });
  if (wrong !== undefined) throw wrong;
  if (file.origin === "project" && !isWithin(await files.realPath(file.path) ?? "", file.root)) {
    throw new Failure("manifest-unreadable", `${file.path} is a link that leads out of the project`, {
      exit: EXIT.usage,
      hints: ["Put the manifest itself into the project, or name it with `--manifest FILE`"],
    });
  }
  return file;
}

function dangling(path: string): Failure {
  return new Failure("manifest-unreadable", `${path} is a link to nothing`, { exit: EXIT.usage });
}

function notOwn(
  path: string,
  what: { readonly status: FileStatus; readonly uid: number | undefined },
): Failure | undefined {
  const { status, uid } = what;
  if (status.kind !== "file") {
    return new Failure("manifest-unreadable", `${path} is not a regular file`, { exit: EXIT.usage });
  }
  if (uid === undefined) return undefined;
  if (status.uid !== uid && status.uid !== 0) {
    return new Failure(
      "manifest-not-yours",
      `${path} belongs to neither you nor root, so others may change it`,
      {
        exit: EXIT.usage,
        hints: ["Copy it to a file of your own"],
      },
    );
  }
  if ((status.mode & 0o002) === 0) return undefined;
  return new Failure("manifest-not-yours", `${path} can be written by everyone`, {
    exit: EXIT.usage,
    hints: [`Take that right away with \`chmod o-w\``],
  });
}
