import type { ManifestFile } from "../../manifest/model.ts";

/** The labels of every object we create: the only record of what exists. */
export const LABEL = {
  /** Identity of one launch. */
  run: "claude-bottle.run",
  agent: "claude-bottle.agent",
  bottle: "claude-bottle.bottle",
  /** `agent`, `sidecar`, `internal`, `egress`, `config`, `workspace`, `watcher`; {@link DEMO_ROLE}. */
  role: "claude-bottle.role",
  /** The manifest's files as `path@sha256:digest`, joined by spaces. */
  manifest: "claude-bottle.manifest",
  version: "claude-bottle.version",
  /** The variable of Claude Code's credential where the sidecar injects it by default; absent elsewhere. */
  claude: "claude-bottle.claude",
  /** On a workspace: the agent's image, which can read it. */
  workspaceImage: "claude-bottle.workspace-image",
  /** See {@link Owner}; `detached` for a bottle that no process owns. */
  owner: "claude-bottle.owner",
  /** On images: `agent` or `squid`. */
  image: "claude-bottle.image",
  /** On images: the agent user's uid. */
  agentUid: "claude-bottle.agent-uid",
} as const;

/** The role of what is no bottle's: the hosts of the tour and their network, which bottles are meant to reach. */
export const DEMO_ROLE = "demo";

/**
 * The process that a run belongs to. Boot ids are equal in all containers of a machine and pids are not
 * comparable between pid namespaces, so a process counts as gone only where the first four fields are ours.
 */
export interface Owner {
  /** SHA-256 of the machine id, 16 hex digits: the id itself is confidential. */
  readonly machine: string;
  readonly boot: string;
  readonly pidNamespace: string;
  readonly uid: string;
  readonly pid: string;
  /** Start time as the system gives it: pids are reused. */
  readonly started: string;
}

/** The owner label of a bottle that no process owns. */
export const DETACHED = "detached";

/** The owner label's value. */
export function ownerLabel(owner: Owner): string {
  return [owner.machine, owner.boot, owner.pidNamespace, owner.uid, owner.pid, owner.started].join("/");
}

/** What an owner label says; `undefined` for one that we did not write. */
export function parseOwner(label: string): Owner | typeof DETACHED | undefined {
  if (label === DETACHED) return DETACHED;
  const [machine, boot, pidNamespace, uid, pid, started, ...more] = label.split("/");
  if (!machine || !boot || !pidNamespace || !uid || !pid || !started || more.length > 0) return undefined;
  // A pid becomes a word of a command line.
  if (!/^[1-9][0-9]{0,9}$/.test(pid)) return undefined;
  return { machine, boot, pidNamespace, uid, pid, started };
}

/** The manifest label's value. */
function manifestLabel(files: readonly ManifestFile[]): string {
  return files.map((file) => `${file.path}@sha256:${file.digest}`).join(" ");
}

/**
 * What a manifest label says; a path may hold spaces. What is not of that form is left out. Each digest is looked for
 * once: a label that somebody else wrote may be long, and must not hold up those who list bottles.
 */
export function parseManifestLabel(label: string): readonly ManifestFile[] {
  let from = 0;
  return [...label.matchAll(/@sha256:([0-9a-f]{64})(?: |$)/g)].flatMap(
    ({ 0: all, 1: digest = "", index }) => {
      const path = label.slice(from, index).trimStart();
      from = index + all.length;
      return path === "" ? [] : [{ path, digest }];
    },
  );
}

/** What all objects of one run have in common. */
export interface RunLabels {
  readonly run: string;
  readonly agent: string;
  readonly bottle: string;
  readonly manifestFiles: readonly ManifestFile[];
  readonly version: string;
  readonly owner: string;
  /** See {@link LABEL.claude}. */
  readonly claude?: string | undefined;
}

/** Label values of one object, by key. */
export function labelsOf(run: RunLabels, role: string): Readonly<Record<string, string>> {
  return {
    [LABEL.run]: run.run,
    [LABEL.agent]: run.agent,
    [LABEL.bottle]: run.bottle,
    [LABEL.role]: role,
    [LABEL.manifest]: manifestLabel(run.manifestFiles),
    [LABEL.version]: run.version,
    [LABEL.owner]: run.owner,
    ...(run.claude === undefined ? {} : { [LABEL.claude]: run.claude }),
  };
}
