import { EXIT, Failure, oneLine } from "../errors.ts";
import { sha256 } from "../host/digest.ts";
import type { FileStatus } from "../host/files.ts";
import type { Host } from "../host/host.ts";
import { dirname, isWithin, join } from "../host/paths.ts";
import { contentOfSame } from "../host/same_file.ts";
import { writeFile } from "../host/written_file.ts";
import {
  APPROVAL_BYTES,
  approvalText,
  type ApprovedProject,
  type ReadApproval,
  readApproval,
} from "../manifest/approvals.ts";
import type { Capability } from "../manifest/capabilities.ts";
import type { Project } from "../manifest/model.ts";
import { nearestRealPath } from "./project_paths.ts";

/** Where the approval of one project stands, whether there is one or not. */
export interface ApprovalPlace {
  /** Absolute. */
  readonly path: string;
  readonly project: ApprovedProject;
}

/** What stands there. */
export type StoredApproval =
  | { readonly kind: "none" }
  | { readonly kind: "good"; readonly approved: readonly Capability[] }
  /** Counts as nothing. */
  | { readonly kind: "unusable"; readonly failure: Failure };

/**
 * The place of a project's approval: by the root's real path, its inode and when it was made, since an inode is soon
 * used anew; and by the manifest's folder. The device's number is left out: it is another one after a restart.
 *
 * @throws Failure `home-unset`, `state-folder-refused`, `project-gone`
 */
export async function approvalPlace(host: Host, { root, file }: Project): Promise<ApprovalPlace> {
  const folder = await stateFolder(host, root);
  const status = await host.files.status(root);
  if (status === undefined) {
    throw new Failure("project-gone", `The project's folder is gone: ${oneLine(root)}`);
  }
  const project = { root, identity: status.birth, folder: dirname(file) };
  const name = await sha256(JSON.stringify([project.root, project.identity, project.folder]));
  return { path: join(folder, "claude-bottle", "trust", `${name}.json`), project };
}

/** `$XDG_STATE_HOME`, unless a project's own tooling led it into the project. */
async function stateFolder({ environment, files }: Host, root: string): Promise<string> {
  const set = environment.get("XDG_STATE_HOME") ?? "";
  const home = environment.get("HOME") ?? "";
  const fallback = home.startsWith("/") ? join(home, ".local", "state") : undefined;
  // The XDG specification has relative paths ignored.
  const folder = set.startsWith("/") ? set : fallback;
  if (folder === undefined) {
    throw new Failure("home-unset", "Cannot look for approvals: HOME is not set to an absolute path", {
      exit: EXIT.usage,
      hints: ["Set HOME: approvals are kept in its `.local/state`"],
    });
  }
  const [real, usual] = await lookedFor(folder, async () => [
    await nearestRealPath(files, folder),
    fallback === undefined ? undefined : await nearestRealPath(files, fallback),
  ]);
  const isDefault = real === usual;
  if (isDefault || !(isWithin(real, root) || isWithin(folder, root))) return folder;
  throw new Failure(
    "state-folder-refused",
    `XDG_STATE_HOME leads into the project, which would keep the approvals of itself: ${oneLine(folder)}`,
    { hints: ["Unset XDG_STATE_HOME, or set it to a folder outside the project"] },
  );
}

/** @throws Failure `state-folder-unreadable` for what the platform refuses to look for */
async function lookedFor<T>(
  folder: string,
  work: () => Promise<readonly [string, T]>,
): Promise<readonly [string, T]> {
  try {
    return await work();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Failure(
      "state-folder-unreadable",
      `Cannot look for approvals in ${oneLine(folder)}: ${oneLine(why)}`,
      { exit: EXIT.usage, hints: ["Set XDG_STATE_HOME to a folder of your own, or unset it"], cause: error },
    );
  }
}

/** What was approved last. Whatever cannot be understood, or was not written by the user alone, is unusable. */
export async function storedApproval(host: Host, place: ApprovalPlace): Promise<StoredApproval> {
  let read: ReadApproval | undefined;
  try {
    read = await readStored(host, place);
  } catch (error) {
    read = { kind: "bad", why: `cannot be read: ${error instanceof Error ? error.message : String(error)}` };
  }
  if (read === undefined) return { kind: "none" };
  if (read.kind === "good") return read;
  const failure = new Failure("approval-unusable", `${oneLine(place.path)} ${oneLine(read.why)}`, {
    hints: ["`claude-bottle trust` shows all that the project asks for, and replaces that file"],
  });
  return { kind: "unusable", failure };
}

async function readStored(
  { files, uid }: Host,
  { path, project }: ApprovalPlace,
): Promise<ReadApproval | undefined> {
  const status = await files.linkStatus(path);
  if (status === undefined) return undefined;
  const folder = await files.status(dirname(path));
  const wrong = foreign(status, uid) ??
    (folder === undefined || foreign(folder, uid) === undefined
      ? undefined
      : "is in a folder that others can write into");
  if (wrong !== undefined) return { kind: "bad", why: wrong };
  if (status.kind !== "file") return { kind: "bad", why: "is no regular file" };
  if (status.size > APPROVAL_BYTES) return { kind: "bad", why: "is too large for an approval" };
  const bytes = await contentOfSame(files, path, status);
  if (bytes === undefined) return { kind: "bad", why: "changed while it was read" };
  return readApproval(new TextDecoder().decode(bytes), project);
}

function foreign({ uid: owner, mode }: FileStatus, uid: number | undefined): string | undefined {
  if (uid === undefined) return undefined;
  if (owner !== uid) return "is not yours";
  return (mode & 0o022) === 0 ? undefined : "can be written by others";
}

/**
 * Remembers what was approved, in place of whatever was before.
 *
 * @throws Failure `file-not-written`, `project-asks-too-much` for what could not be read again
 */
export async function storeApproval(
  host: Host,
  { path, project }: ApprovalPlace,
  approved: readonly Capability[],
): Promise<void> {
  const content = approvalText(project, approved);
  if (new TextEncoder().encode(content).length > APPROVAL_BYTES) {
    throw new Failure(
      "project-asks-too-much",
      `The grants of ${oneLine(project.root)} are too long to be remembered`,
      { hints: ["Split the manifest, or shorten its commands"] },
    );
  }
  await writeFile(host, { path, content, mode: 0o600, replace: true });
}
