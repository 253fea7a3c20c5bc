import { diskFailure, DiskMeter, isMeasurement, unwatchedFailure } from "../../bottle/disk_limit.ts";
import { executedArguments, type Step } from "../../bottle/invocation.ts";
import { type Failure, oneLine } from "../../errors.ts";
import type { CommandPlace, CommandPorts } from "./command.ts";
import { EngineWatch } from "./engine_watch.ts";
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
/**
 * How long a bottle may go unmeasured, and how often that is looked at. An agent can make measuring slow, or fail, and
 * would write what it likes meanwhile. The longest pause between two measurements is a fraction of this.
 */
const UNWATCHED_MS = 120_000;
const LOOK_MS = 10_000;
/** What tells that nothing can be measured there, whatever the agent does: the program's own word, or it is missing. */
const UNFIT: readonly number[] = [3, 127];
/** How long a program is given to end by itself once it is told to. */
const PATIENCE_MS = 10_000;
/** What the client reports of a process that SIGKILL ended: where it does not spare the one who sends it. */
const KILLED = 137;

/**
 * Runs something in a bottle while its disk is watched; `run` gets the ports that it is interrupted through.
 *
 * @throws Failure `disk-limit` once the bottle takes too much, `disk-unwatched` when that cannot be told for minutes;
 * then the agent's processes are gone
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
    // Whatever ran may have left the cursor behind a prompt of its own.
    const { terminal } = ports.host;
    if (over.signal.aborted && terminal.stdinIsTerminal && terminal.stderrIsTerminal) terminal.err("\n");
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

/** Watches until it is too much or done, and the engine with it. Never throws. */
async function watch(place: CommandPlace & { readonly watch: DiskWatch }, ports: WatchPorts): Promise<void> {
  const { steps, limit, stays } = place.watch;
  if (!await slept(FIRST_MS, ports)) return;
  const stop = AbortSignal.any([ports.done, ports.over.signal]);
  const meter = new DiskMeter({ parts: steps.length, limit });
  let isTold = false;
  let ending: Promise<void> | undefined;
  const end = (why: Failure): void => {
    if (stop.aborted) return;
    ports.over.abort(why);
    ending = endAgent(place, ports);
  };
  const engine = new EngineWatch({ ...ports, done: stop });
  // Without an engine there is no way to end what runs.
  const watching = engine.watch((why) => ports.over.abort(why));
  await Promise.all(steps.map(async (step, part) => {
    const latest = { isMeasured: false, said: "" };
    const onLine = (line: string): void => {
      latest.isMeasured ||= isMeasurement(line);
      const taken = meter.read(part, line);
      if (taken !== undefined) end(diskFailure({ taken, limit, stays }));
    };
    const unfit = new AbortController();
    const silent = endSilence(latest, {
      ...ports,
      engine,
      done: AbortSignal.any([stop, unfit.signal]),
      end: (said) => end(unwatchedFailure({ minutes: UNWATCHED_MS / 60_000, said, stays })),
    });
    while (!stop.aborted && !unfit.signal.aborted) {
      const { code, said } = await measuring(step, { place, ports, stop, onLine });
      latest.said = said;
      if (UNFIT.includes(code)) unfit.abort();
      if (stop.aborted || !await slept(AGAIN_MS, ports)) break;
      if (!isTold) ports.onEvent({ kind: "notice", text: `the bottle's disk is not watched now: ${said}` });
      isTold = true;
    }
    await silent;
  }));
  await watching;
  await ending;
}

/** Calls `end` when nothing is measured for too long by an engine that answers. */
async function endSilence(
  latest: { isMeasured: boolean; readonly said: string },
  ports: WatchPorts & { readonly engine: EngineWatch; readonly end: (said: string) => void },
): Promise<void> {
  for (let silence = 0; silence < UNWATCHED_MS; silence += LOOK_MS) {
    if (!await slept(LOOK_MS, ports)) return;
    if (latest.isMeasured || ports.engine.isAway) silence = -LOOK_MS;
    latest.isMeasured = false;
  }
  ports.end(latest.said);
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

/** Runs the program of a step until `stop` or its own end; how it ended and what it said last. Never throws. */
async function measuring(
  { invocation }: Step,
  { place, ports, stop, onLine }: {
    readonly place: CommandPlace;
    readonly ports: WatchPorts;
    readonly stop: AbortSignal;
    readonly onLine: (line: string) => void;
  },
): Promise<{ readonly code: number; readonly said: string }> {
  const { client } = ports;
  const late = new AbortController();
  const ended = new AbortController();
  const hurry = (): void => {
    ports.host.sleep(PATIENCE_MS, ended.signal).then(() => late.abort(), () => {});
  };
  stop.addEventListener("abort", hurry, { once: true });
  try {
    const { code, stderr } = await client.outcome({
      what: invocation.why,
      args: executedArguments(invocation, place.ids).slice(client.globalArguments.length),
      input: openStream(invocation.input?.kind === "program" ? invocation.input.text : "", stop),
      signal: late.signal,
      deadline: "held",
      onLine,
    });
    return { code, said: oneLine(saidBy(stderr)) };
  } catch (error) {
    return { code: NaN, said: oneLine(error instanceof Error ? error.message : String(error)) };
  } finally {
    stop.removeEventListener("abort", hurry);
    ended.abort();
  }
}

/** A text and then nothing more, without an end before `stop`: the program behind it ends with it, and so with us. */
function openStream(text: string, stop: AbortSignal): ReadableStream<Uint8Array> {
  let close = (): void => {};
  return new ReadableStream({
    start(controller): void {
      controller.enqueue(new TextEncoder().encode(text));
      close = (): void => controller.close();
      if (stop.aborted) close();
      else stop.addEventListener("abort", close, { once: true });
    },
    // A program that ended before it had read all of it: what nobody reads cannot be closed.
    cancel(): void {
      stop.removeEventListener("abort", close);
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
  const call = { what: "ending the agent", deadline: "removal" } as const;
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
