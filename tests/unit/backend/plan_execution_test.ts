import assert from "node:assert/strict";
import fc from "fast-check";
import { DockerBottleBackend } from "../../../lib/backend/docker/backend.ts";
import { imageRecipes } from "../../../lib/backend/docker/images.ts";
import { literalsOf, Secret } from "../../../lib/bottle/env.ts";
import type { Patience } from "../../../lib/host/deadline.ts";
import type { BottlePlan } from "../../../lib/bottle/plan.ts";
import { planJson } from "../../../lib/bottle/render.ts";
import type { BottleSpec } from "../../../lib/bottle/spec.ts";
import type {
  AttachOptions,
  HeldProcess,
  Outcome,
  ProcessCall,
  Processes,
  RunOptions,
} from "../../../lib/host/processes.ts";
import { environmentOf, fakeHost } from "../../support/fake_host.ts";
import {
  frameEntries,
  type PrintedPlan,
  printedPlan,
  type PrintedStep,
  stepsOf,
  tarEntries,
} from "../../support/normalise.ts";
import { HASH, INJECTED, INSPECTED, openingAnswer, openingEntries, PEM } from "../../support/inspection.ts";
import { memoryFiles } from "../../support/memory_files.ts";
import { testSpec, testSshEntry } from "../../support/plan_inputs.ts";
import { openSshKey } from "../../support/private_keys.ts";
import { LINUX, MemoryEngine } from "./memory_engine.ts";

/** One call of the docker CLI, with the places of its beginning and end in the one order of all. */
interface Recorded {
  readonly kind: "run" | "attach" | "hold";
  readonly args: readonly string[];
  input: Uint8Array;
  readonly began: number;
  ended: number;
}

/** Records every call in front of an engine that takes its time; a context is its own business. */
class RecordingProcesses implements Processes {
  readonly calls: Recorded[] = [];
  readonly #inner: Processes;
  readonly #turns: readonly number[];
  #events = 0;

  constructor(inner: Processes, turns: readonly number[]) {
    this.#inner = inner;
    this.#turns = turns;
  }

  run(call: ProcessCall, options: RunOptions = {}): Promise<Outcome> {
    const { input } = options;
    return this.#record({ kind: "run", call, input }, async (inner, recorded) => {
      if (!(input instanceof ReadableStream)) return await this.#inner.run(inner, options);
      recorded.input = new Uint8Array(await new Response(input).arrayBuffer());
      return await this.#inner.run(inner, { ...options, input: recorded.input });
    });
  }

  attach(call: ProcessCall, options: AttachOptions = {}): Promise<Outcome> {
    const { input } = options;
    return this.#record({ kind: "attach", call, input }, (inner) => this.#inner.attach(inner, options));
  }

  hold(call: ProcessCall, patience: Patience): HeldProcess {
    if (call.program !== "docker") return this.#inner.hold(call, patience);
    const held = Promise.withResolvers<HeldProcess>();
    const up = this.#record({ kind: "hold", call, input: undefined }, async (inner) => {
      const process = this.#inner.hold(inner, patience);
      held.resolve(process);
      await process.firstLine;
      return { code: 0, signal: null, stdout: "", stderr: "" };
    });
    return {
      firstLine: up.then(() => "up"),
      ended: held.promise.then(({ ended }) => ended),
      say: async (text) => (await held.promise).say(text),
      kill: () => void held.promise.then((process) => process.kill()),
    };
  }

  async #record(
    { kind, call, input }: {
      readonly kind: Recorded["kind"];
      readonly call: ProcessCall;
      readonly input: RunOptions["input"];
    },
    perform: (inner: ProcessCall, recorded: Recorded) => Promise<Outcome>,
  ): Promise<Outcome> {
    const recorded: Recorded = {
      kind,
      args: call.args,
      input: input instanceof Uint8Array ? input : new Uint8Array(),
      began: this.#events++,
      ended: Infinity,
    };
    if (call.program === "docker") this.calls.push(recorded);
    const turns = this.#turns[this.calls.length % this.#turns.length] ?? 0;
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    const args = call.args[0] === "--context" ? call.args.slice(2) : call.args;
    const outcome = await perform({ ...call, args }, recorded);
    for (let turn = 0; turn < turns; turn++) await Promise.resolve();
    recorded.ended = this.#events++;
    return outcome;
  }
}

const RECIPES = await imageRecipes(environmentOf({}));
const NETWORKS = new Map([["app_back", "5".repeat(64)], ["app_front", "6".repeat(64)]]);
const INFO = {
  ServerVersion: "20.10.24",
  Runtimes: { runc: {}, runsc: {} },
  MemTotal: 8 * 1024 ** 3,
  SwapLimit: true,
};

/** What a test varies. */
interface Variant {
  readonly spec: Partial<BottleSpec>;
  readonly context: string | undefined;
  /** Whether base, agent's and sidecar's image are there. */
  readonly images: readonly [boolean, boolean, boolean];
  /** How many turns each call takes, in a circle. */
  readonly turns: readonly number[];
  readonly code: number;
}

interface Both {
  readonly plan: PrintedPlan;
  readonly calls: readonly Recorded[];
  /** Ids of everything by which a call may name it, and the name that the plan prints. */
  readonly names: ReadonlyMap<string, string>;
}

/** Image ids of 64 digits. */
function imageId(name: string): string {
  return "sha256:" +
    [...name].map((letter) => letter.charCodeAt(0).toString(16)).join("").padEnd(64, "0").slice(-64);
}

/** An engine in memory that has images and networks as well. */
function engineWith(images: readonly string[]): MemoryEngine {
  const there = new Set(images);
  const engine = new MemoryEngine();
  const missing = (name: string) => ({ code: 1, stderr: `Error: No such image: ${name}\n` });
  engine.processes
    .on(/^sh /, { stdout: LINUX })
    .on(/^docker info /, { stdout: JSON.stringify(INFO) })
    .on(/^docker ps /, {})
    .on(/^docker network ls /, {})
    .on(/^docker image inspect /, ({ args }) => {
      const name = args.at(-1) ?? "";
      if (!there.has(name)) return missing(name);
      const Config = { User: "47291", Labels: { "claude-bottle.agent-uid": "47291" } };
      return {
        stdout: args.includes("--format")
          ? `${imageId(name)}\n`
          : JSON.stringify([{ Id: imageId(name), Config }]),
      };
    })
    .on(/^docker image pull /, ({ args }) => {
      there.add(args.at(-1) ?? "");
      return {};
    })
    .on(/^docker image build /, ({ args }) => {
      const base = (args.find((word) => word.startsWith("BASE=")) ?? "").slice(5);
      if (!there.has(base)) return missing(base);
      there.add(args[args.indexOf("--tag") + 1] ?? "");
      return {};
    })
    .on(/^docker network inspect /, ({ args }) => {
      const Name = args.at(-1) ?? "";
      return { stdout: JSON.stringify([{ Name, Id: NETWORKS.get(Name), Driver: "bridge", Labels: {} }]) };
    })
    .on(/^docker container exec .* proxy --open$/, ({ input }) => {
      assert.ok(input instanceof Uint8Array);
      return { stdout: openingAnswer(input) };
    })
    .on(/^docker container exec .*\/trust_authority\.pl$/, {})
    .on(/^docker container exec .* (put|headless|attached) /, {});
  return engine;
}

/** Plans, prints, and then launches, attaches and removes what was printed, in this process. */
async function bothOf({ spec, context, images, turns, code }: Variant): Promise<Both> {
  const all = [RECIPES.agent.base, RECIPES.agent.name, RECIPES.sidecar.name];
  const engine = engineWith(all.filter((_, index) => images[index]));
  const env = {
    PATH: "/usr/bin",
    GH_PAT: "pat-4711",
    TERM: "xterm-256color",
    CLAUDE_BOTTLE_OAUTH_TOKEN: "token-4712",
    REAL_KEY: "key-4713",
  };
  const files = memoryFiles({
    ...Object.fromEntries(KEYS.map(([path, text]) => [path, { text, mode: 0o600 }])),
    "/home/somebody/project/a/b": "12345",
    "/home/somebody/password": { text: "password-4714\n", mode: 0o600 },
  });
  const host = fakeHost({ processes: engine.processes, env, files });
  const processes = new RecordingProcesses(engine.processes, turns);
  const onEvent = (): void => {};
  const backend = new DockerBottleBackend({ host: { ...host, processes }, context, onEvent });
  const { signal } = host.interrupts;
  const planned: BottlePlan = await backend.prepare(testSpec(spec), signal);
  const plan = printedPlan(JSON.stringify(planJson(planned)));
  const probes = processes.calls.length;
  const bottle = await backend.launch(planned, {
    signal,
    onEvent,
    env: valuesOf(planned.spec.startsAgent ? planned.spec.env : literalsOf(planned.spec.env)),
    injected: valuesOf(planned.spec.injected),
  });
  engine.processes.on(/^docker container exec .* (headless|attached) /, { code });
  const names = new Map([
    ...[...engine.objects.values()].map(({ id, name }) => [id, name] as const),
    ...[...NETWORKS].map(([name, id]) => [id, name] as const),
    ...all.map((name) => [imageId(name), name] as const),
  ]);
  if (planned.spec.startsAgent) assert.deepEqual(await bottle.attach(), { code });
  else await bottle.ready();
  await bottle[Symbol.asyncDispose]();
  assert.equal(engine.objects.size + engine.volumes.size, 0);
  return { plan, names, calls: processes.calls.slice(probes).filter(({ args }) => !isQuestion(args)) };
}

function valuesOf(sources: BottleSpec["env"]): ReadonlyMap<string, Secret> {
  return new Map([...sources.keys()].map((name) => [name, new Secret(`value-of-${name}`)]));
}

/** What is asked after an agent's failure, and what is read, is no step: whether it is depends on the agent. */
function isQuestion(args: readonly string[]): boolean {
  return / container (inspect|logs) | test -h /.test(` ${args.join(" ")} `);
}

function printed(step: PrintedStep): string {
  return JSON.stringify(step.argv.slice(1));
}

function executed({ args }: Recorded, names: ReadonlyMap<string, string>): string {
  return JSON.stringify(
    args.map((word) => word.replaceAll(/(sha256:)?[0-9a-f]{64}/g, (id) => names.get(id) ?? id)),
  );
}

/** Fails unless the calls are the printed steps: same words, same input, in an order that the plan allows. */
function assertSame({ plan, calls, names }: Both): void {
  const steps = stepsOf(plan);
  const lines = calls.map((call) => executed(call, names));
  assert.deepEqual([...lines].sort(), steps.map(printed).sort());
  const callOf = (id: string): Recorded => {
    const step = steps.find((other) => other.id === id);
    const call = step && calls[lines.indexOf(printed(step))];
    assert.ok(call !== undefined, id);
    return call;
  };
  for (const step of steps) {
    const call = callOf(step.id);
    for (const earlier of step.after) {
      assert.ok(callOf(earlier).ended < call.began, `${step.id} began before ${earlier} had ended`);
    }
    const kind = step.id === "agent" ? "attach" : step.argv.includes("--attach") ? "hold" : "run";
    assert.equal(call.kind, kind);
    assertSameInput(step, call);
  }
  const last = (group: readonly PrintedStep[]): number =>
    Math.max(...group.map(({ id }) => callOf(id).ended));
  const first = (group: readonly PrintedStep[]): number =>
    Math.min(...group.map(({ id }) => callOf(id).began));
  assert.ok(last(plan.steps) < first(plan.agentSteps));
  assert.ok(last(plan.agentSteps) < first(plan.teardownSteps));
}

function assertSameInput({ id, stdin }: PrintedStep, { input }: Recorded): void {
  if (stdin === undefined) {
    assert.equal(input.length, 0, id);
  } else if (stdin.kind === "workspace") {
    assert.deepEqual(stdin.entries, [WORKSPACE.directory], id);
    assert.equal(tarEntries(input).reduce((sum, { size }) => sum + size, 0), stdin.bytes, id);
  } else if (stdin.kind === "tar") {
    const entries = tarEntries(input);
    assert.deepEqual(entries.map(({ path }) => path), stdin.entries, id);
    assert.equal(entries.reduce((sum, { size }) => sum + size, 0), stdin.bytes, id);
  } else {
    assert.equal(stdin.bytes, null);
    if (stdin.kind === "keys") return assertKeys(stdin.entries, input);
    if (stdin.kind === "secrets") return assertSecrets(stdin.entries, input);
    if (stdin.kind === "authority") {
      return assert.equal(new TextDecoder().decode(input), `${HASH}\n${PEM}`);
    }
    assert.equal(stdin.kind, "environment", id);
    assert.deepEqual([...frameEntries(input).keys()], stdin.entries, id);
  }
}

function assertKeys(names: readonly string[], input: Uint8Array): void {
  const frames = new TextDecoder().decode(input);
  for (const [path, text] of KEYS) assert.equal(frames.includes(text), names.includes(path), path);
  assert.ok(names.length > 0);
}

function assertSecrets(names: readonly string[], input: Uint8Array): void {
  const given = openingEntries(input).map(({ env, secret }) => [env, secret]);
  assert.deepEqual(given, names.map((name) => [name, `value-of-${name}`]));
}

/** Files of the host with keys. */
const KEYS: readonly (readonly [string, string])[] = [
  ["/keys/first", openSshKey()],
  ["/keys/second", openSshKey({ point: 8 })],
];

const SSH = [
  testSshEntry({ identityFile: "/keys/first" }),
  testSshEntry({ host: "b", hostname: "b.example", port: 2222, identityFile: "/keys/second" }),
  testSshEntry({ host: "c", hostname: "c.example", identityFile: "/keys/first" }),
];

const WORKSPACE = { directory: "/home/somebody/project", exclude: [] };

const INSPECTING = { policy: INSPECTED, injected: INJECTED };

const PLAIN: Variant = { spec: {}, context: undefined, images: [true, true, true], turns: [0], code: 0 };

Deno.test("what is printed is what is executed: a headless bottle whose images are there", async () => {
  const both = await bothOf(PLAIN);
  assert.deepEqual(stepsOf(both.plan).map(({ id }) => id), [
    "internal-network",
    "egress-network",
    "agent-create",
    "agent-files",
    "agent-start",
    "sidecar-create",
    "sidecar-config",
    "sidecar-connect",
    "sidecar-start",
    "verify",
    "agent",
    "remove-containers",
    "remove-networks",
  ]);
  assertSame(both);
});

Deno.test("what is printed is what is executed: an attached bottle with everything, on another engine", async () => {
  const both = await bothOf({
    ...PLAIN,
    spec: {
      mode: "attached",
      command: ["claude"],
      networks: [...NETWORKS.keys()],
      forwardOauthToken: true,
      ssh: SSH,
    },
    context: "box",
    images: [false, false, false],
    turns: [3, 0, 7, 1],
  });
  const ids = stepsOf(both.plan).map(({ id }) => id);
  for (
    const id of ["base-image", "agent-build", "sidecar-build", "sidecar-join-2", "ssh-agent", "agent-env"]
  ) {
    assert.ok(ids.includes(id), id);
  }
  assertSame(both);
  for (const { args } of both.calls) assert.deepEqual(args.slice(0, 2), ["--context", "box"]);
});

Deno.test("what is printed is what is executed: a bottle with a workspace in which nothing is new", async () => {
  const both = await bothOf({ ...PLAIN, spec: { workspace: WORKSPACE, workdir: "/home/node/workspace" } });
  assert.deepEqual(
    stepsOf(both.plan).map(({ id }) => id).filter((id) => id.includes("workspace") || id === "agent-start"),
    [
      "workspace-volume",
      "workspace-files",
      "agent-start",
      "workspace-record",
      "workspace-compare",
      "remove-workspace",
    ],
  );
  assertSame(both);
});

Deno.test("what is printed is what is executed: a bottle with inspected hosts, started or only made ready", async () => {
  for (const startsAgent of [true, false]) {
    const both = await bothOf({
      ...PLAIN,
      spec: { ...INSPECTING, startsAgent, ssh: SSH.slice(0, 1) },
      turns: [2, 0, 5],
    });
    const { steps } = both.plan;
    const ids = steps.map(({ id }) => id);
    assert.deepEqual(ids.slice(ids.indexOf("verify")), ["verify", "sidecar-open", "authority", "ssh-agent"]);
    const open = steps.find(({ id }) => id === "sidecar-open");
    assert.deepEqual(open?.stdin?.entries, startsAgent ? [...INJECTED.keys()] : []);
    assertSame(both);
  }
});

const variant: fc.Arbitrary<Variant> = fc.record({
  spec: fc.tuple(
    fc.constantFrom({}, INSPECTING),
    fc.record({
      mode: fc.constantFrom("attached" as const, "headless" as const),
      command: fc.array(fc.string({ unit: "binary" }).map((word) => word.replaceAll("\0", ""))).map((
        words,
      ) => [
        "claude",
        ...words,
      ]),
      prompt: fc.constantFrom("", "You review.\nKindly."),
      networks: fc.uniqueArray(fc.constantFrom(...NETWORKS.keys())),
      forwardOauthToken: fc.boolean(),
      ssh: fc.integer({ min: 0, max: SSH.length }).map((count) => SSH.slice(0, count)),
      runtime: fc.constantFrom("auto" as const, "runc" as const),
      workspace: fc.constantFrom(undefined, WORKSPACE),
      ca: fc.constantFrom(undefined, "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"),
    }),
  ).map(([hosts, rest]) => ({ ...hosts, ...rest })),
  context: fc.constantFrom(undefined, "box"),
  images: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
  turns: fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 7 }),
  code: fc.constantFrom(0, 1, 125, 137),
});

Deno.test("what is printed is what is executed, whatever the bottle, its images and the engine's pace", async () => {
  await fc.assert(
    fc.asyncProperty(variant, async (drawn) => assertSame(await bothOf(drawn))),
    { numRuns: 150, seed: 4711 },
  );
});
