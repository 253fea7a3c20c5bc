import type { OwnerState } from "../bottle/active.ts";
import type { BottleCleanupPlan, CleanupItem, KeptItem } from "../bottle/cleanup.ts";
import { EXIT, Failure, oneLine } from "../errors.ts";
import { age } from "../ui/age.ts";
import { type Column, fittedTable } from "../ui/fitted_table.ts";
import { confirmed } from "../ui/question.ts";
import { resultColumns } from "../ui/wrap.ts";
import type { CommandPorts } from "./context.ts";
import { askEngines, type Engine, type EnginesOptions } from "./engines.ts";
import { isoTime, withoutAgent } from "./upkeep.ts";
import { jsonText } from "./json_text.ts";

export interface CleanupOptions extends EnginesOptions {
  readonly json: boolean;
  /** Everything of every bottle. */
  readonly all: boolean;
  readonly yes: boolean;
}

/** Why a workspace stays. */
const UNSAVED = "may hold work that is nowhere else";

/** Why something goes, by what is known of its run's owner. */
const REASONS: Readonly<Record<OwnerState, string>> = {
  gone: "its owner is gone",
  alive: "in use, its owner is alive",
  detached: "detached",
  elsewhere: "its owner cannot be seen from here",
};

/** What would be removed of one engine. */
interface EnginePlan extends Engine {
  readonly plan: BottleCleanupPlan;
}

/** Something of one of the engines. */
interface Placed<T> {
  readonly item: T;
  readonly context: string;
}

/** `cleanup`: lists what would go, asks, removes it. @throws Failure, Interrupted */
export async function cleanup(options: CleanupOptions, ports: CommandPorts): Promise<number> {
  const { host, reporter } = ports;
  const { signal } = host.interrupts;
  const { all } = options;
  const { answers, failure } = await askEngines(
    options,
    (backend) => backend.prepareCleanup({ all, signal }),
    ports,
  );
  reporter.quiet();
  const plans = answers.map(({ answer, ...engine }) => ({ ...engine, plan: answer }));
  if (plans.length > 0) showPlans(plans, { json: options.json, isOne: options.contexts.length < 2, ports });
  if (plans.some(({ plan }) => !plan.empty)) {
    // Whoever answers should know.
    for (const { message } of options.yes ? [] : failure?.problems ?? []) reporter.info(message);
    const question = "claude-bottle: remove all of the above?";
    if (options.yes || await confirmed(host.terminal, { question, signal })) {
      await remove(plans, { json: options.json, ports });
    } else reporter.info("aborted by user");
  }
  if (failure !== undefined) throw failure;
  return EXIT.done;
}

/** What the plans list, with its engine. */
function placed<T>(
  plans: readonly EnginePlan[],
  of: (plan: BottleCleanupPlan) => readonly T[],
): readonly Placed<T>[] {
  return plans.flatMap(({ plan, context }) => of(plan).map((item) => ({ item, context })));
}

interface Showing {
  readonly json: boolean;
  readonly ports: CommandPorts;
}

function showPlans(
  plans: readonly EnginePlan[],
  { json, isOne, ports: { host, reporter } }: Showing & { readonly isOne: boolean },
): void {
  const items = placed(plans, ({ items }) => items);
  const kept = placed(plans, ({ kept }) => kept);
  const untouchedRuns = plans.reduce((sum, { plan }) => sum + plan.untouchedRuns, 0);
  if (json) {
    host.terminal.out(
      jsonText({ remove: items.map(itemJson), keep: kept.map(keptJson), untouchedRuns }, "line"),
    );
    return;
  }
  for (const { item: { name, agent, fetch, remove } } of kept) {
    reporter.info(
      `keeping the workspace ${oneLine(name)} of ${oneLine(agent)}: it ${UNSAVED}`,
    );
    reporter.info(oneLine(`to bring it home: ${fetch}`));
    reporter.info(oneLine(`to remove it: ${remove}`));
  }
  if (items.length === 0) {
    const others = untouchedRuns === 1 ? "1 bottle is" : `${untouchedRuns} bottles are`;
    reporter.info(
      `nothing to clean up${untouchedRuns === 0 ? "" : `; ${others} in use or not known to be over`}`,
    );
    return;
  }
  const width = resultColumns(host.terminal);
  const rows = items.map(({ item, context }) => [...cellsOf(item, host.now()), ...(isOne ? [] : [context])]);
  host.terminal.out(fittedTable(isOne ? COLUMNS : [...COLUMNS, { heading: "CONTEXT" }], rows, width));
}

const COLUMNS: readonly Column[] = [
  { heading: "KIND" },
  { heading: "NAME" },
  { heading: "AGENT", shared: true },
  { heading: "AGE", shared: true },
  { heading: "REASON", shared: true, isText: true },
];

function cellsOf(
  { kind, name, agent, created, owner, role, running }: CleanupItem,
  now: number,
): readonly string[] {
  const notes = [
    ...(running ? ["still running"] : []),
    ...(role === "workspace" ? [UNSAVED] : []),
  ];
  return [kind, shortName(name), agent, age(created, now), [REASONS[owner], ...notes].join("; ")];
}

/** A volume without a name has 64 digits for one; as with ids, the first 12 tell it from others. */
function shortName(name: string): string {
  return /^[0-9a-f]{64}$/.test(name) ? name.slice(0, 12) : name;
}

function keptJson({ item, context }: Placed<KeptItem>): unknown {
  return { ...itemJson({ item, context }), reason: UNSAVED, fetch: item.fetch, remove: item.remove };
}

function itemJson({ item, context }: Placed<CleanupItem>): Readonly<Record<string, unknown>> {
  const { kind, id, name, run, agent, role, created, running, owner } = item;
  return {
    kind,
    name,
    agent,
    role,
    created: isoTime(created),
    running,
    owner,
    reason: REASONS[owner],
    context,
    run,
    id,
  };
}

/** @throws Failure `cleanup-incomplete`, Interrupted */
async function remove(
  plans: readonly EnginePlan[],
  { json, ports: { host, reporter } }: Showing,
): Promise<void> {
  const { signal } = host.interrupts;
  const outcomes = await withoutAgent(() =>
    Promise.all(plans.map(async ({ backend, context, plan }) => {
      const outcome = plan.empty ? { removed: [], left: [] } : await backend.cleanup(plan, signal);
      return { context, ...outcome };
    }))
  );
  reporter.quiet();
  const removed = outcomes.flatMap(({ removed }) => removed);
  const left = outcomes.flatMap(({ left, context }) => left.map((one) => ({ ...one, context })));
  if (json) {
    host.terminal.out(jsonText({
      removed: removed.map(({ id }) => id),
      left: left.map(({ item: { kind, id, name }, why, context }) => ({ kind, name, id, why, context })),
    }, "line"));
  }
  if (left.length === 0) return;
  const all = removed.length + left.length;
  throw new Failure("cleanup-incomplete", `${left.length} of ${all} could not be removed`, {
    problems: left.map(({ item: { kind, name }, why }) => ({ message: `${kind} ${oneLine(name)}: ${why}` })),
    hints: ["Run `claude-bottle cleanup` again; `-v` shows each call"],
  });
}
