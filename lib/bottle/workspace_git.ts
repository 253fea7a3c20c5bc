import type { FileStatus } from "../host/files.ts";

/** What becomes of an entry of a git directory. */
export type GitRule =
  | { readonly kind: "copy" }
  | { readonly kind: "drop" }
  /** A configuration: written afresh. */
  | { readonly kind: "config" }
  /** Text that may hold addresses: copied without their credentials. */
  | { readonly kind: "addresses" }
  /** The copy would be no repository. */
  | { readonly kind: "refuse"; readonly why: string; readonly remedy: string };

/** The way out of a repository that is not in one place. */
export const CLONE_REMEDY =
  "`git clone --no-hardlinks DIRECTORY COPY` makes one that stands alone: start in COPY";

const COPY = { kind: "copy" } as const;
const DROP = { kind: "drop" } as const;

/** What runs on the host, belongs to its processes, or is a secret. */
const DROPPED = /^(hooks|worktrees|config\.worktree|gc\.pid|fsmonitor--daemon.*|[^/]*credential[^/]*)$/;

/** Where a link would leave a repository without its parts. */
const OWN_PARTS = /^(config|index|info|logs|modules|objects|packed-refs|refs|reftable|shallow)(\/|$)/;

/** Reflogs of old clones, and remotes in their oldest form, have addresses as they were typed. */
const WITH_ADDRESSES = /^(fetch_head|(logs|branches|remotes)\/.*)$/;

/** Judges an entry by its path from the git directory's root; a file system may not tell upper from lower case. */
export function gitRule(path: string, { kind, target }: {
  readonly kind: FileStatus["kind"];
  readonly target: string | undefined;
}): GitRule {
  const lower = path.toLowerCase();
  if (DROPPED.test(lower)) return DROP;
  const isObject = lower.startsWith("objects/");
  // What a git that still runs, or died, has locked: the bottle's would wait for it for ever.
  if (kind === "file" && lower.endsWith(".lock") && !isObject) return DROP;
  if (lower === "commondir") {
    return refused("its repository is elsewhere: it is a linked worktree", CLONE_REMEDY);
  }
  if (lower === "objects/info/alternates") {
    return refused(
      "it takes objects from another repository (objects/info/alternates)",
      "`git repack -a -d && rm .git/objects/info/alternates` makes it stand alone, as does `git clone`",
    );
  }
  if (kind === "symlink" && OWN_PARTS.test(lower)) {
    return refused(`${path} is a link: a part of the repository is elsewhere`, CLONE_REMEDY);
  }
  if (lower === "head" && kind === "symlink" && target?.startsWith("refs/") !== true) {
    return refused("HEAD is a link out of the repository", CLONE_REMEDY);
  }
  if (kind !== "file") return COPY;
  if (lower === "config") return { kind: "config" };
  return WITH_ADDRESSES.test(lower) ? { kind: "addresses" } : COPY;
}

function refused(why: string, remedy: string): GitRule {
  return { kind: "refuse", why, remedy };
}

/** Text without what stands before the `@` of addresses; a byte a character. */
export function withoutUserinfo(text: string): string {
  return text.replaceAll(/([A-Za-z][A-Za-z0-9+.-]*:\/\/)[^\s@]*@/g, "$1");
}

/** Whether names of a directory make it a repository of its own. */
export function isBareRepository(kinds: ReadonlyMap<string, FileStatus["kind"]>): boolean {
  return kinds.has("HEAD") && kinds.get("objects") === "directory" && kinds.get("refs") === "directory";
}

/** Where a `.git` file says that its repository is; `undefined` for one that says nothing. */
export function gitFileTarget(text: string): string | undefined {
  return /^gitdir: ([^\n]*?)\s*$/.exec(text)?.[1];
}
