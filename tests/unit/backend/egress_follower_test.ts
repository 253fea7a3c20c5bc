import assert from "node:assert/strict";
import { DockerClient } from "../../../lib/backend/docker/client.ts";
import { EgressFollower } from "../../../lib/backend/docker/egress_follower.ts";
import type { EgressProxy } from "../../../lib/egress/proxy.ts";
import { squid } from "../../../lib/egress/squid/squid.ts";
import { type FakeHost, fakeHost } from "../../support/fake_host.ts";
import { LiveProcesses } from "../../support/live_processes.ts";
import { TEST_PROXY } from "../../support/plan_inputs.ts";
import { ScriptedProcesses } from "../../support/scripted_processes.ts";

interface Following {
  readonly follower: EgressFollower;
  readonly live: LiveProcesses;
  readonly scripted: ScriptedProcesses;
  readonly host: FakeHost;
  /** Whether the sidecar runs, once the engine is asked, and what is in its log once it does not. */
  readonly sidecar: { runs: boolean; rest: string };
  /** What happens whenever the follower waits. */
  onSleep(then: () => void): void;
}

/** A follower; `last` is what the engine says is the last line of the log, once it is asked. */
function following(
  last: string,
  options: { readonly proxy?: EgressProxy; readonly tail?: number; readonly after?: number } = {},
): Following {
  const sidecar = { runs: false, rest: "" };
  const scripted = new ScriptedProcesses()
    .on(/ logs --timestamps --tail 1 s1$/, { stdout: last })
    .on(/ logs --timestamps(?: --since \S+)? s1$/, () => ({ stdout: sidecar.rest }))
    .on(/ container inspect s1$/, () => ({ stdout: JSON.stringify([{ State: { Running: sidecar.runs } }]) }));
  const live = new LiveProcesses(scripted, / logs --follow /);
  const host = fakeHost({ processes: scripted });
  const client = new DockerClient({
    processes: live,
    environment: host.environment,
    context: undefined,
    onEvent: () => {},
  });
  let asleep = (): void => {};
  const sleep = async (ms: number, signal?: AbortSignal): Promise<void> => {
    await host.sleep(ms, signal);
    asleep();
  };
  const { signal } = host.interrupts;
  const ports = { client, host: { sleep, now: host.now }, onEvent: () => {}, signal };
  const follower = new EgressFollower({ id: "s1", proxy: TEST_PROXY, ...options }, ports);
  return { follower, live, scripted, host, sidecar, onSleep: (then) => void (asleep = then) };
}

function at(nanoseconds: number, text: string): string {
  return `2026-11-25T22:10:09.${String(nanoseconds).padStart(9, "0")}Z ${text}`;
}

Deno.test("EgressFollower tells each target once, although the engine's log has only its last line any more", async () => {
  const { follower, live } = following(`${at(4, "refused b.test")}\n`);
  const process = await live.running(1);
  for (
    const line of [
      at(1, "starting"),
      at(2, "refused a.test"),
      at(3, "refused a.test"),
      at(4, "refused b.test"),
    ]
  ) {
    process.say(line);
  }
  const events = await follower.end();
  assert.deepEqual(events?.map(({ host, times }) => [host, times]), [["a.test", 2], ["b.test", 1]]);
  assert.equal(process.line, "docker container logs --follow --timestamps s1");
});

Deno.test("EgressFollower counts nothing twice that an engine tells twice when it starts its log's next file", async () => {
  const { follower, live } = following(at(9, "refused c.test"));
  const process = await live.running(1);
  const lines = [at(1, "refused a.test"), at(2, "refused b.test")];
  for (const line of [...lines, ...lines, at(9, "refused c.test")]) process.say(line);
  // Each stream has an order of its own.
  process.say(at(3, "refused d.test"), "stderr");
  assert.deepEqual((await follower.end())?.map(({ host, times }) => [host, times]), [
    ["a.test", 1],
    ["b.test", 1],
    ["c.test", 1],
    ["d.test", 1],
  ]);
});

Deno.test("EgressFollower waits for the last line, and does not tell a part of a log for the whole", async () => {
  const late = following(at(5, "refused late.test"));
  const process = await late.live.running(1);
  late.onSleep(() => process.say(at(5, "refused late.test")));
  assert.deepEqual((await late.follower.end())?.map(({ host }) => host), ["late.test"]);
  assert.equal(late.host.slept.length, 1);

  // However late it is, as long as more comes.
  const behind = following(at(250, "refused last.test"));
  const slow = await behind.live.running(1);
  let told = 0;
  behind.onSleep(() => {
    if (behind.host.slept.length % 50 !== 0) return;
    told += 50;
    slow.say(at(told, told === 250 ? "refused last.test" : "refused more.test"));
  });
  assert.deepEqual((await behind.follower.end())?.map(({ host, times }) => [host, times]), [
    ["more.test", 4],
    ["last.test", 1],
  ]);

  // But not for ever.
  const endless = following(at(999_999, "refused lost.test"));
  const flood = await endless.live.running(1);
  endless.onSleep(() => flood.say(at(endless.host.slept.length, "refused more.test")));
  assert.equal(await endless.follower.end(), undefined);
  assert.ok(endless.host.slept.reduce((sum, ms) => sum + ms) < 60_000);

  const never = following(at(5, "refused lost.test"));
  (await never.live.running(1)).say(at(4, "refused a.test"));
  assert.equal(await never.follower.end(), undefined);
  assert.ok(never.host.slept.length > 10);
});

Deno.test("EgressFollower tells nothing of a log that could not be followed or asked for its end", async () => {
  const broken = following("");
  (await broken.live.running(1)).end({ code: 1, stderr: "Error: No such container: s1\n" });
  assert.equal(await broken.follower.end(), undefined);

  const silent = following("");
  silent.scripted.on(/ --tail 1 /, { code: 1, stderr: "Cannot connect to the Docker daemon\n" });
  await silent.live.running(1);
  assert.equal(await silent.follower.end(), undefined);

  const interrupted = following("");
  await interrupted.live.running(1);
  interrupted.host.interrupts.raise("SIGINT");
  assert.equal(await interrupted.follower.end(), undefined);
});

Deno.test("EgressFollower tells all of a log that ended with its sidecar, and nothing of an empty one", async () => {
  const ended = following("");
  const process = await ended.live.running(1);
  process.say("refused unstamped.test");
  process.end();
  assert.deepEqual((await ended.follower.end())?.map(({ host }) => host), ["unstamped.test"]);

  const empty = following("");
  await empty.live.running(1);
  assert.deepEqual(await empty.follower.end(), []);
});

Deno.test("EgressFollower goes on where the engine ended the log of a sidecar that runs, and counts nothing twice", async () => {
  const { follower, live, sidecar } = following(at(4, "refused c.test"));
  sidecar.runs = true;
  const early = await live.running(1);
  early.say(at(1, "refused a.test"), "stderr");
  early.say(at(2, "refused b.test"));
  early.end();
  const again = await live.running(2);
  assert.equal(
    again.line,
    "docker container logs --follow --timestamps --since 2026-11-25T22:10:08.000Z s1",
  );
  again.say(at(2, "refused b.test"));
  again.say(at(1, "refused a.test"), "stderr");
  again.say(at(3, "refused b.test"));
  // The engine still has what this follow did not tell.
  sidecar.runs = false;
  sidecar.rest = [at(3, "refused b.test"), at(4, "refused c.test")].join("\n");
  again.end();
  assert.deepEqual((await follower.end())?.map(({ host, times }) => [host, times]), [
    ["a.test", 1],
    ["b.test", 2],
    ["c.test", 1],
  ]);
  assert.equal(live.started.length, 2);
});

Deno.test("EgressFollower does not take a log that ended early for the whole", async () => {
  const { follower, live, sidecar } = following(at(5, "refused lost.test"));
  sidecar.runs = true;
  (await live.running(1)).end();
  (await live.running(2)).say(at(4, "refused a.test"));
  assert.equal(await follower.end(), undefined);

  const unknown = following(at(5, "refused lost.test"));
  unknown.scripted.on(/ inspect /, { code: 1, stderr: "Cannot connect to the Docker daemon\n" });
  (await unknown.live.running(1)).end();
  assert.equal(await unknown.follower.end(), undefined);
});

Deno.test("EgressFollower tells all of a log whose sidecar was removed, also between two follows", async () => {
  const GONE = { code: 1, stderr: "Error: No such container: s1\n" };
  const removed = following("");
  removed.scripted.on(/ inspect /, GONE);
  const process = await removed.live.running(1);
  process.say(at(1, "refused a.test"));
  process.end();
  assert.deepEqual((await removed.follower.end())?.map(({ host }) => host), ["a.test"]);

  const between = following("");
  between.sidecar.runs = true;
  const early = await between.live.running(1);
  early.say(at(1, "refused a.test"));
  early.end();
  (await between.live.running(2)).end(GONE);
  assert.deepEqual((await between.follower.end())?.map(({ host }) => host), ["a.test"]);
});

Deno.test("EgressFollower ends a pause with the session, and follows nothing after it", async () => {
  const { follower, live, sidecar, host } = following("");
  sidecar.runs = true;
  (await live.running(1)).end();
  assert.deepEqual(await follower.end(), []);
  assert.deepEqual([live.started.length, host.slept], [1, []]);
});

Deno.test("EgressFollower begins with all of a log that ended before it read any of its older lines", async () => {
  const { follower, live, sidecar } = following("", { tail: 100, after: 0 });
  sidecar.runs = true;
  (await live.running(1)).end();
  assert.equal((await live.running(2)).line, "docker container logs --follow --timestamps s1");
  follower.giveUp();
});

Deno.test("EgressFollower begins with older lines as it is told, and leaves out what came before a time", async () => {
  // The proxy of the test says that everything happened at 1.
  for (const [after, hosts] of [[0, ["a.test"]], [1, []]] as const) {
    const { follower, live } = following(at(1, "refused a.test"), { tail: 100, after });
    const process = await live.running(1);
    process.say(at(1, "refused a.test"));
    assert.deepEqual((await follower.end())?.map(({ host }) => host), hosts);
    assert.equal(process.line, "docker container logs --follow --timestamps --tail 100 s1");
  }
});

Deno.test("EgressFollower tells what only the end of following makes certain, and leaves out what was before a time", async () => {
  const tunnel = (at: number, from: string): string =>
    JSON.stringify({
      by: "back",
      time: at,
      method: "CONNECT",
      host: `${from}.test`,
      port: "443",
      bump: "bump",
      from,
    });
  const end = (at: number, to: string): string => JSON.stringify({ by: "front", time: at, to });
  const { follower, live } = following(at(4, "the last"), { proxy: squid, after: 5000 });
  const process = await live.running(1);
  const lines = [tunnel(4, "1"), tunnel(4, "2"), end(5, "1"), end(5.5, "2"), "the last"];
  for (const [index, line] of lines.entries()) process.say(at(index, line));
  const events = await follower.end();
  assert.deepEqual(events?.map(({ verdict, host, time }) => [verdict, host, time]), [[
    "closed",
    "2.test",
    5500,
  ]]);
});

Deno.test("EgressFollower ends with the session when nobody asks for what it saw", async () => {
  const { follower, live } = following("");
  const process = await live.running(1);
  follower.giveUp();
  await assert.rejects(process.outcome());
});
