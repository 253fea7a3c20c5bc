import type { CleanupItem, CleanupOutcome, SweepOutcome } from "../../bottle/cleanup.ts";
import type { SurveyPorts } from "./active.ts";
import { cleanup, prepareCleanup } from "./cleanup.ts";
import { unreadableAnswer } from "./failures.ts";
import { LABEL } from "./labels.ts";
import { judgeOwners } from "./owner.ts";

/** Milliseconds after which the rest is left to the next one: an engine may be slow, or have much to remove. */
const BUDGET_MS = 30_000;

/**
 * Removes what ended runs left: what `cleanup` would list, by the ids that were listed and judged in one go, so that
 * nothing which is made meanwhile is touched. Another sweep at the same time does no harm.
 *
 * @throws Failure, Interrupted, or a TimeoutError when it takes too long
 */
export async function sweep(
  ports: SurveyPorts,
  { signal }: { readonly signal: AbortSignal },
): Promise<SweepOutcome> {
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new DOMException("The sweep took too long", "TimeoutError")),
    BUDGET_MS,
  );
  try {
    return await sweptUntil(ports, AbortSignal.any([signal, late.signal]));
  } finally {
    clearTimeout(timer);
  }
}

async function sweptUntil(ports: SurveyPorts, signal: AbortSignal): Promise<SweepOutcome> {
  if (!await mayHaveEnded(ports, signal)) return { runs: 0, removed: [], left: [], kept: [] };
  const plan = await prepareCleanup(ports, { all: false, signal });
  const { removed, left }: CleanupOutcome = plan.empty
    ? { removed: [], left: [] }
    : await cleanup(plan, { ...ports.host, client: ports.client, onEvent: () => {}, signal });
  const runs = new Set(removed.map(({ run }) => run));
  const isSwept = ({ run }: CleanupItem): boolean => runs.has(run);
  return { runs: runs.size, removed, left, kept: plan.kept.filter(isSwept) };
}

const LISTS = [["container", "ls", "--all"], ["network", "ls"], ["volume", "ls"]] as const;

/** The owner of each object, but of a workspace: one that is kept would have every start look closely. */
const OWNERS = `{{if ne (.Label "${LABEL.role}") "workspace"}}{{json (.Label "${LABEL.owner}")}}{{end}}`;

/** Whether an owner that any label names may be gone. Most of the time none is, and the engine is asked for no more. */
async function mayHaveEnded({ host, client }: SurveyPorts, signal: AbortSignal): Promise<boolean> {
  const what = "listing the owners of bottles";
  const which = ["--filter", `label=${LABEL.run}`, "--format", OWNERS];
  const listed = await Promise.all(
    LISTS.map((list) => client.run({ what, args: [...list, ...which], signal })),
  );
  const lines = new Set(listed.flatMap((text) => text.split("\n")).filter((line) => line !== ""));
  // As if all of it were old: what is of another boot is looked at closely.
  const runs = [...lines].map((line) => ({ owners: [labelIn(line, what)], running: false, newest: 0 }));
  const engineTime = (): Promise<number> => Promise.resolve(host.now());
  return (await judgeOwners(host, { runs, engineTime, signal })).includes("gone");
}

function labelIn(line: string, what: string): string {
  try {
    const label: unknown = JSON.parse(line);
    if (typeof label === "string") return label;
  } catch {
    // As for any other answer of no sense.
  }
  throw unreadableAnswer(what);
}
