import assert from "node:assert/strict";
import { DockerBottleBackend } from "../../../lib/backend/docker/backend.ts";
import { composePlan } from "../../../lib/backend/docker/plan.ts";
import type { Bottle } from "../../../lib/bottle/backend.ts";
import type { BottleSpec } from "../../../lib/bottle/spec.ts";
import { type FakeHost, fakeHost } from "../../support/fake_host.ts";
import { testInputs, testSpec } from "../../support/plan_inputs.ts";
import { MemoryEngine } from "./memory_engine.ts";

interface Launched {
  readonly host: FakeHost;
  readonly engine: MemoryEngine;
  readonly notices: string[];
  launch(): Promise<Bottle>;
}

function launcher(changes: Partial<BottleSpec> = {}, context?: string): Launched {
  const engine = new MemoryEngine();
  const host = fakeHost({ processes: engine.processes, env: { PATH: "/usr/bin", SECRET: "no" } });
  const notices: string[] = [];
  const backend = new DockerBottleBackend({ host, context, onEvent: () => {} });
  const plan = composePlan(testInputs({ spec: testSpec(changes) }));
  return {
    host,
    engine,
    notices,
    launch: () =>
      backend.launch(plan, {
        signal: host.interrupts.signal,
        env: new Map(),
        onEvent: (event) => {
          if (event.kind === "notice") notices.push(event.text);
        },
      }),
  };
}

/** What the reaper is, and what it was told. */
function reaperOf({ host }: Launched): FakeHost["processes"]["held"][number] {
  const [reaper, ...more] = host.processes.held.filter(({ line }) => line.includes(" claude-bottle-reaper "));
  assert.ok(reaper !== undefined);
  assert.deepEqual(more, []);
  return reaper;
}

Deno.test("a reaper that knows the run is there before anything of it exists", async () => {
  const launched = launcher();
  await launched.launch();
  const reaper = reaperOf(launched);
  assert.ok(reaper.line.endsWith(" claude-bottle-reaper abcdefghijklm 120"), reaper.line.slice(-60));
  assert.deepEqual(launched.host.processes.lines.slice(0, reaper.callsBefore), []);
  assert.deepEqual(reaper.said, []);
});

Deno.test("a reaper talks to the engine that the launch talks to", async () => {
  const launched = launcher({}, "box");
  launched.engine.processes.on(/^docker --context box /, new Error("only the reaper is looked at"));
  await assert.rejects(launched.launch());
  assert.ok(reaperOf(launched).line.endsWith(" abcdefghijklm 120 --context box"));
});

Deno.test("a reaper keeps the workspace once the agent may have run, and is dismissed when all is gone", async () => {
  const launched = launcher();
  const bottle = await launched.launch();
  const { said } = reaperOf(launched);
  launched.engine.processes.on(/ headless /, () => {
    assert.deepEqual(said, ["keep\n"]);
    return {};
  });
  await bottle.attach();
  assert.deepEqual(said, ["keep\n"]);
  await bottle[Symbol.asyncDispose]();
  assert.deepEqual(said, ["keep\n", "done\n"]);
});

Deno.test("a reaper is dismissed after a launch that failed and left nothing", async () => {
  const launched = launcher();
  launched.engine.processes.on(/container cp - /, { code: 1, stderr: "Error response from daemon: no\n" });
  await assert.rejects(launched.launch(), { code: "engine-failed" });
  assert.equal(launched.engine.objects.size, 0);
  assert.deepEqual(reaperOf(launched).said, ["done\n"]);
});

Deno.test("a reaper is not dismissed while anything is left: it tries again once we are gone", async () => {
  const launched = launcher();
  const bottle = await launched.launch();
  launched.engine.processes.on(/^docker (container|network) rm /, {
    code: 1,
    stderr: "Error response from daemon: busy\n",
  });
  await bottle[Symbol.asyncDispose]();
  assert.match(launched.notices.join("\n"), /could not be removed/);
  assert.deepEqual(reaperOf(launched).said, []);
});

Deno.test("the reaper of a detached bottle is dismissed once that is ready", async () => {
  const launched = launcher({ lifetime: "detached", startsAgent: false });
  launched.engine.processes.on(/ headless .* \/bin\/true$/, () => {
    assert.deepEqual(reaperOf(launched).said, []);
    return {};
  });
  const bottle = await launched.launch();
  await bottle.ready();
  assert.deepEqual(reaperOf(launched).said, ["done\n"]);
});

Deno.test("the reaper of a bottle that stays is dismissed when its agent is run", async () => {
  const launched = launcher({ lifetime: "detached" });
  const bottle = await launched.launch();
  assert.deepEqual(reaperOf(launched).said, []);
  launched.engine.processes.on(/ headless /, () => {
    assert.deepEqual(reaperOf(launched).said, ["done\n"]);
    return {};
  });
  await bottle.attach();
});

Deno.test("a session's bottle ends with the stdin that is held for it, a detached one with nothing of ours", async () => {
  const started = async (lifetime: BottleSpec["lifetime"]): Promise<readonly string[]> => {
    const launched = launcher({ lifetime });
    await launched.launch();
    return launched.host.processes.held.map(({ line }) => line).filter((line) => line.startsWith("docker "));
  };
  const [held, ...more] = await started("session");
  assert.match(held ?? "", /^docker container start --attach --interactive a{60}\d+$/);
  assert.deepEqual(more, []);
  assert.deepEqual(await started("detached"), []);
});

Deno.test("no launch begins without its reaper", async () => {
  const launched = launcher();
  const silent = { firstLine: Promise.resolve(undefined), kill: (): void => {} };
  const { processes } = launched.host;
  const hold = processes.hold.bind(processes);
  processes.hold = (call) => ({ ...hold(call), ...silent });
  await assert.rejects(launched.launch(), { code: "reaper-failed", exit: 125 });
  assert.deepEqual(processes.lines, []);
});
