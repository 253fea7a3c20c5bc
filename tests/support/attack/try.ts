import probeProgram from "../../../lib/assets/attack_probe.pl" with { type: "text" };
import type { Trial, World } from "../../../lib/isolation/attempt.ts";
import {
  arrivedMarks,
  missingIn,
  type Observation,
  probeArgument,
  readObservations,
} from "../../../lib/isolation/probe.ts";
import { docker } from "../engine.ts";
import type { AttackedBottle } from "./bottles.ts";

/** What became of one attempt. */
export interface Result {
  readonly id: string;
  /** `untried` where the world lacks what it names. */
  readonly verdict: "through" | "stopped" | "untried";
  /** What its own process saw, for people. */
  readonly said: string;
}

/** Where attempts are made and seen. */
export interface Scene {
  readonly within: Pick<AttackedBottle, "ids" | "plan" | "world">;
  /** All that arrived anywhere. */
  readonly records: () => Promise<string>;
}

/** Makes attempts in a bottle as its agent's user, all at the same time, and looks at what arrived. */
export async function tryAll(
  attempts: readonly Trial[],
  { within, records }: Scene,
): Promise<readonly Result[]> {
  const { world, ids, plan } = within;
  const marked = attempts.filter((attempt) => missingIn(attempt, world).length === 0)
    .map((attempt) => ({ attempt, mark: newMark() }));
  const words = marked.map((one) => probeArgument(one, world));
  const user = `${plan.inputs.user.uid}:${plan.inputs.user.gid}`;
  // Not by the wrapper, which refuses to run anything once the sidecar is gone.
  const stdout = await docker(
    "exec",
    "--user",
    user,
    ids.agent,
    "/usr/bin/perl",
    "-e",
    probeProgram,
    ...words,
  );
  const said = readObservations(stdout);
  const missing = marked.filter(({ attempt }) => !said.has(attempt.id)).map(({ attempt }) => attempt.id);
  if (missing.length > 0) throw new Error(`The probe did not tell of ${missing.join(", ")}`);
  const arrived = arrivedMarks(await records(), marked);
  return attempts.map((attempt) => resultOf(attempt, { said: said.get(attempt.id), world, arrived }));
}

function resultOf(
  attempt: Trial,
  { said, world, arrived }: {
    readonly said: Observation | undefined;
    readonly world: World;
    readonly arrived: ReadonlySet<string>;
  },
): Result {
  const { id, witness } = attempt;
  if (said === undefined) {
    return { id, verdict: "untried", said: `no ${missingIn(attempt, world).join(", ")}` };
  }
  const isThrough = witness.kind === "canary" ? arrived.has(id) : witness.pattern.test(said.answer);
  return {
    id,
    verdict: isThrough ? "through" : "stopped",
    said: `${said.outcome}: ${said.answer.slice(0, 120)}`,
  };
}

/** What no other attempt has. */
export function newMark(): string {
  return `m${crypto.randomUUID().replaceAll("-", "").slice(0, 14)}`;
}
