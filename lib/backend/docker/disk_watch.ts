import { diskFailure, DiskMeter } from "../../bottle/disk_limit.ts";
import { executedArguments, type Step } from "../../bottle/invocation.ts";
import { oneLine } from "../../errors.ts";
import type { CommandPlace, CommandPorts } from "./command.ts";
import { engineFailure, saidBy } from "./failures.ts";
import { REF } from "./refs.ts";

/** How a bottle's disk is watched while a command runs in it. */
export interface DiskWatch {
  /** They print `disk BYTES` lines until their stdin ends; together they tell what the bottle takes. */
  readonly steps: readonly Step[];
  /** Bytes. */
  readonly limit: number;
  /** The bottle's name where it outlives its command. */
  readonly stays: string | undefined;
}

/** A command that ends sooner is not worth a measurement. */
const FIRST_MS = 1500;
/** How long a program that ended too early is left alone: the bottle may be about to end as well. */
const AGAIN_MS = 5000;
/** How long a program is given to end by itself once it is told to. */
const PATIENCE_MS = 10_000;
/** Milliseconds of a call that ends the agent. */
const END_MS = 15_000;
/** What the client reports of a process that SIGKILL ended: where it does not spare the one who sends it. */
const KILLED = 137;

/**
 * Runs something in a bottle while its disk is watched; `run` gets the ports that it is interrupted through.
 *
 * @throws Failure `disk-limit` once the bottle takes too much; then the agent's processes are gone
 */
export async function watchingDisk<T>(
  place: CommandPlace & { readonly watch: DiskWatch },
  ports: CommandPorts,
  run: (ports: CommandPorts) => Promise<T>,
): Promise<T> {
  const over = new AbortController();
  const done = new AbortController();
  const watching = watch(place, { ...ports, over, done: done.signal });
  let result: T;
  try {
    result = await run({ ...ports, signal: AbortSignal.any([ports.signal, over.signal]) });
  } finally {
    done.abort();
    await watching;
  }
  over.signal.throwIfAborted();
  return result;
}

interface WatchPorts extends CommandPorts {
  /** Aborted with the failure once there is too much. */
  readonly over: AbortController;
  /** Aborted when there is nothing to watch any more. */
  readonly done: AbortSignal;
}

/** Watches until it is too much or done. Never throws. */
async function watch(place: CommandPlace & { readonly watch: DiskWatch }, ports: WatchPorts): Promise<void> {
  const { steps, limit, stays } = place.watch;
  if (!await slept(FIRST_MS, ports)) return;
  const stop = AbortSignal.any([ports.done, ports.over.signal]);
  const meter = new DiskMeter({ parts: steps.length, limit });
  let ending: Promise<void> | undefined;
  let isTold = false;
  await Promise.all(steps.map(async (step, part) => {
    const onLine = (line: string): void => {
      const taken = meter.read(part, line);
      if (taken === undefined || stop.aborted) return;
      ports.over.abort(diskFailure({ taken, limit, stays }));
      ending = endAgent(place, ports);
    };
    while (!stop.aborted) {
      const said = await measuring(step, { place, ports, stop, onLine });
      if (stop.aborted || !await slept(AGAIN_MS, ports)) return;
      if (!isTold) ports.onEvent({ kind: "notice", text: `the bottle's disk is not watched now: ${said}` });
      isTold = true;
    }
  }));
  await ending;
}

/** Whether it slept to the end. */
async function slept(ms: number, { host, done }: WatchPorts): Promise<boolean> {
  try {
    await host.sleep(ms, done);
    return !done.aborted;
  } catch {
    return false;
  }
}

/** Runs the program of a step until `stop` or its own end; what it said last. Never throws. */
async function measuring(
  { invocation }: Step,
  { place, ports, stop, onLine }: {
    readonly place: CommandPlace;
    readonly ports: WatchPorts;
    readonly stop: AbortSignal;
    readonly onLine: (line: string) => void;
  },
): Promise<string> {
  const { client } = ports;
  const late = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const hurry = (): void => void (timer = setTimeout(() => late.abort(), PATIENCE_MS));
  stop.addEventListener("abort", hurry, { once: true });
  try {
    const { stderr } = await client.outcome({
      what: invocation.why,
      args: executedArguments(invocation, place.ids).slice(client.globalArguments.length),
      input: openStream(invocation.input?.kind === "program" ? invocation.input.text : "", stop),
      signal: late.signal,
      onLine,
    });
    return oneLine(saidBy(stderr));
  } catch (error) {
    return oneLine(error instanceof Error ? error.message : String(error));
  } finally {
    stop.removeEventListener("abort", hurry);
    clearTimeout(timer);
  }
}

/** A text and then nothing more, without an end before `stop`: the program behind it ends with it, and so with us. */
function openStream(text: string, stop: AbortSignal): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller): void {
      controller.enqueue(new TextEncoder().encode(text));
      if (stop.aborted) controller.close();
      else stop.addEventListener("abort", () => controller.close(), { once: true });
    },
  });
}

/** All processes of the agent's user at once, so that none can start another meanwhile. */
const END_ALL = ["/usr/bin/perl", "-e", "kill 9, -1"];

/** What an engine says of a container in which nothing runs any more. */
const OVER = /is not running|no such container/i;

/**
 * Ends everything that may write, and nothing else: what was written stays. Where the bottle has no room for one more
 * process all of them are frozen. Never throws.
 */
async function endAgent(place: CommandPlace, { client, onEvent }: CommandPorts): Promise<void> {
  const agent = place.ids.get(REF.agent) ?? "";
  const user = `${place.user.uid}:${place.user.gid}`;
  const call = { what: "ending the agent", deadlineMs: END_MS };
  try {
    const ended = await client.outcome({
      ...call,
      args: ["container", "exec", "--user", user, agent, ...END_ALL],
    });
    if (ended.code === 0 || ended.code === KILLED) return;
    const frozen = await client.outcome({ ...call, args: ["container", "pause", agent] });
    if (frozen.code !== 0 && !OVER.test(frozen.stderr)) throw engineFailure(call.what, frozen);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    onEvent({ kind: "notice", text: `the agent could not be ended: ${oneLine(why)}` });
  }
}
