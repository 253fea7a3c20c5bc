import { type Failure, oneLine } from "../errors.ts";

/** What was found out about one thing that bottles depend on. */
export interface Finding {
  /** What was looked at: a stable kebab-case word. */
  readonly check: string;
  /** `note` is worth knowing and keeps no bottle from starting. */
  readonly status: "ok" | "note" | "problem";
  /** One line without a full stop. */
  readonly sentence: string;
  /** What to do about it, a command where there is one; `undefined` where nothing needs to be done. */
  readonly remedy: string | undefined;
}

export function ok(check: string, sentence: string): Finding {
  return { check, status: "ok", sentence: oneLine(sentence), remedy: undefined };
}

export function note(check: string, sentence: string, remedy?: string): Finding {
  return { check, status: "note", sentence: oneLine(sentence), remedy };
}

export function problem(check: string, sentence: string, remedy: string | undefined): Finding {
  return { check, status: "problem", sentence: oneLine(sentence), remedy };
}

/** A failure as a finding: its message, and its first hint for the remedy. */
export function failed(check: string, failure: Failure): Finding {
  const [hint] = failure.hints;
  return problem(check, failure.message, hint === undefined ? undefined : oneLine(hint));
}

/** A check that another one's result left nothing to look at for. */
export function notLookedAt(check: string, why: string): Finding {
  return note(check, `not looked at: ${why}`);
}
