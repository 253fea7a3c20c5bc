import assert from "node:assert/strict";
import { builtImages, engineProxies, engineRuntimes } from "../support/engine.ts";
import { ForeignObjects } from "../support/foreign_objects.ts";
import {
  LAUNCHES,
  type LaunchPoint,
  recordedCalls,
  severalAtOnce,
  strike,
  strikeAll,
} from "../support/kill_points.ts";
import { strikeTable, wrongLines } from "../support/kill_report.ts";
import { type KilledLaunch, MOMENTS } from "../support/shimmed_launch.ts";

const runtimes = await engineRuntimes();
const ignore = !runtimes.includes("runc");
const proxies = ignore ? [] : await engineProxies();

/** Bottles are mostly waited for. */
const AT_ONCE = 6;

/** The calls of the first launch that makes them: each once. */
async function callsOnce(): Promise<readonly { readonly launch: KilledLaunch; readonly call: string }[]> {
  const launches = LAUNCHES.filter(({ proxy }) => proxies.includes(proxy));
  const recorded = await severalAtOnce(launches, launches.length, recordedCalls);
  const known = new Set<string>();
  return launches.flatMap((launch, index) =>
    (recorded[index] ?? []).filter((call) => !known.has(call) && known.add(call)).map((call) => ({
      launch,
      call,
    }))
  );
}

Deno.test({
  name: "SIGKILL before and after every docker call of a launch leaves nothing and touches nobody else's",
  ignore,
  async fn(): Promise<void> {
    const { agent } = await builtImages();
    await using foreign = await ForeignObjects.create(agent);
    const calls = await callsOnce();
    const points = calls.flatMap(({ launch, call }) =>
      MOMENTS.map((moment): LaunchPoint => ({ launch, point: { call, moment, signal: "SIGKILL" } }))
    );

    const results = await strikeAll(points, { atOnce: AT_ONCE });

    assert.ok(calls.length > 20, `only ${calls.length} calls`);
    assert.equal(results.length, calls.length * 2);
    assert.deepEqual(wrongLines(results), [], strikeTable(calls.map(({ call }) => call), results).join("\n"));
    assert.equal(await foreign.touched(), "");
  },
});

Deno.test({
  name: "without the reaper, SIGKILL leaves a bottle",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    const [launch] = LAUNCHES;
    assert.ok(launch !== undefined);
    const point = { call: "inspect", moment: "after", signal: "SIGKILL", sparesReaper: false } as const;

    const { wrong } = await strike(launch, point);

    // Both containers and both networks.
    assert.deepEqual(wrong.map((line) => line.split(" ")[0]).filter((kind) => kind !== "volume"), [
      "container",
      "container",
      "network",
      "network",
    ]);
  },
});
