import { dirname, join, resolve } from "node:path";
import { EXIT, Failure } from "../errors.ts";
import type { Environment } from "../host/environment.ts";
import type { Files, FileStatus } from "../host/files.ts";

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

/** A manifest file that may be used, and whose it is. */
export interface DiscoveredFile {
  /** Absolute. */
  readonly path: string;
  readonly origin: "user";
}

/**
 * The files that make up the manifest, in order of rising precedence; none when there is no manifest at all.
 *
 * @throws Failure for a file that must not be used: nothing is left out silently.
 */
export async function discoverManifests(options: DiscoverOptions): Promise<readonly DiscoveredFile[]> {
  try {
    return await discover(options);
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
  const project = await projectFile(options, { home, root });
  const theirs = project === undefined ? undefined : await options.files.realPath(project);
  if (project !== undefined && (user === undefined || theirs !== await options.files.realPath(user))) {
    throw untrusted(project);
  }
  return user === undefined ? [] : [await ownFile(options, user)];
}

async function namedFile(options: DiscoverOptions, name: string): Promise<DiscoveredFile> {
  const path = resolve(options.cwd, name);
  if (name === "" || await options.files.status(path) === undefined) {
    throw new Failure("manifest-missing", `There is no manifest at ${path}`, {
      exit: EXIT.usage,
      hints: ["Name an existing file with `--manifest FILE`, or leave the option out"],
    });
  }
  return await ownFile(options, path);
}

function homeOf(environment: Environment): string {
  const home = environment.get("HOME") ?? "";
  if (home.startsWith("/")) return home;
  throw new Failure("home-unset", "Cannot look for a manifest: HOME is not set to an absolute path", {
    exit: EXIT.usage,
    hints: ["Set HOME, or name the file with `--manifest FILE`"],
  });
}

interface Places {
  readonly home: string;
  readonly root: string | undefined;
}

async function userFile(options: DiscoverOptions, places: Places): Promise<string | undefined> {
  const fallback = join(places.home, ".config");
  const set = options.environment.get("XDG_CONFIG_HOME") ?? "";
  // The XDG specification has relative paths ignored.
  const config = set.startsWith("/") ? set : fallback;
  const found = await manifestIn(options.files, join(config, "claude-bottle"));
  if (found === undefined) return await manifestIn(options.files, places.home);
  // A repository's own tooling may have set the variable.
  const sameAsDefault = await options.files.realPath(config) === await options.files.realPath(fallback);
  if (!sameAsDefault && await isInside(options.files, { path: found, folder: places.root })) {
    throw untrusted(found);
  }
  return found;
}

async function isInside(
  files: Files,
  what: { readonly path: string; readonly folder: string | undefined },
): Promise<boolean> {
  if (what.folder === undefined) return false;
  const real = await files.realPath(what.path) ?? what.path;
  const folder = what.folder === "/" ? "/" : `${what.folder}/`;
  return real.startsWith(folder) || `${what.path}/`.startsWith(folder);
}

/** The real path of the folder with `.git` at or above the working directory. */
async function repositoryRoot(options: DiscoverOptions): Promise<string | undefined> {
  for (const folder of upwards(await realCwd(options))) {
    if (await options.files.linkStatus(join(folder, ".git")) !== undefined) return folder;
  }
  return undefined;
}

async function realCwd(options: DiscoverOptions): Promise<string> {
  return await options.files.realPath(options.cwd) ?? options.cwd;
}

/** The nearest manifest from the working directory up to the repository's root. The home folder is no project. */
async function projectFile(options: DiscoverOptions, places: Places): Promise<string | undefined> {
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
async function manifestIn(files: Files, folder: string): Promise<string | undefined> {
  const found: string[] = [];
  for (const name of NAMES) {
    const path = join(folder, name);
    if (await files.linkStatus(path) !== undefined) found.push(path);
  }
  const [first, second] = found;
  if (second === undefined) return first;
  throw new Failure("manifest-ambiguous", `There is more than one manifest: ${found.join(" and ")}`, {
    exit: EXIT.usage,
    hints: ["Keep one of them, or name the one to use with `--manifest FILE`"],
  });
}

async function ownFile(options: DiscoverOptions, path: string): Promise<DiscoveredFile> {
  const status = await options.files.status(path);
  const wrong = status === undefined ? dangling(path) : notOwn(path, { status, uid: options.uid });
  if (wrong !== undefined) throw wrong;
  return { path, origin: "user" };
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

function untrusted(path: string): Failure {
  return new Failure(
    "project-manifest-untrusted",
    `${path} comes with the project, and nobody has approved what it grants`,
    { exit: EXIT.failed, hints: [`Read it; then \`--manifest ${path}\` uses it as your own`] },
  );
}
