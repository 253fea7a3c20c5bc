import type { Patience } from "../../lib/host/deadline.ts";
import type {
  AttachOptions,
  HeldProcess,
  Outcome,
  ProcessCall,
  Processes,
  RunOptions,
} from "../../lib/host/processes.ts";

/** A process that goes on until its stdin ends, its signal is raised, or a test ends it. */
export class LiveProcess {
  readonly line: string;
  /** What it was given on stdin so far. */
  input = "";
  readonly #options: RunOptions;
  readonly #end = Promise.withResolvers<Partial<Outcome>>();

  constructor(line: string, options: RunOptions) {
    this.line = line;
    this.#options = options;
    options.signal?.addEventListener("abort", () => this.#end.reject(options.signal?.reason), { once: true });
    if (options.input instanceof ReadableStream) void this.#read(options.input);
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of stream) this.input += decoder.decode(bytes);
    this.end();
  }

  say(line: string, stream: "stdout" | "stderr" = "stdout"): void {
    this.#options.onLine?.(line, stream);
  }

  end(outcome: Partial<Outcome> = {}): void {
    this.#end.resolve(outcome);
  }

  async outcome(): Promise<Outcome> {
    return { code: 0, signal: null, stdout: "", stderr: "", ...await this.#end.promise };
  }
}

/** Processes of which those with a matching line live, and all others are somebody else's. */
export class LiveProcesses implements Processes {
  readonly started: LiveProcess[] = [];
  readonly #inner: Processes;
  readonly #pattern: RegExp;
  #waiting: (() => void)[] = [];

  constructor(inner: Processes, pattern: RegExp) {
    this.#inner = inner;
    this.#pattern = pattern;
  }

  async run(call: ProcessCall, options: RunOptions = {}): Promise<Outcome> {
    const line = [call.program, ...call.args].join(" ");
    if (!this.#pattern.test(line)) return await this.#inner.run(call, options);
    options.signal?.throwIfAborted();
    const live = new LiveProcess(line, options);
    this.started.push(live);
    this.#waiting.splice(0).forEach((go) => go());
    return await live.outcome();
  }

  attach(call: ProcessCall, options?: AttachOptions): Promise<Outcome> {
    return this.#inner.attach(call, options);
  }

  hold(call: ProcessCall, patience: Patience): HeldProcess {
    return this.#inner.hold(call, patience);
  }

  /** Waits until so many were started; the last of them. */
  async running(count: number): Promise<LiveProcess> {
    for (;;) {
      const last = this.started[count - 1];
      if (last !== undefined) return last;
      await new Promise<void>((go) => this.#waiting.push(go));
    }
  }
}
