import type { Trial, Witness, World } from "./attempt.ts";
import { missingIn, type Observation } from "./probe.ts";

/** What became of one attempt. */
export interface Result {
  readonly id: string;
  /**
   * `untried` where the world lacks what it names, or how it ended proves nothing; `unknown` where it should have been
   * made and nobody can say that it was.
   */
  readonly verdict: "through" | "stopped" | "untried" | "unknown";
  /** What its own process saw, for people: foreign text. */
  readonly said: string;
}

/** How an attempt ends that was not made to its end: its process failed, ran out of time, or had no program to run. */
const UNMADE = /^(failed: |took too long$)|\bended with 12[67]\b/;

/** How much of what came back is told. */
const TOLD = 120;

/** Judges one attempt by its witness. */
export function resultOf(
  trial: Trial,
  { said, world, arrived }: {
    /** What the probe said of it; `undefined` when it said nothing. */
    readonly said: Observation | undefined;
    readonly world: World;
    /** Ids of the attempts whose marks arrived at a canary. */
    readonly arrived: ReadonlySet<string>;
  },
): Result {
  const { id, witness } = trial;
  if (said === undefined) {
    const missing = missingIn(trial, world);
    return missing.length > 0
      ? { id, verdict: "untried", said: `no ${missing.join(", ")}` }
      : { id, verdict: "unknown", said: "not told of" };
  }
  // A mark that arrived is beyond doubt, whoever else may tell.
  const verdict = arrived.has(id) ? "through" : verdictBy(witness, said);
  const answer = said.answer === "" ? "" : `: ${said.answer.slice(0, TOLD)}`;
  return { id, verdict, said: said.outcome + answer };
}

function verdictBy(witness: Witness, { outcome, answer }: Observation): Result["verdict"] {
  if (UNMADE.test(outcome)) return "unknown";
  if (witness.kind === "canary") return "stopped";
  const seen = witness.kind === "answer" ? answer : outcome;
  if (witness.pattern.test(seen)) return "through";
  return witness.stopped === undefined || witness.stopped.test(seen) ? "stopped" : "untried";
}
