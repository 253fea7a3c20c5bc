import { Failure, oneLine } from "../errors.ts";
import type { Environment } from "../host/environment.ts";
import type { Files, FileStatus } from "../host/files.ts";
import { basename, dirname, isWithin, join } from "../host/paths.ts";
import type { Processes } from "../host/processes.ts";
import { fromByteText, toByteText } from "./byte_text.ts";
import { GitConfigError } from "./git_config.ts";
import { rewrittenGitConfig } from "./git_settings.ts";
import type { WorkspaceSource } from "./spec.ts";
import type { Workspace, WorkspaceContent, WorkspaceEntry } from "./workspace.ts";
import { refuseUnsafeDirectory, repositoryAbove } from "./workspace_directory.ts";
import { type Exclusion, exclusion } from "./workspace_exclude.ts";
import { CLONE_REMEDY, gitFileTarget, gitRule, isBareRepository, withoutUserinfo } from "./workspace_git.ts";
import { below, changed, excludeOption, type Found, Listing, rawBelow } from "./workspace_listing.ts";
import { WorkspaceFindings } from "./workspace_notices.ts";
import { RawFiles } from "./workspace_raw.ts";

/** The most files, directories and links: all of them are held in memory. */
const ENTRY_LIMIT = 1_000_000;
/** The most bytes of a configuration or another text of git that is rewritten. */
const TEXT_LIMIT = 4_000_000;

/** What is needed of the host. */
export interface WorkspacePorts {
  readonly files: Files;
  readonly environment: Environment;
  readonly processes: Processes;
  readonly uid: number | undefined;
  readonly signal: AbortSignal;
}

/**
 * Finds everything in a directory, following no link and running no git.
 *
 * @throws Failure for a directory that is not to be copied, or cannot be copied as it is
 */
export async function readWorkspace(source: WorkspaceSource, ports: WorkspacePorts): Promise<Workspace> {
  await refuseUnsafeDirectory(source.directory, ports);
  const status = await ports.files.linkStatus(source.directory);
  if (status?.kind !== "directory") throw changed("");
  const walk = new Walk(source, ports);
  await walk.root(status);
  return walk.result();
}

/** A directory and what it is to git. */
interface Directory {
  readonly path: string;
  readonly raw: Uint8Array | undefined;
  /** The root of the git directory that it belongs to; `undefined` in a work tree. */
  readonly git: GitDirectory | undefined;
}

interface GitDirectory {
  readonly path: string;
  /** Whether it is a submodule's. */
  readonly isModule: boolean;
}

class Walk {
  readonly #source: WorkspaceSource;
  readonly #ports: WorkspacePorts;
  readonly #listing: Listing;
  readonly #excluded: Exclusion;
  readonly #entries: WorkspaceEntry[] = [];
  readonly #findings = new WorkspaceFindings();
  #files = 0;
  #bytes = 0;

  constructor(source: WorkspaceSource, ports: WorkspacePorts) {
    const raw = new RawFiles({ ...ports, path: ports.environment.get("PATH") ?? "/usr/bin:/bin" });
    this.#source = source;
    this.#ports = ports;
    this.#listing = new Listing({ ...ports, root: source.directory, raw });
    this.#excluded = exclusion(source.exclude);
  }

  async root({ mode, modified }: FileStatus): Promise<void> {
    this.#push({ path: "", mode: mode & 0o777, modified, content: { kind: "directory" } });
    this.#findings.repositoryAbove = await repositoryAbove(this.#source.directory, this.#ports.files);
    await this.#all({ path: "", raw: undefined, git: undefined });
    this.#findings.unmatched = this.#excluded.unmatched();
  }

  result(): Workspace {
    const { directory } = this.#source;
    return {
      directory,
      entries: this.#entries,
      files: this.#files,
      bytes: this.#bytes,
      notices: this.#findings.notices({ directory, bytes: this.#bytes }),
    };
  }

  async #all(directory: Directory): Promise<void> {
    this.#ports.signal.throwIfAborted();
    const isWanted = (name: string): boolean => !this.#isExcluded(directory, name);
    const found = await this.#listing.of(directory, isWanted);
    const git = this.#gitDirectoryOf(directory, found);
    for (const entry of found) await this.#one({ ...directory, git }, entry);
  }

  /** A pattern for names means files of the work tree: it must not tear a hole into a repository. */
  #isExcluded({ path, git }: Directory, name: string): boolean {
    return this.#excluded.path(below(path, name)) || (git === undefined && this.#excluded.name(name));
  }

  /** A bare repository is one at the root; a submodule's stands below `modules`, at any depth. */
  #gitDirectoryOf(
    { path, git }: Directory,
    found: readonly Found[],
  ): GitDirectory | undefined {
    const kinds = new Map(found.map(({ name, kind }) => [name, kind]));
    if (git === undefined) {
      return path === "" && isBareRepository(kinds) ? { path, isModule: false } : undefined;
    }
    const within = inGit(git, path);
    const isModule = /^modules\//i.test(within) && (kinds.get("HEAD") ?? kinds.get("config")) === "file";
    return isModule ? { path, isModule } : git;
  }

  async #one(directory: Directory, found: Found): Promise<void> {
    const path = below(directory.path, found.name);
    const raw = rawBelow(directory, found);
    const { git } = directory;
    const content = git === undefined
      ? await this.#inTree(path, found)
      : await this.#inGitDirectory(path, { git, found });
    if (content === undefined) return;
    // Setuid, setgid and sticky stay behind: owner and group are others in the bottle.
    const mode = found.mode & 0o777;
    const { modified } = found;
    this.#push({ path, ...(raw === undefined ? {} : { rawPath: raw }), mode, modified, content });
    if (content.kind !== "directory") return;
    const own = git ?? (isGit(found.name) ? { path, isModule: false } : undefined);
    await this.#all({ path, raw, git: own });
  }

  /** `undefined` for what is left out. */
  async #inTree(path: string, found: Found): Promise<WorkspaceContent | undefined> {
    if (isGit(found.name)) await this.#checkGitEntry(path, found);
    const content = this.#plain(path, found);
    if (content?.kind === "file") this.#findings.file(path);
    return content;
  }

  /** @throws Failure for a repository whose parts are elsewhere */
  async #checkGitEntry(path: string, found: Found): Promise<void> {
    if (found.kind === "symlink") throw gitRefused(path, { why: "it is a link", remedy: CLONE_REMEDY });
    if (found.kind !== "file") return;
    if (!path.includes("/")) {
      const why = "its repository is elsewhere: this is a linked worktree or a submodule";
      throw gitRefused(path, { why, remedy: CLONE_REMEDY });
    }
    const target = gitFileTarget(await this.#text(path, found));
    const isCopied = target !== undefined && !target.startsWith("/") &&
      isInside(dirname(path), target) && !/(^|\/)\.git\/worktrees\//i.test(target);
    if (!isCopied) this.#findings.strayGitFiles.push(path);
  }

  async #inGitDirectory(
    path: string,
    { git, found }: { readonly git: GitDirectory; readonly found: Found },
  ): Promise<WorkspaceContent | undefined> {
    const target = found.target === undefined ? undefined : new TextDecoder().decode(found.target);
    const within = inGit(git, path);
    const rule = gitRule(within, { kind: found.kind, target });
    switch (rule.kind) {
      case "copy":
        return this.#plain(path, found);
      case "drop":
        return undefined;
      case "config":
        return this.#written(this.#config(path, await this.#text(path, found), git));
      case "addresses":
        // What cannot be rewritten is nothing that the repository needs.
        if (found.size > TEXT_LIMIT || found.rawName !== undefined) return undefined;
        return this.#written(withoutUserinfo(await this.#text(path, found)));
      case "refuse":
        throw gitRefused(git.path || this.#source.directory, rule);
      default:
        return rule satisfies never;
    }
  }

  #config(path: string, text: string, { isModule }: GitDirectory): string {
    try {
      const config = rewrittenGitConfig(text, { isModule });
      this.#findings.settingsDropped += config.dropped;
      this.#findings.addressesStripped += config.stripped;
      return config.text;
    } catch (error) {
      if (!(error instanceof GitConfigError)) throw error;
      throw new Failure("workspace-git-config", `${oneLine(path)} cannot be read: ${error.message}`, {
        hints: [
          "`git config --list --local` shows what git says to it",
          `Or leave the repository out: ${excludeOption(dirname(path))}`,
        ],
        cause: error,
      });
    }
  }

  #written(text: string): WorkspaceContent {
    const bytes = fromByteText(text);
    this.#files++;
    this.#bytes += bytes.length;
    return { kind: "text", bytes };
  }

  #plain(path: string, found: Found): WorkspaceContent | undefined {
    switch (found.kind) {
      case "directory":
        return { kind: "directory" };
      case "file":
        this.#files++;
        this.#bytes += found.size;
        return { kind: "file", size: found.size, identity: found.identity };
      case "symlink":
        return this.#link(path, found.target);
      case "other":
        this.#findings.skipped.push(path);
        return undefined;
      default:
        return found.kind satisfies never;
    }
  }

  #link(path: string, target: Uint8Array | undefined): WorkspaceContent {
    if (target === undefined || target.length === 0) throw changed(path);
    const text = new TextDecoder().decode(target);
    if (text.startsWith("/") || !isInside(dirname(path), text)) this.#findings.linksOut.push(path);
    return { kind: "link", target };
  }

  /** A small file's content, a byte a character. @throws Failure when it is no longer what was found, or not small */
  async #text(path: string, { size, identity, rawName }: Found): Promise<string> {
    if (size > TEXT_LIMIT || rawName !== undefined) {
      throw new Failure("workspace-git-config", `${oneLine(path)} is not what git keeps there`, {
        hints: [`Leave it out: ${excludeOption(path)}`],
      });
    }
    using file = await this.#ports.files.open(`${this.#source.directory}/${path}`);
    if (file === undefined || (await file.status()).identity !== identity) throw changed(path);
    const bytes = new Uint8Array(size);
    let filled = 0;
    while (filled < size) {
      const count = await file.read(bytes.subarray(filled));
      if (count === undefined) throw changed(path);
      filled += count;
    }
    return toByteText(bytes);
  }

  #push(entry: WorkspaceEntry): void {
    if (this.#entries.length >= ENTRY_LIMIT) {
      throw new Failure(
        "workspace-too-large",
        `A workspace may have ${ENTRY_LIMIT} files and directories; ${
          oneLine(this.#source.directory)
        } has more`,
        { hints: ["Leave out what the agent does not need, such as `--exclude node_modules`"] },
      );
    }
    this.#entries.push(entry);
  }
}

/** A file system may not tell upper from lower case. */
function isGit(name: string): boolean {
  return name.toLowerCase() === ".git";
}

/** The path below the root of a git directory. */
function inGit(git: GitDirectory, path: string): string {
  return git.path === "" ? path : path.slice(git.path.length + 1);
}

/** Whether a relative target, from a directory of the workspace, stays in the workspace. */
function isInside(from: string, target: string): boolean {
  return isWithin(join("/root", from, target).replace(/(?<=.)\/$/, ""), "/root");
}

function gitRefused(
  path: string,
  { why, remedy }: { readonly why: string; readonly remedy: string },
): Failure {
  return new Failure("workspace-git", `${oneLine(path)} cannot be copied: ${why}`, {
    hints: [remedy, ...(isGit(basename(path)) ? [`Or leave it out: ${excludeOption(path)}`] : [])],
  });
}
