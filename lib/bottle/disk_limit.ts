import { Failure } from "../errors.ts";

/** Bytes of disk of a bottle whose manifest names none. No engine tells how much it has left. */
export const DEFAULT_DISK = 20 * 1024 ** 3;

const MEASUREMENT = /^disk (\d{1,15})$/;

/** Whether a line tells what a part takes. */
export function isMeasurement(line: string): boolean {
  return MEASUREMENT.test(line);
}

/** The least part of what is too much that has to go from one measurement to the next. */
const FREED = 1 / 1000;

/**
 * Adds up what the parts of a bottle take, each measured by a program of its own. Too much is more than the limit, but
 * not while it becomes less: whoever enters a bottle that is over its limit can free some. A block now and then is not
 * enough, or an agent that was over it once could stay there.
 */
export class DiskMeter {
  readonly #parts: number;
  readonly #limit: number;
  readonly #last = new Map<number, number>();
  readonly #fresh = new Set<number>();
  #before: number | undefined;

  /** `parts` is how many there are, `limit` bytes of all together. */
  constructor({ parts, limit }: { readonly parts: number; readonly limit: number }) {
    this.#parts = parts;
    this.#limit = limit;
  }

  /**
   * Takes a line that the program of a part printed, `disk BYTES`; any other says nothing.
   *
   * @returns the bytes of all parts once they are too many
   */
  read(part: number, line: string): number | undefined {
    const [, bytes] = MEASUREMENT.exec(line) ?? [];
    if (bytes === undefined) return undefined;
    const isAgain = this.#fresh.has(part);
    this.#last.set(part, Number(bytes));
    this.#fresh.add(part);
    // A part that is late, or tells nothing at all, does not hold up the others.
    if (!isAgain && this.#fresh.size < this.#parts) return undefined;
    this.#fresh.clear();
    const total = [...this.#last.values()].reduce((sum, one) => sum + one, 0);
    const before = this.#before;
    this.#before = total;
    if (total <= this.#limit || before === undefined) return undefined;
    return total >= before - Math.max(before - this.#limit, 0) * FREED ? total : undefined;
  }
}

/** The end of a command whose bottle took too much. */
export function diskFailure(
  { taken, limit, stays }: {
    /** Bytes. */
    readonly taken: number;
    readonly limit: number;
    /** The name of the bottle when it is still there afterwards. */
    readonly stays: string | undefined;
  },
): Failure {
  return new Failure(
    "disk-limit",
    `What ran was ended at the bottle's disk limit: it takes ${binaryText(taken)}, and may take ${
      binaryText(limit)
    }`,
    {
      hints: [
        `Raise resources.disk in the manifest if it needs more, such as \`disk: ${raised(taken)}\``,
        ...(stays === undefined ? [] : [
          `Or free some: nothing in it is lost, and files can be removed: claude-bottle exec ${stays} -- rm FILE`,
        ]),
      ],
    },
  );
}

/** The end of a command whose bottle could not be measured for some minutes. */
export function unwatchedFailure(
  { minutes, said, stays }: {
    readonly minutes: number;
    /** What the program that measures said last; empty when it said nothing. */
    readonly said: string;
    /** The name of the bottle when it is still there afterwards. */
    readonly stays: string | undefined;
  },
): Failure {
  return new Failure(
    "disk-unwatched",
    `The bottle was stopped: for ${minutes} minutes nobody could tell what disk it takes` +
      (said === "" ? "" : ` (${said})`),
    {
      hints: [
        "Look at what the agent ran: ordinary work moves and opens fewer files, and `--verbose` shows the measuring",
        ...(stays === undefined ? [] : [`Nothing in ${stays} is lost`]),
      ],
    },
  );
}

/** At least twice as much, in whole GiB. */
function raised(bytes: number): string {
  return `${Math.ceil(2 * bytes / 1024 ** 3)}g`;
}

const UNITS = [["GiB", 1024 ** 3], ["MiB", 1024 ** 2], ["KiB", 1024]] as const;

/** A number of bytes for people who compare it with a manifest's: `20 GiB`, `412.3 MiB`. */
export function binaryText(bytes: number): string {
  for (const [unit, size] of UNITS) {
    if (bytes >= size) return `${Number((bytes / size).toFixed(1))} ${unit}`;
  }
  return `${bytes} bytes`;
}
