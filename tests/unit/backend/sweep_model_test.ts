import assert from "node:assert/strict";
import fc from "fast-check";
import { type Blindness, type ModelRun, ModelWorld } from "../../support/model_world.ts";

/** Numbers stand for whatever there is to choose from. */
type Act =
  | {
    readonly act: "launch";
    readonly place: number;
    readonly isDetached: boolean;
    readonly hasWorkspace: boolean;
    readonly steps: number;
    /** Has the pid of a process that ended. */
    readonly reuses: boolean;
  }
  | { readonly act: "step" | "finish" | "end" | "die" | "commit"; readonly run: number }
  | { readonly act: "reboot"; readonly machine: number }
  | { readonly act: "restart engine" | "foreign" }
  | { readonly act: "wait"; readonly seconds: number };

type Schedule = readonly (Act | Clean)[];

/** A sweep or a cleanup, and what happens meanwhile, one after the other. */
interface Clean {
  readonly act: "sweep" | "cleanup";
  readonly place: number;
  readonly meanwhile: readonly (Act | { readonly act: "sweep"; readonly place: number })[];
}

const number = fc.nat(99);
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      act: fc.constant("launch" as const),
      place: number,
      isDetached: fc.boolean(),
      hasWorkspace: fc.boolean(),
      steps: fc.nat(10),
      reuses: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      act: fc.constantFrom("step", "step", "finish", "end", "die", "die", "commit"),
      run: number,
    }),
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("reboot" as const), machine: number }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constantFrom("restart engine", "foreign") }) },
  { weight: 1, arbitrary: fc.record({ act: fc.constant("wait" as const), seconds: fc.nat(5000) }) },
);
const sweep = fc.record({ act: fc.constant("sweep" as const), place: number });
const clean: fc.Arbitrary<Clean> = fc.record({
  act: fc.constantFrom("sweep", "cleanup"),
  place: number,
  meanwhile: fc.array(fc.oneof({ weight: 5, arbitrary: act }, { weight: 1, arbitrary: sweep }), {
    maxLength: 8,
  }),
});
const scenario = fc.record({
  skews: fc.array(fc.integer({ min: -3_600_000, max: 3_600_000 }), { minLength: 3, maxLength: 3 }),
  engineSkew: fc.integer({ min: -3_600_000, max: 3_600_000 }),
  schedule: fc.array(fc.oneof({ weight: 3, arbitrary: act }, { weight: 1, arbitrary: clean }), {
    minLength: 4,
    maxLength: 16,
  }) as fc.Arbitrary<Schedule>,
});

const FOREIGN_OWNERS = ["", "detached", "me", "a/b/c/d/1/2", "0/0/0/0/0/0/0", "//////"];

async function perform(world: ModelWorld, { act, ...what }: Schedule[number], index: number): Promise<void> {
  const of = <T>(list: readonly T[], at: number): T | undefined => list[at % Math.max(1, list.length)];
  world.now += 250;
  if ("steps" in what) {
    const place = of(world.places, what.place);
    if (place === undefined) return;
    const ended = world.ended.filter((one) => one.place === place);
    const owner = world.process(place, what.reuses ? of(ended, index)?.pid : undefined);
    const run = await world.launch(owner, what);
    for (let step = 0; step < what.steps; step++) world.step(run);
  } else if ("run" in what) performOn(world, act, of(world.runs, what.run));
  else if ("machine" in what) {
    const machine = of(world.machines, what.machine);
    if (machine !== undefined) world.reboot(machine);
  } else if ("seconds" in what) world.now += what.seconds * 1000;
  else if ("place" in what) {
    const place = of(world.places, what.place);
    const meanwhile = "meanwhile" in what ? [...what.meanwhile] : [];
    if (place === undefined) return;
    await world.clean(act === "cleanup" ? "cleanup" : "sweep", place, async () => {
      const next = meanwhile.shift();
      if (next !== undefined) await perform(world, { meanwhile: [], ...next } as Schedule[number], index);
    });
  } else if (act === "foreign") world.foreign(of(FOREIGN_OWNERS, index) ?? "", undefined);
  else world.restartEngine();
}

function performOn(world: ModelWorld, act: string, run: ModelRun | undefined): void {
  if (run === undefined) return;
  if (act === "step") world.step(run);
  if (act === "finish") world.finish(run);
  if (act === "end" && run.owner.alive) world.end(run);
  // An owner whose bottle is detached may be gone for long.
  if (act === "die") run.owner.alive = false;
  if (act === "commit") world.foreign("", run);
}

/** Performs a schedule, and what went wrong: what was removed and should not have been, and what was overlooked. */
async function wrongs(
  { skews, engineSkew, schedule }: {
    readonly skews: readonly number[];
    readonly engineSkew: number;
    readonly schedule: Schedule;
  },
  blind?: Blindness,
): Promise<readonly string[]> {
  const world = new ModelWorld({ skews, engineSkew, blind });
  for (const [index, one] of schedule.entries()) await perform(world, one, index);
  for (const place of new Set(world.runs.map(({ owner }) => owner.place))) await world.clean("sweep", place);
  const overlooked = world.places.flatMap((place) => world.overlooked(place));
  return [...world.violations, ...overlooked.map((id) => `${id} is left`)];
}

const SEED = crypto.getRandomValues(new Int32Array(1))[0] ?? 0;

Deno.test(`sweeps touch no live bottle, nothing foreign and no workspace, and leave nothing dead: 1,000 schedules of seed ${SEED}`, async () => {
  await fc.assert(
    fc.asyncProperty(scenario, async (of) => assert.deepEqual(await wrongs(of), [])),
    { numRuns: 1000, seed: SEED },
  );
});

for (const blind of ["pid namespace", "user", "machine and boot", "start time"] as const) {
  Deno.test(`such schedules catch a judge who does not look at the ${blind}`, async () => {
    const { failed, error } = await fc.check(
      fc.asyncProperty(scenario, async (of) => assert.deepEqual(await wrongs(of, blind), [])),
      { numRuns: 1000, seed: SEED, endOnFailure: true },
    ).then(({ failed, errorInstance }) => ({ failed, error: String(errorInstance) }));
    assert.ok(failed);
    assert.match(error, blind === "start time" ? /is left/ : /is of a live bottle|is of another host/);
  });
}
