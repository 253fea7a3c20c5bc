/** How long a child may take; without a number it may take for ever. */
export interface Patience {
  /** Milliseconds until it is ended. */
  readonly deadlineMs?: number;
  /** Milliseconds without a sign of life until it is ended: it neither said nor took anything. */
  readonly silenceMs?: number;
}

/** A timer that fires later than asked by more than this was not late: the process was stopped meanwhile. */
const STOPPED_MS = 1000;

/**
 * Watches the time of one child. No time counts in which this process could do nothing, stopped by Ctrl-Z: what was
 * waited for then begins anew, since nobody has looked yet whether it is over. `now` tells milliseconds from any point on.
 */
export class Deadline implements Disposable {
  readonly #controller = new AbortController();
  readonly #now: () => number;
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #lastSign: number;
  #exceeded: string | undefined;

  constructor({ deadlineMs, silenceMs }: Patience, now: () => number = () => performance.now()) {
    this.#now = now;
    this.#lastSign = now();
    if (deadlineMs !== undefined) {
      const exceeded = `did not end within ${seconds(deadlineMs)}`;
      this.#after("whole", deadlineMs, () => this.#pass(exceeded), deadlineMs);
    }
    if (silenceMs !== undefined) this.#awaitSign(silenceMs, silenceMs);
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
    this.#lastSign = this.#now();
  };

  // One timer for many signs: a copy gives thousands.
  #awaitSign(ms: number, limit: number): void {
    this.#after("silence", ms, () => {
      const left = limit - (this.#now() - this.#lastSign);
      if (left > 0) this.#awaitSign(left, limit);
      else this.#pass(`made no progress for ${seconds(limit)}`);
    }, limit);
  }

  /** Calls `then` after `ms`, or, when this process was stopped meanwhile, `again` after it goes on. */
  #after(name: string, ms: number, then: () => void, again: number): void {
    const due = this.#now() + ms;
    const timer = setTimeout(() => {
      if (this.#now() - due > STOPPED_MS) this.#after(name, again, then, again);
      else then();
    }, ms);
    this.#timers.set(name, timer);
  }

  #pass(exceeded: string): void {
    this.#exceeded ??= exceeded;
    this.#controller.abort();
  }

  [Symbol.dispose](): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
  }
}

function seconds(ms: number): string {
  return ms < 120_000 ? `${ms / 1000} s` : `${ms / 60_000} minutes`;
}
