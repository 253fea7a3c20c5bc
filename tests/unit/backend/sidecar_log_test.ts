import assert from "node:assert/strict";
import { DockerClient } from "../../../lib/backend/docker/client.ts";
import { readEgressLog } from "../../../lib/backend/docker/sidecar_log.ts";
import type { ActiveBottle } from "../../../lib/bottle/active.ts";
import type { OnEvent } from "../../../lib/bottle/events.ts";
import { type FakeHost, fakeHost } from "../../support/fake_host.ts";
import { type LiveProcess, LiveProcesses } from "../../support/live_processes.ts";

const BOTTLE: ActiveBottle = {
  name: "claude-bottle-dev",
  id: "a1",
  sidecar: "s1",
  run: "abcdefghijklm",
  agent: "dev",
  bottle: "dev",
  manifestFiles: [],
  status: "running",
  since: 0,
  runtime: "runc",
  proxy: "squid",
  owner: "alive",
};

function refused(host: string): string {
  const line = { by: "front", time: 1795513629.5, status: 403, tag: "TCP_DENIED", method: "CONNECT", host };
  return JSON.stringify({ ...line, port: "443", why: "host", bump: "-", sni: "-", error: "403:x" });
}

function at(nanoseconds: number, host: string): string {
  return stamped(nanoseconds, refused(host));
}

function stamped(nanoseconds: number, text: string): string {
  return `2026-11-25T22:10:09.${String(nanoseconds).padStart(9, "0")}Z ${text}`;
}

/** The hosts of a log that has these lines, and the call that read it. */
async function reading(
  lines: readonly string[],
  { follow }: { readonly follow: boolean },
): Promise<{ readonly hosts: readonly string[]; readonly calls: readonly string[] }> {
  const host = fakeHost();
  host.processes.on(/ logs /, { stdout: lines.join("\n") }).on(/ inspect /, inspection(false));
  const { hosts, reading } = begun(host, { follow });
  await reading;
  return { hosts, calls: host.processes.lines };
}

/** What the engine says of the sidecar. */
function inspection(isRunning: boolean): { readonly stdout: string } {
  return { stdout: JSON.stringify([{ State: { Running: isRunning } }]) };
}

/** Begins to read a log; what is told so far. */
function begun(
  host: FakeHost,
  { follow }: { readonly follow: boolean },
): {
  readonly hosts: readonly string[];
  readonly notices: readonly string[];
  readonly reading: Promise<void>;
} {
  const [hosts, notices]: [string[], string[]] = [[], []];
  const onEvent: OnEvent = (event) => void (event.kind === "notice" && notices.push(event.text));
  const client = new DockerClient({ ...host, context: undefined, onEvent });
  const onEgress = ({ host }: { readonly host: string }): void => void hosts.push(host);
  const { signal } = host.interrupts;
  return {
    hosts,
    notices,
    reading: readEgressLog(BOTTLE, { client, host, onEvent, follow, signal, onEgress }),
  };
}

Deno.test("readEgressLog() tells nothing twice that an engine tells twice when it starts the next file of a log", async () => {
  const lines = [at(1, "a.test"), at(2, "b.test")];
  assert.deepEqual(await reading([...lines, ...lines, at(3, "a.test")], { follow: true }), {
    hosts: ["a.test", "b.test", "a.test"],
    calls: [
      "docker container logs --follow --timestamps s1",
      "docker container inspect s1",
      "docker container logs --timestamps --since 2026-11-25T22:10:08.000Z s1",
    ],
  });
});

Deno.test("readEgressLog() follows on when the engine ends the log of a sidecar that runs, and ends with it", async () => {
  const host = fakeHost();
  host.processes
    .on(/ inspect /, inspection(false))
    .once(/ inspect /, inspection(true))
    .on(/ logs --timestamps /, { stdout: [at(2, "b.test"), at(3, "c.test")].join("\n") })
    .on(/ logs --follow /, { stdout: [at(1, "a.test"), at(2, "b.test")].join("\n") })
    .once(/ logs --follow /, { stdout: at(1, "a.test") });
  const { hosts, notices, reading } = begun(host, { follow: true });
  await reading;
  assert.deepEqual([hosts, notices], [["a.test", "b.test", "c.test"], []]);
  assert.deepEqual(host.processes.lines, [
    "docker container logs --follow --timestamps s1",
    "docker container inspect s1",
    "docker container logs --follow --timestamps --since 2026-11-25T22:10:08.000Z s1",
    "docker container inspect s1",
    "docker container logs --timestamps --since 2026-11-25T22:10:08.000Z s1",
  ]);
});

Deno.test("readEgressLog() ends with a sidecar that is removed, or about to be, before the rest of its log is read", async () => {
  for (
    const stderr of [
      "Error response from daemon: can not get logs from container which is dead or marked for removal\n",
      "Error: No such container: s1\n",
    ]
  ) {
    const host = fakeHost();
    host.processes
      .on(/ inspect /, inspection(false))
      .on(/ logs --timestamps /, { code: 1, stderr })
      .on(/ logs --follow /, { stdout: at(1, "a.test") });
    const { hosts, reading } = begun(host, { follow: true });
    await reading;
    assert.deepEqual(hosts, ["a.test"]);
  }
});

Deno.test("readEgressLog() tells what it has where lines come without their times, and nothing of it again", async () => {
  assert.deepEqual(await reading([refused("a.test")], { follow: true }), {
    hosts: ["a.test"],
    calls: ["docker container logs --follow --timestamps s1"],
  });
});

Deno.test("readEgressLog() waits longer and longer for an engine that ends a log at once, says so once, and ends with its reader", async () => {
  const host = fakeHost();
  let follows = 0;
  host.processes.on(/ inspect /, inspection(true)).on(/ logs /, () => {
    follows++;
    if (follows === 11) host.interrupts.raise("SIGINT");
    return { stdout: follows < 9 ? at(1, "a.test") : at(2, "b.test") };
  });
  const { hosts, notices, reading } = begun(host, { follow: true });
  await assert.rejects(reading, { name: "Interrupted", by: "SIGINT" });
  assert.deepEqual(hosts, ["a.test", "b.test"]);
  // Whatever is new makes it begin anew.
  assert.deepEqual(host.slept, [250, 500, 1000, 2000, 4000, 8000, 8000, 8000, 250, 500]);
  assert.deepEqual(notices, [
    "the engine ends the sidecar's log again and again while the sidecar runs; it is looked at every 8 s",
  ]);
});

Deno.test("readEgressLog() fails when nobody can tell whether the log is at its end", async () => {
  const host = fakeHost();
  host.processes.on(/ logs /, {}).on(/ inspect /, {
    code: 1,
    stderr: "Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?\n",
  });
  await assert.rejects(begun(host, { follow: true }).reading, { code: "engine-unreachable" });
});

Deno.test("readEgressLog() tells every line of a log that it does not follow", async () => {
  assert.deepEqual(await reading([refused("a.test"), refused("a.test")], { follow: false }), {
    hosts: ["a.test", "a.test"],
    calls: ["docker container logs s1"],
  });
});

/** A log that is followed, with sleeps that a test ends. */
interface Followed {
  readonly host: FakeHost;
  readonly process: LiveProcess;
  /** `VERDICT HOST` of what is told so far. */
  readonly told: readonly string[];
  /** Ends the pauses that are under way. */
  wake(): Promise<void>;
  readonly pauses: () => number;
  readonly reading: Promise<void>;
}

async function followed(): Promise<Followed> {
  const host = fakeHost();
  host.processes.on(/ inspect /, inspection(false)).on(/ logs --timestamps /, {});
  const live = new LiveProcesses(host.processes, / logs --follow /);
  const asleep = new Set<() => void>();
  const sleep = (_ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((resolve, reject) => {
      asleep.add(resolve);
      signal?.addEventListener("abort", () => asleep.delete(resolve) && reject(signal.reason), {
        once: true,
      });
    });
  const told: string[] = [];
  const { signal } = host.interrupts;
  const onEvent = (): void => {};
  const reading = readEgressLog(BOTTLE, {
    client: new DockerClient({ ...host, processes: live, context: undefined, onEvent }),
    ...{ host: { sleep }, onEvent, signal, follow: true },
    onEgress: ({ verdict, host }) => void told.push(`${verdict} ${host}`),
  });
  return {
    ...{ host, told, reading, process: await live.running(1) },
    async wake(): Promise<void> {
      for (const go of asleep) go();
      asleep.clear();
      await new Promise((resolve) => setTimeout(resolve));
    },
    pauses: () => asleep.size,
  };
}

/** A tunnel from a port to the host that is called like it, and its end, both at one second. */
function unasked(port: number, second: number): readonly string[] {
  const tunnel = { by: "back", method: "CONNECT", host: `${port}.test`, port: "443", bump: "bump" };
  return [{ ...tunnel, time: second, from: `${port}` }, { by: "front", time: second, to: `${port}` }]
    .map((line, index) => stamped(2 * port + index, JSON.stringify(line)));
}

Deno.test("readEgressLog() tells what no line has changed after one pause at a time, however many lines come", async () => {
  const { host, process, told, reading, wake, pauses } = await followed();
  for (const line of unasked(1, 1)) process.say(line);
  assert.deepEqual([told, pauses()], [[], 1]);
  for (const port of [2, 3, 4]) unasked(port, 1).forEach((line) => process.say(line));
  assert.deepEqual([told, pauses()], [[], 1]);
  // Something came meanwhile, so that nothing is certain yet.
  await wake();
  assert.deepEqual([told, pauses()], [[], 1]);
  await wake();
  assert.deepEqual([told, pauses()], [[1, 2, 3, 4].map((port) => `closed ${port}.test`), 0]);
  // And once more.
  for (const line of unasked(5, 9)) process.say(line);
  assert.equal(pauses(), 1);
  await wake();
  assert.deepEqual([told.slice(4), pauses()], [["closed 5.test"], 0]);
  host.interrupts.raise("SIGINT");
  await assert.rejects(reading, { name: "Interrupted" });
});

Deno.test("readEgressLog() tells at its end what no line has changed, whatever ended it, and pauses no more", async () => {
  for (
    const [end, expected] of [
      [({ process }: Followed): void => process.end(), undefined],
      [({ host }: Followed): void => host.interrupts.raise("SIGINT"), { name: "Interrupted" }],
      [
        ({ process }: Followed): void =>
          process.end({ code: 1, stderr: "Cannot connect to the Docker daemon\n" }),
        { name: "Failure" },
      ],
    ] as const
  ) {
    const log = await followed();
    for (const line of unasked(1, 1)) log.process.say(line);
    end(log);
    if (expected === undefined) await log.reading;
    else await assert.rejects(log.reading, expected);
    assert.deepEqual([log.told, log.pauses()], [["closed 1.test"], 0]);
  }
});
