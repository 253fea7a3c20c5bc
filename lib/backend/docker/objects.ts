import type { CleanupItem } from "../../bottle/cleanup.ts";
import type { DockerClient } from "./client.ts";
import { inspected } from "./engine.ts";
import { engineFailure, unreadableAnswer } from "./failures.ts";
import type { InspectedContainer } from "./inspected.ts";
import { LABEL } from "./labels.ts";
import { isMadeByLaunch } from "./ours.ts";

/** One object that carries our labels. */
export interface LabelledObject extends Omit<CleanupItem, "owner"> {
  readonly bottle: string;
  /** The owner label as it is. */
  readonly ownerLabel: string;
  /** The manifest label as it is. */
  readonly manifestLabel: string;
  /** The label of what is injected by default, as it is; empty where there is none. */
  readonly claudeLabel: string;
  /** The engine's word for a container's state; empty for other kinds. */
  readonly status: string;
  /** When a container started, in milliseconds since the epoch. */
  readonly started: number | undefined;
  readonly runtime: string;
  /** The image that can read a workspace. */
  readonly workspaceImage: string;
  /** The words of a container's command. */
  readonly command: readonly string[];
}

/** The part of the inspect of a container, network or volume that is read here. */
interface Inspected {
  readonly Id?: string;
  readonly Name?: string;
  readonly Created?: string;
  readonly CreatedAt?: string;
  readonly Labels?: Readonly<Record<string, string>> | null;
  readonly State?: { readonly Status?: string; readonly Running?: boolean; readonly StartedAt?: string };
  readonly Config?: {
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly Cmd?: readonly string[] | null;
  };
  readonly HostConfig?: InspectedContainer["HostConfig"];
}

type Kind = CleanupItem["kind"];

/** How each kind is listed. A volume has no id but its name. */
export const LISTS: Readonly<Record<Kind, readonly string[]>> = {
  container: ["container", "ls", "--all", "--no-trunc", "--format", "{{json .ID}}"],
  network: ["network", "ls", "--no-trunc", "--format", "{{json .ID}}"],
  volume: ["volume", "ls", "--format", "{{json .Name}}"],
};

/** What an engine says of an object that is no longer there. */
export const GONE = /no such (container|network|volume|object)|network \S+ not found/i;

/** What an engine says of an object that it is removing already. */
export const UNDER_WAY = /already in progress/i;

/** Everything of ours of some kinds, in their order, told by its labels. @throws Failure */
export async function labelledObjects(
  client: DockerClient,
  { kinds, signal }: { readonly kinds: readonly Kind[]; readonly signal: AbortSignal },
): Promise<readonly LabelledObject[]> {
  const found = await Promise.all(kinds.map((kind) => objectsOf(client, { kind, signal })));
  return found.flat();
}

async function objectsOf(
  client: DockerClient,
  { kind, signal }: { readonly kind: Kind; readonly signal: AbortSignal },
): Promise<readonly LabelledObject[]> {
  const what = `listing the ${kind}s`;
  const args = [...LISTS[kind], "--filter", `label=${LABEL.run}`];
  const stdout = await client.run({ what, args, signal });
  const ids = stdout.split("\n").filter((line) => line !== "").map((line) => idIn(what, line));
  if (ids.length === 0) return [];
  const outcome = await client.outcome({ what, args: [kind, "inspect", ...ids], signal });
  // What went since it was listed is told on stderr, the others on stdout.
  if (outcome.code !== 0 && !onlyGone(outcome.stderr)) throw engineFailure(what, outcome);
  return inspected<Inspected | null>(what, outcome.stdout)
    .map((object) => described(kind, what, object))
    .filter((object) => object !== undefined)
    .sort((one, other) => one.name < other.name ? -1 : 1);
}

/** Whether an inspect that failed says no more than that: what is still there, it has told all the same. */
export function onlyGone(stderr: string): boolean {
  const lines = stderr.split("\n").filter((line) => line.trim() !== "");
  return lines.length > 0 && lines.every((line) => GONE.test(line));
}

/** An id that begins with a dash would be an option. */
export function idIn(what: string, line: string): string {
  let id: unknown;
  try {
    id = JSON.parse(line);
  } catch {
    throw unreadableAnswer(what);
  }
  if (typeof id !== "string" || !/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(id)) throw unreadableAnswer(what);
  return id;
}

/** An object in our words; `undefined` for one without our label, whatever the filter let through, or that only inherited it. */
function described(kind: Kind, what: string, object: Inspected | null): LabelledObject | undefined {
  const labels = object?.Config?.Labels ?? object?.Labels ?? {};
  const run = labels[LABEL.run];
  if (run === undefined) return undefined;
  const id = kind === "volume" ? object?.Name : object?.Id;
  if (typeof id !== "string" || id === "" || typeof object?.Name !== "string") throw unreadableAnswer(what);
  if (kind === "container" && !isMadeByLaunch(object)) return undefined;
  return {
    kind,
    id,
    name: object.Name.replace(/^\//, ""),
    run,
    agent: labels[LABEL.agent] ?? "",
    bottle: labels[LABEL.bottle] ?? "",
    role: labels[LABEL.role] ?? "",
    ownerLabel: labels[LABEL.owner] ?? "",
    manifestLabel: labels[LABEL.manifest] ?? "",
    claudeLabel: labels[LABEL.claude] ?? "",
    created: time(object.Created ?? object.CreatedAt),
    running: object.State?.Running ?? false,
    status: object.State?.Status ?? "",
    started: time(object.State?.StartedAt),
    runtime: object.HostConfig?.Runtime ?? "",
    workspaceImage: labels[LABEL.workspaceImage] ?? "",
    command: object.Config?.Cmd ?? [],
  };
}

/** Milliseconds since the epoch; the engine's year 1 means never. */
function time(text: string | undefined): number | undefined {
  const parsed = Date.parse(text ?? "");
  return parsed > 0 ? parsed : undefined;
}

/** The objects of each run, by run id. */
export function byRun(objects: readonly LabelledObject[]): ReadonlyMap<string, readonly LabelledObject[]> {
  return Map.groupBy(objects, ({ run }) => run);
}
