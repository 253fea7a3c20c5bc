import assert from "node:assert/strict";
import type { ActiveBottle } from "../../../lib/bottle/active.ts";
import type { BottleCommand, OpenBottle } from "../../../lib/bottle/backend.ts";
import { Secret } from "../../../lib/bottle/env.ts";
import { DockerBottleBackend } from "../../../lib/backend/docker/backend.ts";
import { composePlan } from "../../../lib/backend/docker/plan.ts";
import { type FakeHost, fakeHost } from "../../support/fake_host.ts";
import { frameEntries } from "../../support/normalise.ts";
import { testInputs, testSpec } from "../../support/plan_inputs.ts";
import { MemoryEngine } from "./memory_engine.ts";

interface Left {
  readonly host: FakeHost;
  readonly engine: MemoryEngine;
  readonly bottle: ActiveBottle;
  readonly notices: string[];
  /** Lines since the launch. */
  lines(): readonly string[];
  open(): Promise<OpenBottle>;
}

/** A bottle that some launch left. */
async function left(): Promise<Left> {
  const engine = new MemoryEngine();
  const env = { PATH: "/usr/bin", CLAUDE_BOTTLE_OAUTH_TOKEN: "token-53", TERM: "xterm-256color" };
  const host = fakeHost({ processes: engine.processes, env });
  const notices: string[] = [];
  const backend = new DockerBottleBackend({ host, context: undefined, onEvent: () => {} });
  const { signal } = host.interrupts;
  const plan = composePlan(testInputs({ spec: testSpec({ lifetime: "detached", startsAgent: false }) }));
  await backend.launch(plan, { signal, env: new Map(), onEvent: () => {} });
  const before = host.processes.lines.length;
  const bottle: ActiveBottle = {
    name: plan.containerName,
    id: engine.made("agent").id,
    sidecar: engine.made("sidecar").id,
    run: plan.runId,
    agent: "Code Reviewer",
    bottle: "dev",
    manifestFiles: [],
    status: "running",
    since: undefined,
    runtime: "runc",
    proxy: "squid",
    owner: "detached",
  };
  return {
    host,
    engine,
    bottle,
    notices,
    lines: () => host.processes.lines.slice(before),
    open: () =>
      backend.open(bottle, {
        disk: undefined,
        policy: testSpec().policy,
        signal,
        onEvent: (event) => {
          if (event.kind === "notice") notices.push(event.text);
        },
      }),
  };
}

function command(changes: Partial<BottleCommand> = {}): BottleCommand {
  return {
    command: ["do", "it now"],
    mode: "piped",
    env: new Map([["GH", new Secret("secret-value")]]),
    forwardOauthToken: false,
    ...changes,
  };
}

Deno.test("open() asks the engine once, and tells home and start directory", async () => {
  const now = await left();
  const { name, home, workdir } = await now.open();
  assert.deepEqual({ name, home, workdir }, {
    name: "claude-bottle-code-reviewer",
    home: "/home/node",
    workdir: "/home/node",
  });
  assert.deepEqual(now.lines(), [`docker container inspect ${now.bottle.id} ${now.bottle.sidecar}`]);
});

Deno.test("run() of a piped command puts the env first and leaves stdin to the command, by full ids and without a value in an argv", async () => {
  const now = await left();
  const opened = await now.open();
  now.engine.processes.on(/^docker container exec .* (put|attached) /, {});
  assert.deepEqual(await opened.run(command({ forwardOauthToken: true })), { code: 0 });
  const [put, attached, ...more] = now.host.processes.calls.filter(({ line }) => / exec /.test(line));
  assert.deepEqual(more, []);
  const token = put?.args.at(-1) ?? "";
  assert.match(token, /^[a-z2-7]{13}$/);
  const start = [
    "container",
    "exec",
    "--interactive",
    "--user",
    "47291:47291",
    now.bottle.id,
    "/usr/bin/perl",
  ];
  const wrapper = "/usr/local/bin/claude-bottle-exec";
  assert.deepEqual(put?.args, [...start, wrapper, "put", token]);
  assert.equal(put?.kind, "run");
  const place = ["attached", token, "10.213.0.2", "8888", "/home/node"];
  assert.deepEqual(attached?.args, [...start, wrapper, ...place, "do", "it now"]);
  assert.equal(attached?.kind, "attach");
  assert.equal(attached?.input, undefined);
  const entries = frameEntries(put?.input ?? new Uint8Array());
  assert.equal(entries.get("GH"), "secret-value");
  assert.equal(entries.get("CLAUDE_CODE_OAUTH_TOKEN"), "token-53");
  assert.equal(entries.get("HOME"), "/home/node");
  assert.equal(entries.get("TERM"), undefined);
  assert.ok(!now.lines().join().includes("secret-value"));
  assert.ok(!now.lines().join().includes("token-53"));
});

Deno.test("run() of an attached command has a terminal, and a new name for each env", async () => {
  const now = await left();
  const opened = await now.open();
  now.engine.processes.on(/^docker container exec .* (put|attached) /, {});
  await opened.run(command({ mode: "attached" }));
  await opened.run(command({ mode: "attached" }));
  const calls = now.host.processes.calls.filter(({ line }) => / exec /.test(line));
  const [first, attached, second] = calls;
  assert.ok(attached?.line.includes(" --interactive --tty --detach-keys ctrl-@,ctrl-^,ctrl-@ "));
  assert.equal(frameEntries(first?.input ?? new Uint8Array()).get("TERM"), "xterm-256color");
  assert.ok(!attached?.line.includes("token-53"));
  assert.notEqual(first?.args.at(-1), second?.args.at(-1));
  assert.deepEqual([now.host.terminal.saves, now.host.terminal.restores], [2, 2]);
});

Deno.test("run() passes a command's own code on, and explains a bottle that failed under it", async () => {
  const now = await left();
  const opened = await now.open();
  now.engine.processes.on(/^docker container exec .* put /, {}).on(/^docker container exec .* attached /, {
    code: 9,
  });
  assert.deepEqual(await opened.run(command()), { code: 9 });
  now.engine.made("sidecar").running = false;
  now.engine.began = false;
  now.engine.processes.on(/^docker container logs /, { stdout: "FATAL\n" }).on(/ end /, {});
  await assert.rejects(opened.run(command()), { code: "sidecar-failed", exit: 125 });
});

Deno.test("run() ends a command that is interrupted", async () => {
  const now = await left();
  const opened = await now.open();
  now.engine.processes.on(/^docker container exec .* put /, {}).on(
    /^docker container exec .* attached /,
    () => {
      now.host.interrupts.raise("SIGINT");
      return { code: 0 };
    },
  ).on(/^docker container exec .* end /, {});
  await assert.rejects(opened.run(command()), { name: "Interrupted", by: "SIGINT" });
  const put = now.lines().find((line) => line.includes(" put "));
  const token = put?.split(" ").at(-1);
  assert.equal(
    now.lines().at(-1),
    `docker container exec --user 47291:47291 ${now.bottle.id} /usr/bin/perl /usr/local/bin/claude-bottle-exec end ${token}`,
  );
});

Deno.test("open() tells a dead sidecar with its log, a gone one, and a bottle that does not run", async () => {
  const dead = await left();
  dead.engine.made("sidecar").running = false;
  dead.engine.processes.on(/^docker container logs --tail 10 /, { stdout: "FATAL: \u001b[2J\n" });
  await assert.rejects(dead.open(), {
    code: "sidecar-failed",
    exit: 125,
    problems: [{ message: "FATAL: ·[2J" }],
  });
  const gone = await left();
  gone.engine.objects.delete(gone.bottle.sidecar ?? "");
  await assert.rejects(gone.open(), { code: "sidecar-missing", exit: 125 });
  const stopped = await left();
  stopped.engine.made("agent").running = false;
  await assert.rejects(stopped.open(), { code: "bottle-stopped", exit: 125 });
  const broken = await left();
  broken.engine.processes.on(/^docker container inspect /, {
    code: 1,
    stderr: "Error response from daemon: broken\n",
  });
  await assert.rejects(broken.open(), { code: "engine-failed", exit: 125 });
});

Deno.test("watchEgress() tells what came after it was asked, and not what was there", async () => {
  const line = (second: number, host: string): string =>
    REFUSED.replace("SECOND", `${second}`).replace("HOST", host);
  const now = await left();
  const opened = await now.open();
  const log = ["starting", line(1, "before.test"), "noise"];
  // It is followed from before the command on.
  const command = Promise.withResolvers<void>();
  now.engine.processes.on(/^docker container logs /, () => ({ stdout: log.join("\n") })).on(
    / --follow /,
    async () => {
      await command.promise;
      return { stdout: log.join("\n") };
    },
  );
  const since = await opened.watchEgress();
  assert.deepEqual(now.lines().slice(1).map((call) => call.replace(now.bottle.sidecar ?? "", "SIDECAR")), [
    "docker container logs --tail 100 SIDECAR",
    "docker container logs --follow --timestamps --tail 100 SIDECAR",
  ]);
  log.push(line(2, "after.test"), line(3, "after.test"));
  command.resolve();
  assert.deepEqual((await since()).map(({ host, verdict, times }) => [host, verdict, times]), [
    ["after.test", "refused", 2],
  ]);
});

Deno.test("watchEgress() reads the log afterwards where it could not be followed", async () => {
  const now = await left();
  const opened = await now.open();
  const log = [REFUSED.replace("SECOND", "1").replace("HOST", "before.test")];
  now.engine.processes.on(/^docker container logs /, () => ({ stdout: log.join("\n") })).on(/ --follow /, {
    code: 1,
    stderr: "Error: no such log\n",
  });
  const since = await opened.watchEgress();
  log.push(REFUSED.replace("SECOND", "2").replace("HOST", "after.test"));
  assert.deepEqual((await since()).map(({ host }) => host), ["after.test"]);
});

/** A line of a real sidecar. */
const REFUSED = JSON.stringify({
  by: "front",
  time: "SECOND",
  status: 403,
  tag: "TCP_DENIED",
  method: "CONNECT",
  host: "HOST",
  port: "443",
  why: "host",
  bump: "-",
  sni: "-",
  error: "403:bottle/refused_host.txt",
}).replace('"SECOND"', "SECOND");
