import type { Terminal } from "../../lib/host/terminal.ts";

export interface MemoryTerminalOptions {
  /** Which streams are terminals; none unless told. */
  readonly terminals?: readonly ("stdin" | "stdout" | "stderr")[];
  /** Lines that a person types, in order; end of file behind them. */
  readonly answers?: readonly string[];
  readonly columns?: number;
}

/** A terminal whose output is kept as text. */
export class MemoryTerminal implements Terminal {
  readonly stdinIsTerminal: boolean;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  stdout = "";
  stderr = "";
  /** How often the settings were saved and restored. */
  saves = 0;
  restores = 0;
  /** Answers that were read without echo. */
  readonly secretsRead: string[] = [];
  readonly #answers: string[];
  readonly #columns: number;

  constructor({ terminals = [], answers = [], columns = 200 }: MemoryTerminalOptions = {}) {
    this.stdinIsTerminal = terminals.includes("stdin");
    this.stdoutIsTerminal = terminals.includes("stdout");
    this.stderrIsTerminal = terminals.includes("stderr");
    this.#answers = [...answers];
    this.#columns = columns;
  }

  columns(): number {
    return this.#columns;
  }

  out(text: string): void {
    this.stdout += text;
  }

  err(text: string): void {
    this.stderr += text;
  }

  readLine(signal: AbortSignal): Promise<string | undefined> {
    if (signal.aborted) return Promise.reject(signal.reason);
    return Promise.resolve(this.#answers.shift());
  }

  async readSecret(signal: AbortSignal): Promise<string | undefined> {
    const answer = await this.readLine(signal);
    if (answer !== undefined) this.secretsRead.push(answer);
    return answer;
  }

  saved(): Promise<AsyncDisposable> {
    this.saves++;
    return Promise.resolve({
      [Symbol.asyncDispose]: (): Promise<void> => {
        this.restores++;
        return Promise.resolve();
      },
    });
  }
}

/** The three streams of a person at a terminal. */
export const PERSON: readonly ("stdin" | "stdout" | "stderr")[] = ["stdin", "stdout", "stderr"];
