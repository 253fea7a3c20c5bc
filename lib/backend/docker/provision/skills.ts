import { dirname, join, posix } from "node:path";
import type { TarContent, TarFile } from "../../../bottle/invocation.ts";
import { Failure, oneLine } from "../../../errors.ts";
import type { Environment } from "../../../host/environment.ts";
import type { Files, FileStatus } from "../../../host/files.ts";
import { contentOfSame } from "./same_file.ts";

/** The most bytes of all skills of an agent together: they are held in memory until they are delivered. */
const SIZE_LIMIT = 50_000_000;
/** The most files, folders and links of all skills of an agent together. */
const ENTRY_LIMIT = 10_000;
/** The longest path below a skill's folder, in bytes; what leaves room for the folder's own in the bottle. */
const PATH_LIMIT = 3500;

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

/** One file, link or folder of a skill. */
export type SkillEntry =
  & {
    /** Below the skill's folder; empty for that folder itself. */
    readonly path: string;
    /** Permission bits. */
    readonly mode: number;
  }
  & Exclude<TarContent, { readonly text: string }>;

/** A skill as it was read. */
export interface Skill {
  readonly name: string;
  /** The host's folder; no part of it is a link. */
  readonly path: string;
  /** Folders before what is in them. */
  readonly entries: readonly SkillEntry[];
  /** What is neither file, folder nor link, and is left out. */
  readonly skipped: readonly string[];
}

/** What is needed of the host. */
export interface SkillPorts {
  readonly files: Files;
  readonly environment: Environment;
}

/**
 * Reads skills of the host's `~/.claude/skills`, everything in them, following no link inside.
 *
 * @throws Failure for one that is missing, leads to what is no skill's, or cannot be delivered as it is
 */
export async function readSkills(names: readonly string[], ports: SkillPorts): Promise<readonly Skill[]> {
  if (names.length === 0) return [];
  const home = homeOf(ports.environment);
  const budget = { bytes: SIZE_LIMIT, entries: ENTRY_LIMIT };
  const skills: Skill[] = [];
  for (const name of names) {
    const path = await skillFolder(name, { home, files: ports.files });
    const reader = new SkillReader({ name, root: path, files: ports.files, budget });
    skills.push(await reader.read());
  }
  return skills;
}

/** Skills as they enter the bottle: the agent's own, and no entry for a folder that is there without them. */
export function provisionSkills(
  skills: readonly Skill[],
  to: { readonly directory: string; readonly user: { readonly uid: number; readonly gid: number } },
): readonly TarFile[] {
  const below = to.directory.replace(/^\/+/, "");
  return skills.flatMap(({ name, entries }) =>
    entries.map((entry) => ({ ...entry, ...to.user, path: posix.join(below, name, entry.path) }))
  );
}

/** What of the skills is left out, a line for each of them. */
export function skillNotices(skills: readonly Skill[]): readonly string[] {
  return skills.filter(({ skipped }) => skipped.length > 0).map(({ name, skipped }) =>
    `skill ${name}: no regular file, left out: ${skipped.join(", ")}`
  );
}

function homeOf(environment: Environment): string {
  const home = environment.get("HOME") ?? "";
  if (home.startsWith("/")) return home;
  throw new Failure("home-unset", "Cannot look for skills: HOME is not set to an absolute path", {
    hints: ["Set HOME: skills are folders in its `.claude/skills`"],
  });
}

/** Where a skill really is. @throws Failure when it is not there, or where no skill may be */
async function skillFolder(
  name: string,
  { home, files }: { readonly home: string; readonly files: Files },
): Promise<string> {
  // A manifest has no other names; a path made of one must not depend on that.
  if (!/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(name)) throw new RangeError(`Not a skill's name: ${name}`);
  const path = join(home, ".claude", "skills", name);
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
  await refuseForeign({ name, path, real }, { home, files });
  return real;
}

interface FoundSkill {
  readonly name: string;
  readonly path: string;
  readonly real: string;
}

async function refuseForeign(
  { name, path, real }: FoundSkill,
  { home, files }: { readonly home: string; readonly files: Files },
): Promise<void> {
  const refuse = (why: string): Failure =>
    new Failure("skill-refused", `Skill ${name} is not copied: ${path} leads to ${oneLine(real)}, ${why}`, {
      hints: [`Make ${path} a folder with the skill's own files`],
    });
  const both = (folder: string): Promise<readonly string[]> =>
    orUnreadable({ name, path: folder }, async () => [folder, await files.realPath(folder) ?? folder]);
  for (const folder of [join(home, ".claude"), join(home, ".claude", "skills")]) {
    if ((await both(folder)).some((at) => isWithin(at, real))) throw refuse(`which holds all of ${folder}`);
  }
  for (const folder of CREDENTIAL_FOLDERS.map((folder) => join(home, folder))) {
    for (const at of await both(folder)) {
      if (isWithin(real, at)) throw refuse(`which is in ${folder}, where credentials are`);
      if (isWithin(at, real)) throw refuse(`which holds ${folder}, where credentials are`);
    }
  }
}

/** Whether `path` is `folder` or below it; both without `..` and links. */
function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}

/** What the platform refuses to read is not left out: the skill would be another one. */
async function orUnreadable<T>(
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

/** What is left of the bounds for all skills. */
interface Budget {
  bytes: number;
  entries: number;
}

/** Reads one skill. */
class SkillReader {
  readonly #name: string;
  readonly #root: string;
  readonly #files: Files;
  readonly #budget: Budget;
  readonly #entries: SkillEntry[] = [];
  readonly #skipped: string[] = [];

  constructor(
    parts: { readonly name: string; readonly root: string; readonly files: Files; readonly budget: Budget },
  ) {
    this.#name = parts.name;
    this.#root = parts.root;
    this.#files = parts.files;
    this.#budget = parts.budget;
  }

  async read(): Promise<Skill> {
    await this.#add("");
    return { name: this.#name, path: this.#root, entries: this.#entries, skipped: this.#skipped };
  }

  async #add(path: string): Promise<void> {
    const at = this.#at(path);
    await orUnreadable({ name: this.#name, path: at }, async () => {
      const status = await this.#files.linkStatus(at);
      if (status === undefined) throw path === "" ? this.#disappeared() : this.#changed(path);
      if (status.kind === "other") {
        this.#skipped.push(path);
        return;
      }
      this.#count(path, status.kind === "file" ? status.size : 0);
      // Setuid, setgid and sticky stay behind: owner and group are others in the bottle.
      const mode = status.mode & 0o777;
      switch (status.kind) {
        case "file":
          this.#entries.push({ path, mode, kind: "bytes", bytes: await this.#bytes(path, status) });
          break;
        case "symlink":
          this.#entries.push({ path, mode: 0o777, kind: "link", target: await this.#target(path) });
          break;
        case "directory":
          this.#entries.push({ path, mode, kind: "directory" });
          await this.#addAll(path);
      }
    });
  }

  async #addAll(path: string): Promise<void> {
    const found = await this.#files.readDirectory(this.#at(path));
    // One that became a link meanwhile was followed just now.
    if (found === undefined || !await this.#isPlain(path)) throw this.#changed(path);
    const names = found.map(({ name }) => name).sort();
    for (const name of names) await this.#add(posix.join(path, name));
  }

  async #bytes(path: string, status: FileStatus): Promise<Uint8Array> {
    const bytes = await contentOfSame(this.#files, this.#at(path), status);
    if (bytes === undefined || !await this.#isPlain(path)) throw this.#changed(path);
    return bytes;
  }

  /** A link's target. @throws Failure unless it stays inside the skill, by its own words and by where it leads now */
  async #target(path: string): Promise<string> {
    const at = this.#at(path);
    const target = await this.#files.readLink(at);
    // U+FFFD stands for bytes that are no text: the link in the bottle would lead elsewhere.
    if (target === undefined || target.includes("\ufffd")) throw this.#changed(path);
    const real = await this.#files.realPath(at);
    const isInside = !target.startsWith("/") && isWithin(join(dirname(at), target), this.#root) &&
      (real === undefined || isWithin(real, this.#root));
    if (isInside) return target;
    throw new Failure(
      "skill-link",
      `Skill ${this.#name} holds a link out of it: ${oneLine(`${path} -> ${target}`)}`,
      {
        hints: [
          "Links are copied as links: replace this one by what it leads to, or by one inside the skill",
        ],
      },
    );
  }

  #count(path: string, size: number): void {
    this.#budget.bytes -= size;
    this.#budget.entries--;
    if (this.#budget.bytes < 0) throw this.#tooLarge(`Skills may have ${SIZE_LIMIT / 1e6} MB together`, path);
    if (this.#budget.entries < 0) throw this.#tooLarge(`Skills may have ${ENTRY_LIMIT} files together`, path);
    if (new TextEncoder().encode(path).length > PATH_LIMIT) {
      throw this.#tooLarge(`Paths in a skill may have ${PATH_LIMIT} bytes`, `${path.slice(0, 60)}…`);
    }
  }

  #tooLarge(limit: string, path: string): Failure {
    return new Failure(
      "skill-too-large",
      `${limit}, and skill ${this.#name} exceeds that at ${oneLine(path)}`,
      {
        hints: ["Remove what the skill does not need, such as installed packages, from its folder"],
      },
    );
  }

  /** Whether no part of a path is a link. */
  async #isPlain(path: string): Promise<boolean> {
    return await this.#files.realPath(this.#at(path)) === this.#at(path);
  }

  /** In the seed's words. */
  #disappeared(): Failure {
    return new Failure(
      "skill-missing",
      `skill '${this.#name}' disappeared from host between validation and copy at ${this.#root}.`,
    );
  }

  #changed(path: string): Failure {
    return new Failure(
      "skill-unreadable",
      `Skill ${this.#name} cannot be read at ${
        oneLine(path)
      }: it changed meanwhile, or its name is not UTF-8`,
      { hints: ["Run the command again; rename the file if its name is not UTF-8"] },
    );
  }

  #at(path: string): string {
    return path === "" ? this.#root : `${this.#root}/${path}`;
  }
}
