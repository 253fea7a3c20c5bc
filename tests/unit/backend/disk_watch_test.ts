import assert from "node:assert/strict";
import { DockerClient } from "../../../lib/backend/docker/client.ts";
import type { CommandPorts } from "../../../lib/backend/docker/command.ts";
import { watchingDisk } from "../../../lib/backend/docker/disk_watch.ts";
import type { Step } from "../../../lib/bottle/invocation.ts";
import type { Processes } from "../../../lib/host/processes.ts";
import { fakeHost } from "../../support/fake_host.ts";
import { MemoryTerminal, PERSON } from "../../support/memory_terminal.ts";
import { LiveProcesses } from "../../support/live_processes.ts";
import { ScriptedProcesses } from "../../support/scripted_processes.ts";

const MIB = 1024 ** 2;
const PROGRAM = { kind: "program", name: "watch.pl", text: "the program" } as const;

function step(id: string): Step {
  return {
    id,
    after: [],
    invocation: { program: "docker", args: ["watch", id], input: PROGRAM, why: "watch" },
  };
}

interface Watched {
  readonly live: LiveProcesses;
  readonly scripted: ScriptedProcesses;
  readonly notices: readonly string[];
  readonly slept: readonly number[];
  readonly interrupt: () => void;
  watching<T>(run: (ports: CommandPorts) => Promise<T>): Promise<T>;
}

function watched(
  { steps = [step("one")], stays, terminal = new MemoryTerminal(), answers = () => true }: {
    steps?: readonly Step[];
    stays?: string;
    terminal?: MemoryTerminal;
    /** Whether the engine does, each time that it is asked. */
    answers?: () => boolean;
  } = {},
): Watched {
  const scripted = new ScriptedProcesses();
  const pinged = new ScriptedProcesses().on(/^docker version /, () => ({ code: answers() ? 0 : 1 }));
  const inner: Processes = {
    attach: (call, options) => scripted.attach(call, options),
    hold: (call) => scripted.hold(call),
    run: (call, options) => (call.args[0] === "version" ? pinged : scripted).run(call, options),
  };
  const live = new LiveProcesses(inner, /^docker watch /);
  const host = fakeHost({ processes: scripted, terminal });
  const notices: string[] = [];
  const client = new DockerClient({
    processes: live,
    environment: host.environment,
    context: undefined,
    onEvent: () => {},
  });
  const place = {
    ids: new Map([["agent", "a1"]]),
    user: { uid: 47291, gid: 47292 },
    proxy: "squid",
    watch: { steps, limit: 100 * MIB, stays },
  };
  const { signal } = host.interrupts;
  const ports: CommandPorts = {
    host,
    client,
    signal,
    onEvent: (event) => {
      if (event.kind === "notice") notices.push(event.text);
    },
  };
  return {
    live,
    scripted,
    notices,
    slept: host.slept,
    interrupt: () => host.interrupts.raise("SIGINT"),
    watching: (run) => watchingDisk(place, ports, run),
  };
}

/** Runs until it is interrupted. */
function untilInterrupted({ signal }: CommandPorts): Promise<never> {
  return new Promise((_, reject) =>
    signal.addEventListener("abort", () => reject(signal.reason), { once: true })
  );
}

const END = "docker container exec --user 47291:47292 a1 /usr/bin/perl -e kill 9, -1";

Deno.test("watchingDisk() interrupts what runs once there is too much, and ends all of the agent's processes", async () => {
  for (const code of [0, 137]) {
    const now = watched({ stays: "claude-bottle-dev" });
    now.scripted.on(/ kill 9/, { code });
    const run = now.watching(untilInterrupted);
    const process = await now.live.running(1);
    for (const taken of [99, 100]) process.say(`disk ${taken * MIB}`);
    process.say("WARNING: something else");
    process.say(`disk ${101 * MIB}`);
    process.say(`disk ${200 * MIB}`);
    await assert.rejects(run, {
      code: "disk-limit",
      message: "What ran was ended at the bottle's disk limit: it takes 101 MiB, and may take 100 MiB",
      hints: [
        "Raise resources.disk in the manifest if it needs more, such as `disk: 1g`",
        "Or free some: nothing in it is lost, and files can be removed: claude-bottle exec claude-bottle-dev -- rm FILE",
      ],
    });
    assert.deepEqual(now.scripted.lines, [END]);
    assert.equal(process.input, "the program");
    assert.deepEqual(now.notices, []);
  }
});

Deno.test("watchingDisk() gives what came out as long as there is not too much, and leaves nothing running", async () => {
  const now = watched();
  const process = Promise.withResolvers<void>();
  const run = now.watching(async () => {
    await process.promise;
    return 7;
  });
  const program = await now.live.running(1);
  program.say(`disk ${100 * MIB}`);
  program.say(`disk ${100 * MIB}`);
  process.resolve();
  // It ends with its stdin: otherwise this would wait for it.
  assert.equal(await run, 7);
  assert.deepEqual(now.scripted.lines, []);
});

Deno.test("watchingDisk() fails even where the command ended by itself in that moment", async () => {
  const now = watched();
  now.scripted.on(/ kill 9/, {});
  const run = now.watching((ports) =>
    new Promise((resolve) => ports.signal.addEventListener("abort", () => resolve(0), { once: true }))
  );
  const process = await now.live.running(1);
  process.say(`disk ${200 * MIB}`);
  process.say(`disk ${200 * MIB}`);
  await assert.rejects(run, { code: "disk-limit" });
});

Deno.test("watchingDisk() starts nothing for what is over at once", async () => {
  const now = watched();
  assert.equal(await now.watching(() => Promise.resolve("done")), "done");
  await assert.rejects(now.watching(() => Promise.reject(new Error("mine"))), { message: "mine" });
  assert.deepEqual(now.live.started, []);
});

Deno.test("watchingDisk() passes an interruption on", async () => {
  const now = watched();
  const run = now.watching(untilInterrupted);
  await now.live.running(1);
  now.interrupt();
  await assert.rejects(run, { name: "Interrupted", by: "SIGINT" });
});

Deno.test("watchingDisk() freezes a bottle that has no room for the process that would end the others", async () => {
  const now = watched();
  now.scripted.on(/ kill 9/, { code: 126, stderr: "fork: resource temporarily unavailable\n" }).on(
    / pause /,
    {},
  );
  const run = now.watching(untilInterrupted);
  const process = await now.live.running(1);
  for (const _ of [1, 2]) process.say(`disk ${200 * MIB}`);
  await assert.rejects(run, { code: "disk-limit" });
  assert.deepEqual(now.scripted.lines, [END, "docker container pause a1"]);
  assert.deepEqual(now.notices, []);

  const gone = watched();
  gone.scripted.on(/ kill 9| pause /, {
    code: 1,
    stderr: "Error response from daemon: Container a1 is not running\n",
  });
  const over = gone.watching(untilInterrupted);
  const last = await gone.live.running(1);
  for (const _ of [1, 2]) last.say(`disk ${200 * MIB}`);
  await assert.rejects(over, { code: "disk-limit" });
  assert.deepEqual(gone.notices, []);

  const stuck = watched();
  stuck.scripted.on(/ kill 9| pause /, { code: 1, stderr: "Error response from daemon: \u001b[2J\n" });
  const failing = stuck.watching(untilInterrupted);
  const other = await stuck.live.running(1);
  for (const _ of [1, 2]) other.say(`disk ${200 * MIB}`);
  await assert.rejects(failing, { code: "disk-limit" });
  assert.equal(stuck.notices.length, 1);
  assert.match(stuck.notices[0] ?? "", /^the agent could not be ended: .*·\[2J$/);
});

Deno.test("watchingDisk() starts a program again that ended too early, and tells once", async () => {
  const now = watched();
  now.scripted.on(/ kill 9/, {});
  const run = now.watching(untilInterrupted);
  const failure = { code: 1, stderr: "claude-bottle: cannot look into /proc/1/root/: Permission denied\n" };
  (await now.live.running(1)).end(failure);
  (await now.live.running(2)).end(failure);
  const third = await now.live.running(3);
  for (const _ of [1, 2]) third.say(`disk ${200 * MIB}`);
  await assert.rejects(run, { code: "disk-limit" });
  assert.deepEqual(now.notices, [
    "the bottle's disk is not watched now: claude-bottle: cannot look into /proc/1/root/: Permission denied",
  ]);
});

Deno.test("watchingDisk() adds up all its programs", async () => {
  const now = watched({ steps: [step("one"), step("two")] });
  now.scripted.on(/ kill 9/, {});
  const run = now.watching(untilInterrupted);
  await now.live.running(2);
  const [one, two] = now.live.started;
  for (const _ of [1, 2]) {
    one?.say(`disk ${60 * MIB}`);
    two?.say(`disk ${60 * MIB}`);
  }
  await assert.rejects(run, {
    message: "What ran was ended at the bottle's disk limit: it takes 120 MiB, and may take 100 MiB",
  });
});

Deno.test("watchingDisk() ends an agent that cannot be measured for minutes, and not one that is slow to measure", async () => {
  const silent = watched({ stays: "claude-bottle-dev" });
  silent.scripted.on(/ kill 9/, {});
  await assert.rejects(silent.watching(untilInterrupted), {
    code: "disk-unwatched",
    message: "The bottle was stopped: for 2 minutes nobody could tell what disk it takes",
  });
  assert.deepEqual(silent.scripted.lines, [END]);
  assert.equal(silent.slept.filter((ms) => ms === 10_000).length, 12);

  const failing = watched();
  failing.scripted.on(/ kill 9/, {});
  const over = failing.watching(untilInterrupted);
  void (async () => {
    for (let count = 1;; count++) {
      const said = "claude-bottle: its processes have too many";
      (await failing.live.running(count)).end({ code: 1, stderr: `${said}\n` });
    }
  })();
  await assert.rejects(over, {
    code: "disk-unwatched",
    message: /takes \(claude-bottle: its processes have too many\)$/,
  });
  assert.equal(failing.notices.length, 1);

  const slow = watched();
  const done = Promise.withResolvers<number>();
  const run = slow.watching(() => done.promise);
  const process = await slow.live.running(1);
  for (let looks = 0; looks < 40; looks = slow.slept.length) {
    await new Promise((resolve) => setTimeout(resolve));
    if (slow.slept.length % 11 === 0) process.say("disk 4096");
  }
  done.resolve(7);
  assert.equal(await run, 7);
});

Deno.test("watchingDisk() gives up on an engine that is gone for good, and not on one that comes back", async () => {
  const gone = watched({ answers: () => false });
  await assert.rejects(gone.watching(untilInterrupted), {
    code: "engine-gone",
    message: "The engine has not answered for 10 minutes",
    exit: 1,
  });
  assert.equal(gone.slept.filter((ms) => ms === 30_000).length, 20);
  assert.deepEqual(gone.notices, ["the engine does not answer; waiting 10 minutes for it"]);
  // Nothing can be ended without it.
  assert.deepEqual(gone.scripted.lines, []);

  let asked = 0;
  const back = watched({ answers: () => ++asked % 20 === 0 });
  const done = Promise.withResolvers<number>();
  const run = back.watching(() => done.promise);
  while (asked < 50) await new Promise((resolve) => setTimeout(resolve));
  done.resolve(7);
  assert.equal(await run, 7);
  assert.deepEqual(back.notices.slice(0, 2), [
    "the engine does not answer; waiting 10 minutes for it",
    "the engine answers again",
  ]);
});

Deno.test("watchingDisk() takes a busy engine that misses one question for one that is there", async () => {
  let asked = 0;
  const now = watched({ answers: () => ++asked % 2 === 0 });
  const done = Promise.withResolvers<number>();
  const run = now.watching(() => done.promise);
  const process = await now.live.running(1);
  while (asked < 30) {
    await new Promise((resolve) => setTimeout(resolve));
    process.say("disk 4096");
  }
  done.resolve(7);
  assert.equal(await run, 7);
  assert.deepEqual(now.notices, []);
});

Deno.test("watchingDisk() lets be what cannot be measured at all, and says so once", async () => {
  for (const code of [3, 127]) {
    const now = watched();
    const done = Promise.withResolvers<number>();
    const run = now.watching(() => done.promise);
    (await now.live.running(1)).end({ code, stderr: "claude-bottle: cannot run /usr/bin/find\n" });
    for (let turn = 0; turn < 100; turn++) await new Promise((resolve) => setTimeout(resolve));
    assert.deepEqual(now.notices, [
      "the bottle's disk is not watched now: claude-bottle: cannot run /usr/bin/find",
    ]);
    assert.equal(now.live.started.length, 1);
    done.resolve(7);
    assert.equal(await run, 7);
  }
});

Deno.test("watchingDisk() begins a new line on a terminal whose command it ended, and nowhere else", async () => {
  for (
    const { terminals, taken, stderr } of [
      { terminals: PERSON, taken: 101, stderr: "\n" },
      { terminals: [], taken: 101, stderr: "" },
      { terminals: PERSON, taken: 99, stderr: "" },
    ]
  ) {
    const terminal = new MemoryTerminal({ terminals });
    const now = watched({ terminal });
    now.scripted.on(/ kill 9/, {});
    const run = now.watching(untilInterrupted);
    const process = await now.live.running(1);
    for (const mib of [99, taken, taken]) process.say(`disk ${mib * MIB}`);
    if (taken < 100) now.interrupt();
    await assert.rejects(run);
    assert.equal(terminal.stderr, stderr);
  }
});
