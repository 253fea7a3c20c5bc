import { runProcess } from "./deno_processes.ts";
import { Interrupted, type Interrupts } from "./interrupts.ts";
import { LineEditor } from "./line_editor.ts";
import type { Terminal } from "./terminal.ts";

/** The terminal that this process was started on, if any. */
export function denoTerminal(interrupts: Interrupts): Terminal {
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
