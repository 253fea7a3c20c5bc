import type { Patience } from "./deadline.ts";

/** A program to run on the host, as data. The environment is complete: nothing else is inherited. */
export interface ProcessCall {
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** How a process ended. Output is bounded: only the last bytes of each stream are kept, see {@link RunOptions.kept}. */
export interface Outcome {
  readonly code: number;
  /** The signal that ended it, e.g. `SIGTERM`. */
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Bytes kept of each captured stream; the largest answer we read is an inspect of a few containers. */
export const OUTPUT_LIMIT = 16 * 1024 * 1024;

export interface RunOptions {
  /** Written to stdin, which is then closed; without it stdin is empty. */
  readonly input?: Uint8Array | ReadableStream<Uint8Array>;
  /** Aborting sends SIGTERM, then SIGKILL two seconds later. */
  readonly signal?: AbortSignal;
  /** Milliseconds until the process is ended as by `signal`. */
  readonly deadlineMs?: number;
  /** Milliseconds in which it neither says nor takes anything until it is ended as by `signal`. */
  readonly silenceMs?: number;
  /** Leaves it in our session, so that it may ask on the terminal; Ctrl-C then reaches it too. */
  readonly onTerminal?: true;
  /** The output comes as a character a byte, so that what is no UTF-8 can be told from what is. */
  readonly binary?: true;
  /** More bytes of stdout or stderr than this end it as by `signal`; all but the last {@link OUTPUT_LIMIT} are dropped unless told. */
  readonly limit?: number;
  /** Bytes of each stream that are kept, its last; {@link OUTPUT_LIMIT} unless told. */
  readonly kept?: number;
  /** Called with each complete line of stdout and stderr as it comes. */
  readonly onLine?: (line: string, stream: "stdout" | "stderr") => void;
}

/** `inherit` gives the child that stream of ours. */
export interface AttachOptions {
  /** Written to the child's stdin, which is then closed; without it the child inherits ours. */
  readonly input?: Uint8Array;
  readonly signal?: AbortSignal;
}

/** A process beside us whose stdin we hold open: it learns from that stream's end that we are gone, however we ended. */
export interface HeldProcess {
  /** The first line of its stdout; `undefined` when it ended without one. Rejects with Failure `timed-out`, and then it is ended. */
  readonly firstLine: Promise<string | undefined>;
  readonly ended: Promise<Outcome>;
  /** Writes to its stdin. Never throws: what has ended reads nothing. */
  say(text: string): Promise<void>;
  /** Ends it with SIGKILL, if it has not ended. */
  kill(): void;
}

/** The only way this program starts other programs. */
export interface Processes {
  /** Runs to the end and captures the output. @throws Failure `program-missing` when it cannot be found, `timed-out` past a deadline, `output-too-long`. */
  run(call: ProcessCall, options?: RunOptions): Promise<Outcome>;
  /** Runs with stdout and stderr (and stdin, without `input`) inherited; `stdout` and `stderr` of the outcome are empty. */
  attach(call: ProcessCall, options?: AttachOptions): Promise<Outcome>;
  /** Starts what goes on beside us, in a session of its own; its first line has a deadline. @throws Failure `program-missing` */
  hold(call: ProcessCall, patience: Patience): HeldProcess;
}
