import assert from "node:assert/strict";
import { DockerBottleBackend } from "../../../lib/backend/docker/backend.ts";
import { composePlan } from "../../../lib/backend/docker/plan.ts";
import type { Bottle } from "../../../lib/bottle/backend.ts";
import { Secret } from "../../../lib/bottle/env.ts";
import type { BottleSpec } from "../../../lib/bottle/spec.ts";
import { Failure } from "../../../lib/errors.ts";
import { type FakeHost, fakeHost } from "../../support/fake_host.ts";
import { testInputs, testSpec } from "../../support/plan_inputs.ts";
import { accountOf, MemoryEngine } from "./memory_engine.ts";

interface Running {
  readonly bottle: Bottle;
  readonly host: FakeHost;
  readonly engine: MemoryEngine;
  /** Lines since the launch. */
  lines(): readonly string[];
}

async function running(changes: Partial<BottleSpec> = {}): Promise<Running> {
  const engine = new MemoryEngine();
  const env = { PATH: "/usr/bin", CLAUDE_BOTTLE_OAUTH_TOKEN: "token-53", TERM: "xterm-256color" };
  const host = fakeHost({ processes: engine.processes, env });
  const onEvent = (): void => {};
  const plan = composePlan(testInputs({ spec: testSpec(changes) }));
  const bottle = await new DockerBottleBackend({ host, context: undefined, onEvent }).launch(plan, {
    signal: host.interrupts.signal,
    onEvent,
    env: new Map([["GITHUB_TOKEN", new Secret("line 1\nline 2")]]),
  });
  const before = host.processes.lines.length;
  return { bottle, host, engine, lines: () => host.processes.lines.slice(before) };
}

/** Lets the agent end with `code`, and the engine tell of its containers what a test says. */
function ends(
  { engine }: Running,
  code: number,
  told: { readonly agent?: unknown; readonly sidecar?: unknown } = {},
): void {
  engine.processes.on(/^docker container exec /, { code }).on(/^docker container inspect /, () => ({
    stdout: JSON.stringify((["agent", "sidecar"] as const).map((role) => {
      const account = accountOf(engine.made(role));
      return told[role] === undefined ? account : { ...account, State: told[role] };
    })),
  }));
}

Deno.test("attach() gives a headless agent its environment over stdin, and nothing of it in the argv", async () => {
  const now = await running({ forwardOauthToken: true });
  ends(now, 0);
  assert.deepEqual(await now.bottle.attach(), { code: 0 });
  const [call, ...more] = now.host.processes.calls.filter(({ line }) => / exec /.test(line));
  assert.deepEqual(more, []);
  assert.equal(call?.kind, "attach");
  assert.deepEqual(call.args, [
    "container",
    "exec",
    "--interactive",
    "--user",
    "47291:47291",
    now.engine.made("agent").id,
    "/usr/bin/perl",
    "/usr/local/bin/claude-bottle-exec",
    "headless",
    "10.213.0.2",
    "8888",
    "/home/node",
    "claude",
    "--dangerously-skip-permissions",
    "--print",
    "say it's fine",
  ]);
  const input = new TextDecoder().decode(call.input);
  assert.ok(input.startsWith("15:HOME=/home/node,"));
  assert.ok(input.endsWith(",32:CLAUDE_CODE_OAUTH_TOKEN=token-53,26:GITHUB_TOKEN=line 1\nline 2,0:,"));
  // TERM is the terminal's, and there is none.
  assert.equal(input.includes("TERM="), false);
});

Deno.test("attach() puts the environment first and then hands over the terminal, restored afterwards", async () => {
  const now = await running({ mode: "attached", command: ["claude"] });
  ends(now, 0);
  now.engine.processes.on(/ put /, (call) => {
    assert.equal(now.host.terminal.saves, 0);
    assert.ok(new TextDecoder().decode(call.input).includes(",19:TERM=xterm-256color,"));
    return {};
  });
  await now.bottle.attach();
  const [put, agent, ...more] = now.host.processes.calls.filter(({ line }) => / exec /.test(line));
  assert.deepEqual(more, []);
  assert.equal(put?.kind, "run");
  assert.deepEqual(put.args.slice(-2), ["put", "nopqrstuvwxyz"]);
  assert.equal(agent?.kind, "attach");
  assert.equal(agent.input, undefined);
  assert.ok(agent.line.includes(" --interactive --tty --detach-keys ctrl-@,ctrl-^,ctrl-@ "));
  assert.ok(agent.line.endsWith(" attached nopqrstuvwxyz 10.213.0.2 8888 /home/node claude"));
  assert.deepEqual([now.host.terminal.saves, now.host.terminal.restores], [1, 1]);
});

Deno.test("attach() does not start an agent whose environment could not be put", async () => {
  const now = await running({ mode: "attached", command: ["claude"] });
  ends(now, 0);
  now.engine.processes.on(/ put /, {
    code: 125,
    stderr: "claude-bottle: cannot keep the environment: full\n",
  });
  await assert.rejects(now.bottle.attach(), {
    code: "engine-failed",
    message:
      "The engine failed at its environment, into the tmpfs /run/env: claude-bottle: cannot keep the environment: full",
    exit: 125,
  });
  assert.equal(now.lines().length, 1);
});

Deno.test("attach() asks nothing after code 0, and passes the agent's own code on after asking", async () => {
  const zero = await running();
  ends(zero, 0);
  await zero.bottle.attach();
  assert.equal(zero.lines().length, 1);
  for (const code of [1, 2, 125, 130, 137]) {
    const now = await running();
    ends(now, code);
    assert.deepEqual(await now.bottle.attach(), { code });
    assert.equal(
      now.lines()[1],
      `docker container inspect ${now.engine.made("agent").id} ${now.engine.made("sidecar").id}`,
    );
    assert.equal(now.lines().length, 2);
  }
});

Deno.test("attach() shows the log's end of a sidecar that died before the agent could run", async () => {
  const now = await running();
  ends(now, 125, { sidecar: { Running: false, ExitCode: 1 } });
  now.engine.processes.on(/^docker container logs /, {
    stdout: "starting\n",
    stderr: "FATAL: \x1b]0;evil\x07 bad configuration\n",
  });
  await assert.rejects(now.bottle.attach(), (error: unknown) => {
    assert.ok(error instanceof Failure);
    assert.equal(error.code, "sidecar-failed");
    assert.equal(error.message, "The sidecar (squid) did not stay up; the end of its log:");
    assert.equal(error.exit, 125);
    assert.deepEqual(error.problems, [
      { message: "starting" },
      { message: "FATAL: ·]0;evil· bad configuration" },
    ]);
    return true;
  });
  assert.equal(now.lines().at(-1), `docker container logs --tail 10 ${now.engine.made("sidecar").id}`);
});

Deno.test("attach() leaves the agent's own code alone when only the sidecar died meanwhile", async () => {
  const now = await running();
  ends(now, 3, { sidecar: { Running: false, ExitCode: 1 } });
  assert.deepEqual(await now.bottle.attach(), { code: 3 });
});

Deno.test("attach() tells a bottle that ran out of memory from one that was stopped or removed", async () => {
  const message = "The bottle was stopped or removed while the agent ran";
  const oom = await running();
  ends(oom, 137, { agent: { Running: false, OOMKilled: true } });
  await assert.rejects(oom.bottle.attach(), {
    code: "bottle-ended",
    exit: 137,
    message,
    hints: ["It ran out of memory: raise resources.memory in the manifest"],
  });
  const stopped = await running();
  ends(stopped, 1, { agent: { Running: false, OOMKilled: false } });
  const expected = { code: "bottle-ended", exit: 1, message, hints: ["`docker events` may tell who did it"] };
  await assert.rejects(stopped.bottle.attach(), expected);
  const removed = await running();
  removed.engine.processes.on(/^docker container exec /, { code: 1 });
  removed.engine.objects.delete(removed.engine.made("agent").id);
  await assert.rejects(removed.bottle.attach(), expected);
});

Deno.test("attach() gives the engine a moment to notice a death only after SIGKILL", async () => {
  for (const [code, slept] of [[1, []], [137, [300]]] as const) {
    const now = await running();
    ends(now, code);
    await now.bottle.attach();
    assert.deepEqual(now.host.slept, slept);
  }
});

Deno.test("attach() does not take an engine that is gone for a removed bottle", async () => {
  const now = await running();
  ends(now, 1);
  now.engine.processes.on(/^docker container inspect /, {
    code: 1,
    stderr:
      'error during connect: Get "http://box:2375/x": dial tcp: lookup box on 10.0.0.53:53: no such host\n',
  });
  await assert.rejects(now.bottle.attach(), { code: "engine-unreachable", exit: 125 });
});

Deno.test("attach() rejects with the interruption, whatever code the client ended with", async () => {
  const now = await running();
  ends(now, 0);
  now.engine.processes.on(/^docker container exec /, (call) => {
    assert.equal(call.signal, now.host.interrupts.signal);
    now.host.interrupts.raise("SIGTERM");
    return { code: 0 };
  });
  await assert.rejects(now.bottle.attach(), { name: "Interrupted", by: "SIGTERM" });
});

Deno.test("egressEvents() reads the sidecar's log, and gives nothing when there is none", async () => {
  const now = await running();
  now.engine.processes.on(/^docker container logs /, {
    stdout: "started\nrefused evil.example\n",
    stderr: "refused other.example\nnoise\n",
  });
  const event = { time: 1, verdict: "refused", port: 443, reason: "not an allowed host" };
  assert.deepEqual(await now.bottle.egressEvents(), [
    { ...event, host: "evil.example" },
    { ...event, host: "other.example" },
  ]);
  now.engine.processes.on(/^docker container logs /, { code: 1, stderr: "Error: No such container: x\n" });
  assert.deepEqual(await now.bottle.egressEvents(), []);
});
