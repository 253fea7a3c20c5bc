import type { ActiveBottle } from "../bottle/active.ts";
import { keptWorkspaceLines } from "../bottle/workspace.ts";
import { EXIT, Failure, oneLine } from "../errors.ts";
import { loadBackend } from "./backend_choice.ts";
import { meantBottle } from "./bottle_choice.ts";
import type { CommandPorts } from "./context.ts";
import { type UpkeepOptions, withoutAgent } from "./upkeep.ts";
import { jsonText } from "./json_text.ts";

export interface StopOptions extends UpkeepOptions {
  /** Its name, the beginning of its name, or its agent. */
  readonly bottle: string;
}

/** `stop`: removes everything of one bottle. @throws Failure, Interrupted */
export async function stop(options: StopOptions, ports: CommandPorts): Promise<number> {
  const { host, reporter } = ports;
  const { bottle, kept } = await withoutAgent(async () => {
    const backend = await loadBackend(ports, options);
    const bottles = await backend.listActive({ signal: host.interrupts.signal, stopped: true });
    const meant = ownOrFullyNamed(
      options.bottle,
      meantBottle(bottles, { word: options.bottle, command: "stop" }),
    );
    return { bottle: meant, kept: await backend.stop(meant) };
  });
  reporter.quiet();
  for (const line of kept === undefined ? [] : keptWorkspaceLines(kept)) reporter.info(oneLine(line));
  // A signal during the removal does not cut it short, and counts all the same.
  host.interrupts.signal.throwIfAborted();
  const { name, run, agent } = bottle;
  host.terminal.out(
    options.json
      ? jsonText({ stopped: { name, agent, run }, kept: kept ?? null })
      : `stopped ${oneLine(name)}\n`,
  );
  return EXIT.done;
}

/** On a shared engine somebody else's bottle may have the name of ours that has ended. @throws Failure `bottle-elsewhere` */
function ownOrFullyNamed(word: string, bottle: ActiveBottle): ActiveBottle {
  if (bottle.owner !== "elsewhere" || bottle.name === word) return bottle;
  throw new Failure(
    "bottle-elsewhere",
    `${oneLine(bottle.name)} belongs to another machine, user or container`,
    {
      hints: [`If it is to end: claude-bottle stop ${oneLine(bottle.name)}`],
    },
  );
}
