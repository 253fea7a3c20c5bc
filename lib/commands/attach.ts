import type { ActiveBottle } from "../bottle/active.ts";
import { EXIT, Failure, oneLine } from "../errors.ts";
import { type AgentOptions, refuseAgentOptions } from "./agent_options.ts";
import type { CommandPorts } from "./context.ts";
import { enteredBottle, type Entry, type EntryOptions, grantedEnv } from "./opened_bottle.ts";
import { reportEgress } from "./egress_summary.ts";
import { agentRun } from "./spec.ts";
import { requireTerminalFor } from "./start.ts";

export interface AttachOptions extends EntryOptions, AgentOptions {
  /** A shell instead of the agent. */
  readonly shell: boolean;
  /** Gives the shell the secrets too; an agent always has them. */
  readonly secrets: boolean;
}

/** `attach`: runs the agent, or a shell, in a bottle that is there, and leaves the bottle. @throws Failure, Interrupted */
export async function attach(options: AttachOptions, ports: CommandPorts): Promise<number> {
  if (options.shell) {
    const hint = "Run a command with `claude-bottle exec BOTTLE -- CMD`";
    refuseAgentOptions(options, { flag: "--shell", hint });
  }
  const judge = options.shell ? () => {} : requireIdle;
  const entry = await enteredBottle(options, { command: "attach", judge }, ports);
  return options.shell
    ? await runShell(entry, { secrets: options.secrets, ports })
    : await runAgent(entry, { options, ports });
}

/** Two agents in one bottle would undo each other's work, and the first one's end would take the second. */
function requireIdle({ owner, name }: ActiveBottle): void {
  if (owner !== "alive") return;
  throw new Failure("bottle-busy", `${oneLine(name)} has an agent already: \`start\` runs it elsewhere`, {
    hints: [
      `A second terminal in it: claude-bottle attach ${oneLine(name)} --shell`,
      "A bottle of its own: `claude-bottle start`; one to come back to: `claude-bottle start --detach`",
    ],
  });
}

async function runAgent(
  entry: Entry,
  { options, ports }: { readonly options: AttachOptions; readonly ports: CommandPorts },
): Promise<number> {
  const { host, reporter } = ports;
  const { bottle, agent } = entry;
  const run = agentRun(agent, { ...options, host, home: bottle.home });
  requireTerminalFor(run, ports);
  const granted = await grantedEnv(entry, { secrets: true }, ports);
  const egress = await bottle.watchEgress();
  reporter.quiet();
  const { code } = await bottle.run({ ...run, ...granted });
  await reportEgress(egress, {
    mode: run.mode,
    rest: `claude-bottle logs ${oneLine(bottle.name)}`,
    say: (text) => reporter.info(text),
  });
  reporter.info(`${oneLine(bottle.name)} stays until \`claude-bottle stop ${oneLine(bottle.name)}\``);
  host.interrupts.signal.throwIfAborted();
  return code;
}

/** bash where the image has it. */
const SHELL: readonly string[] = [
  "sh",
  "-c",
  "if command -v bash >/dev/null 2>&1; then exec bash; fi; exec sh",
];

async function runShell(
  entry: Entry,
  { secrets, ports }: { readonly secrets: boolean; readonly ports: CommandPorts },
): Promise<number> {
  const { terminal } = ports.host;
  if (!terminal.stdinIsTerminal || !terminal.stdoutIsTerminal) {
    throw new Failure("no-terminal", "A shell needs a terminal: stdin or stdout is none", {
      hints: [`Run a command instead: claude-bottle exec ${oneLine(entry.bottle.name)} -- CMD`],
      exit: EXIT.usage,
    });
  }
  const granted = await grantedEnv(entry, { secrets }, ports);
  ports.reporter.quiet();
  const { code } = await entry.bottle.run({ command: SHELL, mode: "attached", ...granted });
  return code;
}
