import type { OnEvent } from "../../bottle/events.ts";
import type { Host } from "../../host/host.ts";
import type { Outcome } from "../../host/processes.ts";
import type { DockerClient } from "./client.ts";
import { inspected } from "./engine.ts";
import { engineFailure } from "./failures.ts";
import type { InspectedContainer } from "./inspected.ts";
import { FOLLOWED_KEPT, type LogOrder } from "./log_order.ts";
import { GONE } from "./objects.ts";

/** What is being done, for messages. */
export const READING = "reading the sidecar's log";

/**
 * How long a log that the engine ended early is left alone: longer each time that nothing new was in it, so that an
 * engine which has no more to say is not asked all the time. A flood makes it forget what is not read within seconds.
 */
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 8000;

/** How much before the last line it is read again: lines of two streams may be told in another order than they came. */
const OVERLAP_MS = 1000;

/** What following a log needs. */
export interface LogPorts {
  readonly client: DockerClient;
  readonly host: Pick<Host, "sleep">;
  readonly onEvent: OnEvent;
  readonly signal: AbortSignal;
}

/**
 * Follows a sidecar's log until the sidecar ends, or the call fails. Engines end it with success while the sidecar runs
 * when they start the log's next file under load: then it is followed again from where it stopped. What they still have
 * once the sidecar has ended is read to its end.
 *
 * @throws Failure when the engine cannot be asked, and the signal's reason
 */
export async function followLog(
  { id, tail, order, onText }: {
    readonly id: string;
    /** The number of older lines to begin with, all of them unless told. */
    readonly tail?: number | undefined;
    readonly order: LogOrder;
    /** Called with what each line says, once. */
    readonly onText: (text: string) => void;
  },
  { client, host, onEvent, signal }: LogPorts,
): Promise<Outcome> {
  let pause = FIRST_PAUSE_MS;
  let isTold = false;
  // After a line without its time nobody knows where to go on.
  let isPlaced = true;
  const read = (isFollowed: boolean, begin: readonly string[]): Promise<Outcome> =>
    client.outcome({
      what: READING,
      args: ["container", "logs", ...(isFollowed ? ["--follow"] : []), "--timestamps", ...begin, id],
      signal,
      // Followed, it is silent as long as nobody reaches out, and ended by the one who reads it.
      deadline: isFollowed ? "held" : "log",
      kept: FOLLOWED_KEPT,
      onLine(line, stream): void {
        const text = order.next(line, stream);
        if (text === undefined) return;
        isPlaced = order.last[stream] !== "";
        pause = FIRST_PAUSE_MS;
        onText(text);
      },
    });
  let outcome = await read(true, tail === undefined ? [] : ["--tail", String(tail)]);
  for (let isRunning = true; isRunning && isPlaced && outcome.code === 0;) {
    isRunning = await runs(id, { client, signal });
    if (isRunning) {
      if (pause === LONGEST_PAUSE_MS && !isTold) {
        onEvent({ kind: "notice", text: ENDED_EARLY });
        isTold = true;
      }
      await host.sleep(pause, signal);
      pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
    }
    const next = await read(isRunning, sinceArguments(order));
    // Removed meanwhile: it ended as one that is removed while it is followed.
    if (next.code !== 0 && (GONE.test(next.stderr) || LEAVING.test(next.stderr))) return outcome;
    outcome = next;
  }
  return outcome;
}

/** What an engine says of the log of a container that it is about to remove. */
const LEAVING = /dead or marked for removal/i;

const ENDED_EARLY =
  "the engine ends the sidecar's log again and again while the sidecar runs; it is looked at every " +
  `${LONGEST_PAUSE_MS / 1000} s`;

/** Where to begin again: with everything when nothing was read yet, as more than a tail may have come meanwhile. */
function sinceArguments({ last }: LogOrder): readonly string[] {
  const latest = Date.parse(last.stdout > last.stderr ? last.stdout : last.stderr);
  return Number.isNaN(latest) ? [] : ["--since", new Date(latest - OVERLAP_MS).toISOString()];
}

/** Whether the sidecar runs; not when it is gone. @throws Failure */
async function runs(id: string, { client, signal }: Pick<LogPorts, "client" | "signal">): Promise<boolean> {
  const what = "asking whether the sidecar runs";
  const outcome = await client.outcome({ what, args: ["container", "inspect", id], signal });
  if (outcome.code === 0) {
    return inspected<InspectedContainer>(what, outcome.stdout).some(({ State }) => State.Running);
  }
  if (GONE.test(outcome.stderr)) return false;
  throw engineFailure(what, outcome);
}
