import { shellQuoted } from "../../bottle/invocation.ts";
import type { KeptWorkspace, WorkspaceChanges } from "../../bottle/workspace.ts";
import type { DockerClient } from "./client.ts";
import { inspected } from "./engine.ts";
import { agentUserOf } from "./account.ts";
import type { InspectedContainer } from "./inspected.ts";
import { LABEL } from "./labels.ts";
import { workspaceProgramArguments } from "./workspace_steps.ts";

/** What the client reports of a process that SIGKILL ended. */
const KILLED = 137;

/** How a workspace differs from what was copied; `undefined` when that cannot be told. Never throws. */
export async function workspaceChanges(
  client: DockerClient,
  args: readonly string[],
): Promise<WorkspaceChanges | undefined> {
  const call = { what: "comparing the workspace", args, deadline: "compare" } as const;
  try {
    const first = await client.outcome(call);
    // Another comparison that began at the same moment took ours for the agent's.
    const { code, stdout } = first.code === KILLED ? await client.outcome(call) : first;
    return code === 0 ? parsedChanges(stdout) : undefined;
  } catch {
    return undefined;
  }
}

function parsedChanges(stdout: string): WorkspaceChanges | undefined {
  const match =
    /^workspace changed=(\d{1,9}) added=(\d{1,9}) removed=(\d{1,9}) refs=(\d{1,9}) settings=(\d{1,9}) commits=(\d{1,9})\n$/
      .exec(stdout);
  if (match === null) return undefined;
  const [, changed, added, removed, refs, settings, commits] = match.map(Number);
  return {
    changed: changed ?? 0,
    added: added ?? 0,
    removed: removed ?? 0,
    refs: refs ?? 0,
    settings: settings ?? 0,
    commits: commits ?? 0,
  };
}

/** Whether nothing in it is new. */
export function isUnchanged(changes: WorkspaceChanges | undefined): boolean {
  return changes !== undefined && Object.values(changes).every((count) => count === 0);
}

/** A kept workspace with the commands for it, for the same engine. */
export function keptWorkspace(
  { globalArguments }: Pick<DockerClient, "globalArguments">,
  { volume, image, changes }: {
    readonly volume: string;
    readonly image: string;
    readonly changes: WorkspaceChanges | undefined;
  },
): KeptWorkspace {
  return { volume, changes, ...workspaceCommands({ globalArguments }, { volume, image }) };
}

/** What a person can type to bring a workspace home, and to remove it. */
export function workspaceCommands(
  { globalArguments }: Pick<DockerClient, "globalArguments">,
  { volume, image }: { readonly volume: string; readonly image: string },
): Pick<KeptWorkspace, "fetch" | "remove"> {
  const docker = ["docker", ...globalArguments];
  const run = ["run", "--rm", "--network", "none", "--mount", `type=volume,src=${volume},dst=/w,readonly`];
  // The label may be foreign: a word that is no image would be an option.
  const named = /^[A-Za-z0-9]/.test(image) ? image : "IMAGE";
  const fetch = [...docker, ...run, "--entrypoint", "tar", named, "-C", "/w", "-c", "."];
  return {
    fetch: `${shellQuoted(fetch)} > ${shellQuoted([`${volume}.tar`])}`,
    remove: shellQuoted([...docker, "volume", "rm", volume]),
  };
}

/** Milliseconds that `stop` in another window needs to remove a volume once its container is gone. */
const GOING_MS = 2000;

/** Whether a kept workspace is still there: `stop` in another window may have removed it. */
export async function isStillKept(
  { volume, changes }: KeptWorkspace,
  { client, sleep }: { readonly client: DockerClient; sleep(ms: number): Promise<void> },
): Promise<boolean> {
  // Not comparable: perhaps because its container was being removed.
  if (changes === undefined && await volumeExists(client, volume)) await sleep(GOING_MS);
  return await volumeExists(client, volume);
}

/** Whether a volume is there; yes where the engine cannot be asked. */
async function volumeExists(client: DockerClient, volume: string): Promise<boolean> {
  try {
    const { code, stderr } = await client.outcome({
      what: "looking for the workspace",
      args: ["volume", "inspect", volume],
      deadline: "removal",
    });
    return code === 0 || !/no such volume/i.test(stderr);
  } catch {
    return true;
  }
}

/** The workspace of a bottle that this process did not launch. */
export interface FoundWorkspace {
  readonly volume: string;
  readonly image: string;
  /** `undefined` when its bottle does not run, so that nothing can be compared. */
  readonly compare: readonly string[] | undefined;
}

/** Finds the workspace of a bottle; `undefined` when it has none. @throws Failure */
export async function findWorkspace(
  client: DockerClient,
  { run, agentId }: { readonly run: string; readonly agentId: string },
): Promise<FoundWorkspace | undefined> {
  const what = "looking for the workspace";
  const filters = [`label=${LABEL.run}=${run}`, `label=${LABEL.role}=workspace`];
  const listed = await client.run({
    what,
    args: ["volume", "ls", ...filters.flatMap((filter) => ["--filter", filter]), "--format", "{{.Name}}"],
  });
  const volume = listed.split("\n")[0] ?? "";
  if (volume === "") return undefined;
  const { stdout } = await client.outcome({ what, args: ["container", "inspect", agentId] });
  const [agent] = stdout.trim() === "" ? [] : inspected<InspectedContainer>(what, stdout);
  const directory = agent?.Mounts?.find(({ Name }) => Name === volume)?.Destination;
  const user = agent === undefined ? undefined : agentUserOf(agent);
  const isComparable = agent?.State.Running === true && directory !== undefined && user !== undefined;
  return {
    volume,
    image: agent?.Image ?? "",
    compare: isComparable ? execArguments({ agentId, directory, user }) : undefined,
  };
}

function execArguments(
  { agentId, directory, user }: {
    readonly agentId: string;
    readonly directory: string;
    readonly user: { readonly uid: number; readonly gid: number };
  },
): readonly string[] {
  return workspaceProgramArguments("compare", { agent: agentId, user, directory })
    .filter((word) => typeof word === "string");
}
