import { denoFiles } from "./deno_files.ts";
import { denoProcesses } from "./deno_processes.ts";
import { denoTerminal } from "./deno_terminal.ts";
import type { WholeEnvironment } from "./environment.ts";
import type { Host } from "./host.ts";
import { Interrupted, type Interrupts, type InterruptSignal } from "./interrupts.ts";

/** The one real {@link Host}: everything this program does to the machine passes through here. */
export function denoHost(): Host {
  const interrupts = denoInterrupts();
  return {
    processes: denoProcesses(),
    files: denoFiles(),
    environment: denoEnvironment(),
    terminal: denoTerminal(interrupts),
    interrupts,
    cwd: Deno.cwd(),
    os: Deno.build.os,
    uid: Deno.uid() ?? undefined,
    now: () => Date.now(),
    random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    sleep,
  };
}

/** Ends this process as `signal` would have: the shell sees what it expects. Release the interrupts first. */
export async function endBySignal(signal: InterruptSignal): Promise<never> {
  Deno.kill(Deno.pid, signal);
  await sleep(1000);
  Deno.exit(1);
}

function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    function stop(): void {
      clearTimeout(timer);
      reject(signal?.reason);
    }
    if (signal?.aborted) stop();
    else signal?.addEventListener("abort", stop, { once: true });
  });
}

function denoEnvironment(): WholeEnvironment {
  return { get: (name) => Deno.env.get(name), all: () => Deno.env.toObject() };
}

function denoInterrupts(): Interrupts {
  const controller = new AbortController();
  function on(by: InterruptSignal): void {
    if (!controller.signal.aborted) controller.abort(new Interrupted(by));
  }
  const handlers = (["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const).map((by) =>
    [by, () => on(by)] as const
  );
  for (const [by, handler] of handlers) Deno.addSignalListener(by, handler);
  return {
    signal: controller.signal,
    raise: on,
    release(): void {
      for (const [by, handler] of handlers) Deno.removeSignalListener(by, handler);
    },
  };
}
