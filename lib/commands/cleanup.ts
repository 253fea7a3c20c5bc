import type { OwnerState } from "../bottle/active.ts";
import type { BottleBackend } from "../bottle/backend.ts";
import type { BottleCleanupPlan, CleanupItem, KeptItem } from "../bottle/cleanup.ts";
import { EXIT, Failure, oneLine } from "../errors.ts";
import { age } from "../ui/age.ts";
import { table } from "../ui/table.ts";
import { confirmed } from "../ui/question.ts";
import { loadBackend } from "./backend_choice.ts";
import type { CommandPorts } from "./context.ts";
import { isoTime, type UpkeepOptions, withoutAgent } from "./upkeep.ts";
import { jsonText } from "./json_text.ts";

export interface CleanupOptions extends UpkeepOptions {
  /** Everything of every bottle. */
  readonly all: boolean;
  readonly yes: boolean;
}

/** Why something goes, by what is known of its run's owner. */
const REASONS: Readonly<Record<OwnerState, string>> = {
  gone: "its owner is gone",
  alive: "in use, its owner is alive",
  detached: "detached",
  elsewhere: "its owner cannot be seen from here",
};

/** `cleanup`: lists what would go, asks, removes it. @throws Failure, Interrupted */
export async function cleanup(options: CleanupOptions, ports: CommandPorts): Promise<number> {
  const { host, reporter } = ports;
  const { signal } = host.interrupts;
  const { backend, plan } = await withoutAgent(async () => {
    const backend = await loadBackend(ports, options);
    return { backend, plan: await backend.prepareCleanup({ all: options.all, signal }) };
  });
  reporter.quiet();
  showPlan(plan, { json: options.json, ports });
  if (plan.empty) return EXIT.done;
  if (!options.yes) {
    const question = "claude-bottle: remove all of the above?";
    if (!await confirmed(host.terminal, { question, signal })) {
      reporter.info("aborted by user");
      return EXIT.done;
    }
  }
  return await remove(backend, plan, { json: options.json, ports });
}

interface Showing {
  readonly json: boolean;
  readonly ports: CommandPorts;
}

function showPlan(plan: BottleCleanupPlan, { json, ports: { host, reporter } }: Showing): void {
  const { items, kept, untouchedRuns } = plan;
  if (json) {
    host.terminal.out(
      jsonText({ remove: items.map(itemJson), keep: kept.map(keptJson), untouchedRuns }, "line"),
    );
    return;
  }
  for (const { name, agent, fetch, remove } of kept) {
    reporter.info(
      `keeping the workspace ${oneLine(name)} of ${oneLine(agent)}: it may hold work that is nowhere else`,
    );
    reporter.info(oneLine(`to bring it home: ${fetch}`));
    reporter.info(oneLine(`to remove it: ${remove}`));
  }
  if (plan.empty) {
    const others = untouchedRuns === 1 ? "1 bottle is" : `${untouchedRuns} bottles are`;
    reporter.info(
      `nothing to clean up${untouchedRuns === 0 ? "" : `; ${others} in use or not known to be over`}`,
    );
    return;
  }
  host.terminal.out(table([
    ["KIND", "NAME", "AGENT", "AGE", "REASON"],
    ...items.map(({ kind, name, agent, created, owner, role, running }) => [
      kind,
      name,
      agent,
      age(created, host.now()),
      REASONS[owner] + (running ? "; still running" : "") +
      (role === "workspace" ? "; may hold work that is nowhere else" : ""),
    ]),
  ]));
}

function keptJson(item: KeptItem): unknown {
  return { ...itemJson(item), fetch: item.fetch, remove: item.remove };
}

function itemJson(item: CleanupItem): Readonly<Record<string, unknown>> {
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
    run,
    id,
  };
}

/** @throws Failure `cleanup-incomplete`, Interrupted */
async function remove(
  backend: BottleBackend,
  plan: BottleCleanupPlan,
  { json, ports: { host, reporter } }: Showing,
): Promise<number> {
  const { removed, left } = await withoutAgent(() => backend.cleanup(plan, host.interrupts.signal));
  reporter.quiet();
  if (json) {
    host.terminal.out(jsonText({
      removed: removed.map(({ id }) => id),
      left: left.map(({ item: { kind, id, name }, why }) => ({ kind, name, id, why })),
    }, "line"));
  }
  if (left.length === 0) return EXIT.done;
  throw new Failure("cleanup-incomplete", `${left.length} of ${plan.items.length} could not be removed`, {
    problems: left.map(({ item: { kind, name }, why }) => ({ message: `${kind} ${oneLine(name)}: ${why}` })),
    hints: ["Run `claude-bottle cleanup` again; `-v` shows each call"],
  });
}
