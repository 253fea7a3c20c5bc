import assert from "node:assert/strict";
import { DockerBottleBackend } from "../../../lib/backend/docker/backend.ts";
import { composePlan } from "../../../lib/backend/docker/plan.ts";
import type { Bottle } from "../../../lib/bottle/backend.ts";
import { Secret } from "../../../lib/bottle/env.ts";
import type { BottleSpec } from "../../../lib/bottle/spec.ts";
import type { BottleEvent } from "../../../lib/bottle/events.ts";
import { Failure } from "../../../lib/errors.ts";
import { type FakeHost, fakeHost } from "../../support/fake_host.ts";
import { testInputs, testSpec } from "../../support/plan_inputs.ts";
import { timedOut } from "../../support/scripted_processes.ts";
import { accountOf, BEGAN, MemoryEngine } from "./memory_engine.ts";

interface Running {
  readonly bottle: Bottle;
  readonly host: FakeHost;
  readonly engine: MemoryEngine;
  /** Lines since the launch, but for the one that follows the sidecar's log. */
  lines(): readonly string[];
  /** Notices since the launch. */
  readonly notices: readonly string[];
}

async function running(changes: Partial<BottleSpec> = {}): Promise<Running> {
  const engine = new MemoryEngine();
  const env = { PATH: "/usr/bin", CLAUDE_BOTTLE_OAUTH_TOKEN: "token-53", TERM: "xterm-256color" };
  const host = fakeHost({ processes: engine.processes, env });
  const notices: string[] = [];
  const onEvent = (event: BottleEvent): void => {
    if (event.kind === "notice") notices.push(event.text);
  };
  const plan = composePlan(testInputs({ spec: testSpec(changes) }));
  const bottle = await new DockerBottleBackend({ host, context: undefined, onEvent }).launch(plan, {
    signal: host.interrupts.signal,
    onEvent,
    env: new Map([["GITHUB_TOKEN", new Secret("line 1\nline 2")]]),
  });
  const before = host.processes.lines.length;
  return {
    bottle,
    host,
    engine,
    notices,
    lines: () => host.processes.lines.slice(before).filter((line) => !line.includes(" logs --follow ")),
  };
}

/** Lets the client end with `code`, and the engine tell of its containers what a test says. */
function ends(
  { engine }: Running,
  code: number,
  told: { readonly agent?: unknown; readonly sidecar?: unknown; readonly began?: boolean } = {},
): void {
  engine.began = told.began ?? true;
  engine.processes.on(/^docker container exec .* (headless|attached|put) /, { code }).on(
    /^docker container inspect /,
    () => ({
      stdout: JSON.stringify((["agent", "sidecar"] as const).map((role) => {
        const account = accountOf(engine.made(role));
        return told[role] === undefined ? account : { ...account, State: told[role] };
      })),
    }),
  );
}

Deno.test("attach() gives a headless agent its environment over stdin, and nothing of it in the argv", async () => {
  const now = await running({ forwardOauthToken: true });
  ends(now, 0);
  assert.deepEqual(await now.bottle.attach(), { code: 0 });
  const [call, ...more] = now.host.processes.calls.filter(({ line }) => / container exec /.test(line));
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
    "nopqrstuvwxyz",
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
  const [put, agent, ...more] = now.host.processes.calls.filter(({ line }) => / container exec /.test(line));
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
  for (const code of [1, 2, 125, 126, 127, 130, 137]) {
    const now = await running();
    ends(now, code);
    assert.deepEqual(await now.bottle.attach(), { code });
    const agent = now.engine.made("agent").id;
    assert.deepEqual(now.lines().slice(1), [
      `docker container inspect ${agent} ${now.engine.made("sidecar").id}`,
      `docker container exec --user 47291:47291 ${agent} test -h /run/env/nopqrstuvwxyz.began`,
    ]);
    assert.deepEqual(now.notices, []);
  }
});

const DEAD = { Running: false, ExitCode: 1 };

Deno.test("attach() shows the log's end of a sidecar that died before the agent could run", async () => {
  for (const code of [1, 125, 127]) {
    const now = await running();
    ends(now, code, { sidecar: DEAD, began: false });
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
    assert.deepEqual(now.notices, []);
  }
});

Deno.test("attach() takes a sidecar that is gone for one that died", async () => {
  const now = await running();
  now.engine.began = false;
  now.engine.processes.on(/^docker container exec .* headless /, { code: 125 });
  now.engine.objects.delete(now.engine.made("sidecar").id);
  now.engine.processes.on(/^docker container logs /, { code: 1, stderr: "Error: No such container: x\n" });
  await assert.rejects(now.bottle.attach(), { code: "sidecar-failed", exit: 125, problems: [] });
});

Deno.test("attach() keeps the agent's own code when the sidecar died while it ran, and says so", async () => {
  for (const code of [3, 125]) {
    const now = await running();
    ends(now, code, { sidecar: DEAD });
    assert.deepEqual(await now.bottle.attach(), { code });
    assert.deepEqual(now.notices, ["The sidecar (squid) ended while the agent ran"]);
    assert.equal(now.lines().length, 3, "its log is not read for that");
  }
});

Deno.test("attach() leaves the wrapper's own refusal as it is", async () => {
  const now = await running();
  ends(now, 125, { began: false });
  assert.deepEqual(await now.bottle.attach(), { code: 125 });
  assert.deepEqual(now.notices, []);
});

Deno.test("attach() does not take the client's code of a command that never ran for the agent's", async () => {
  for (const code of [1, 2, 126, 127, 130, 255]) {
    const now = await running();
    ends(now, code, { began: false });
    await assert.rejects(now.bottle.attach(), {
      code: "agent-not-started",
      message: "The engine could not start the agent's command in the bottle",
      hints: ["The agent image needs perl in /usr/bin; the engine's own words are above"],
      exit: 125,
    });
  }
});

Deno.test("attach() takes a bottle in which nothing can be run for one whose agent never ran", async () => {
  for (const code of [126, 127]) {
    const now = await running();
    ends(now, 127);
    now.engine.processes.on(BEGAN, { code, stderr: "OCI runtime exec failed: exec failed: …\n" });
    await assert.rejects(now.bottle.attach(), { code: "agent-not-started", exit: 125 });
  }
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
  const expected = {
    code: "bottle-ended",
    exit: 1,
    message,
    hints: ["Perhaps `claude-bottle stop` or `cleanup` in another window; `docker events` may tell"],
  };
  await assert.rejects(stopped.bottle.attach(), expected);
  // Its first process found nothing to run, a moment after the engine was asked.
  const sleepless = await running();
  ends(sleepless, 1, { agent: { Running: false, ExitCode: 127 } });
  await assert.rejects(sleepless.bottle.attach(), { code: "agent-ended", exit: 125 });
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

Deno.test("attach() keeps the agent's code, with a notice, when the engine cannot be asked", async () => {
  const rows = [
    {
      answer: { code: 1, stderr: "Error response from daemon: something broke\n" },
      notice: /^The engine failed at asking .*: something broke$/,
    },
    {
      answer: timedOut("docker container x", 60),
      notice: /^The engine gave no answer at asking .*: the call did not end within 60 s$/,
    },
  ];
  for (const question of [/^docker container inspect /, BEGAN]) {
    for (const code of [1, 125, 137]) {
      for (const { answer, notice } of rows) {
        const now = await running();
        ends(now, code);
        now.engine.processes.on(question, answer);
        assert.deepEqual(await now.bottle.attach(), { code });
        assert.equal(now.notices.length, 1);
        assert.match(now.notices[0] ?? "", notice);
      }
    }
  }
});

Deno.test("attach() says that the engine went away, and keeps the code, when there is none to be asked", async () => {
  const account = 'error during connect: Get "http://box:2375/x": dial tcp: connection refused';
  for (const question of [/^docker container inspect /, BEGAN]) {
    for (const code of [1, 137, 255]) {
      const now = await running();
      ends(now, code);
      now.engine.processes.on(question, { code: 1, stderr: `${account}\n` });
      await assert.rejects(now.bottle.attach(), {
        code: "engine-gone",
        message: `The engine went away while the agent ran: ${account}`,
        exit: code,
      });
    }
  }
});

Deno.test("attach() keeps the agent's code, with a notice, when the engine's account cannot be read", async () => {
  for (const stdout of ["", "[{", "{}"]) {
    const now = await running();
    ends(now, 7);
    now.engine.processes.on(/^docker container inspect /, { stdout });
    assert.deepEqual(await now.bottle.attach(), { code: 7 });
    assert.deepEqual(now.notices, ["The engine's answer could not be read at asking how the bottle is"]);
  }
});

Deno.test("attach() rejects with the interruption, whatever code the client ended with", async () => {
  const now = await running();
  ends(now, 0);
  now.engine.processes.on(/^docker container exec /, (call) => {
    now.host.interrupts.raise("SIGTERM");
    assert.equal(call.signal?.aborted, true);
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
  const event = { time: 1, verdict: "refused", port: 443, reason: "not an allowed host", bytes: undefined };
  assert.deepEqual(await now.bottle.egressEvents(), [
    { ...event, host: "evil.example" },
    { ...event, host: "other.example" },
  ]);
  now.engine.processes.on(/^docker container logs /, { code: 1, stderr: "Error: No such container: x\n" });
  assert.deepEqual(await now.bottle.egressEvents(), []);
});

Deno.test("ready() runs /bin/true headless without any secret, and shows nothing of it", async () => {
  const now = await running({
    lifetime: "detached",
    startsAgent: false,
    forwardOauthToken: true,
    mode: "attached",
  });
  ends(now, 0);
  await now.bottle.ready();
  const [call, ...more] = now.host.processes.calls.filter(({ line }) => / container exec /.test(line));
  assert.deepEqual(more, []);
  assert.equal(call?.kind, "run");
  assert.ok(call.line.endsWith(" headless nopqrstuvwxyz 10.213.0.2 8888 /home/node /bin/true"), call.line);
  const input = new TextDecoder().decode(call.input);
  assert.ok(!input.includes("token-53"));
  assert.equal(now.bottle.agentRan, false);
});

Deno.test("ready() fails with a dead sidecar's last words, or the wrapper's own", async () => {
  const dead = await running({ lifetime: "detached", startsAgent: false });
  ends(dead, 125, { sidecar: DEAD, began: false });
  dead.engine.processes.on(/^docker container logs /, { stdout: "FATAL\n" });
  await assert.rejects(dead.bottle.ready(), {
    code: "sidecar-failed",
    exit: 125,
    problems: [{ message: "FATAL" }],
  });
  const silent = await running({ lifetime: "detached", startsAgent: false });
  ends(silent, 125, { began: false });
  silent.engine.processes.on(/ headless /, {
    code: 125,
    stderr: "claude-bottle: the sidecar did not answer at 10.213.0.2:8888 within 10 s\n",
  });
  await assert.rejects(silent.bottle.ready(), {
    code: "agent-not-started",
    message: "the sidecar did not answer at 10.213.0.2:8888 within 10 s",
    exit: 125,
  });
});

Deno.test("capture() keeps code and output of a command, given the literals alone and an env of its own name", async () => {
  const now = await running({ forwardOauthToken: true });
  ends(now, 0);
  now.engine.processes.on(/ headless /, { code: 4, stdout: "out\n", stderr: "err\n" });
  assert.deepEqual(await now.bottle.capture(["curl", "https://a b/"]), {
    code: 4,
    stdout: "out\n",
    stderr: "err\n",
  });
  const call = now.host.processes.calls.find(({ line }) => / headless /.test(line));
  assert.deepEqual(call?.args.slice(-3), ["/home/node", "curl", "https://a b/"]);
  assert.ok(!call?.line.includes("nopqrstuvwxyz"));
  const input = new TextDecoder().decode(call?.input);
  assert.ok(input.includes("GIT_AUTHOR_NAME=literal-value-93"), input);
  for (const secret of ["token-53", "GITHUB_TOKEN", "line 1"]) assert.ok(!input.includes(secret), secret);
});

Deno.test("attach() says whether the agent ran, and ends an interrupted one only where the bottle lives on", async () => {
  for (const [began, agentRan] of [[true, true], [false, false]] as const) {
    const now = await running();
    ends(now, 125, { began });
    await now.bottle.attach();
    assert.equal(now.bottle.agentRan, agentRan);
  }
  for (const lifetime of ["session", "detached"] as const) {
    for (const code of [0, 3]) {
      const now = await running({ lifetime });
      now.engine.processes.on(/ end nopqrstuvwxyz$/, { code }).on(/ headless /, () => {
        now.host.interrupts.raise("SIGTERM");
        return {};
      });
      await assert.rejects(now.bottle.attach(), { name: "Interrupted" });
      assert.equal(now.bottle.agentRan, lifetime === "detached" && code === 0);
      assert.equal(now.lines().some((line) => line.includes(" end ")), lifetime === "detached");
    }
  }
});
