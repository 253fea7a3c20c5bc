import { Failure } from "../errors.ts";
import { Deadline, type Patience } from "./deadline.ts";
import type { WholeEnvironment } from "./environment.ts";
import type { DirectoryEntry, Files, FileStatus, OpenFile } from "./files.ts";
import type { Host } from "./host.ts";
import { Interrupted, type Interrupts, type InterruptSignal } from "./interrupts.ts";
import { collect } from "./output.ts";
import type { AttachOptions, HeldProcess, Outcome, ProcessCall, Processes, RunOptions } from "./processes.ts";
import { LineEditor } from "./line_editor.ts";
import type { Terminal } from "./terminal.ts";

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

/** How long a child's output is awaited after its own end. */
const STREAM_PATIENCE_MS = 1000;
/** Bytes that are kept of what a held process says: an error's last words. */
const HELD_OUTPUT = 65_536;

function denoProcesses(): Processes {
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
    throw error;
  }
}

async function runProcess(call: ProcessCall, options: RunOptions = {}): Promise<Outcome> {
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
    const stream = input instanceof Uint8Array ? ReadableStream.from([input]) : input;
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

function kindOf(info: { isFile: boolean; isDirectory: boolean; isSymlink: boolean }): FileStatus["kind"] {
  if (info.isSymlink) return "symlink";
  if (info.isDirectory) return "directory";
  return info.isFile ? "file" : "other";
}

function statusOf(info: Deno.FileInfo): FileStatus {
  return {
    kind: kindOf(info),
    size: info.size,
    mode: (info.mode ?? 0) & 0o7777,
    uid: info.uid ?? 0,
    modified: Math.floor((info.mtime?.getTime() ?? 0) / 1000),
    identity: `${info.dev}:${info.ino}`,
  };
}

async function openFile(path: string): Promise<OpenFile> {
  const file = await Deno.open(path);
  return {
    status: async () => statusOf(await file.stat()),
    read: async (into) => await file.read(into) ?? undefined,
    [Symbol.dispose]: () => file.close(),
  };
}

/** `undefined` for what does not exist, also below something that is no directory. */
async function unlessMissing<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) return undefined;
    throw error;
  }
}

function denoFiles(): Files {
  return {
    readBytes: (path) => unlessMissing(() => Deno.readFile(path)),
    open: (path) => unlessMissing(() => openFile(path)),
    status: (path) => unlessMissing(async () => statusOf(await Deno.stat(path))),
    linkStatus: (path) => unlessMissing(async () => statusOf(await Deno.lstat(path))),
    readLink: (path) => unlessMissing(() => Deno.readLink(path)),
    realPath: (path) => unlessMissing(() => Deno.realPath(path)),
    readDirectory: (path) =>
      unlessMissing(async () => {
        const entries: DirectoryEntry[] = [];
        for await (const entry of Deno.readDir(path)) entries.push({ name: entry.name, kind: kindOf(entry) });
        return entries;
      }),
  };
}

function denoTerminal(interrupts: Interrupts): Terminal {
  return {
    stdinIsTerminal: Deno.stdin.isTerminal(),
    stdoutIsTerminal: Deno.stdout.isTerminal(),
    stderrIsTerminal: Deno.stderr.isTerminal(),
    columns(): number {
      try {
        return Deno.consoleSize().columns || 80;
      } catch {
        return 80;
      }
    },
    out: (text) => write(Deno.stdout, text),
    err: (text) => write(Deno.stderr, text),
    readLine: (signal) => readLine(signal),
    readSecret: (signal) => readSecret(signal, interrupts),
    saved: savedTerminal,
  };
}

function write(stream: { writeSync(bytes: Uint8Array): number }, text: string): void {
  let bytes = new TextEncoder().encode(text);
  try {
    while (bytes.length > 0) bytes = bytes.subarray(stream.writeSync(bytes));
  } catch {
    // The reader went away or the terminal hung up; a teardown must go on all the same.
  }
}

/** A read that loses the race stays pending; `main` ends the process explicitly, so it holds up nothing. */
async function readByte(signal: AbortSignal): Promise<number | undefined> {
  const buffer = new Uint8Array(1);
  const read = Deno.stdin.read(buffer);
  read.catch(() => {});
  const aborted = Promise.withResolvers<never>();
  const stop = (): void => aborted.reject(signal.reason);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await Promise.race([read, aborted.promise]) === null ? undefined : buffer[0];
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function readLine(signal: AbortSignal): Promise<string | undefined> {
  const bytes: number[] = [];
  for (;;) {
    const byte = await readByte(signal);
    if (byte === undefined) return bytes.length === 0 ? undefined : decodeLine(bytes);
    if (byte === 10) return decodeLine(bytes);
    bytes.push(byte);
  }
}

function decodeLine(bytes: readonly number[]): string {
  return new TextDecoder().decode(new Uint8Array(bytes)).replace(/\r$/, "");
}

async function readSecret(signal: AbortSignal, interrupts: Interrupts): Promise<string | undefined> {
  Deno.stdin.setRaw(true);
  try {
    return await readRawLine(signal, interrupts);
  } finally {
    Deno.stdin.setRaw(false);
    write(Deno.stderr, "\r\n");
  }
}

async function readRawLine(signal: AbortSignal, interrupts: Interrupts): Promise<string | undefined> {
  const editor = new LineEditor();
  for (;;) {
    switch (editor.key(await readByte(signal))) {
      case "done":
        return editor.text;
      case "end":
        return undefined;
      case "interrupt":
        interrupts.raise("SIGINT");
        signal.throwIfAborted();
        throw new Interrupted("SIGINT");
    }
  }
}

/**
 * The settings are read and written by `stty` on the terminal itself: raw mode that a killed docker CLI
 * left behind is not ours to undo through `setRaw`.
 */
async function savedTerminal(): Promise<AsyncDisposable> {
  const settings = Deno.stdin.isTerminal() ? (await stty(["-g"])).trim() : "";
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      if (/^[0-9a-fA-F:=;a-z]+$/.test(settings)) await stty([settings]);
    },
  };
}

async function stty(args: readonly string[]): Promise<string> {
  try {
    const { stdout } = await runProcess({
      program: "sh",
      args: ["-c", 'exec stty "$@" </dev/tty', "stty", ...args],
      env: { PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin" },
    }, { onTerminal: true });
    return stdout;
  } catch {
    return "";
  }
}
