import { DockerBottleBackend } from "../../lib/backend/docker/backend.ts";
import { DEADLINES, type Deadlines } from "../../lib/backend/docker/deadlines.ts";
import type { BackendLoader } from "../../lib/commands/context.ts";
import { runApp } from "../../lib/cli/app.ts";
import { denoHost } from "../../lib/host/deno.ts";
import type { Host } from "../../lib/host/host.ts";
import type { AttachOptions, Outcome, ProcessCall } from "../../lib/host/processes.ts";
import { environmentOf, FakeInterrupts } from "./fake_host.ts";
import { MemoryTerminal, type MemoryTerminalOptions } from "./memory_terminal.ts";

/** What one command line came to. */
export interface HastyResult {
  /** NaN when it was interrupted. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface HastyOptions {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly terminal?: MemoryTerminalOptions;
  /** What happens while it runs. */
  readonly meanwhile?: (interrupts: FakeInterrupts) => Promise<void>;
}

/** How long every call may take here, but for those that run beside the agent; and how much faster its clock goes. */
const HASTE_MS = 5000;
const SPEED = 10;
/** Longer than any call may take. */
export const PATIENCE_MS = HASTE_MS + 1000;

/**
 * Runs one command line in this process, with real processes, a faster clock and short deadlines. The program itself
 * has no way to be given other deadlines, so it is composed here, as `main.ts` does it.
 */
export async function runHastily(
  { args, env, cwd, meanwhile, ...options }: HastyOptions,
): Promise<HastyResult> {
  const terminal = new MemoryTerminal(options.terminal);
  const interrupts = new FakeInterrupts();
  const real = denoHost();
  real.interrupts.release();
  const host: Host = {
    ...real,
    processes: {
      ...real.processes,
      attach: (call, given) => captured(call, { real, terminal, given }),
    },
    environment: environmentOf(env),
    terminal,
    interrupts,
    cwd,
    sleep: (ms, signal) => real.sleep(ms / SPEED, signal),
  };
  const load: BackendLoader = (choice) =>
    Promise.resolve(new DockerBottleBackend({ ...choice, deadlines: hasty() }));
  const running = runApp(args, { host, backends: new Map([["docker", load]]) });
  const [outcome] = await Promise.all([running, meanwhile?.(interrupts)]);
  const code = outcome.kind === "exit" ? outcome.code : NaN;
  return { code, stdout: terminal.stdout, stderr: terminal.stderr };
}

function hasty(): Deadlines {
  const entries = Object.keys(DEADLINES).map((
    name,
  ) => [name, name === "held" ? {} : { deadlineMs: HASTE_MS }]);
  return Object.fromEntries(entries);
}

/** A call with our own streams, which here are the terminal in memory. */
async function captured(
  call: ProcessCall,
  { real, terminal, given = {} }: {
    readonly real: Host;
    readonly terminal: MemoryTerminal;
    readonly given: AttachOptions | undefined;
  },
): Promise<Outcome> {
  const outcome = await real.processes.run(call, given);
  terminal.out(outcome.stdout);
  terminal.err(outcome.stderr);
  return { ...outcome, stdout: "", stderr: "" };
}
