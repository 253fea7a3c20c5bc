import type { Attempt } from "../../../lib/isolation/attempt.ts";
import { ATTEMPTS } from "../../../lib/isolation/attempts.ts";
import { CONTROLS } from "../../../lib/isolation/controls.ts";
import type { ProxyName } from "../../../lib/manifest/model.ts";
import { type AttackedBottle, launchBottle, type LaunchParts } from "./bottles.ts";
import { tryWithout } from "./broken_sidecar.ts";
import { launchNeighbour, type NeighbourBottle } from "./neighbour.ts";
import { type Result, tryAll } from "./try.ts";
import { weakened } from "./weakenings.ts";
import { openWorld } from "./world.ts";

/** Which bottle is attacked. */
export interface SuiteOptions {
  readonly image: string;
  readonly proxy: ProxyName;
  readonly runtime: "runc" | "runsc";
}

/** What a suite found: one of each for every attempt. */
export interface SuiteOutcome {
  /** Made in a bottle as it is. */
  readonly held: readonly Result[];
  /** Made in a bottle without the protections that stop it. */
  readonly live: readonly Result[];
  readonly controls: readonly Result[];
  readonly seconds: number;
}

/** How many bottles are there at once. */
const AT_ONCE = 3;

/** Attacks a bottle, and then bottles without each of its protections. */
export async function runSuite(options: SuiteOptions): Promise<SuiteOutcome> {
  const began = Date.now();
  await using world = await openWorld(options.image);
  const parts = { ...options, world };
  await using neighbour = await launchNeighbour(parts);
  const records = async (): Promise<string> =>
    (await Promise.all([world.records(), neighbour.records()])).join("\n");
  // Side by side: what a sidecar that is gone does to a bottle is mostly waited for.
  const [{ held, controls }, live] = await Promise.all([
    attackWhole({ ...parts, neighbour }, records),
    attackWeakened({ ...parts, neighbour }, records),
  ]);
  return { held, controls, live: proving(live, held), seconds: (Date.now() - began) / 1000 };
}

/** What gets through the whole bottle as well is nothing that was let through by what it lacks. */
function proving(live: readonly Result[], held: readonly Result[]): readonly Result[] {
  const anyway = new Set(held.filter(({ verdict }) => verdict === "through").map(({ id }) => id));
  return live.map((result) =>
    anyway.has(result.id)
      ? { ...result, verdict: "untried", said: "gets through the whole bottle too" }
      : result
  );
}

type Parts = LaunchParts & { readonly neighbour: NeighbourBottle };
type Records = () => Promise<string>;

const isBroken = ({ group }: Attempt): boolean => group === "fail-closed";

async function attackWhole(
  parts: Parts,
  records: Records,
): Promise<Pick<SuiteOutcome, "held" | "controls">> {
  await using within = await launchBottle(parts);
  const trials = [...ATTEMPTS.filter((attempt) => !isBroken(attempt)), ...CONTROLS];
  const results = await tryAll(trials, { within, records });
  const broken = await tryWithout(ATTEMPTS.filter(isBroken), { within, records });
  const isControl = ({ id }: Result): boolean => CONTROLS.some((control) => control.id === id);
  return {
    held: inOrder([...results.filter((result) => !isControl(result)), ...broken]),
    controls: results.filter(isControl),
  };
}

/** One bottle for each set of protections that an attempt is stopped by. */
async function attackWeakened(parts: Parts, records: Records): Promise<readonly Result[]> {
  const sets = [...Map.groupBy(ATTEMPTS, ({ stoppedBy }) => [...stoppedBy].sort().join(" ")).values()];
  const results: Result[] = [];
  const next = async (): Promise<void> => {
    for (let attempts = sets.shift(); attempts !== undefined; attempts = sets.shift()) {
      results.push(...await attackWithout(attempts, parts, records));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  return inOrder(results);
}

async function attackWithout(
  attempts: readonly Attempt[],
  parts: Parts,
  records: Records,
): Promise<readonly Result[]> {
  const [first] = attempts;
  if (first === undefined) return [];
  let within: AttackedBottle;
  try {
    within = await launchBottle({ ...parts, change: weakened(first.stoppedBy, parts) });
  } catch (error) {
    const said = `not launched without ${first.stoppedBy.join(", ")}: ${
      error instanceof Error ? error.message : error
    }`;
    return attempts.map(({ id }) => ({ id, verdict: "untried", said }));
  }
  await using bottle = within;
  const scene = { within: bottle, records };
  return [
    ...await tryAll(attempts.filter((attempt) => !isBroken(attempt)), scene),
    ...await tryWithout(attempts.filter(isBroken), scene),
  ];
}

function inOrder(results: readonly Result[]): readonly Result[] {
  const place = new Map(ATTEMPTS.map(({ id }, index) => [id, index]));
  return results.toSorted((a, b) => (place.get(a.id) ?? 0) - (place.get(b.id) ?? 0));
}
