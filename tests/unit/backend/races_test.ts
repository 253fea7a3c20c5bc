import assert from "node:assert/strict";
import { overlaps, parseRange, type Range } from "../../../lib/backend/docker/addresses.ts";
import { DockerBottleBackend } from "../../../lib/backend/docker/backend.ts";
import { composePlan, type PlanInputs } from "../../../lib/backend/docker/plan.ts";
import { newRun } from "../../../lib/backend/docker/prepare.ts";
import type { Bottle } from "../../../lib/bottle/backend.ts";
import { Secret } from "../../../lib/bottle/env.ts";
import type { BottleEvent } from "../../../lib/bottle/events.ts";
import { Failure } from "../../../lib/errors.ts";
import { type FakeHost, fakeHost } from "../../support/fake_host.ts";
import { testInputs } from "../../support/plan_inputs.ts";
import { conflictOf, MemoryEngine, OVERLAP } from "./memory_engine.ts";

const STEM = "claude-bottle-code-reviewer";
const CONFLICT = conflictOf(STEM);

/** The same bytes in every run, another sequence for each seed. */
function seeded(seed: number): (bytes: number) => Uint8Array {
  let state = seed * 2_654_435_761 % 2 ** 32;
  return (bytes) =>
    Uint8Array.from({ length: bytes }, () => {
      state = (state * 1_664_525 + 1_013_904_223) % 2 ** 32;
      return state >>> 24;
    });
}

/** A program of its own on an engine that it may share. */
class Program {
  readonly engine: MemoryEngine;
  readonly host: FakeHost;
  readonly notices: string[] = [];
  readonly #backend: DockerBottleBackend;

  constructor(engine: MemoryEngine, seed = 1) {
    this.engine = engine;
    this.host = fakeHost({ processes: engine.processes, random: seeded(seed) });
    this.#backend = new DockerBottleBackend({ host: this.host, context: undefined, onEvent: this.#onEvent });
  }

  readonly #onEvent = (event: BottleEvent): void => {
    if (event.kind === "notice") this.notices.push(event.text);
  };

  launch(changes: Partial<PlanInputs> = {}): Promise<Bottle> {
    return this.#backend.launch(composePlan(testInputs(changes)), {
      signal: this.host.interrupts.signal,
      onEvent: this.#onEvent,
      env: new Map([["A", new Secret("env-value-71")]]),
    });
  }

  /** Launches with what a plan of its own would have drawn. */
  launchDrawn(changes: Partial<PlanInputs> = {}): Promise<Bottle> {
    const inputs = testInputs(changes);
    return this.launch({ ...changes, ...newRun(inputs, this.host) });
  }

  /** What was created, in order: each call's name or label. */
  asked(pattern: RegExp): readonly string[] {
    return this.host.processes.lines.map((line) => pattern.exec(line)?.[1]).filter((found) =>
      found !== undefined
    );
  }
}

const NAMES = /container create --name (\S+) .*role=agent/;
const INTERNAL_RUNS = /network create --internal .*claude-bottle\.run=(\S+)/;
const SUBNETS = /network create .*--subnet (\S+)/;

function program(): Program {
  return new Program(new MemoryEngine());
}

function range(text: string): Range {
  const parsed = parseRange(text);
  assert.ok(parsed !== undefined, text);
  return parsed;
}

Deno.test("a launch draws another subnet and run id when a subnet is taken", async () => {
  const one = program();
  one.engine.processes.once(/network create .*role=egress/, OVERLAP);
  const bottle = await one.launch();
  assert.equal(bottle.name, STEM);
  assert.deepEqual(one.notices, ["subnet conflict; retrying with another one"]);
  const [first, second, ...more] = one.asked(INTERNAL_RUNS);
  assert.equal(first, "abcdefghijklm");
  assert.notEqual(second, first);
  assert.match(second ?? "", /^[a-z2-7]{13}$/);
  assert.deepEqual(more, []);
  assert.equal(new Set(one.asked(SUBNETS)).size, 4);
  assert.deepEqual([...one.engine.objects.values()].map(({ kind }) => kind).sort(), [
    "container",
    "container",
    "network",
    "network",
  ]);
});

Deno.test("a launch gives up after 16 taken subnets, in a sentence that says what to do", async () => {
  const one = program();
  one.engine.processes.on(/network create .*role=internal/, OVERLAP);
  await assert.rejects(one.launch(), (error: unknown) => {
    assert.ok(error instanceof Failure);
    assert.equal(error.code, "subnet-taken");
    assert.equal(error.exit, 125);
    assert.equal(
      error.message,
      "The engine took none of 16 pairs of subnets of 10.213.0.0/16: Pool overlaps with other one on this address space",
    );
    assert.deepEqual(error.hints, [
      "Name a range that nothing on its machine uses, e.g. CLAUDE_BOTTLE_SUBNETS=10.99.0.0/16",
    ]);
    return true;
  });
  assert.equal(one.asked(INTERNAL_RUNS).length, 16);
  assert.equal(one.engine.objects.size, 0);
});

Deno.test("a launch draws its next subnets beside those that the engine's networks have by then", async () => {
  const one = program();
  const pool = range("10.213.0.0/26");
  // Another launch was faster since the plan was made, and has two of the four.
  const other = new Program(one.engine, 2);
  await other.launch({ pool });
  const bottle = await one.launch({ pool, attempt: 2, run: { ...testInputs().run, run: "nnnnnnnnnnnnn" } });
  assert.equal(bottle.name, `${STEM}-2`);
  assert.deepEqual(one.asked(SUBNETS).slice(-2).sort(), ["10.213.0.32/28", "10.213.0.48/28"]);
  assert.deepEqual(one.notices, ["subnet conflict; retrying with another one"]);
});

Deno.test("a launch that lost the last subnets says that the range is full, and leaves nothing", async () => {
  const one = program();
  const pool = range("10.213.0.0/27");
  const other = await new Program(one.engine, 2).launch({ pool });
  await assert.rejects(
    one.launch({ pool, attempt: 2, run: { ...testInputs().run, run: "nnnnnnnnnnnnn" } }),
    {
      code: "subnets-exhausted",
      message: "0 of 2 subnets of 10.213.0.0/27 are free; a bottle takes 2",
      exit: 125,
    },
  );
  assert.equal(one.engine.objects.size, 4);
  await other[Symbol.asyncDispose]();
  assert.equal(one.engine.objects.size, 0);
});

Deno.test("two launches that each hold what the other needs do not both give up", async () => {
  let held = 0;
  // How often both meet depends on the machine: as many more as it takes to have seen it.
  for (let seed = 1; seed <= 40 || (held <= 3 && seed <= 1000); seed++) {
    const engine = new MemoryEngine();
    const random = seeded(seed + 2000);
    engine.moment = async () => {
      for (let [ticks = 0] = random(1); ticks > 0; ticks--) await undefined;
    };
    const [one, two] = [new Program(engine, seed), new Program(engine, seed + 1000)];
    // Room for one bottle: whoever comes second finds the range full.
    const pool = range("10.213.0.0/27");
    const outcomes = await Promise.allSettled([one, two].map((each) => each.launchDrawn({ pool })));
    const won = outcomes.filter(({ status }) => status === "fulfilled");
    const lost = outcomes.flatMap((outcome) => outcome.status === "rejected" ? [outcome.reason.code] : []);
    assert.deepEqual([won.length, lost], [1, ["subnets-exhausted"]], `seed ${seed}`);
    assert.equal(engine.objects.size, 4, `seed ${seed}`);
    if ([one, two].every(({ notices }) => notices.some((text) => text.startsWith("subnet")))) held++;
  }
  assert.ok(held > 3, `${held} times both had to draw again`);
});

Deno.test("a launch takes the next name when its own was taken since the plan was made, and keeps the rest", async () => {
  const one = program();
  one.engine.processes.once(/container create --name claude-bottle-code-reviewer /, CONFLICT);
  const bottle = await one.launch();
  assert.equal(bottle.name, `${STEM}-2`);
  assert.deepEqual(one.notices, [`name conflict; retrying as ${STEM}-2`]);
  assert.equal(one.engine.made("agent").name, `${STEM}-2`);
  assert.deepEqual(one.asked(NAMES), [STEM, `${STEM}-2`]);
  assert.deepEqual(one.asked(INTERNAL_RUNS), ["abcdefghijklm"]);
  assert.deepEqual(one.asked(/^(docker container (?:rm|ls)) /), []);
  await bottle[Symbol.asyncDispose]();
  assert.equal(one.engine.objects.size, 0);
});

Deno.test("a launch takes a name that is free by the engine's own account, and none that it lost", async () => {
  const one = program();
  const taken = [2, 3, 4, 6].map((suffix) => `${JSON.stringify(`${STEM}-${suffix}`)}\n`).join("");
  one.engine.processes.on(/^docker ps /, { stdout: taken }).on(
    /container create --name claude-bottle-code-reviewer(-5)? /,
    CONFLICT,
  );
  const bottle = await one.launch();
  const [first, second, third, ...more] = one.asked(NAMES);
  assert.deepEqual([first, second], [STEM, `${STEM}-5`]);
  // One of the next four.
  assert.match(third ?? "", /-(7|8|9|10)$/);
  assert.equal(bottle.name, third);
  assert.deepEqual(more, []);
});

Deno.test("a launch does not count taken names as taken subnets", async () => {
  const one = program();
  for (let attempt = 1; attempt <= 20; attempt++) {
    one.engine.processes.once(/container create --name claude-bottle-code-reviewer(-\d+)? /, CONFLICT);
  }
  one.engine.processes.once(/network create --internal .*--subnet (?!10\.213\.0\.0)/, OVERLAP);
  await one.launch();
  assert.equal(one.asked(NAMES).length, 21);
  assert.equal(new Set(one.asked(NAMES)).size, 21, "no name is tried twice");
});

Deno.test("a launch says in the seed's words that every name up to -99 was lost to others", async () => {
  const one = program();
  const upTo97 = Array.from({ length: 97 }, (_, index) => index === 0 ? STEM : `${STEM}-${index + 1}`);
  one.engine.processes
    .on(/^docker ps /, { stdout: upTo97.map((name) => `${JSON.stringify(name)}\n`).join("") })
    .on(/container create .*role=agent/, CONFLICT);
  await assert.rejects(one.launch({ attempt: 98 }), {
    code: "name-taken",
    message: `could not find a free container name after ${STEM}-99 retries; clean up old containers`,
  });
  assert.deepEqual(one.asked(NAMES), [`${STEM}-98`, `${STEM}-99`]);
  assert.deepEqual(one.notices, [`name conflict; retrying as ${STEM}-99`]);
  assert.equal(one.engine.objects.size, 0);
});

Deno.test("a launch fails in the seed's words when a pinned name was taken meanwhile", async () => {
  const one = program();
  one.engine.processes.on(/container create --name mine /, CONFLICT);
  await assert.rejects(one.launch({ pinnedName: "mine" }), {
    code: "name-taken",
    message:
      "container 'mine' already exists (pinned via CLAUDE_BOTTLE_CONTAINER). Remove it with 'docker rm -f mine' or unset the override.",
  });
  assert.deepEqual(one.asked(NAMES), ["mine"]);
  assert.deepEqual(one.asked(INTERNAL_RUNS), ["abcdefghijklm"]);
  assert.equal(one.engine.objects.size, 0);
});

Deno.test("32 launches at once get 32 names and 64 subnets, and a lost name costs no network", async () => {
  const engine = new MemoryEngine();
  const programs = Array.from({ length: 32 }, (_, index) => new Program(engine, index + 1));
  const bottles = await Promise.all(programs.map((each) => each.launchDrawn()));
  assert.equal(new Set(bottles.map(({ name }) => name)).size, 32);
  for (const { name } of bottles) assert.match(name, /^claude-bottle-code-reviewer(-[1-9]\d?)?$/);
  const subnets = [...engine.objects.values()].flatMap(({ options }) => options.get("--subnet") ?? []);
  assert.equal(new Set(subnets).size, 64);
  for (const [index, subnet] of subnets.entries()) {
    assert.ok(!subnets.slice(index + 1).some((other) => overlaps(range(other), range(subnet))));
  }
  const [one] = programs;
  const lostSubnets = programs.flatMap(({ notices }) => notices).filter((text) => text.startsWith("subnet"));
  // The processes are shared, so any of the programs tells of all calls.
  assert.ok((one?.asked(SUBNETS).length ?? 0) <= 64 + 2 * lostSubnets.length);
  assert.ok((one?.asked(NAMES).length ?? 0) < 32 * 6, `${one?.asked(NAMES).length} creates for 32 names`);
  await Promise.all(bottles.map((bottle) => bottle[Symbol.asyncDispose]()));
  assert.equal(engine.objects.size, 0);
});
