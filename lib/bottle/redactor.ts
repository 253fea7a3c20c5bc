import { Failure, oneLine } from "../errors.ts";
import type { Secret } from "./env.ts";
import type { BottleEvent, OnEvent } from "./events.ts";

/** Shorter values stand in too many other words, and are no secrets worth the name. */
const SHORTEST = 8;

/** Takes the values that a bottle is given out of whatever its engine says. */
export class Redactor {
  /** What a value looks like in output, longest first. */
  #forms: readonly string[] = [];

  constructor(values: Iterable<Secret>) {
    this.add(values);
  }

  /** Values that became known later. */
  add(values: Iterable<Secret>): void {
    const forms = new Set([...this.#forms, ...[...values].flatMap((value) => formsOf(value.reveal()))]);
    this.#forms = [...forms].filter(({ length }) => length >= SHORTEST).sort((a, b) => b.length - a.length);
  }

  text(text: string): string {
    return this.#forms.reduce((rest, form) => rest.replaceAll(form, "***"), text);
  }

  /** The same listener, told nothing that is secret. A call's own words never are. */
  listener(onEvent: OnEvent): OnEvent {
    return (event) => onEvent(this.#event(event));
  }

  /** Does `work`; a failure of it says nothing that is secret. */
  async guard<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw error instanceof Failure ? this.#failure(error) : error;
    }
  }

  #event(event: BottleEvent): BottleEvent {
    switch (event.kind) {
      case "output":
        return { ...event, line: this.text(event.line) };
      case "detail":
      case "notice":
        return { ...event, text: this.text(event.text) };
      default:
        return event;
    }
  }

  #failure(failure: Failure): Failure {
    return new Failure(failure.code, this.text(failure.message), {
      hints: failure.hints.map((hint) => this.text(hint)),
      problems: failure.problems.map((problem) => ({ ...problem, message: this.text(problem.message) })),
      ...(failure.where === undefined ? {} : { where: failure.where }),
      exit: failure.exit,
    });
  }
}

/** As it is, each of its lines, and all of that escaped or made printable as messages are. */
function formsOf(value: string): readonly string[] {
  const plain = [value, ...value.split(/\r\n|\n|\r/), ...value.split("\n")].map((line) => line.trim());
  return plain.flatMap((line) => [
    line,
    oneLine(line),
    JSON.stringify(line).slice(1, -1),
    // A message loses its last full stop.
    line.replace(/\.$/, ""),
  ]);
}
