import assert from "node:assert/strict";
import { DockerBottleBackend } from "../../../lib/backend/docker/backend.ts";
import { composePlan, type PlanInputs } from "../../../lib/backend/docker/plan.ts";
import type { Bottle } from "../../../lib/bottle/backend.ts";
import { Secret } from "../../../lib/bottle/env.ts";
import type { BottleEvent } from "../../../lib/bottle/events.ts";
import { Failure } from "../../../lib/errors.ts";
import { printedArguments } from "../../../lib/bottle/invocation.ts";
import { countingBytes, type FakeHost, fakeHost } from "../../support/fake_host.ts";
import { testInputs } from "../../support/plan_inputs.ts";
import { MemoryEngine } from "./memory_engine.ts";

const BROKEN = { code: 1, stderr: "Error response from daemon: something broke\n" };

interface Launched {
  readonly host: FakeHost;
  readonly engine: MemoryEngine;
  readonly notices: readonly string[];
  launch(changes?: Partial<PlanInputs>): Promise<Bottle>;
}

function launcher(): Launched {
  const engine = new MemoryEngine();
  const host = fakeHost({ processes: engine.processes, random: countingBytes(100) });
  const events: BottleEvent[] = [];
  const onEvent = (event: BottleEvent): void => {
    events.push(event);
  };
  const backend = new DockerBottleBackend({ host, context: undefined, onEvent });
  return {
    host,
    engine,
    get notices(): readonly string[] {
      return events.flatMap((event) => event.kind === "notice" ? [event.text] : []);
    },
    launch: (changes = {}) =>
      backend.launch(composePlan(testInputs(changes)), {
        signal: host.interrupts.signal,
        onEvent,
        env: new Map([["A", new Secret("env-value-71")]]),
      }),
  };
}

Deno.test("launch() executes the printed plan, with ids in the place of names", async () => {
  const launched = launcher();
  const inputs = testInputs();
  const bottle = await launched.launch();
  assert.equal(bottle.name, "claude-bottle-code-reviewer");
  const names = new Map([
    ...[...launched.engine.objects.values()].map(({ id, name }) => [id, name] as const),
    ["sha256:a11", inputs.images.agent.name] as const,
    ["sha256:b22", inputs.images.sidecar.name] as const,
  ]);
  const executed = launched.host.processes.calls.map(({ args }) =>
    args.map((word) => word.replace(/^[^:]*$|^[^:]*(?=:\/)|^sha256:.*$/, (id) => names.get(id) ?? id)).join(
      " ",
    )
  );
  const printed = composePlan(inputs).steps.map(({ invocation }) => printedArguments(invocation).join(" "));
  assert.deepEqual([...executed].sort(), [...printed].sort());
  assert.deepEqual(launched.notices, []);
});

Deno.test("launch() hands no value of the environment to any process", async () => {
  const launched = launcher();
  await launched.launch();
  const { calls } = launched.host.processes;
  assert.ok(calls.length > 8);
  for (const { line, env, input } of calls) {
    const seen = `${line} ${JSON.stringify(env)} ${new TextDecoder().decode(input)}`;
    assert.equal(seen.includes("env-value-71"), false, line);
    assert.equal(seen.includes("literal-value-93"), false, line);
  }
});

for (
  const step of [
    /network create .*role=internal/,
    /network create .*role=egress/,
    /container create .*role=agent/,
    /container create .*role=sidecar/,
    /container cp - \S*:\/$/,
    /container cp - \S*:\/config$/,
    /network connect /,
    /container start .*a{60}\d+$/,
    /container start c{60}\d+$/,
    /^docker inspect /,
  ]
) {
  Deno.test(`launch() leaves nothing and throws the original failure when ${step.source} fails`, async () => {
    const launched = launcher();
    launched.engine.processes.on(step, BROKEN);
    await assert.rejects(launched.launch(), { code: "engine-failed", message: /: something broke$/ });
    assert.equal(launched.engine.objects.size, 0);
    assert.deepEqual(launched.notices, []);
  });
}

for (const step of [/container create .*role=agent/, /container start .*a{60}\d+$/]) {
  Deno.test(`launch() says in the seed's words that the agent container failed at ${step.source}`, async () => {
    const launched = launcher();
    launched.engine.processes.on(step, BROKEN);
    await assert.rejects(launched.launch(), {
      code: "engine-failed",
      message: "docker run failed for container 'claude-bottle-code-reviewer': something broke",
    });
  });
}

Deno.test("launch() shows the last words of a sidecar that ended at once, read before it is removed", async () => {
  const launched = launcher();
  launched.engine.processes
    .on(/container start c{60}\d+$/, {})
    .on(/^docker container logs /, (call) => {
      assert.ok(launched.engine.objects.has(call.args.at(-1) ?? ""));
      return { stdout: "starting\n", stderr: "FATAL: \x1b[31mbad configuration\n" };
    });
  await assert.rejects(launched.launch(), (error: unknown) => {
    assert.ok(error instanceof Failure);
    assert.equal(error.code, "sidecar-failed");
    assert.equal(error.exit, 125);
    assert.deepEqual(error.problems, [{ message: "starting" }, { message: "FATAL: ·[31mbad configuration" }]);
    return true;
  });
  assert.equal(launched.engine.objects.size, 0);
});

Deno.test("launch() leaves nothing when the engine did not do all that was asked", async () => {
  const launched = launcher();
  launched.engine.processes.once(/network connect /, {});
  await assert.rejects(launched.launch(), { code: "protection-missing" });
  assert.equal(launched.engine.objects.size, 0);
});

Deno.test("launch() leaves nothing when it is interrupted", async () => {
  const launched = launcher();
  launched.engine.processes.once(/container cp - \S*:\/config$/, () => {
    launched.host.interrupts.raise("SIGHUP");
    return {};
  });
  await assert.rejects(launched.launch(), { name: "Interrupted", by: "SIGHUP" });
  assert.equal(launched.engine.objects.size, 0);
});

Deno.test("launch() looks by label until the engine lists nothing twice: a late create is removed too", async () => {
  const launched = launcher();
  launched.engine.processes.on(/container start .*a{60}\d+$/, BROKEN);
  launched.engine.processes.once(/^docker network ls/, { stdout: "" });
  await assert.rejects(launched.launch(), { message: /: something broke$/ });
  assert.equal(launched.engine.objects.size, 0);
  assert.deepEqual([...new Set(launched.host.slept)], [250]);
  for (const line of launched.host.processes.lines.filter((text) => / ls /.test(text))) {
    assert.match(line, /--filter label=claude-bottle\.run=abcdefghijklm /);
  }
});

Deno.test("launch() names the command that finishes the removal when the engine will not", async () => {
  const launched = launcher();
  launched.engine.processes
    .on(/container start .*a{60}\d+$/, BROKEN)
    .on(/^docker container rm /, { code: 1, stderr: "Error response from daemon: device is busy\n" });
  await assert.rejects(launched.launch(), { message: /: something broke$/ });
  assert.deepEqual(launched.notices, [
    "The bottle could not be removed: device is busy; " +
    "`docker rm -fv $(docker ps -aq --filter label=claude-bottle.run=abcdefghijklm); " +
    "docker network rm $(docker network ls -q --filter label=claude-bottle.run=abcdefghijklm); " +
    "docker volume rm $(docker volume ls -q --filter label=claude-bottle.run=abcdefghijklm)` finishes it",
  ]);
});

Deno.test("disposing a bottle removes it by its full ids, once", async () => {
  const launched = launcher();
  const bottle = await launched.launch();
  const id = (role: string): string => launched.engine.made(role).id;
  const expected = [
    `docker container rm --force --volumes ${id("agent")} ${id("sidecar")}`,
    `docker network rm ${id("internal")} ${id("egress")}`,
  ];
  const before = launched.host.processes.lines.length;
  await Promise.all([bottle[Symbol.asyncDispose](), bottle[Symbol.asyncDispose]()]);
  assert.deepEqual(launched.host.processes.lines.slice(before), expected);
  assert.equal(launched.engine.objects.size, 0);
});

Deno.test("disposing a bottle falls back to the labels, removes the rest and never throws", async () => {
  const launched = launcher();
  const bottle = await launched.launch();
  launched.engine.processes.once(/^docker container rm /, BROKEN);
  await bottle[Symbol.asyncDispose]();
  assert.equal(launched.engine.objects.size, 0);
  assert.deepEqual(launched.notices, []);
});

Deno.test("disposing a bottle that cannot be removed tells the command and does not throw", async () => {
  const launched = launcher();
  const bottle = await launched.launch();
  launched.engine.processes.on(/^docker (container|network) (rm|ls) /, {
    code: 1,
    stderr: "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?\n",
  });
  await bottle[Symbol.asyncDispose]();
  assert.equal(launched.notices.length, 1);
  assert.match(
    launched.notices[0] ?? "",
    /^The bottle could not be removed: The engine does not answer: .*; `docker rm -fv .*` finishes it$/,
  );
});
