import type { BottlePlan } from "../bottle/plan.ts";
import { oneLine } from "../errors.ts";
import type { Terminal } from "../host/terminal.ts";
import type { Paint, Style } from "../ui/style.ts";
import { resultColumns, wrapped } from "../ui/wrap.ts";
import { jsonText } from "./json_text.ts";
import { type Attempt, isRight, sectionOf } from "./tour_attempts.ts";

/** Columns of the titles, and of what stands before them. */
const TITLE_WIDTH = 34;
const MARK_WIDTH = 9;
/** With fewer columns behind the titles, what was tried stands below them. */
const NARROW = 30;

/** How the tour ended. */
export interface TourEnd {
  /** What the engine still has of it. */
  readonly left: readonly string[];
  readonly removed: readonly string[];
  readonly seconds: number;
}

/** Shows the tour: line by line for people, one object at the end for programs. */
export class TourReport {
  readonly #terminal: Terminal;
  readonly #paint: Paint;
  readonly #json: boolean;
  readonly #attempts: Attempt[] = [];
  #plan: BottlePlan | undefined;
  #left = 0;
  #section = "";

  constructor(
    options: { readonly terminal: Terminal; readonly paint: Paint; readonly json: boolean },
  ) {
    this.#terminal = options.terminal;
    this.#paint = options.paint;
    this.#json = options.json;
  }

  /** How many things came out wrong. */
  get wrong(): number {
    return this.#attempts.filter((attempt) => !isRight(attempt)).length + this.#left;
  }

  begin(plan: BottlePlan): void {
    this.#plan = plan;
    const { spec, containerName, runtime } = plan;
    this.#say(`${this.#paint("strong", containerName)}: a real bottle (${runtime}, ${spec.proxy.name})`);
    this.#say("Everything below is tried from inside it, now.");
  }

  attempt(attempt: Attempt): void {
    this.#attempts.push(attempt);
    const section = sectionOf(attempt);
    if (section !== this.#section) {
      this.#say("");
      this.#say(this.#paint("strong", section));
      this.#section = section;
    }
    const right = isRight(attempt);
    const mark = right ? this.#paint("success", "ok   ") : this.#paint("error", "WRONG");
    const cameBack = this.#details(oneLine(attempt.cameBack), right ? undefined : "error");
    const details = [...this.#details(attempt.tried, "faint"), ...cameBack];
    const first = this.#isNarrow() ? "" : details.shift() ?? "";
    this.#say(`  ${mark}  ${attempt.title.padEnd(first === "" ? 0 : TITLE_WIDTH + 2)}${first}`);
    for (const detail of details) this.#say(" ".repeat(this.#indent()) + detail);
  }

  #isNarrow(): boolean {
    return resultColumns(this.#terminal) - MARK_WIDTH - TITLE_WIDTH - 2 < NARROW;
  }

  #indent(): number {
    return MARK_WIDTH + (this.#isNarrow() ? 2 : TITLE_WIDTH + 2);
  }

  /** In lines that fit behind the titles. Painting comes last: what is painted has no width to break by. */
  #details(text: string, style: Style | undefined): readonly string[] {
    return wrapped(text, resultColumns(this.#terminal) - this.#indent())
      .map((line) => style === undefined ? line : this.#paint(style, line));
  }

  end({ left, removed, seconds }: TourEnd): void {
    this.#left = left.length;
    if (this.#json) {
      this.#terminal.out(jsonText(this.#object({ left, removed, seconds })));
      return;
    }
    this.#say("");
    const gone = `Removed: ${removed.join(", ")} and all that belonged to them.`;
    if (left.length === 0) {
      for (const line of wrapped(gone, resultColumns(this.#terminal))) {
        this.#say(line);
      }
    }
    for (const object of left) this.#say(`  ${this.#paint("error", "LEFT")}  ${oneLine(object)}`);
    const total = this.#attempts.length;
    this.#say(
      this.wrong === 0
        ? `All ${total} came out as promised, in ${seconds.toFixed(1)} s.`
        : this.#paint("error", `${this.wrong} came out wrong. ${this.#advice()}`),
    );
    this.#say("");
    this.#say("Next:");
    this.#say("  claude-bottle start            your own Claude Code");
    this.#say("  claude-bottle start --dry-run  its steps, and nothing done");
  }

  #advice(): string {
    const isOpen = this.#attempts.some(({ expected, verdict }) =>
      expected === "refused" && verdict === "reached"
    );
    return isOpen ? "Do not trust this engine with an agent." : "`claude-bottle doctor` may tell why.";
  }

  #object({ left, removed, seconds }: TourEnd): unknown {
    return {
      bottle: this.#plan?.containerName ?? null,
      runtime: this.#plan?.runtime ?? null,
      proxy: this.#plan?.spec.proxy.name ?? null,
      attempts: this.#attempts.map((attempt) => ({
        id: attempt.id,
        tried: attempt.tried,
        came_back: attempt.cameBack,
        expected: attempt.expected,
        verdict: attempt.verdict,
        ok: isRight(attempt),
      })),
      removed,
      left,
      wrong: this.wrong,
      seconds,
    };
  }

  #say(text: string): void {
    if (!this.#json) this.#terminal.out(`${text}\n`);
  }
}
