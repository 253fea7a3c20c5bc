/** The signals after which everything is torn down and the program ends as by that signal. */
export type InterruptSignal = "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGQUIT";

/** The reason that {@link Interrupts.signal} is aborted with. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";
  readonly by: InterruptSignal;

  constructor(by: InterruptSignal) {
    super(`interrupted by ${by}`);
    this.by = by;
  }
}

/** What the world told this process to do. */
export interface Interrupts {
  /** Aborted with {@link Interrupted} by the first signal; later ones change nothing, so a teardown is never cut short. */
  readonly signal: AbortSignal;
  /** Interrupts as if `by` had been received: Ctrl-C read as a byte from a raw terminal. */
  raise(by: InterruptSignal): void;
  /** Stops listening: the signals have their default action again. */
  release(): void;
}
