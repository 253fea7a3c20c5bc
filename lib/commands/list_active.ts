import type { ActiveBottle } from "../bottle/active.ts";
import { EXIT } from "../errors.ts";
import { age } from "../ui/age.ts";
import { table } from "../ui/table.ts";
import { loadBackend } from "./backend_choice.ts";
import type { CommandPorts } from "./context.ts";
import { isoTime, type UpkeepOptions, withoutAgent } from "./upkeep.ts";
import { jsonText } from "./json_text.ts";

/** `list active`: the bottles that run, never their sidecars. @throws Failure, Interrupted */
export async function listActive(options: UpkeepOptions, ports: CommandPorts): Promise<number> {
  const { host, reporter } = ports;
  const bottles = await withoutAgent(async () => {
    const backend = await loadBackend(ports, options);
    return await backend.listActive({ signal: host.interrupts.signal });
  });
  reporter.quiet();
  if (options.json) host.terminal.out(jsonText({ bottles: bottles.map(bottleJson) }));
  else if (bottles.length === 0) reporter.info("no active claude-bottle containers");
  else host.terminal.out(bottlesTable(bottles, host.now()));
  return EXIT.done;
}

/** A bottle as JSON: names of its keys are API. */
export function bottleJson(bottle: ActiveBottle): unknown {
  const { name, id, run, agent, status, since, runtime, proxy, owner } = bottle;
  return {
    name,
    agent,
    bottle: bottle.bottle,
    status,
    since: isoTime(since),
    runtime,
    proxy: proxy ?? null,
    owner,
    run,
    id,
  };
}

function bottlesTable(bottles: readonly ActiveBottle[], now: number): string {
  return table([
    ["NAME", "AGENT", "BOTTLE", "STATUS", "SINCE", "RUNTIME", "PROXY", "OWNER"],
    ...bottles.map(({ name, agent, bottle, status, since, runtime, proxy, owner }) => [
      name,
      agent,
      bottle,
      status,
      age(since, now),
      runtime,
      proxy ?? "unknown",
      owner,
    ]),
  ]);
}
