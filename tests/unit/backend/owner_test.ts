import assert from "node:assert/strict";
import { judgeOwners, type OwnedRun } from "../../../lib/backend/docker/owner.ts";
import type { OwnerState } from "../../../lib/bottle/active.ts";
import { type FakeHost, fakeHost } from "../../support/fake_host.ts";
import { LINUX } from "./memory_engine.ts";

const { signal } = new AbortController();

/** What {@link LINUX} is called in an owner label. */
const MACHINE = "435cdbd557a00db7";
const BOOT = "f0e1d2c3-0000-4000-8000-000000000001";
const OTHER_BOOT = "f0e1d2c3-0000-4000-8000-000000000002";
const NAMESPACE = "pid:4026531836";
const NO_MACHINE = "e3b0c44298fc1c14";

/** The machine booted at 500,000 ms; pid 100 runs since 11, pid 300 cannot be read. */
const PROCESSES = "boot 500\n4242 987654\n100 11\n300 ?\n";

function machine(processes = PROCESSES, identity = LINUX): FakeHost {
  const host = fakeHost({ env: { PATH: "/opt/bin", SECRET: "x" } });
  host.processes
    .on(/^sh -c /, { stdout: identity })
    .on(/^sh -c [\s\S]* sh \d+( \d+)*$/, { stdout: processes });
  return host;
}

function run(owner: string, from: Partial<OwnedRun> = {}): OwnedRun {
  return { owners: [owner], running: false, newest: 100_000, ...from };
}

async function judged(
  runs: readonly OwnedRun[],
  host = machine(),
  engine: number | undefined = host.now(),
): Promise<readonly OwnerState[]> {
  return await judgeOwners(host, { runs, engineTime: () => Promise.resolve(engine), signal });
}

const HERE = `${MACHINE}/${BOOT}/${NAMESPACE}/1000`;
const BEFORE = `${MACHINE}/${OTHER_BOOT}/${NAMESPACE}/1000/100/11`;

const TABLE: readonly (readonly [string, OwnedRun, OwnerState])[] = [
  ["its process runs", run(`${HERE}/100/11`), "alive"],
  ["it is this process", run(`${HERE}/4242/987654`), "alive"],
  ["its process cannot be read", run(`${HERE}/300/11`), "alive"],
  ["its process is gone", run(`${HERE}/200/11`), "gone"],
  ["its process is gone and its bottle runs", run(`${HERE}/200/11`, { running: true }), "gone"],
  ["its pid is another process's now", run(`${HERE}/100/12`), "gone"],
  ["another user", run(`${MACHINE}/${BOOT}/${NAMESPACE}/1001/200/11`), "elsewhere"],
  ["another pid namespace", run(`${MACHINE}/${BOOT}/pid:4026532999/1000/200/11`), "elsewhere"],
  ["another machine", run(`ffffffffffffffff/${OTHER_BOOT}/${NAMESPACE}/1000/200/11`), "elsewhere"],
  ["another machine with our boot id", run(`ffffffffffffffff/${BOOT}/${NAMESPACE}/1000/200/11`), "elsewhere"],
  ["before this boot", run(BEFORE), "gone"],
  ["another boot, and it runs", run(BEFORE, { running: true }), "elsewhere"],
  ["another boot, and made since ours", run(BEFORE, { newest: 500_001 }), "elsewhere"],
  ["another boot, and nobody knows since when", run(BEFORE, { newest: undefined }), "elsewhere"],
  ["another boot and user", run(`${MACHINE}/${OTHER_BOOT}/${NAMESPACE}/0/100/11`), "elsewhere"],
  ["another boot, in a container", run(`${MACHINE}/${OTHER_BOOT}/pid:4026532999/1000/1/11`), "elsewhere"],
  ["detached", run("detached"), "detached"],
  ["no label", run(""), "elsewhere"],
  ["a label of somebody else", run("me"), "elsewhere"],
  ["too many fields", run(`${HERE}/200/11/more`), "elsewhere"],
  ["an empty field", run(`${HERE}/200/`), "elsewhere"],
  ["a pid that is none", run(`${HERE}/-1/11`), "elsewhere"],
  ["a pid that is code", run(`${HERE}/$(id)/11`), "elsewhere"],
  ["no objects", run("", { owners: [] }), "elsewhere"],
  ["gone and alive", run("", { owners: [`${HERE}/200/11`, `${HERE}/100/11`] }), "alive"],
  ["gone and detached", run("", { owners: [`${HERE}/200/11`, "detached"] }), "detached"],
  ["gone and unreadable", run("", { owners: [`${HERE}/200/11`, ""] }), "elsewhere"],
  ["gone twice", run("", { owners: [`${HERE}/200/11`, `${HERE}/200/11`] }), "gone"],
];

for (const [name, owned, state] of TABLE) {
  Deno.test(`judgeOwners() with an owner of which is known: ${name}`, async () => {
    assert.deepEqual(await judged([owned]), [state]);
  });
}

Deno.test("judgeOwners() asks two shells about all runs together, only about pids that mean the same here", async () => {
  const host = machine();
  const states = await judged(TABLE.map(([, owned]) => owned), host);
  assert.deepEqual(states, TABLE.map(([, , state]) => state));
  assert.equal(host.processes.calls.length, 2);
  const call = host.processes.calls[1];
  assert.deepEqual(call?.args.slice(2), ["sh", "4242", "100", "300", "200"]);
  assert.deepEqual(call?.env, { PATH: "/opt/bin" });
});

Deno.test("judgeOwners() starts nothing where no owner is a process", async () => {
  const host = fakeHost();
  assert.deepEqual(await judged([run("detached"), run("?")], host), ["detached", "elsewhere"]);
  assert.deepEqual(await judged([], host), []);
  assert.deepEqual(host.processes.calls, []);
});

Deno.test("judgeOwners() does not believe in an earlier boot in a container or without a machine id", async () => {
  const container = LINUX.replace(NAMESPACE.replace(":", ":["), "pid:[4026532999");
  const inContainer = run(`${MACHINE}/${OTHER_BOOT}/pid:4026532999/1000/100/11`);
  assert.deepEqual(await judged([inContainer], machine(PROCESSES, container)), ["elsewhere"]);
  const unnamed = LINUX.replace(/^[0-9a-f]+/, "");
  const withoutId = run(`${NO_MACHINE}/${OTHER_BOOT}/${NAMESPACE}/1000/100/11`);
  assert.deepEqual(await judged([withoutId], machine(PROCESSES, unnamed)), ["elsewhere"]);
  assert.deepEqual(await judged([run(BEFORE)], machine("4242 987654\n")), ["elsewhere"]);
});

Deno.test("judgeOwners() compares start times in words", async () => {
  const identity = ["id", "boot", "host", "7", "Mon Nov  4 10:00:00 2026"].map((part) => `${part}\n`).join(
    "\n.\n",
  );
  const host = machine("boot 5\n7 Mon Nov  4 10:00:00 2026\n8 Tue Nov  3 10:00:00 2026\n", identity);
  const label = (rest: string): OwnedRun => run(`a56145270ce6b3be/boot/host/1000/${rest}`);
  assert.deepEqual(
    await judged([label("8/Tue-Nov-3-10:00:00-2026"), label("8/Mon-Nov-2-10:00:00-2026")], host),
    ["alive", "gone"],
  );
});

Deno.test("judgeOwners() fails where processes cannot be seen, so that none counts as gone", async () => {
  for (const said of ["", "boot 500\n", "4242 1\n"]) {
    await assert.rejects(judged([run(`${HERE}/200/11`)], machine(said)), { code: "machine-unknown" });
  }
});

Deno.test("judgeOwners() measures an earlier boot by the engine's clock, and believes in none that has no clock", async () => {
  // By ours it is 1,000,000 ms, and we booted at 500,000 ms; the object is as old as our boot by the engine's clock.
  const rows: readonly (readonly [number | undefined, number, OwnerState])[] = [
    [1_000_000, 499_999, "gone"],
    [1_000_000, 500_000, "elsewhere"],
    // The engine is behind: what it calls older than our boot is being made.
    [400_000, 399_999, "elsewhere"],
    [400_000, -100_001, "gone"],
    // It is ahead.
    [2_000_000, 1_499_999, "gone"],
    [NaN, 1, "elsewhere"],
  ];
  for (const [engine, newest, state] of rows) {
    assert.deepEqual(
      await judged([run(BEFORE, { newest })], machine(), engine),
      [state],
      `${engine} ${newest}`,
    );
  }
});
