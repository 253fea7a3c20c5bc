import type { Bottle, BottleBackend } from "../bottle/backend.ts";
import { resolveEnv } from "../bottle/env.ts";
import type { BottlePlan } from "../bottle/plan.ts";
import { planJson, preflightText, stepsText } from "../bottle/render.ts";
import type { AgentMode, BottleSpec } from "../bottle/spec.ts";
import type { EgressEvent } from "../egress/proxy.ts";
import { EXIT, Failure } from "../errors.ts";
import { refuseUnavailable } from "../manifest/available.ts";
import type { Manifest, ProxyName, RuntimeChoice } from "../manifest/model.ts";
import { askSecret, choose, confirmed } from "../ui/question.ts";
import { loadBackend } from "./backend_choice.ts";
import type { CommandPorts } from "./context.ts";
import { egressSummary, refusalLines } from "./egress_summary.ts";
import { chosenManifest, namedOrOnlyAgent } from "./manifest_choice.ts";
import { bottleSpec } from "./spec.ts";
import { jsonText } from "./json_text.ts";

export interface StartOptions {
  readonly agent: string | undefined;
  /** Words behind `--`, for the agent's command. */
  readonly args: readonly string[];
  readonly dryRun: boolean;
  readonly format: "text" | "json" | undefined;
  readonly yes: boolean;
  readonly prompt: string | undefined;
  readonly remoteControl: boolean;
  readonly manifest: string | undefined;
  readonly backend: string | undefined;
  readonly context: string | undefined;
  readonly proxy: ProxyName | undefined;
  readonly runtime: RuntimeChoice | undefined;
}

/** `start`: prepare, show, ask, launch, attach, tear down. Returns the exit code. @throws Failure, Interrupted */
export async function start(options: StartOptions, ports: CommandPorts): Promise<number> {
  const { host, reporter } = ports;
  const { environment, terminal } = host;
  const dryRun = options.dryRun || environment.get("CLAUDE_BOTTLE_DRY_RUN") === "1";
  if (options.format === "json" && !dryRun) {
    throw new Failure("usage", "--format=json requires --dry-run", { exit: EXIT.usage });
  }
  const { spec, backend, plan } = await prepare(options, ports);
  if (dryRun) {
    showDryRun(plan, { json: options.format === "json", ports });
    return EXIT.done;
  }
  terminal.err(preflightText(plan));
  requireTerminalFor(spec, ports);
  if (!options.yes && options.prompt === undefined) {
    const question = "claude-bottle: launch this agent?";
    if (!await confirmed(terminal, { question, signal: host.interrupts.signal })) {
      reporter.info("aborted by user");
      return EXIT.done;
    }
  }
  return await run({ spec, backend, plan }, ports);
}

interface Prepared {
  readonly spec: BottleSpec;
  readonly backend: BottleBackend;
  readonly plan: BottlePlan;
}

async function prepare(options: StartOptions, ports: CommandPorts): Promise<Prepared> {
  const { host, reporter } = ports;
  const manifest = await chosenManifest(host, options.manifest);
  const agent = await chosenAgent(manifest, options.agent, ports);
  const proxy = options.proxy ?? proxyOf(manifest, agent) ??
    proxyDefault(host.environment.get("CLAUDE_BOTTLE_PROXY"));
  refuseUnavailable(manifest, agent);
  if (host.environment.get("CLAUDE_BOTTLE_DERIVED_IMAGE")) {
    reporter.info("CLAUDE_BOTTLE_DERIVED_IMAGE has no effect: no image is derived any more");
  }
  const spec = await bottleSpec(manifest, { ...options, agent, proxy, host });
  const backend = await loadBackend(ports, options);
  return { spec, backend, plan: await backend.prepare(spec, host.interrupts.signal) };
}

function proxyOf(manifest: Manifest, agent: string): ProxyName | undefined {
  const bottle = manifest.agents.get(agent)?.bottle;
  return bottle === undefined ? undefined : manifest.bottles.get(bottle)?.egress.proxy;
}

/** What counts where neither command line nor manifest names a proxy. */
export function proxyDefault(value: string | undefined): ProxyName | undefined {
  if (!value) return undefined;
  if (value === "squid" || value === "pipelock") return value;
  throw new Failure("usage", `CLAUDE_BOTTLE_PROXY must be pipelock or squid, not ${JSON.stringify(value)}`, {
    exit: EXIT.usage,
  });
}

/** The agent that is named, the only one there is, or the one that a person picks. */
async function chosenAgent(
  manifest: Manifest,
  name: string | undefined,
  { host, reporter }: CommandPorts,
): Promise<string> {
  const choices = [...manifest.agents.keys()];
  if (name === undefined && choices.length > 1) {
    reporter.info("several agents are available:");
    const { signal } = host.interrupts;
    const choice = await choose(host.terminal, { question: "which one?", choices, signal });
    if (choice !== undefined) return choice;
  }
  return namedOrOnlyAgent(manifest, { name, command: "start" });
}

function showDryRun(
  plan: BottlePlan,
  options: { readonly json: boolean; readonly ports: CommandPorts },
): void {
  const { host, reporter } = options.ports;
  if (options.json) {
    host.terminal.out(jsonText(planJson(plan)));
    return;
  }
  host.terminal.err(preflightText(plan));
  host.terminal.out(stepsText(plan));
  reporter.info("dry-run requested; not starting container.");
}

/** An agent that wants a terminal and has none would hang or die in its own words. */
function requireTerminalFor(spec: BottleSpec, { host }: CommandPorts): void {
  if (spec.mode === "headless") return;
  if (host.terminal.stdinIsTerminal && host.terminal.stdoutIsTerminal) return;
  throw new Failure("no-terminal", `${spec.command[0]} needs a terminal: stdin or stdout is none`, {
    hints: ["Run it headless with `--prompt TEXT`"],
    exit: EXIT.usage,
  });
}

async function run({ spec, backend, plan }: Prepared, { host, reporter }: CommandPorts): Promise<number> {
  const { signal } = host.interrupts;
  const env = await resolveEnv(spec.env, {
    environment: host.environment,
    ask: (question) => askSecret(host.terminal, { question, signal }),
  });
  const bottle = await backend.launch(plan, { signal, env, onEvent: reporter.onEvent });
  let ended: number;
  try {
    reporter.quiet();
    const { code } = await bottle.attach();
    await reportEgress(bottle, { mode: spec.mode, say: (text) => reporter.info(text) });
    ended = code;
  } finally {
    await bottle[Symbol.asyncDispose]();
    reporter.quiet();
  }
  // A signal that came during the teardown counts like one before it.
  signal.throwIfAborted();
  return ended;
}

/** What was reached and refused. It must not keep the agent's own result from its user. */
async function reportEgress(
  bottle: Bottle,
  { mode, say }: { readonly mode: AgentMode; readonly say: (text: string) => void },
): Promise<void> {
  let events: readonly EgressEvent[];
  try {
    events = await bottle.egressEvents();
  } catch {
    return;
  }
  const lines = mode === "attached"
    ? egressSummary(events, "the whole log went with the bottle")
    : refusalLines(events);
  lines.forEach(say);
}
