import type { BottleEvent, OnEvent } from "../bottle/events.ts";
import { asciiControls, type Failure, printable, type Problem } from "../errors.ts";
import type { Terminal } from "../host/terminal.ts";
import { renderProblem } from "../manifest/diagnostics.ts";
import type { Paint } from "./style.ts";
import { hanging } from "./wrap.ts";

/** Milliseconds between two frames of the spinner. */
const FRAME_MS = 100;
const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"] as const;
/** How long something may take before a terminal shows it. */
const QUIET_MS = 400;
const ERROR = "error:";
/** Lines of a build's output that are shown when it fails. */
const OUTPUT_TAIL = 20;

export interface ReporterOptions {
  readonly terminal: Terminal;
  readonly paint: Paint;
  /** Shows each call of the engine's client. */
  readonly verbose: boolean;
  /** Errors as one JSON object; no progress. */
  readonly json: boolean;
  now(): number;
}

/** All talk to the user: stderr only. */
export class Reporter {
  readonly #terminal: Terminal;
  readonly #paint: Paint;
  readonly #verbose: boolean;
  readonly #json: boolean;
  readonly #now: () => number;
  readonly #active = new Map<string, { readonly title: string; readonly since: number; line: string }>();
  readonly #tails = new Map<string, string[]>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #frame = 0;
  #drawn = false;

  constructor(options: ReporterOptions) {
    this.#terminal = options.terminal;
    this.#paint = options.paint;
    this.#verbose = options.verbose;
    this.#json = options.json;
    this.#now = options.now;
  }

  /** What a backend reports while it works. */
  readonly onEvent: OnEvent = (event) => this.#on(event);

  #on(event: BottleEvent): void {
    switch (event.kind) {
      case "started":
        this.#started(event.id, { title: event.title, slow: event.slow });
        return;
      case "finished":
        this.#finished(event.id);
        return;
      case "output":
        this.#output(event.id, event.line);
        return;
      case "call":
        if (this.#verbose) this.line(this.#paint("faint", `+ ${printable(event.text)}`));
        return;
      case "detail":
        if (this.#verbose) this.info(event.text);
        return;
      case "notice":
        this.info(event.text);
        return;
      default:
        return event satisfies never;
    }
  }

  #started(id: string, step: { readonly title: string; readonly slow: boolean }): void {
    this.#active.set(id, { title: step.title, since: this.#now(), line: "" });
    if (step.slow) this.#tails.set(id, []);
    if (this.#live()) this.#timer ??= setInterval(() => this.#draw(), FRAME_MS);
    else if (step.slow && !this.#json) this.info(`${step.title} …`);
  }

  #finished(id: string): void {
    const step = this.#active.get(id);
    this.#active.delete(id);
    if (step !== undefined && this.#tails.delete(id) && !this.#json) {
      this.info(`${step.title} took ${((this.#now() - step.since) / 1000).toFixed(1)} s`);
    }
  }

  #output(id: string, line: string): void {
    const step = this.#active.get(id);
    if (step !== undefined) step.line = printable(line).replaceAll("\n", " ");
    const tail = this.#tails.get(id);
    if (tail === undefined) return;
    tail.push(line);
    if (tail.length > OUTPUT_TAIL) tail.shift();
    if (this.#verbose) this.line(printable(line));
  }

  /** Whether there is a terminal to draw on. Drawing would tear the lines of `-v` apart. */
  #live(): boolean {
    return this.#terminal.stderrIsTerminal && !this.#verbose && !this.#json;
  }

  #draw(): void {
    const [oldest] = this.#active.values();
    if (oldest === undefined || this.#now() - oldest.since < QUIET_MS) {
      this.#erase();
      return;
    }
    this.#frame = (this.#frame + 1) % FRAMES.length;
    const seconds = Math.floor((this.#now() - oldest.since) / 1000);
    const text = `${FRAMES[this.#frame]} ${oldest.title} ${seconds} s  ${oldest.line}`;
    this.#terminal.err(`\r\x1b[2K${[...text].slice(0, this.#terminal.columns() - 1).join("")}`);
    this.#drawn = true;
  }

  #erase(): void {
    if (this.#drawn) this.#terminal.err("\r\x1b[2K");
    this.#drawn = false;
  }

  /** Ends all drawing: the stream belongs to somebody else now. */
  quiet(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#active.clear();
    this.#erase();
  }

  /** For what goes to stderr. */
  get paint(): Paint {
    return this.#paint;
  }

  /** One line as it is. */
  line(text: string): void {
    this.#erase();
    this.#terminal.err(`${text}\n`);
  }

  /** One line of talk, with our name before it. */
  info(text: string): void {
    this.line(`claude-bottle: ${printable(text)}`);
  }

  /** What is worth a look and stops nothing; programs are told otherwise. */
  warning(message: string, problems: readonly Problem[]): void {
    if (this.#json) return;
    this.line(`${this.#paint("warning", "warning:")} ${printable(message)}`);
    for (const problem of problems) this.line(indented(renderProblem(problem)));
  }

  /** The end of an unsuccessful run, in people's or machines' form. */
  failure(failure: Failure): void {
    const tails = [...this.#tails.values()].flat();
    this.quiet();
    if (this.#json) {
      this.#terminal.err(`${asciiControls(JSON.stringify(errorEnvelope(failure)))}\n`);
      return;
    }
    for (const line of tails) this.line(this.#paint("faint", printable(line)));
    // Hints hold commands, which nobody could copy if they were broken.
    const columns = this.#terminal.stderrIsTerminal ? this.#terminal.columns() : Infinity;
    const message = hanging(" ".repeat(ERROR.length + 1), printable(failure.message), columns);
    this.line(`${this.#paint("error", ERROR)}${message.slice(ERROR.length)}`);
    const alone = failure.problems.length === 0 && failure.where !== undefined;
    if (alone) this.line(indented(renderProblem({ message: failure.message, where: failure.where })));
    for (const problem of failure.problems) this.line(indented(renderProblem(problem)));
    if (failure.hints.length > 0) this.line("");
    for (const hint of failure.hints) this.line(`${this.#paint("hint", "hint:")} ${printable(hint)}`);
  }
}

/** The shape of an error with `--json`. */
export function errorEnvelope(failure: Failure): unknown {
  const where = failure.where === undefined ? {} : { where: failure.where };
  const problems = failure.problems.length === 0 ? {} : { problems: failure.problems };
  return {
    error: { code: failure.code, message: failure.message, hints: failure.hints, ...where, ...problems },
  };
}

function indented(text: string): string {
  return text.split("\n").map((line) => line === "" ? line : `  ${line}`).join("\n");
}
