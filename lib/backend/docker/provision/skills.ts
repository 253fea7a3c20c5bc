import type { TarContent, TarFile } from "../../../bottle/invocation.ts";
import { orUnreadable, SkillFolders, type SkillPorts } from "../../../bottle/skill_folders.ts";
import { Failure, oneLine } from "../../../errors.ts";
import type { Files, FileStatus } from "../../../host/files.ts";
import { dirname, isWithin, join } from "../../../host/paths.ts";
import { contentOfSame } from "../../../host/same_file.ts";

/** The most bytes of all skills of an agent together: they are held in memory until they are delivered. */
const SIZE_LIMIT = 50_000_000;
/** The most files, folders and links of all skills of an agent together. */
const ENTRY_LIMIT = 10_000;
/** The longest path below a skill's folder, in bytes; what leaves room for the folder's own in the bottle. */
const PATH_LIMIT = 3500;

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

/**
 * Reads skills of the host's `~/.claude/skills`, everything in them, following no link inside.
 *
 * @throws Failure for one that is missing, leads to what is no skill's, or cannot be delivered as it is
 */
export async function readSkills(names: readonly string[], ports: SkillPorts): Promise<readonly Skill[]> {
  if (names.length === 0) return [];
  const folders = new SkillFolders(ports);
  const budget = { bytes: SIZE_LIMIT, entries: ENTRY_LIMIT };
  const skills: Skill[] = [];
  for (const name of names) {
    const path = await folders.find(name);
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
    entries.map((entry) => ({ ...entry, ...to.user, path: join(below, name, entry.path) }))
  );
}

/** What of the skills is left out, a line for each of them. */
export function skillNotices(skills: readonly Skill[]): readonly string[] {
  return skills.filter(({ skipped }) => skipped.length > 0).map(({ name, skipped }) =>
    `skill ${name}: no regular file, left out: ${skipped.join(", ")}`
  );
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
    for (const name of names) await this.#add(join(path, name));
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
