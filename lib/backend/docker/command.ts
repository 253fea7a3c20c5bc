import type { CapturedOutcome } from "../../bottle/backend.ts";
import type { ResolvedEnv } from "../../bottle/env.ts";
import type { OnEvent } from "../../bottle/events.ts";
import { executedArguments, type Step } from "../../bottle/invocation.ts";
import { EXIT, Failure } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { Outcome } from "../../host/processes.ts";
import { PLAIN_SCREEN } from "../../host/terminal.ts";
import { explainEnd } from "./agent_end.ts";
import type { DockerClient } from "./client.ts";
import { type DiskWatch, watchingDisk } from "./disk_watch.ts";
import { saidBy } from "./failures.ts";
import { environmentFrames } from "./frames.ts";
import { RUN_ID_BYTES, runIdFrom } from "./names.ts";
import { AGENT_EXEC } from "./provision/files.ts";
import { REF } from "./refs.ts";

/** A running bottle, as far as a command in it is concerned. */
export interface CommandPlace {
  /** Full ids of {@link REF.agent} and {@link REF.sidecar}. */
  readonly ids: ReadonlyMap<string, string>;
  readonly user: { readonly uid: number; readonly gid: number };
  /** The sidecar's proxy, for messages. */
  readonly proxy: string;
  readonly watch: DiskWatch;
}

/** One command, as `commandSteps` describes it. */
export interface PlacedCommand {
  readonly steps: readonly Step[];
  readonly env: ResolvedEnv;
  /** Names the file that its environment waits in. */
  readonly envToken: string;
}

/** What running one needs. */
export interface CommandPorts {
  readonly host: Pick<Host, "terminal" | "sleep">;
  readonly client: DockerClient;
  readonly signal: AbortSignal;
  readonly onEvent: OnEvent;
}

/** How a command ended. */
export interface CommandEnd {
  readonly code: number;
  /** False when the wrapper refused to run it and said why on stderr. */
  readonly began: boolean;
}

/** The name of a new command's environment. */
export function newEnvToken({ random }: Pick<Host, "random">): string {
  return runIdFrom(random(RUN_ID_BYTES));
}

/**
 * Runs a command with the user's own streams, and watches the bottle's disk meanwhile. Once it is interrupted
 * `endAll` is called, before the watcher's end is awaited: what the command left may go on until then.
 *
 * @throws Failure as {@link explainEnd} and {@link watchingDisk}, Interrupted
 */
export async function runCommand(
  place: CommandPlace,
  command: PlacedCommand,
  ports: CommandPorts,
  endAll?: () => Promise<unknown>,
): Promise<CommandEnd> {
  return await watchingDisk(place, ports, async (watched) => {
    try {
      return await runUnwatched(place, command, watched);
    } catch (error) {
      if (ports.signal.aborted) await endAll?.();
      throw error;
    }
  });
}

async function runUnwatched(
  place: CommandPlace,
  command: PlacedCommand,
  ports: CommandPorts,
): Promise<CommandEnd> {
  const frames = environmentFrames(command.env);
  let ended: Pick<Outcome, "code" | "signal"> = { code: 0, signal: null };
  for (const step of command.steps) {
    const args = argumentsOf(step, { place, ports });
    const isLast = step === command.steps.at(-1);
    if (isLast) ended = await attached(args, { ports, ...(takesFrames(step) ? { input: frames } : {}) });
    else await ports.client.run({ what: step.invocation.why, args, input: frames, deadline: "change" });
  }
  ports.signal.throwIfAborted();
  const { code, signal } = ended;
  // The client is gone, and nobody sees any more what goes on in the bottle.
  if (signal !== null) return { code, began: await endCommand(place, command.envToken, ports) };
  const began = code === 0 || await explained(code, { place, command, ports });
  // A terminal that closes ends the client, and perhaps before it tells us.
  ports.signal.throwIfAborted();
  return { code, began };
}

/** Runs a headless command and keeps its output. @throws Failure as {@link explainEnd}, `agent-not-started` with the wrapper's words */
export async function captureCommand(
  place: CommandPlace,
  command: PlacedCommand,
  ports: CommandPorts,
): Promise<CapturedOutcome> {
  const [step] = command.steps;
  if (step === undefined || command.steps.length > 1) throw new RangeError("Not a headless command");
  const { code, stdout, stderr } = await ports.client.outcome({
    what: step.invocation.why,
    args: argumentsOf(step, { place, ports }),
    input: environmentFrames(command.env),
    signal: ports.signal,
    deadline: "capture",
  });
  if (code === 0 || await explained(code, { place, command, ports })) return { code, stdout, stderr };
  throw new Failure("agent-not-started", saidBy(stderr).replace(/^claude-bottle: /, ""), {
    exit: EXIT.beforeAgent,
  });
}

/** What the docker CLI is told to end a command, or to keep one from ever beginning. */
export function endArguments(place: CommandPlace, envToken: string): readonly string[] {
  const words = ["/usr/bin/perl", AGENT_EXEC, "end", envToken];
  return ["container", "exec", "--user", userText(place), idOf(place, REF.agent), ...words];
}

/**
 * Ends what an interrupted command left in a bottle that lives on: its processes, and an environment that it never
 * took. Never throws.
 *
 * @returns whether the command had begun; false when it never will or that is not known
 */
export async function endCommand(
  place: CommandPlace,
  envToken: string,
  { client }: Pick<CommandPorts, "client">,
): Promise<boolean> {
  try {
    const { code } = await client.outcome({
      what: "ending the command",
      args: endArguments(place, envToken),
      deadline: "removal",
    });
    return code === 0;
  } catch {
    return false;
  }
}

/** Codes from here on are of what a signal ended; it had no time to leave the terminal as it should. */
const BY_SIGNAL = 128;

function takesFrames(step: Step): boolean {
  return step.invocation.input !== undefined;
}

async function attached(
  args: readonly string[],
  { ports, input }: { readonly ports: CommandPorts; readonly input?: Uint8Array },
): Promise<Pick<Outcome, "code" | "signal">> {
  const { client, host, signal, onEvent } = ports;
  await using _terminal = await host.terminal.saved();
  const ended = await client.attach({ args, signal, ...(input === undefined ? {} : { input }) });
  const isCut = signal.aborted || ended.code >= BY_SIGNAL;
  if (isCut && args.includes("--tty")) host.terminal.out(PLAIN_SCREEN);
  // Who closed a pipe knows it; who killed the client may have meant the agent.
  if (ended.signal !== null && ended.signal !== "SIGPIPE" && !signal.aborted) {
    onEvent({ kind: "notice", text: `The docker CLI was ended by ${ended.signal} while the command ran` });
  }
  return ended;
}

interface Context {
  readonly place: CommandPlace;
  readonly ports: CommandPorts;
}

function argumentsOf(step: Step, { place, ports }: Context): readonly string[] {
  return executedArguments(step.invocation, place.ids).slice(ports.client.globalArguments.length);
}

async function explained(
  code: number,
  { place, command, ports }: Context & { readonly command: PlacedCommand },
): Promise<boolean> {
  return await explainEnd({
    code,
    agentId: idOf(place, REF.agent),
    sidecarId: idOf(place, REF.sidecar),
    proxy: place.proxy,
    user: userText(place),
    envToken: command.envToken,
  }, { client: ports.client, onEvent: ports.onEvent, sleep: (ms) => ports.host.sleep(ms) });
}

function userText({ user }: CommandPlace): string {
  return `${user.uid}:${user.gid}`;
}

function idOf(place: CommandPlace, ref: string): string {
  return place.ids.get(ref) ?? "";
}
