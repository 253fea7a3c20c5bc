import type { BottleCleanupPlan, CleanupItem, CleanupOutcome } from "../../bottle/cleanup.ts";
import type { OnEvent } from "../../bottle/events.ts";
import { oneLine } from "../../errors.ts";
import { ownersOf, type SurveyPorts } from "./active.ts";
import type { DockerClient } from "./client.ts";
import { saidBy } from "./failures.ts";
import { workspaceCommands } from "./workspace_end.ts";
import { byRun, GONE, labelledObjects, UNDER_WAY } from "./objects.ts";

/** A cleanup of one engine, by full ids. */
export interface DockerBottleCleanupPlan extends BottleCleanupPlan {
  readonly kind: "docker-cleanup";
}

/** Whether a plan is one of ours. */
export function isDockerCleanupPlan(plan: BottleCleanupPlan): plan is DockerBottleCleanupPlan {
  return "kind" in plan && plan.kind === "docker-cleanup";
}

/** In this order: a network is held by its containers, as is a volume. */
const KINDS = ["container", "network", "volume"] as const;

/** How each kind is removed. */
const REMOVALS: Readonly<Record<CleanupItem["kind"], readonly string[]>> = {
  container: ["container", "rm", "--force", "--volumes"],
  network: ["network", "rm"],
  volume: ["volume", "rm"],
};

/** How many removals run at the same time. */
const ABREAST = 4;

/** How often somebody else's removal of the same object is looked at again, and how long between. */
const LOOKS = 120;
const LOOK_MS = 250;

/** Finds what ended runs left, or everything of every run. @throws Failure */
export async function prepareCleanup(
  { host, client }: SurveyPorts,
  { all, signal }: { readonly all: boolean; readonly signal: AbortSignal },
): Promise<DockerBottleCleanupPlan> {
  const objects = await labelledObjects(client, { kinds: KINDS, signal });
  const runs = byRun(objects);
  const owners = await ownersOf({ host, client }, { runs, signal });
  const gone = objects.map((object): CleanupItem => ({
    kind: object.kind,
    id: object.id,
    name: object.name,
    run: object.run,
    agent: object.agent,
    role: object.role,
    created: object.created,
    running: object.running,
    owner: owners.get(object.run) ?? "elsewhere",
  })).filter(({ owner }) => all || owner === "gone");
  // Nothing is new in a workspace whose agent container was made and never started.
  const unstarted = new Set(
    objects.filter(({ role, status }) => role === "agent" && status === "created").map(({ run }) => run),
  );
  const isKept = ({ kind, role, run }: CleanupItem): boolean =>
    !all && kind === "volume" && role === "workspace" && !unstarted.has(run);
  const images = new Map(objects.map(({ id, workspaceImage }) => [id, workspaceImage]));
  const kept = gone.filter(isKept).map((item) => ({
    ...item,
    ...workspaceCommands(client, { volume: item.id, image: images.get(item.id) ?? "" }),
  }));
  const items = gone.filter((item) => !isKept(item));
  return {
    kind: "docker-cleanup",
    items,
    kept,
    untouchedRuns: all ? 0 : [...owners.values()].filter((owner) => owner !== "gone").length,
    empty: items.length === 0,
  };
}

/** What a removal needs. */
interface RemovalPorts {
  readonly client: DockerClient;
  readonly onEvent: OnEvent;
  readonly signal: AbortSignal;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** Removes what the plan lists. @throws Interrupted */
export async function cleanup(
  plan: DockerBottleCleanupPlan,
  options: RemovalPorts,
): Promise<CleanupOutcome> {
  const removed: CleanupItem[] = [];
  const left: { readonly item: CleanupItem; readonly why: string }[] = [];
  for (const kind of KINDS) {
    const items = plan.items.filter((item) => item.kind === kind);
    for (let first = 0; first < items.length; first += ABREAST) {
      await Promise.all(
        items.slice(first, first + ABREAST).map(async (item) => {
          const why = await complaint(item, options);
          if (why === undefined) removed.push(item);
          else left.push({ item, why });
        }),
      );
    }
  }
  return { removed, left };
}

/** Removes one; why it is still there, or `undefined`. */
async function complaint(
  item: CleanupItem,
  { client, onEvent, signal, sleep }: RemovalPorts,
): Promise<string | undefined> {
  onEvent({ kind: "notice", text: `removing ${item.kind} ${oneLine(item.name)}` });
  const call = {
    what: `removing a ${item.kind}`,
    args: [...REMOVALS[item.kind], item.id],
    deadline: "removal",
    signal,
  } as const;
  try {
    for (let look = 1;; look++) {
      const { code, stderr } = await client.outcome(call);
      // What somebody else removed meanwhile is gone as well.
      if (code === 0 || GONE.test(stderr)) return undefined;
      // A container that is still being removed holds its networks and volumes.
      if (!UNDER_WAY.test(stderr) || look === LOOKS) return saidBy(stderr);
      await sleep(LOOK_MS, signal);
    }
  } catch (error) {
    signal.throwIfAborted();
    return error instanceof Error ? error.message : String(error);
  }
}
