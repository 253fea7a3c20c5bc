import { Failure } from "../../lib/errors.ts";
import type {
  AttachOptions,
  HeldProcess,
  Outcome,
  ProcessCall,
  Processes,
  RunOptions,
} from "../../lib/host/processes.ts";

/** One process that was started. */
export interface RecordedCall {
  readonly kind: "run" | "attach" | "hold";
  readonly program: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Program and arguments, joined by spaces. */
  readonly line: string;
  /** What was written to its stdin; `undefined` when it had none or ours. */
  readonly input: Uint8Array | undefined;
  readonly signal: AbortSignal | undefined;
  /** How long it was given; `undefined` for as long as it takes. */
  readonly deadlineMs: number | undefined;
  /** How long it may make no progress. */
  readonly silenceMs: number | undefined;
}

/** How a scripted process ends: unset parts are those of a silent success. */
export type Ending = Partial<Outcome> | Error;

/** An ending, or what decides it. */
export type Answer = Ending | ((call: RecordedCall) => Ending | Promise<Ending>);

interface Rule {
  readonly pattern: RegExp;
  readonly answer: Answer;
  uses: number;
}

/** Processes that end as a test says; every start is recorded, and one that no rule expects fails. */
export class ScriptedProcesses implements Processes {
  readonly calls: RecordedCall[] = [];
  /** What was held, what each was told, and how many calls came before it. */
  readonly held: { readonly line: string; readonly said: readonly string[]; readonly callsBefore: number }[] =
    [];
  readonly #rules: Rule[] = [];

  /** Answers each call whose line matches; the rule added last is asked first. */
  on(pattern: RegExp, answer: Answer): this {
    this.#rules.unshift({ pattern, answer, uses: Infinity });
    return this;
  }

  /** The same for the first matching call only. */
  once(pattern: RegExp, answer: Answer): this {
    this.#rules.unshift({ pattern, answer, uses: 1 });
    return this;
  }

  /** Every recorded line. */
  get lines(): readonly string[] {
    return this.calls.map(({ line }) => line);
  }

  async run(call: ProcessCall, options: RunOptions = {}): Promise<Outcome> {
    options.signal?.throwIfAborted();
    const outcome = await this.#perform("run", call, options);
    for (const stream of ["stdout", "stderr"] as const) {
      for (const line of outcome[stream].split("\n").filter((text) => text !== "")) {
        options.onLine?.(line, stream);
      }
    }
    options.signal?.throwIfAborted();
    return outcome;
  }

  async attach(call: ProcessCall, options: AttachOptions = {}): Promise<Outcome> {
    options.signal?.throwIfAborted();
    return { ...await this.#perform("attach", call, options), stdout: "", stderr: "" };
  }

  /**
   * Scripted like any other, but for shells, which are held and forgotten: of one that succeeds the first line is its
   * stdout's, or `up`, and it lasts until it is told `done` or killed.
   */
  hold(call: ProcessCall): HeldProcess {
    const said: string[] = [];
    this.held.push({ line: [call.program, ...call.args].join(" "), said, callsBefore: this.calls.length });
    const over = Promise.withResolvers<Outcome>();
    const begun: Promise<Outcome> = call.program === "sh"
      ? Promise.resolve({ code: 0, signal: null, stdout: "ready\n", stderr: "" })
      : this.#perform("hold", call, {});
    const outcome = begun.then((outcome) => {
      if (outcome.code !== 0) over.resolve(outcome);
      return outcome;
    });
    return {
      firstLine: outcome.then(({ code, stdout }) => code === 0 ? stdout.split("\n")[0] || "up" : undefined),
      ended: over.promise,
      say(text): Promise<void> {
        said.push(text);
        if (text === "done\n") over.resolve({ code: 0, signal: null, stdout: "", stderr: "" });
        return Promise.resolve();
      },
      kill: () => over.resolve({ code: 137, signal: "SIGKILL", stdout: "", stderr: "" }),
    };
  }

  async #perform(kind: RecordedCall["kind"], call: ProcessCall, options: RunOptions): Promise<Outcome> {
    const { signal, deadlineMs, silenceMs } = options;
    const input = options.input instanceof ReadableStream
      ? new Uint8Array(await new Response(options.input).arrayBuffer())
      : options.input;
    const recorded: RecordedCall = {
      kind,
      ...call,
      line: [call.program, ...call.args].join(" "),
      input,
      signal,
      deadlineMs,
      silenceMs,
    };
    this.calls.push(recorded);
    const rule = this.#rules.find(({ pattern, uses }) => uses > 0 && pattern.test(recorded.line));
    if (rule === undefined) throw new Error(`nothing is scripted for: ${recorded.line}`);
    rule.uses--;
    const ending = typeof rule.answer === "function" ? await rule.answer(recorded) : rule.answer;
    if (ending instanceof Error) throw ending;
    return { code: 0, signal: null, stdout: "", stderr: "", ...ending };
  }
}

/** What the real port throws for a program that took too long. */
export function timedOut(words: string, seconds: number): Failure {
  return new Failure("timed-out", `\`${words} …\` did not end within ${seconds} s`);
}

/** What the real port throws for a program that is not on PATH. */
export function programMissing(program: string): Failure {
  return new Failure("program-missing", `${program} is not on PATH`);
}
