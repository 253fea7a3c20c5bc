import type { ActiveBottle, OwnerState } from "../bottle/active.ts";
import { EXIT } from "../errors.ts";
import { age } from "../ui/age.ts";
import { type Column, fittedTable } from "../ui/fitted_table.ts";
import { resultColumns } from "../ui/wrap.ts";
import type { CommandPorts } from "./context.ts";
import { askEngines, type EnginesOptions } from "./engines.ts";
import { isoTime } from "./upkeep.ts";
import { jsonText } from "./json_text.ts";

export interface ListActiveOptions extends EnginesOptions {
  readonly json: boolean;
}

/** A bottle and how its engine is named. */
interface Placed {
  readonly bottle: ActiveBottle;
  readonly context: string;
}

/** `list active`: the bottles that run, never their sidecars. @throws Failure, Interrupted */
export async function listActive(options: ListActiveOptions, ports: CommandPorts): Promise<number> {
  const { host, reporter } = ports;
  const { signal } = host.interrupts;
  const { answers, failure } = await askEngines(options, (backend) => backend.listActive({ signal }), ports);
  reporter.quiet();
  const bottles = answers.flatMap(({ answer, context }) => answer.map((bottle) => ({ bottle, context })));
  if (options.json) {
    host.terminal.out(jsonText({ bottles: bottles.map(bottleJson) }));
  } else if (bottles.length > 0) {
    host.terminal.out(bottlesTable(bottles, { now: host.now(), columns: resultColumns(host.terminal) }));
    for (const line of ownerLines(bottles)) reporter.info(line);
  } else if (answers.length > 0) {
    reporter.info("no active claude-bottle containers");
  }
  if (failure !== undefined) throw failure;
  return EXIT.done;
}

/** A bottle as JSON: names of its keys are API. */
function bottleJson({ bottle: of, context }: Placed): unknown {
  const { name, id, run, agent, bottle, status, since, runtime, proxy, owner } = of;
  return {
    name,
    agent,
    bottle,
    status,
    since: isoTime(since),
    runtime,
    proxy: proxy ?? null,
    context,
    owner,
    run,
    id,
  };
}

const COLUMNS: readonly Column[] = [
  { heading: "AGENT" },
  { heading: "BOTTLE", shared: true },
  { heading: "NAME" },
  { heading: "STATUS", shared: true },
  { heading: "SINCE" },
  { heading: "RUNTIME", shared: true },
  { heading: "PROXY", shared: true },
  { heading: "CONTEXT", shared: true },
  { heading: "OWNER" },
];

function bottlesTable(
  bottles: readonly Placed[],
  { now, columns }: { readonly now: number; readonly columns: number },
): string {
  const rows = bottles.map(({ bottle: of, context }) => {
    const { agent, bottle, name, status, since, runtime, proxy = "unknown", owner } = of;
    return [agent, bottle, name, status, age(since, now), runtime, proxy, context, owner];
  });
  return fittedTable(COLUMNS, rows, columns);
}

/** What an owner's state means for those who look for what will become of a bottle. */
const OWNER_LINES: Readonly<Partial<Record<OwnerState, string>>> = {
  detached: "detached: lives until `claude-bottle stop`",
  gone: "gone: the next `start` or `cleanup` removes it",
};

function ownerLines(bottles: readonly Placed[]): readonly string[] {
  const owners = new Set(bottles.map(({ bottle }) => bottle.owner));
  return [...owners].map((owner) => OWNER_LINES[owner]).filter((line) => line !== undefined);
}
