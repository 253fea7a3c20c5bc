import assert from "node:assert/strict";
import { DockerBottleBackend } from "../../../lib/backend/docker/backend.ts";
import type { BottleEvent } from "../../../lib/bottle/events.ts";
import { type FakeHost, fakeHost } from "../../support/fake_host.ts";
import { type EngineObject, LabelledEngine } from "../../support/labelled_engine.ts";
import { LINUX } from "./memory_engine.ts";

const { signal } = new AbortController();
const HERE = "435cdbd557a00db7/f0e1d2c3-0000-4000-8000-000000000001/pid:4026531836/1000";
const GONE = `${HERE}/200/11`;
const ALIVE = `${HERE}/100/11`;

function object(kind: EngineObject["kind"], id: string, more: Partial<EngineObject> = {}): EngineObject {
  return { kind, id, name: id, run: "gggggggggggga", agent: "g", role: "agent", owner: GONE, ...more };
}

const LIVE = object("network", "h1", { run: "hhhhhhhhhhhha", owner: ALIVE });
const WORKSPACE = object("volume", "g-workspace", { role: "workspace" });

interface Bench {
  readonly backend: DockerBottleBackend;
  readonly engine: LabelledEngine;
  readonly lines: () => readonly string[];
  readonly events: BottleEvent[];
  readonly host: FakeHost;
}

function bench(objects: readonly EngineObject[]): Bench {
  const host = fakeHost();
  host.processes
    .on(/^sh -c /, { stdout: LINUX })
    .on(/^sh -c [\s\S]* sh \d+( \d+)*$/, { stdout: "boot 500\n4242 987654\n100 11\n" });
  const engine = new LabelledEngine(objects, host.processes);
  const events: BottleEvent[] = [];
  const others = (): void => assert.fail("a sweep speaks to those alone who began it");
  const backend = new DockerBottleBackend({ host, context: "box", onEvent: others });
  host.processes.on(/^docker --context box /, (call) => {
    const args = call.args.slice(2);
    return host.processes.run({ program: "docker", args, env: {} });
  });
  const lines = (): readonly string[] =>
    host.processes.lines.filter((line) => line.startsWith("docker --context box "));
  return { backend, engine, lines, events, host };
}

Deno.test("sweep() asks the engine for its owners alone where none is gone", async () => {
  const { backend, lines, events, engine } = bench([
    LIVE,
    object("container", "d1", { owner: "detached" }),
    WORKSPACE,
  ]);
  const outcome = await backend.sweep({ signal, onEvent: (event) => void events.push(event) });
  assert.deepEqual(outcome, { runs: 0, removed: [], left: [], kept: [] });
  const format =
    '{{if ne (.Label "claude-bottle.role") "workspace"}}{{json (.Label "claude-bottle.owner")}}{{end}}';
  const which = `--filter label=claude-bottle.run --format ${format}`;
  assert.deepEqual([...lines()].sort(), [
    `docker --context box container ls --all ${which}`,
    `docker --context box network ls ${which}`,
    `docker --context box volume ls ${which}`,
  ]);
  assert.equal(engine.objects.length, 3);
  assert.deepEqual(events.map(({ kind }) => kind), ["call", "call", "call"]);
});

Deno.test("sweep() removes what ended runs left, tells what it could not, and keeps a workspace that was worked in", async () => {
  const objects = [
    object("container", "g1"),
    object("network", "g2"),
    object("network", "g3"),
    WORKSPACE,
    LIVE,
  ];
  const { backend, engine, events } = bench(objects);
  engine.stubborn.set("g3", "network g3 has active endpoints");
  const outcome = await backend.sweep({ signal, onEvent: (event) => void events.push(event) });
  assert.equal(outcome.runs, 1);
  assert.deepEqual(outcome.removed.map(({ id }) => id), ["g1", "g2"]);
  assert.deepEqual(outcome.left.map(({ item, why }) => [item.id, why]), [
    ["g3", "network g3 has active endpoints"],
  ]);
  assert.deepEqual(outcome.kept.map(({ id }) => id), [WORKSPACE.id]);
  assert.deepEqual(engine.objects.map(({ id }) => id), ["g3", WORKSPACE.id, "h1"]);
  assert.ok(events.every(({ kind }) => kind === "call"));
  // What is kept is told once.
  const again = await backend.sweep({ signal, onEvent: () => {} });
  assert.deepEqual(again.kept, []);
});

Deno.test("sweep() removes the workspace of a launch that never started its agent", async () => {
  for (const status of ["created", "exited"]) {
    const { backend, engine } = bench([object("container", "g1", { status }), WORKSPACE]);
    await backend.sweep({ signal, onEvent: () => {} });
    assert.deepEqual(engine.objects.map(({ id }) => id), status === "created" ? [] : [WORKSPACE.id], status);
  }
});

Deno.test("sweep() removes nothing where the engine's answer makes no sense or its owners cannot be judged", async () => {
  for (const said of ["x\n", "7\n", '{"a":1}\n']) {
    const host = fakeHost();
    host.processes.on(/^docker (container|network|volume) ls /, { stdout: said });
    const backend = new DockerBottleBackend({ host, context: undefined, onEvent: () => {} });
    await assert.rejects(backend.sweep({ signal, onEvent: () => {} }), { code: "engine-failed" });
    assert.equal(host.processes.calls.length, 3);
  }
  const blind = bench([object("container", "g1")]);
  blind.host.processes.on(/^sh -c [\s\S]* sh \d+( \d+)*$/, { stdout: "boot 500\n" });
  await assert.rejects(blind.backend.sweep({ signal, onEvent: () => {} }), { code: "machine-unknown" });
  assert.equal(blind.engine.objects.length, 1);
});

Deno.test("sweep() ends at an interrupt", async () => {
  const { backend, engine } = bench([object("container", "g1")]);
  const controller = new AbortController();
  const stop = new Error("enough");
  await assert.rejects(
    backend.sweep({
      signal: controller.signal,
      onEvent: (event) => {
        if (event.kind === "call" && event.text.includes(" inspect ")) controller.abort(stop);
      },
    }),
    stop,
  );
  assert.equal(engine.objects.length, 1);
});
