import { Failure, oneLine } from "../errors.ts";
import type { Environment } from "../host/environment.ts";
import type { Files } from "../host/files.ts";
import { isWithin, join } from "../host/paths.ts";

/** Folders of a home that hold credentials: no skill comes from there, and none contains one of them. */
const CREDENTIAL_FOLDERS = [
  ".ssh",
  ".aws",
  ".azure",
  ".gnupg",
  ".config",
  ".docker",
  ".kube",
  ".mozilla",
  ".password-store",
  ".local/share/keyrings",
] as const;

/** What is needed of the host. */
export interface SkillPorts {
  readonly files: Files;
  readonly environment: Environment;
}

/** The skills of the host: folders of `~/.claude/skills`. */
export class SkillFolders {
  readonly #files: Files;
  readonly #home: string;
  #kept: Promise<KeptFolders> | undefined;

  /** @throws Failure `home-unset` */
  constructor({ files, environment }: SkillPorts) {
    this.#files = files;
    this.#home = homeOf(environment);
  }

  /** Where a skill really is. @throws Failure `skill-…` when it is not there, or where no skill may be */
  async find(name: string): Promise<string> {
    // A manifest has no other names; a path made of one must not depend on that.
    if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) throw new RangeError(`Not a skill's name: ${name}`);
    const path = join(this.#home, ".claude", "skills", name);
    const files = this.#files;
    const real = await orUnreadable(
      { name, path },
      async () => (await files.status(path))?.kind === "directory" ? await files.realPath(path) : undefined,
    );
    if (real === undefined) {
      throw new Failure(
        "skill-missing",
        `skill '${name}' not found on host at ${path}. Create it under ~/.claude/skills/, then re-run.`,
      );
    }
    this.#kept ??= this.#keptFolders(name);
    refuseForeign({ name, path, real }, await this.#kept);
    return real;
  }

  /** The names of all folders that may be skills, sorted. */
  async names(): Promise<readonly string[]> {
    const entries = await this.#files.readDirectory(join(this.#home, ".claude", "skills")) ?? [];
    return entries.filter(({ kind }) => kind === "directory" || kind === "symlink").map(({ name }) => name)
      .toSorted();
  }

  async #keptFolders(name: string): Promise<KeptFolders> {
    const both = (folder: string): Promise<readonly Kept[]> =>
      orUnreadable({ name, path: folder }, async () => [
        { folder, at: folder },
        { folder, at: await this.#files.realPath(folder) ?? folder },
      ]);
    const all = async (folders: readonly string[]): Promise<readonly Kept[]> =>
      (await Promise.all(folders.map((folder) => both(join(this.#home, folder))))).flat();
    return { holders: await all([".claude", ".claude/skills"]), credentials: await all(CREDENTIAL_FOLDERS) };
  }
}

function homeOf(environment: Environment): string {
  const home = environment.get("HOME") ?? "";
  if (home.startsWith("/")) return home;
  throw new Failure("home-unset", "Cannot look for skills: HOME is not set to an absolute path", {
    hints: ["Set HOME: skills are folders in its `.claude/skills`"],
  });
}

/** A folder as it is named, or where it really is. */
interface Kept {
  readonly folder: string;
  readonly at: string;
}

/** Folders that no skill may contain, and those that it may not come from either. */
interface KeptFolders {
  readonly holders: readonly Kept[];
  readonly credentials: readonly Kept[];
}

interface FoundSkill {
  readonly name: string;
  readonly path: string;
  readonly real: string;
}

function refuseForeign({ name, path, real }: FoundSkill, { holders, credentials }: KeptFolders): void {
  const refuse = (why: string): Failure =>
    new Failure("skill-refused", `Skill ${name} is not copied: ${path} leads to ${oneLine(real)}, ${why}`, {
      hints: [`Make ${path} a folder with the skill's own files`],
    });
  for (const { folder, at } of holders) {
    if (isWithin(at, real)) throw refuse(`which holds all of ${folder}`);
  }
  for (const { folder, at } of credentials) {
    if (isWithin(real, at)) throw refuse(`which is in ${folder}, where credentials are`);
    if (isWithin(at, real)) throw refuse(`which holds ${folder}, where credentials are`);
  }
}

/** What the platform refuses to read is not left out: the skill would be another one. */
export async function orUnreadable<T>(
  { name, path }: { readonly name: string; readonly path: string },
  read: () => Promise<T>,
): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Failure) throw error;
    const why = error instanceof Error ? `: ${oneLine(error.message)}` : "";
    throw new Failure("skill-unreadable", `Skill ${name} cannot be read at ${oneLine(path)}${why}`, {
      hints: ["Make it readable, or remove it from the skill"],
      cause: error,
    });
  }
}
