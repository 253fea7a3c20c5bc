/** Exit codes of `design` section 3: what a shell sees when the agent's own code does not apply. */
export const EXIT = {
  done: 0,
  /** Refused or failed. */
  failed: 1,
  /** Usage, manifest, or a question that cannot be asked. */
  usage: 2,
  /** Engine, image, sidecar or provisioning failed before the agent ran. */
  beforeAgent: 125,
} as const;

/** Where in a file something is wrong; line and column count from 1, columns in code points. */
export interface Where {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** The source line, without its line ending. */
  readonly snippet?: string;
  /** How many code points the caret covers; 1 unless told. */
  readonly length?: number;
}

/** One thing that is wrong, for failures that report several at once. */
export interface Problem {
  /** The value that it is about, as in `bottles.dev.ssh[0].Port`; the message then begins with it. */
  readonly path?: string;
  readonly message: string;
  readonly hints?: readonly string[];
  readonly where?: Where;
}

/** What a {@link Failure} may carry besides its code and message. */
export interface FailureDetails {
  readonly hints?: readonly string[];
  readonly where?: Where;
  /** Every problem, when there is more than one to tell; the message then sums them up. */
  readonly problems?: readonly Problem[];
  /** Default {@link EXIT.failed}. */
  readonly exit?: number;
  readonly cause?: unknown;
}

/**
 * Something the user can be told in a sentence: the only error type that reaches `main` on purpose.
 * `code` is a stable kebab-case word for scripts; `hints` each name a next step.
 */
export class Failure extends Error {
  override readonly name = "Failure";
  readonly code: string;
  readonly hints: readonly string[];
  readonly where: Where | undefined;
  readonly problems: readonly Problem[];
  readonly exit: number;

  constructor(code: string, message: string, details: FailureDetails = {}) {
    super(message, { cause: details.cause });
    this.code = code;
    this.hints = details.hints ?? [];
    this.where = details.where;
    this.problems = details.problems ?? [];
    this.exit = details.exit ?? EXIT.failed;
  }
}

/** The user said no to a question: the command ends there, and nothing is wrong. */
export class Declined extends Error {
  override readonly name = "Declined";
}

/** C0 but for the line feed, DEL, C1, and what turns the direction of text. */
// deno-lint-ignore no-control-regex -- control characters are what this is about
const UNPRINTABLE = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** Foreign text as a terminal may have it: control characters other than line feeds are replaced. */
export function printable(text: string): string {
  return text.replaceAll(UNPRINTABLE, "·");
}

/** Foreign text on one line: a line feed would forge a row, and what cannot be seen would hide one. */
export function oneLine(text: string): string {
  return printable(text).replaceAll(/[\n\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, "·");
}

/** JSON leaves some control characters as they are; escaped they mean the same and a terminal obeys none. */
export function asciiControls(json: string): string {
  return json.replaceAll(
    /[\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
