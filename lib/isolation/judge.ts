import type { Trial, Witness, World } from "./attempt.ts";
import { missingIn, type Observation } from "./probe.ts";

/** What became of one attempt. */
export interface Result {
  readonly id: string;
  /** `untried` where the world lacks what it names, or nothing is known of it. */
  readonly verdict: "through" | "stopped" | "untried";
  /** What its own process saw, for people: foreign text. */
  readonly said: string;
}

/** What is said of an attempt that the probe made, or should have made, and said nothing of. */
export const UNTOLD = "not told of";

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
    return { id, verdict: "untried", said: missing.length > 0 ? `no ${missing.join(", ")}` : UNTOLD };
  }
  // A mark that arrived is beyond doubt, whoever else may tell.
  const verdict = arrived.has(id) ? "through" : verdictBy(witness, said);
  const answer = said.answer === "" ? "" : `: ${said.answer.slice(0, TOLD)}`;
  return { id, verdict, said: said.outcome + answer };
}

function verdictBy(witness: Witness, { outcome, answer }: Observation): Result["verdict"] {
  switch (witness.kind) {
    case "canary":
      return "stopped";
    case "answer":
      return witness.pattern.test(answer) ? "through" : "stopped";
    case "outcome": {
      if (witness.pattern.test(outcome)) return "through";
      return witness.stopped === undefined || witness.stopped.test(outcome) ? "stopped" : "untried";
    }
  }
}
