import type { Trial, World } from "./attempt.ts";
import { type Result, resultOf } from "./judge.ts";
import { arrivedMarks, missingIn, probeArgument, readObservations } from "./probe.ts";

/** Where attempts are made and seen. */
export interface Scene {
  readonly world: World;
  /** Makes attempts, an argument each, and gives what was said of them. */
  readonly probe: (attempts: readonly string[]) => Promise<string>;
  /** All that arrived anywhere. */
  readonly records: () => Promise<string>;
  /** Random bytes. */
  readonly random: (bytes: number) => Uint8Array;
}

/** Makes trials, all at the same time, and looks at what arrived. One result each, in their order. */
export async function tryAll(trials: readonly Trial[], scene: Scene): Promise<readonly Result[]> {
  const { world } = scene;
  const marked = trials.filter((trial) => missingIn(trial, world).length === 0)
    .map((attempt) => ({ attempt, mark: newMark(scene.random) }));
  if (marked.length === 0) return trials.map((trial) => untried(trial, world));
  const said = readObservations(await scene.probe(marked.map((one) => probeArgument(one, world))));
  const arrived = arrivedMarks(await scene.records(), marked);
  return trials.map((trial) => resultOf(trial, { said: said.get(trial.id), world, arrived }));
}

function untried(trial: Trial, world: World): Result {
  return resultOf(trial, { said: undefined, world, arrived: new Set() });
}

function newMark(random: Scene["random"]): string {
  return `m${Array.from(random(7), (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
