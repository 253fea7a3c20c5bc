import type { BottleBackend } from "../bottle/backend.ts";
import { type ResolvedEnv, resolveEnv } from "../bottle/env.ts";
import type { BottlePlan } from "../bottle/plan.ts";
import type { BottleSpec } from "../bottle/spec.ts";
import type { Host } from "../host/host.ts";
import type { ProxyName, RuntimeChoice } from "../manifest/model.ts";
import type { Reporter } from "../ui/reporter.ts";
import { loadBackend } from "./backend_choice.ts";
import type { CommandPorts } from "./context.ts";
import { literalPorts } from "./env_ports.ts";
import { shownManifest } from "./manifest_choice.ts";
import { bottleSpec } from "./spec.ts";

/** A bottle that a command launches for itself. */
export interface ThrowawayOptions {
  /** The host as `throwawayHost` makes it. */
  readonly within: Host;
  /** One of its files. */
  readonly manifestFile: string;
  readonly agent: string;
  /** What the agent is asked; no agent is run without it. */
  readonly prompt: string | undefined;
  readonly proxy: ProxyName | undefined;
  readonly runtime: RuntimeChoice | undefined;
  readonly backend: string | undefined;
  readonly context: string | undefined;
  /** Changes what is asked for. */
  readonly adjust?: (spec: BottleSpec) => BottleSpec;
}

/** What its launch takes. */
export interface PreparedThrowaway {
  readonly backend: BottleBackend;
  readonly plan: BottlePlan;
  readonly env: ResolvedEnv;
}

/** Prepares a launch the way `start` does, from a manifest in memory whose variables are literals. @throws Failure */
export async function prepareThrowaway(
  options: ThrowawayOptions,
  ports: CommandPorts,
): Promise<PreparedThrowaway> {
  const { within, prompt } = options;
  const manifest = await shownManifest(within, options.manifestFile);
  const asked = await bottleSpec(manifest, {
    agent: options.agent,
    args: [],
    prompt,
    remoteControl: false,
    startsAgent: prompt !== undefined,
    cwd: false,
    exclude: [],
    proxy: options.proxy,
    runtime: options.runtime,
    host: within,
  });
  const spec = options.adjust === undefined ? asked : options.adjust(asked);
  const backend = await loadBackend({ ...ports, host: within }, options);
  const plan = await backend.prepare(spec, within.interrupts.signal);
  return { backend, plan, env: await resolveEnv(spec.env, literalPorts({ host: within })) };
}

/** Shows on a terminal that something is under way, and nothing any more once it is over. */
export function waiting(reporter: Reporter): <T>(title: string, work: () => Promise<T>) => Promise<T> {
  return async (title, work) => {
    reporter.onEvent({ kind: "started", id: `waiting: ${title}`, title, slow: false });
    const result = await work();
    reporter.quiet();
    return result;
  };
}

/** What was there and must not be any more. */
export interface Remains {
  readonly runs: readonly string[];
  readonly networks: readonly string[];
}

/** What of it the engine still has. @throws Failure */
export async function remaining(
  backend: BottleBackend,
  { after, signal }: { readonly after: Remains; readonly signal: AbortSignal },
): Promise<readonly string[]> {
  const { items } = await backend.prepareCleanup({ all: true, signal });
  return items.filter(({ run, name }) => after.runs.includes(run) || after.networks.includes(name))
    .map(({ kind, name }) => `${kind} ${name}`);
}
