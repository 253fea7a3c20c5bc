/** How long a child may take; without a number it may take for ever. */
export interface Patience {
  /** Milliseconds until it is ended. */
  readonly deadlineMs?: number;
  /** Milliseconds without a sign of life until it is ended: it neither said nor took anything. */
  readonly silenceMs?: number;
}

/** Watches the time of one child, on a clock that stands still while the machine sleeps. */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #patience: Patience;
  #whole: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #lastSign = performance.now();
  #exceeded: string | undefined;

  constructor(patience: Patience) {
    this.#patience = patience;
    const { deadlineMs, silenceMs } = patience;
    if (deadlineMs !== undefined) {
      this.#whole = setTimeout(() => this.#pass(`did not end within ${seconds(deadlineMs)}`), deadlineMs);
    }
    if (silenceMs !== undefined) this.#await(silenceMs);
  }

  /** Aborted once it has passed. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** What took too long, as the end of a sentence; `undefined` while it has not passed. */
  get exceeded(): string | undefined {
    return this.#exceeded;
  }

  /** The child said or took something. */
  readonly sign = (): void => {
    this.#lastSign = performance.now();
  };

  // One timer for many signs: a copy gives thousands.
  #await(ms: number): void {
    this.#silence = setTimeout(() => {
      const limit = this.#patience.silenceMs ?? 0;
      const left = limit - (performance.now() - this.#lastSign);
      if (left > 0) this.#await(left);
      else this.#pass(`made no progress for ${seconds(limit)}`);
    }, ms);
  }

  #pass(exceeded: string): void {
    this.#exceeded ??= exceeded;
    this.#controller.abort();
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#whole);
    clearTimeout(this.#silence);
  }
}

function seconds(ms: number): string {
  return ms < 120_000 ? `${ms / 1000} s` : `${ms / 60_000} minutes`;
}
