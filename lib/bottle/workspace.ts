/** One entry of a workspace, in the order in which it is copied: a directory before what is in it. */
export interface WorkspaceEntry {
  /** From the directory's root; empty for the root itself. What is not UTF-8 is U+FFFD in it. */
  readonly path: string;
  /** The same as it is on the disk, where `path` cannot say it. */
  readonly rawPath?: Uint8Array;
  /** Permission bits. */
  readonly mode: number;
  /** Seconds since the epoch. */
  readonly modified: number;
  readonly content: WorkspaceContent;
}

export type WorkspaceContent =
  | { readonly kind: "directory" }
  /** Read while it is copied; `size` and `identity` are those that it had when it was found. */
  | { readonly kind: "file"; readonly size: number; readonly identity: string }
  /** Written afresh. */
  | { readonly kind: "text"; readonly bytes: Uint8Array }
  /** A link as it is. */
  | { readonly kind: "link"; readonly target: Uint8Array };

/** A directory of the host as it will be copied. */
export interface Workspace {
  /** Absolute; no part of it is a link. */
  readonly directory: string;
  readonly entries: readonly WorkspaceEntry[];
  /** Files alone, without directories and links. */
  readonly files: number;
  /** Of their contents. */
  readonly bytes: number;
  /** What the user should know before it is copied, a line each. */
  readonly notices: readonly string[];
}

/** What of a workspace is shown and printed. */
export interface PlannedWorkspace {
  readonly directory: string;
  /** The volume that it is copied into. */
  readonly volume: string;
  readonly files: number;
  readonly bytes: number;
}

/** How a workspace differs from what was copied into it. */
export interface WorkspaceChanges {
  readonly changed: number;
  readonly added: number;
  readonly removed: number;
  /** Branches, tags and the like, and what is staged. */
  readonly refs: number;
  /** Settings of git and hooks, which would run where they are brought. */
  readonly settings: number;
  /** Commits that were not reachable at the launch. */
  readonly commits: number;
}

/** A workspace that outlives its bottle. */
export interface KeptWorkspace {
  readonly volume: string;
  /** `undefined` when it could not be compared. */
  readonly changes: WorkspaceChanges | undefined;
  /** The command that writes it to a tar file, as a person can type it. */
  readonly fetch: string;
  /** The command that removes it. */
  readonly remove: string;
}

/** The lines that tell of a kept workspace. */
export function keptWorkspaceLines({ volume, changes, fetch, remove }: KeptWorkspace): readonly string[] {
  return [
    `keeping the workspace ${volume}: ${
      changes === undefined ? "it could not be compared" : changesText(changes)
    }`,
    `to bring it home: ${fetch}`,
    `to remove it: ${remove}`,
    ...(changes === undefined || changes.settings === 0
      ? []
      : ["look at .git/config and .git/hooks before git runs in what you brought home: they were changed"]),
  ];
}

function changesText({ changed, added, removed, refs, settings, commits }: WorkspaceChanges): string {
  const parts = [
    [changed, `${counted(changed, "file")} changed`],
    [added, `${added} new`],
    [removed, `${removed} removed`],
    [refs, `${counted(refs, "git ref")} or stage changed`],
    [settings, `${counted(settings, "git setting")} or hooks changed`],
    [commits, `${counted(commits, "new commit")}`],
  ] as const;
  return parts.filter(([count]) => count > 0).map(([, text]) => text).join(", ");
}

/** A number and what it counts. */
export function counted(count: number, noun: string, plural = "s"): string {
  return `${count} ${noun}${count === 1 ? "" : plural}`;
}

/** Bytes for people: `12.3 MB`. */
export function megabytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} bytes`;
  if (bytes < 1e6) return `${(bytes / 1e3).toFixed(1)} kB`;
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
}
