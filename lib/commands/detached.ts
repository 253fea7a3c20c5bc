import type { BottleBackend } from "../bottle/backend.ts";
import { literalsOf, missingHostVariables, resolveEnv } from "../bottle/env.ts";
import { shellQuoted } from "../bottle/invocation.ts";
import type { BottlePlan } from "../bottle/plan.ts";
import type { BottleSpec } from "../bottle/spec.ts";
import { EXIT, Failure, oneLine } from "../errors.ts";
import { type AgentOptions, refuseAgentOptions } from "./agent_options.ts";
import type { CommandPorts } from "./context.ts";
import { literalPorts } from "./env_ports.ts";
import { jsonText } from "./json_text.ts";
import { launchQuestions } from "./launch_questions.ts";
import { sweepBeside } from "./sweeping.ts";

/** What of `start`'s options is about bottles that outlive it. */
export interface DetachOptions extends AgentOptions {
  readonly detach: boolean;
  readonly keep: boolean;
  readonly json: boolean;
  readonly manifest: string | undefined;
  readonly backend: string | undefined;
  readonly context: string | undefined;
}

/** What is for an agent has no meaning where none is started. @throws Failure `usage` */
export function requireDetachable(options: DetachOptions): void {
  if (!options.detach) return;
  const hint = "Give it to `claude-bottle attach`, which runs the agent";
  refuseAgentOptions(options, { flag: "--detach", hint });
  if (options.keep) {
    throw new Failure("usage", "--detach and --keep cannot be given together", {
      hints: ["--detach starts no agent; --keep runs it now and leaves the bottle afterwards"],
      exit: EXIT.usage,
    });
  }
}

/** A bottle can be made ready without what only its agent needs, so this is no failure yet. */
export function warnOfUnset(spec: BottleSpec, { host, reporter }: CommandPorts): void {
  const sources = new Map([...spec.env, ...spec.injected]);
  const missing = missingHostVariables(sources, host.environment);
  if (missing.length === 0) return;
  const list = missing.map(({ name, variable }) => `${name} (from ${variable})`).join(", ");
  reporter.info(`the host does not set ${list}: \`attach\` will refuse until it does`);
}

/** Launches, waits until the bottle is ready, and leaves it. @throws Failure, Interrupted; then nothing is left */
export async function leaveReady(
  { spec, backend, plan }: {
    readonly spec: BottleSpec;
    readonly backend: BottleBackend;
    readonly plan: BottlePlan;
  },
  { options, ports }: { readonly options: DetachOptions; readonly ports: CommandPorts },
): Promise<number> {
  const { host, reporter } = ports;
  const { signal } = host.interrupts;
  // No agent, no secrets: nothing is asked.
  const env = await resolveEnv(literalsOf(spec.env), literalPorts(ports));
  const questions = launchQuestions(ports);
  await using _sweeping = sweepBeside(backend, ports);
  const bottle = await backend.launch(plan, { signal, env, onEvent: reporter.onEvent, questions });
  try {
    await bottle.ready();
    signal.throwIfAborted();
  } catch (error) {
    await bottle[Symbol.asyncDispose]();
    throw error;
  }
  reporter.quiet();
  const { agent, bottle: grants } = spec;
  const { name } = bottle;
  const context = options.context ?? null;
  host.terminal.out(
    options.json ? jsonText({ name, agent, bottle: grants, run: plan.runId, context }) : `${name}\n`,
  );
  sayHowToGoOn(name, { options, ports });
  return EXIT.done;
}

/** The next commands of somebody whose bottle stays. */
export function sayHowToGoOn(
  name: string,
  { options, ports }: { readonly options: DetachOptions; readonly ports: CommandPorts },
): void {
  const { reporter } = ports;
  const engine = [...flag("--backend", options.backend), ...flag("--context", options.context)];
  const attach = ["claude-bottle", "attach", name, ...flag("--manifest", options.manifest), ...engine];
  const stop = ["claude-bottle", "stop", name, ...engine];
  reporter.quiet();
  reporter.info(`${oneLine(name)} lives until it is stopped`);
  reporter.info(`run the agent in it : ${shellQuoted(attach)}`);
  reporter.info(`end it              : ${shellQuoted(stop)}`);
}

function flag(name: string, value: string | undefined): readonly string[] {
  return value === undefined ? [] : [name, value];
}
