import type { BottleBackend } from "../bottle/backend.ts";
import { resolveEnv } from "../bottle/env.ts";
import type { BottlePlan } from "../bottle/plan.ts";
import { planJson, PREFLIGHT_LABELS, preflightText, stepsText } from "../bottle/render.ts";
import type { BottleSpec } from "../bottle/spec.ts";
import { EXIT, Failure, oneLine } from "../errors.ts";
import { refuseUnavailable } from "../manifest/available.ts";
import type { Manifest, ProxyName, RuntimeChoice } from "../manifest/model.ts";
import type { Terminal } from "../host/terminal.ts";
import { choose, confirmed } from "../ui/question.ts";
import { hanging } from "../ui/wrap.ts";
import { loadBackend } from "./backend_choice.ts";
import type { CommandPorts } from "./context.ts";
import { reportEgress } from "./egress_summary.ts";
import { envPorts } from "./env_ports.ts";
import { requireInspection } from "./inspection.ts";
import { canAsk, launchQuestions, requireKnownHostKeys, requireOpenKeys } from "./launch_questions.ts";
import { leaveReady, requireDetachable, sayHowToGoOn, warnOfUnset } from "./detached.ts";
import { grantedManifest, namedOrOnlyAgent, shownManifest } from "./manifest_choice.ts";
import { proxyDefault } from "./proxy_choice.ts";
import { bottleSpec } from "./spec.ts";
import { sweepBeside } from "./sweeping.ts";
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
  /** Copies the working directory into a workspace. */
  readonly cwd: boolean;
  /** Patterns of what of it is left out. */
  readonly exclude: readonly string[];
  readonly manifest: string | undefined;
  readonly backend: string | undefined;
  readonly context: string | undefined;
  readonly proxy: ProxyName | undefined;
  readonly runtime: RuntimeChoice | undefined;
  /** Makes a bottle for `attach` and runs no agent. */
  readonly detach: boolean;
  /** Leaves the bottle for `attach` once the agent has run. */
  readonly keep: boolean;
  readonly json: boolean;
}

/** What no agent may be called: `start demo` is the tour. */
const TOUR_NAME = "demo";

/** `start`: prepare, show, ask, launch, attach, tear down. Returns the exit code. @throws Failure, Interrupted */
export async function start(options: StartOptions, ports: CommandPorts): Promise<number> {
  const { host, reporter } = ports;
  const { environment, terminal } = host;
  const dryRun = options.dryRun || environment.get("CLAUDE_BOTTLE_DRY_RUN") === "1";
  if (options.agent === TOUR_NAME) {
    const { tour } = await import("./tour.ts");
    return await tour({ ...options, dryRun }, ports);
  }
  if (options.format === "json" && !dryRun) {
    throw new Failure("usage", "--format=json requires --dry-run", { exit: EXIT.usage });
  }
  requireDetachable(options);
  if (options.exclude.length > 0 && !options.cwd) {
    throw new Failure("usage", "--exclude requires --cwd", {
      hints: ["--cwd copies the working directory, --exclude leaves a part of it out"],
      exit: EXIT.usage,
    });
  }
  const { spec, backend, plan } = await prepare({ ...options, dryRun }, ports);
  // What was drawn while a large directory was looked through.
  reporter.quiet();
  if (dryRun) {
    showDryRun(plan, { json: options.format === "json", ports });
    return EXIT.done;
  }
  terminal.err(preflightFor(terminal, plan));
  if (!canAsk(host, options.prompt)) requireOpenKeys(plan.ssh);
  if (spec.startsAgent) requireTerminalFor(spec, ports);
  else warnOfUnset(spec, ports);
  if (!options.yes && options.prompt === undefined) {
    const question = "claude-bottle: launch this agent?";
    if (!await confirmed(terminal, { question, signal: host.interrupts.signal })) {
      reporter.info("aborted by user");
      return EXIT.done;
    }
  }
  if (!spec.startsAgent) return await leaveReady({ spec, backend, plan }, { options, ports });
  return await run({ spec, backend, plan }, { options, ports });
}

interface Prepared {
  readonly spec: BottleSpec;
  readonly backend: BottleBackend;
  readonly plan: BottlePlan;
}

async function prepare(options: StartOptions, ports: CommandPorts): Promise<Prepared> {
  const { host, reporter } = ports;
  const shown = await shownManifest(host, options.manifest);
  const agent = await chosenAgent(shown, options.agent, ports);
  const mayAsk = canAsk(host, options.prompt) && !options.yes && !options.dryRun && !options.json;
  const manifest = await grantedManifest(ports, { manifest: shown, agent, mayAsk });
  const proxy = options.proxy ?? proxyOf(manifest, agent) ??
    proxyDefault(host.environment.get("CLAUDE_BOTTLE_PROXY"));
  refuseUnavailable(manifest, agent);
  requireInspection(manifest, { agent, proxy, flag: options.proxy });
  if (!options.dryRun && !canAsk(host, options.prompt)) requireKnownHostKeys(manifest, agent);
  if (host.environment.get("CLAUDE_BOTTLE_DERIVED_IMAGE")) {
    reporter.info("CLAUDE_BOTTLE_DERIVED_IMAGE has no effect: no image is derived any more");
  }
  const spec = await bottleSpec(manifest, {
    ...options,
    agent,
    proxy,
    host,
    lifetime: options.detach || options.keep ? "detached" : "session",
    startsAgent: !options.detach,
  });
  const backend = await loadBackend(ports, options);
  return { spec, backend, plan: await backend.prepare(spec, host.interrupts.signal) };
}

function proxyOf(manifest: Manifest, agent: string): ProxyName | undefined {
  const bottle = manifest.agents.get(agent)?.bottle;
  return bottle === undefined ? undefined : manifest.bottles.get(bottle)?.egress.proxy;
}

/** The agent that is named, the only one there is, or the one that a person picks. */
async function chosenAgent(
  manifest: Manifest,
  name: string | undefined,
  { host, reporter }: CommandPorts,
): Promise<string> {
  const choices = [...manifest.agents.keys()];
  if (name === undefined && choices.length > 1) {
    const { stdinIsTerminal, stderrIsTerminal } = host.terminal;
    if (stdinIsTerminal && stderrIsTerminal) reporter.info("several agents are available:");
    const { signal } = host.interrupts;
    const choice = await choose(host.terminal, { question: "which one?", choices, signal });
    if (choice !== undefined) return choice;
  }
  return namedOrOnlyAgent(manifest, { name, command: "start" });
}

/** The preflight; on a terminal its long values are broken below themselves. */
function preflightFor(terminal: Terminal, plan: BottlePlan): string {
  const text = preflightText(plan);
  if (!terminal.stderrIsTerminal) return text;
  return text.split("\n").map((line) =>
    hanging(line.slice(0, PREFLIGHT_LABELS), line.slice(PREFLIGHT_LABELS), terminal.columns())
  ).join("\n");
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
  host.terminal.err(preflightFor(host.terminal, plan));
  host.terminal.out(stepsText(plan));
  reporter.info("dry-run requested; not starting container.");
}

/** An agent that wants a terminal and has none would hang or die in its own words. */
export function requireTerminalFor(
  spec: Pick<BottleSpec, "mode" | "command">,
  { host }: CommandPorts,
): void {
  if (spec.mode === "headless") return;
  if (host.terminal.stdinIsTerminal && host.terminal.stdoutIsTerminal) return;
  throw new Failure(
    "no-terminal",
    `${oneLine(spec.command[0] ?? "")} needs a terminal: stdin or stdout is none`,
    {
      hints: ["Run it headless with `--prompt TEXT`"],
      exit: EXIT.usage,
    },
  );
}

async function run(
  { spec, backend, plan }: Prepared,
  { options, ports }: { readonly options: StartOptions; readonly ports: CommandPorts },
): Promise<number> {
  const { host, reporter } = ports;
  const { signal } = host.interrupts;
  const env = await resolveEnv(spec.env, envPorts(ports));
  const injected = await resolveEnv(spec.injected, envPorts(ports));
  const questions = launchQuestions(ports);
  await using sweeping = sweepBeside(backend, ports);
  const bottle = await backend.launch(plan, { signal, env, injected, onEvent: reporter.onEvent, questions });
  let ended: number;
  try {
    reporter.quiet();
    sweeping.hush();
    const { code } = await bottle.attach();
    await reportEgress(() => bottle.egressEvents(), {
      mode: spec.mode,
      rest: spec.lifetime === "detached"
        ? `claude-bottle logs ${bottle.name}`
        : "the whole log went with the bottle",
      say: (text) => reporter.info(text),
    });
    ended = code;
  } finally {
    const stays = spec.lifetime === "detached" && bottle.agentRan;
    if (stays) sayHowToGoOn(bottle.name, { options, ports });
    else await bottle[Symbol.asyncDispose]();
    reporter.quiet();
  }
  // A signal that came during the teardown counts like one before it.
  signal.throwIfAborted();
  return ended;
}
