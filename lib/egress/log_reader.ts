import type { EgressEvent } from "./proxy.ts";

/** How long after the last line what {@link EgressReader.rest} tells is certain, in milliseconds. */
export const SETTLED_MS = 1000;

/** Reads a sidecar's log in the order in which it was written. Never throws. */
export interface EgressReader {
  /** What a line tells, with what is certain now of earlier ones. */
  read(line: string): readonly EgressEvent[];
  /** Whether {@link rest} has something to tell. */
  readonly waits: boolean;
  /** What only the lines that follow could have changed: nothing followed. */
  rest(): readonly EgressEvent[];
}

/** The reader of a log each of whose lines tells all by itself. */
export function lineReader(readEvent: (line: string) => EgressEvent | undefined): EgressReader {
  return {
    read: (line) => [readEvent(line)].filter((event) => event !== undefined),
    waits: false,
    rest: () => [],
  };
}

/** What all lines of a log tell. */
export function readEvents(reader: EgressReader, lines: readonly string[]): readonly EgressEvent[] {
  return inOrder([...lines.flatMap((line) => reader.read(line)), ...reader.rest()]);
}

/** By their times: some are only told once others have followed. */
export function inOrder(events: readonly EgressEvent[]): readonly EgressEvent[] {
  return events.toSorted((a, b) => a.time - b.time);
}
