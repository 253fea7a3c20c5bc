import { Failure } from "../../errors.ts";
import { executedArguments, type Input, type Step } from "../../bottle/invocation.ts";
import type { OnEvent } from "../../bottle/events.ts";
import type { HeldProcess, Outcome } from "../../host/processes.ts";
import { agentEnded } from "./agent_end.ts";
import { HELD_WORD } from "./arguments.ts";
import type { DockerClient } from "./client.ts";
import type { DeadlineName } from "./deadlines.ts";
import { engineFailure, unreadableAnswer } from "./failures.ts";
import type { StdinContent } from "./stdin.ts";

/** What is being done, by step: for people who wait or whose launch failed. */
const TITLES: Readonly<Record<string, string>> = {
  "base-image": "pulling the base image",
  "agent-build": "building the agent image",
  "agent-image": "looking at the agent image",
  "sidecar-build": "building the sidecar image",
  "demo-build": "building the image of the demo's hosts",
  "demo-image": "looking at the image of the demo's hosts",
  "sidecar-pull": "pulling the sidecar's image",
  "sidecar-image": "looking at the sidecar's image",
  "internal-network": "creating the internal network",
  "egress-network": "creating the egress network",
  "agent-create": "creating the agent container",
  "agent-files": "copying files into the agent container",
  "workspace-volume": "creating the workspace's volume",
  "workspace-files": "copying the workspace",
  "workspace-record": "recording the workspace",
  "agent-start": "starting the agent container",
  "sidecar-create": "creating the sidecar",
  "sidecar-config": "copying the sidecar's configuration",
  "sidecar-connect": "joining the sidecar to the internal network",
  "sidecar-start": "starting the sidecar",
  "verify": "comparing the bottle with the plan",
  "sidecar-open": "giving the sidecar its secrets",
  "authority": "trusting the sidecar's authority",
  "host-keys": "asking ssh hosts for their keys",
  "ssh-agent": "loading the ssh keys",
};

/** How long a step may take, where that is not what a change may take. */
const STEP_DEADLINES: Readonly<Record<string, DeadlineName>> = {
  "base-image": "image",
  "agent-build": "image",
  "sidecar-build": "image",
  "demo-build": "image",
  "sidecar-pull": "image",
  "agent-files": "copy",
  "workspace-files": "copy",
  "workspace-record": "record",
};

export interface ExecuteOptions {
  readonly client: DockerClient;
  /** Ids by ref: those known beforehand, to which created ones are added. */
  readonly ids: Map<string, string>;
  readonly signal: AbortSignal;
  readonly onEvent: OnEvent;
  /** What is written to a step's stdin. */
  readonly stdin: (input: Input) => StdinContent | Promise<StdinContent>;
  /** Judges what a step answered, before anything that comes after it begins; what it throws is the step's failure. */
  readonly judge?: (step: Step, stdout: string) => void | Promise<void>;
  /** Told of what goes on beside us from now on. */
  readonly onHeld?: (held: HeldProcess) => void;
  /** Ids of steps that are done and not executed again; those that are done now are added. */
  readonly done?: Set<string>;
  /** Whether a step that failed is executed once more; what it throws is the step's failure. */
  readonly again?: (step: Step, outcome: Outcome) => boolean;
}

/**
 * Executes steps, each as soon as those it comes after are done. After a failure or an interruption nothing
 * new begins, and calls under way are awaited, so that what exists afterwards is known.
 *
 * @returns the stdout of each step
 * @throws the first failure
 */
export async function executeSteps(
  steps: readonly Step[],
  options: ExecuteOptions,
): Promise<ReadonlyMap<string, string>> {
  const outputs = new Map<string, string>();
  const begun = new Map<string, Promise<void>>();
  const stop = new AbortController();
  const failures: unknown[] = [];

  async function perform(step: Step): Promise<void> {
    if (options.done?.has(step.id)) return;
    await Promise.all(step.after.map((id) => begun.get(id)));
    if (stop.signal.aborted || options.signal.aborted) return;
    try {
      // What is slow is also cut short by another step's failure.
      const signal = AbortSignal.any([options.signal, stop.signal]);
      const stdout = await executeStep(step, { ...options, signal });
      await options.judge?.(step, stdout);
      outputs.set(step.id, stdout);
      options.done?.add(step.id);
    } catch (error) {
      failures.push(error);
      stop.abort();
    }
  }

  for (const step of steps) begun.set(step.id, perform(step));
  await Promise.all(begun.values());
  if (failures.length > 0) throw failures[0];
  options.signal.throwIfAborted();
  return outputs;
}

async function executeStep(
  step: Step,
  options: ExecuteOptions,
): Promise<string> {
  const { client, ids, signal, onEvent, stdin } = options;
  const { input, why } = step.invocation;
  const title = TITLES[step.id] ?? `${step.id} (${why})`;
  // Before anything is drawn: a person may be asked for it.
  const content = input === undefined ? undefined : await stdin(input);
  onEvent({ kind: "started", id: step.id, title, slow: step.slow === true });
  const args = executedArguments(step.invocation, ids).slice(client.globalArguments.length);
  const outcome = step.held === true
    ? await heldOutcome({ what: title, args }, options)
    : await client.outcome({
      what: title,
      args,
      ...(content === undefined ? {} : { input: content }),
      deadline: STEP_DEADLINES[step.id] ?? "change",
      // Only what is slow is cut short: a short call's outcome decides what there is to remove.
      ...(step.slow === true
        ? { signal, onLine: (line: string) => onEvent({ kind: "output", id: step.id, line }) }
        : {}),
    });
  if (outcome.code !== 0) {
    if (options.again?.(step, outcome)) return await executeStep(step, options);
    throw withRemedy(engineFailure(title, { ...outcome, sentence: step.failure }), step.remedy);
  }
  const { stdout } = outcome;
  if (step.creates !== undefined) ids.set(step.creates, createdId(title, stdout));
  onEvent({ kind: "finished", id: step.id });
  return stdout;
}

/** The outcome of a call that goes on beside us: a success once it says that it is up. @throws Failure `agent-ended`, `engine-failed` */
async function heldOutcome(
  call: { readonly what: string; readonly args: readonly string[] },
  { client, onHeld }: ExecuteOptions,
): Promise<Outcome> {
  const held = await client.hold(call);
  const line = await held.firstLine;
  if (line === HELD_WORD) {
    onHeld?.(held);
    return { code: 0, signal: null, stdout: "", stderr: "" };
  }
  if (line !== undefined) {
    held.kill();
    throw unreadableAnswer(call.what);
  }
  const outcome = await held.ended;
  if (outcome.code === 0) throw agentEnded();
  return outcome;
}

function withRemedy(failure: Failure, remedy: string | undefined): Failure {
  if (remedy === undefined) return failure;
  return new Failure(failure.code, failure.message, {
    hints: [remedy, ...failure.hints],
    exit: failure.exit,
  });
}

/**
 * Warnings may come before it; the id is the last line.
 *
 * @throws Failure for anything else: an empty `--network` would be the engine's default one.
 */
function createdId(what: string, stdout: string): string {
  const id = stdout.trimEnd().split("\n").at(-1)?.trim() ?? "";
  if (/^(sha256:)?[0-9a-f]{64}$/.test(id)) return id;
  throw unreadableAnswer(what);
}
