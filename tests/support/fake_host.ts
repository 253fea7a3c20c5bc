import type { WholeEnvironment } from "../../lib/host/environment.ts";
import type { Files } from "../../lib/host/files.ts";
import type { Host } from "../../lib/host/host.ts";
import { Interrupted, type Interrupts, type InterruptSignal } from "../../lib/host/interrupts.ts";
import { MemoryTerminal } from "./memory_terminal.ts";
import { ScriptedProcesses } from "./scripted_processes.ts";

/** Interrupts that a test raises. */
export class FakeInterrupts implements Interrupts {
  readonly #controller = new AbortController();
  released = false;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  raise(by: InterruptSignal): void {
    if (!this.signal.aborted) this.#controller.abort(new Interrupted(by));
  }

  release(): void {
    this.released = true;
  }
}

/** The environment that an object describes. */
export function environmentOf(variables: Readonly<Record<string, string>>): WholeEnvironment {
  return {
    get: (name) => Object.hasOwn(variables, name) ? variables[name] : undefined,
    all: () => ({ ...variables }),
  };
}

const NO_FILES: Files = {
  readBytes: () => Promise.resolve(undefined),
  open: () => Promise.resolve(undefined),
  status: () => Promise.resolve(undefined),
  linkStatus: () => Promise.resolve(undefined),
  readLink: () => Promise.resolve(undefined),
  realPath: () => Promise.resolve(undefined),
  readDirectory: () => Promise.resolve(undefined),
};

function aMoment(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.reject(signal.reason);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    }, { once: true });
  });
}

/** Bytes that count up from `first`, the same in every run. */
export function countingBytes(first = 0): (bytes: number) => Uint8Array {
  let next = first;
  return (bytes) => Uint8Array.from({ length: bytes }, () => next++ % 256);
}

/** A machine in memory. */
export interface FakeHost extends Host {
  readonly processes: ScriptedProcesses;
  readonly terminal: MemoryTerminal;
  readonly interrupts: FakeInterrupts;
  /** Milliseconds that were slept, each sleep; the clock advances by them and nothing waits. */
  readonly slept: number[];
}

export interface FakeHostOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly files?: Files;
  readonly terminal?: MemoryTerminal;
  readonly processes?: ScriptedProcesses;
  readonly random?: (bytes: number) => Uint8Array;
  readonly cwd?: string;
}

/** A machine in memory: Linux, uid 1000, the clock at 1,000,000 ms. */
export function fakeHost(options: FakeHostOptions = {}): FakeHost {
  const slept: number[] = [];
  let now = 1_000_000;
  return {
    processes: options.processes ?? new ScriptedProcesses(),
    files: options.files ?? NO_FILES,
    environment: environmentOf(options.env ?? { PATH: "/usr/bin", HOME: "/home/somebody" }),
    terminal: options.terminal ?? new MemoryTerminal(),
    interrupts: new FakeInterrupts(),
    cwd: options.cwd ?? "/home/somebody/project",
    os: "linux",
    uid: 1000,
    now: () => now,
    random: options.random ?? countingBytes(),
    slept,
    async sleep(ms, signal): Promise<void> {
      // What can be cut short takes longer than what takes no time at all.
      if (signal !== undefined) await aMoment(signal);
      slept.push(ms);
      now += ms;
    },
  };
}
