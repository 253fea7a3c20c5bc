import type { WholeEnvironment } from "./environment.ts";
import type { Files } from "./files.ts";
import type { Interrupts } from "./interrupts.ts";
import type { Processes } from "./processes.ts";
import type { Terminal } from "./terminal.ts";

/** Every port to the machine this program runs on. Made once in `main.ts`, faked in tests. */
export interface Host {
  readonly processes: Processes;
  readonly files: Files;
  readonly environment: WholeEnvironment;
  readonly terminal: Terminal;
  readonly interrupts: Interrupts;
  /** The directory the program was started in. */
  readonly cwd: string;
  /** The operating system, as Deno names it. */
  readonly os: string;
  readonly uid: number | undefined;
  /** Milliseconds since the epoch. */
  now(): number;
  /** Cryptographically random bytes. */
  random(bytes: number): Uint8Array;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}
