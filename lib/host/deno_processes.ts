import { Failure } from "../errors.ts";
import { Deadline, type Patience } from "./deadline.ts";
import { collect } from "./output.ts";
import type { AttachOptions, HeldProcess, Outcome, ProcessCall, Processes, RunOptions } from "./processes.ts";

/** How long a child's output is awaited after its own end. */
const STREAM_PATIENCE_MS = 1000;
/** Bytes that are kept of what a held process says: an error's last words. */
const HELD_OUTPUT = 65_536;

/** Processes of this machine. */
export function denoProcesses(): Processes {
  return { run: runProcess, attach: attachProcess, hold: holdProcess };
}

type SpawnOptions = Pick<Deno.CommandOptions, "stdin" | "stdout" | "stderr" | "detached">;

function spawn(call: ProcessCall, options: SpawnOptions): Deno.ChildProcess {
  try {
    return new Deno.Command(call.program, {
      args: [...call.args],
      env: { ...call.env },
      clearEnv: true,
      ...options,
    })
      .spawn();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) {
      throw new Failure("program-missing", `${call.program} is not on PATH`, { cause: error });
    }
    // The runtime takes only the program that its own start has found, by a whole path.
    if (error instanceof Deno.errors.NotCapable) {
      throw new Failure("program-refused", `${call.program} is not run from a relative folder of PATH`, {
        hints: ["Take `.` and all that does not begin with `/` out of PATH, or put it behind the rest"],
        cause: error,
      });
    }
    throw error;
  }
}

export async function runProcess(call: ProcessCall, options: RunOptions = {}): Promise<Outcome> {
  options.signal?.throwIfAborted();
  const child = spawn(call, {
    stdin: options.input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
    // In a session of its own Ctrl-C reaches only us: a half-done call would leave us guessing.
    detached: options.onTerminal !== true,
  });
  using deadline = new Deadline(options);
  const flood = new AbortController();
  using _stop = endOnAbort(child, [options.signal, deadline.signal, flood.signal]);
  const given = new AbortController();
  const onFlood = (): void => flood.abort();
  const collecting = { ...options, signal: given.signal, onFlood, onChunk: deadline.sign };
  const output = Promise.all([
    collect(child.stdout, { ...collecting, onLine: (line) => options.onLine?.(line, "stdout") }),
    collect(child.stderr, { ...collecting, onLine: (line) => options.onLine?.(line, "stderr") }),
    fedOrEnded(child, options.input, deadline.sign),
  ]);
  output.catch(() => {});
  const status = await child.status;
  // What the child started may hold its streams open for as long as it likes.
  const patience = setTimeout(() => given.abort(), STREAM_PATIENCE_MS);
  const [stdout, stderr] = await output;
  clearTimeout(patience);
  if (deadline.exceeded !== undefined && options.signal?.aborted !== true) {
    throw timedOut(call, deadline.exceeded);
  }
  options.signal?.throwIfAborted();
  if (flood.signal.aborted) {
    throw new Failure("output-too-long", `${call.program} printed more than ${options.limit} bytes`);
  }
  return { code: status.code, signal: status.signal, stdout, stderr };
}

async function attachProcess(call: ProcessCall, options: AttachOptions = {}): Promise<Outcome> {
  options.signal?.throwIfAborted();
  const child = spawn(call, {
    stdin: options.input === undefined ? "inherit" : "piped",
    stdout: "inherit",
    stderr: "inherit",
  });
  using _stop = endOnAbort(child, [options.signal]);
  const [status] = await Promise.all([child.status, fedOrEnded(child, options.input)]);
  return { code: status.code, signal: status.signal, stdout: "", stderr: "" };
}

/** It lasts as long as we do: nothing but the end of this process closes its stdin. */
function holdProcess(call: ProcessCall, patience: Patience): HeldProcess {
  const child = spawn(call, { stdin: "piped", stdout: "piped", stderr: "piped", detached: true });
  const input = child.stdin.getWriter();
  const first = Promise.withResolvers<string | undefined>();
  first.promise.catch(() => {});
  const deadline = new Deadline(patience);
  deadline.signal.addEventListener("abort", () => {
    end(child, "SIGKILL");
    first.reject(timedOut(call, deadline.exceeded ?? ""));
  });
  const ended = heldToItsEnd(child, (line) => {
    deadline[Symbol.dispose]();
    first.resolve(line);
  });
  return {
    firstLine: first.promise,
    ended,
    say: (text) => input.write(new TextEncoder().encode(text)).catch(() => {}),
    kill: () => end(child, "SIGKILL"),
  };
}

/** `what` it failed to do, e.g. `did not end within 60 s`. */
function timedOut({ program, args }: ProcessCall, what: string): Failure {
  const words = [program, ...args].slice(0, 4).join(" ");
  return new Failure("timed-out", `\`${words} …\` ${what}`);
}

async function heldToItsEnd(
  child: Deno.ChildProcess,
  onLine: (line: string | undefined) => void,
): Promise<Outcome> {
  const given = new AbortController();
  const collecting = { signal: given.signal, kept: HELD_OUTPUT, onFlood: () => {} };
  const output = Promise.all([
    collect(child.stdout, { ...collecting, onLine }),
    collect(child.stderr, { ...collecting, onLine: () => {} }),
  ]);
  output.catch(() => {});
  const status = await child.status;
  const patience = setTimeout(() => given.abort(), STREAM_PATIENCE_MS);
  const [stdout, stderr] = await output;
  clearTimeout(patience);
  onLine(undefined);
  return { code: status.code, signal: status.signal, stdout, stderr };
}

/** A child that asks to be ended gently first: SIGTERM on abort, SIGKILL two seconds later. */
function endOnAbort(child: Deno.ChildProcess, signals: readonly (AbortSignal | undefined)[]): Disposable {
  let timer: ReturnType<typeof setTimeout> | undefined;
  function stop(): void {
    end(child, "SIGTERM");
    timer ??= setTimeout(() => end(child, "SIGKILL"), 2000);
  }
  for (const signal of signals) signal?.addEventListener("abort", stop);
  return {
    [Symbol.dispose](): void {
      clearTimeout(timer);
      for (const signal of signals) signal?.removeEventListener("abort", stop);
    },
  };
}

function end(child: Deno.ChildProcess, by: Deno.Signal): void {
  try {
    child.kill(by);
  } catch {
    // It has ended already.
  }
}

/** Nobody waits for input that the child left unread: what it started may hold that pipe open too. */
async function fedOrEnded(
  child: Deno.ChildProcess,
  input: RunOptions["input"],
  onTaken: () => void = () => {},
): Promise<void> {
  await Promise.race([feed(child, input, onTaken), child.status]);
}

async function feed(
  child: Deno.ChildProcess,
  input: RunOptions["input"],
  onTaken: () => void,
): Promise<void> {
  if (input === undefined) return;
  try {
    const stream = input instanceof Uint8Array ? ReadableStream.from(piecesOf(input)) : input;
    const counted = new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller): void {
        onTaken();
        controller.enqueue(chunk);
      },
    });
    await stream.pipeThrough(counted).pipeTo(child.stdin);
  } catch (error) {
    // A child that ended without reading everything says why through its code and stderr.
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
  }
}

/** Bytes that are given at once: the child shows by taking them that it lives. */
const PIECE = 65_536;

function* piecesOf(input: Uint8Array): Generator<Uint8Array> {
  for (let from = 0; from < input.length; from += PIECE) yield input.subarray(from, from + PIECE);
}
