import assert from "node:assert/strict";
import { DockerBottleBackend } from "../../../lib/backend/docker/backend.ts";
import type { BottleCleanupPlan } from "../../../lib/bottle/cleanup.ts";
import type { BottleEvent } from "../../../lib/bottle/events.ts";
import { type FakeHost, fakeHost } from "../../support/fake_host.ts";
import { type EngineObject, LabelledEngine } from "../../support/labelled_engine.ts";
import { timedOut } from "../../support/scripted_processes.ts";
import { LINUX } from "./memory_engine.ts";

const { signal } = new AbortController();
const HERE = "435cdbd557a00db7/f0e1d2c3-0000-4000-8000-000000000001/pid:4026531836/1000";
const GONE = `${HERE}/200/11`;
const ALIVE = `${HERE}/100/11`;

/** The objects of one run, with ids that begin with `id`. */
function runOf(id: string, owner: string, running = true): readonly EngineObject[] {
  const of = { run: `${id.repeat(12)}a`, agent: `agent-${id}`, owner };
  return [
    { ...of, kind: "container", id: `${id}1`, name: `claude-bottle-${of.agent}`, role: "agent", running },
    {
      ...of,
      kind: "container",
      id: `${id}2`,
      name: `claude-bottle-${of.agent}-${of.run}-sidecar`,
      role: "sidecar",
      running,
      command: ["perl", "/config/supervisor.pl"],
    },
    { ...of, kind: "network", id: `${id}3`, name: `claude-bottle-${id}-internal`, role: "internal" },
    { ...of, kind: "network", id: `${id}4`, name: `0-claude-bottle-${id}-egress`, role: "egress" },
    { ...of, kind: "volume", id: `${id}5`, name: `${id}5`, role: "config" },
  ];
}

class Bench {
  readonly host: FakeHost = fakeHost();
  readonly engine: LabelledEngine;
  readonly events: BottleEvent[] = [];
  readonly backend: DockerBottleBackend;

  constructor(objects: readonly EngineObject[]) {
    this.host.processes
      .on(/^sh -c /, { stdout: LINUX })
      .on(/^sh -c [\s\S]* sh \d+( \d+)*$/, { stdout: "boot 500\n4242 987654\n100 11\n" });
    this.engine = new LabelledEngine(objects, this.host.processes);
    this.backend = new DockerBottleBackend({
      host: this.host,
      context: undefined,
      onEvent: (event) => void this.events.push(event),
    });
  }

  plan(all = false): Promise<BottleCleanupPlan> {
    return this.backend.prepareCleanup({ all, signal });
  }

  get notices(): readonly string[] {
    return this.events.filter((event) => event.kind === "notice").map(({ text }) => text);
  }

  get removals(): readonly string[] {
    return this.host.processes.lines.filter((line) => / rm /.test(line));
  }
}

const ids = (items: readonly { readonly id: string }[]): readonly string[] => items.map(({ id }) => id);

const EVERYONE = [
  ...runOf("g", GONE),
  ...runOf("h", ALIVE),
  ...runOf("i", "detached"),
  ...runOf("j", "somewhere"),
  { kind: "container", id: "x1", name: "claude-bottle-foreign", running: true },
] as const;

Deno.test("prepareCleanup() lists what ended runs left, containers, then networks, then volumes, and removes nothing", async () => {
  const bench = new Bench(EVERYONE);
  const plan = await bench.plan();
  assert.deepEqual(ids(plan.items), ["g1", "g2", "g4", "g3", "g5"]);
  assert.deepEqual(plan.items[0], {
    kind: "container",
    id: "g1",
    name: "claude-bottle-agent-g",
    run: "gggggggggggga",
    agent: "agent-g",
    role: "agent",
    created: 600_123,
    running: true,
    owner: "gone",
  });
  assert.equal(plan.untouchedRuns, 3);
  assert.equal(plan.empty, false);
  assert.deepEqual(plan.kept, []);
  assert.deepEqual(bench.removals, []);
});

Deno.test("prepareCleanup() with all lists everything of every run, and nothing that is not ours", async () => {
  const plan = await new Bench(EVERYONE).plan(true);
  const letters = ["g", "h", "i", "j"];
  const expected = ["1", "2", "3", "4", "5"].flatMap((digit) => letters.map((letter) => letter + digit));
  assert.deepEqual([...ids(plan.items)].sort(), expected.sort());
  assert.equal(plan.untouchedRuns, 0);
});

Deno.test("prepareCleanup() selects by label alone, and asks nothing more when there is nothing", async () => {
  const bench = new Bench([]);
  const plan = await bench.plan();
  assert.equal(plan.empty, true);
  assert.deepEqual([...bench.host.processes.lines].sort(), [
    "docker container ls --all --no-trunc --format {{json .ID}} --filter label=claude-bottle.run",
    "docker network ls --no-trunc --format {{json .ID}} --filter label=claude-bottle.run",
    "docker volume ls --format {{json .Name}} --filter label=claude-bottle.run",
  ]);
});

Deno.test("prepareCleanup() keeps the workspaces of ended runs unless all are to go", async () => {
  const workspace: EngineObject = {
    kind: "volume",
    id: "claude-bottle-g-workspace",
    name: "claude-bottle-g-workspace",
    run: "gggggggggggga",
    agent: "agent-g",
    role: "workspace",
    owner: GONE,
  };
  const bench = new Bench([workspace]);
  const plan = await bench.plan();
  assert.equal(plan.empty, true);
  assert.deepEqual(ids(plan.kept), [workspace.id]);
  assert.deepEqual(ids((await bench.plan(true)).items), [workspace.id]);
});

Deno.test("prepareCleanup() takes a run for over only when all its objects say so", async () => {
  const [agent, ...others] = runOf("g", GONE);
  const plan = await new Bench([
    { ...agent, kind: "container", id: "g1", name: "n", owner: ALIVE },
    ...others,
  ]).plan();
  assert.equal(plan.empty, true);
  assert.equal(plan.untouchedRuns, 1);
});

Deno.test("prepareCleanup() passes over what went since it was listed", async () => {
  const bench = new Bench(runOf("g", GONE));
  bench.host.processes.once(/^docker container ls /, { stdout: '"g1"\n"g2"\n"g9"\n' });
  assert.deepEqual(ids((await bench.plan()).items), ["g1", "g2", "g4", "g3", "g5"]);
});

Deno.test("prepareCleanup() does not take an object for ours that an engine lists in spite of the filter", async () => {
  const bench = new Bench(EVERYONE);
  bench.host.processes.on(/^docker container ls /, { stdout: '"x1"\n"g1"\n' });
  const plan = await bench.plan(true);
  assert.deepEqual(ids(plan.items.filter(({ kind }) => kind === "container")), ["g1"]);
});

Deno.test("prepareCleanup() fails when the engine's answers make no sense", async () => {
  const rows = [
    { call: /^docker container ls /, answer: { stdout: "g1\n" } },
    { call: /^docker container ls /, answer: { stdout: '"--all"\n' } },
    { call: /^docker volume ls /, answer: { stdout: "7\n" } },
    { call: /^docker network inspect /, answer: { stdout: "{" } },
    { call: /^docker network inspect /, answer: { code: 1, stdout: "[]", stderr: "Error: broken\n" } },
    { call: /^docker network inspect /, answer: { code: 1, stdout: "[]", stderr: "" } },
  ];
  for (const { call, answer } of rows) {
    const bench = new Bench(runOf("g", GONE));
    bench.host.processes.on(call, answer);
    await assert.rejects(bench.plan(), { code: "engine-failed" }, String(call));
  }
});

Deno.test("what only inherited a bottle's labels from an image is nobody's bottle and nobody's to remove", async () => {
  const [agent, sidecar, ...others] = runOf("g", GONE);
  assert.ok(agent !== undefined && sidecar !== undefined);
  const copy = { ...agent, id: "c1", name: "precious", inherited: true };
  const bench = new Bench([
    agent,
    sidecar,
    copy,
    { ...sidecar, id: "c2", name: "0", inherited: true },
    ...others,
  ]);
  const [bottle, ...more] = await bench.backend.listActive({ signal, stopped: true });
  assert.deepEqual(more, []);
  assert.deepEqual([bottle?.id, bottle?.sidecar], ["g1", "g2"]);
  assert.deepEqual(ids((await bench.plan(true)).items), ["g1", "g2", "g4", "g3", "g5"]);
  assert.ok(bottle !== undefined);
  await bench.backend.stop(bottle);
  assert.deepEqual(ids(bench.engine.objects), ["c1", "c2"]);
});

Deno.test("listActive() takes no container for a sidecar that only says so: it would be given secrets", async () => {
  const [agent, sidecar] = runOf("g", "detached");
  assert.ok(agent !== undefined && sidecar !== undefined);
  const forged = { ...sidecar, id: "f1", name: "aaa", command: ["run", "/config/pipelock.yaml"] };
  // In agreement with itself, but not with the bottle's agent.
  const other = { ...forged, id: "f2", agent: "0", name: "claude-bottle-0-gggggggggggga-sidecar" };
  const [bottle] = await new Bench([agent, forged, other, sidecar]).backend.listActive({ signal });
  assert.deepEqual([bottle?.sidecar, bottle?.proxy], ["g2", "squid"]);
  const [alone] = await new Bench([agent, forged, other]).backend.listActive({ signal });
  assert.deepEqual([alone?.sidecar, alone?.proxy], [undefined, undefined]);
});

Deno.test("cleanup() removes containers, then networks, then volumes, by full id, and says so", async () => {
  const bench = new Bench(EVERYONE);
  const outcome = await bench.backend.cleanup(await bench.plan(), signal);
  assert.deepEqual(ids(outcome.removed), ["g1", "g2", "g4", "g3", "g5"]);
  assert.deepEqual(outcome.left, []);
  assert.deepEqual(bench.removals, [
    "docker container rm --force --volumes g1",
    "docker container rm --force --volumes g2",
    "docker network rm g4",
    "docker network rm g3",
    "docker volume rm g5",
  ]);
  assert.deepEqual(bench.notices, [
    "removing container claude-bottle-agent-g",
    "removing container claude-bottle-agent-g-gggggggggggga-sidecar",
    "removing network 0-claude-bottle-g-egress",
    "removing network claude-bottle-g-internal",
    "removing volume g5",
  ]);
  assert.deepEqual(bench.engine.objects, EVERYONE.filter(({ id }) => !id.startsWith("g")));
});

Deno.test("cleanup() removes the rest when one cannot be removed, and takes what is gone for removed", async () => {
  const bench = new Bench(runOf("g", GONE));
  const plan = await bench.plan();
  bench.engine.stubborn.set("g4", "network g4 has active endpoints");
  bench.host.processes.on(/ rm .*g1$/, timedOut("docker container rm", 60));
  bench.engine.objects.splice(4, 1);
  const outcome = await bench.backend.cleanup(plan, signal);
  assert.deepEqual(ids(outcome.removed), ["g2", "g3", "g5"]);
  assert.deepEqual(outcome.left.map(({ item, why }) => [item.id, why]), [
    [
      "g1",
      "The engine gave no answer at removing a container: the call did not end within 60 s",
    ],
    ["g4", "network g4 has active endpoints"],
  ]);
});

Deno.test("cleanup() waits for a container that somebody else is removing, since its networks wait for it too", async () => {
  const bench = new Bench(runOf("g", GONE));
  const plan = await bench.plan();
  let looks = 0;
  bench.host.processes.on(/ rm .*g1$/, () => ({
    code: 1,
    stderr: ++looks < 3
      ? "Error response from daemon: removal of container g1 is already in progress"
      : "Error response from daemon: No such container: g1",
  }));
  const outcome = await bench.backend.cleanup(plan, signal);
  assert.equal(looks, 3);
  assert.deepEqual(outcome.left, []);
  assert.deepEqual(bench.removals.slice(-3).map((line) => line.split(" ")[1]), [
    "network",
    "network",
    "volume",
  ]);
});

Deno.test("cleanup() ends at an interrupt", async () => {
  const bench = new Bench(runOf("g", GONE));
  const plan = await bench.plan();
  bench.host.processes.on(/^docker container rm /, () => {
    bench.host.interrupts.raise("SIGINT");
    return {};
  });
  await assert.rejects(bench.backend.cleanup(plan, bench.host.interrupts.signal), { name: "Interrupted" });
  assert.ok(bench.removals.every((line) => line.startsWith("docker container rm")));
});

Deno.test("listActive() lists agents that run, with their sidecar's proxy and their owner", async () => {
  const bench = new Bench([...EVERYONE, ...runOf("k", GONE, false)]);
  const bottles = await bench.backend.listActive({ signal });
  assert.deepEqual(bottles.map(({ name, owner }) => [name, owner]), [
    ["claude-bottle-agent-g", "gone"],
    ["claude-bottle-agent-h", "alive"],
    ["claude-bottle-agent-i", "detached"],
    ["claude-bottle-agent-j", "elsewhere"],
  ]);
  assert.deepEqual(bottles[0], {
    name: "claude-bottle-agent-g",
    id: "g1",
    sidecar: "g2",
    run: "gggggggggggga",
    agent: "agent-g",
    bottle: "dev",
    manifestFiles: [{ path: "/a b/claude-bottle.yaml", digest: "d".repeat(64) }],
    status: "running",
    since: 900_000,
    runtime: "runc",
    proxy: "squid",
    owner: "gone",
  });
  const all = await bench.backend.listActive({ signal, stopped: true });
  assert.deepEqual(all.map(({ name, status }) => [name, status]).at(-1), ["claude-bottle-agent-k", "exited"]);
});

Deno.test("listActive() recognises pipelock, and guesses no proxy", async () => {
  const rows = [
    { command: ["run", "--config", "/config/pipelock.yaml"], proxy: "pipelock" },
    { command: ["something"], proxy: undefined },
  ];
  for (const { command, proxy } of rows) {
    const [agent, sidecar] = runOf("g", "detached");
    assert.ok(agent !== undefined && sidecar !== undefined);
    const [bottle] = await new Bench([agent, { ...sidecar, command }]).backend.listActive({ signal });
    assert.equal(bottle?.proxy, proxy);
  }
});

Deno.test("stop() removes everything of the run and of no other", async () => {
  const bench = new Bench(EVERYONE);
  const bottles = await bench.backend.listActive({ signal });
  assert.ok(bottles[1] !== undefined);
  await bench.backend.stop(bottles[1]);
  assert.deepEqual(bench.engine.objects, EVERYONE.filter(({ id }) => !id.startsWith("h")));
});

Deno.test("stop() refuses a run label that is not ours, and tells what it could not remove", async () => {
  const bench = new Bench(runOf("g", GONE));
  const [bottle] = await bench.backend.listActive({ signal });
  assert.ok(bottle !== undefined);
  for (const run of ["", "g", "gggggggggggga --filter x", "GGGGGGGGGGGGA"]) {
    await assert.rejects(bench.backend.stop({ ...bottle, run }), { code: "bottle-foreign", exit: 1 });
  }
  assert.deepEqual(bench.removals, []);
  bench.engine.stubborn.set("g4", "network g4 has active endpoints");
  await assert.rejects(bench.backend.stop(bottle), { code: "bottle-left", message: /active endpoints/ });
});
