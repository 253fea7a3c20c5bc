import { eventually } from "./engine.ts";
import { type KilledLaunch, objectsOf, ShimmedLaunch } from "./shimmed_launch.ts";

/** A bottle whose agent goes on for longer than anybody waits. */
const LAUNCH: KilledLaunch = { name: "a bottle", proxy: "squid", args: [], script: "sleep 600" };

/** Over how many milliseconds after a launch's first object the kills are spread: half of them hit the session. */
const SPREAD_MS = 6000;
/** An engine that lists nothing for so long will not list anything again. */
const QUIET_MS = 2000;
const PATIENCE_MS = 60_000;

/** Seconds from the SIGKILL of a bottle's program until the engine lists nothing of it, for good. @throws Error after a minute */
export async function reapSeconds({ after }: { readonly after: number }): Promise<number> {
  await using run = await ShimmedLaunch.begin(LAUNCH);
  await eventually("its first object is made", async () => {
    const begun = await run.calls("began");
    return begun.some(({ call }) => call.startsWith("network create")) ? true : undefined;
  });
  await pause(after);
  const killed = performance.now();
  Deno.kill(run.pid, "SIGKILL");
  let gone = 0;
  for (;;) {
    const isEmpty = (await objectsOf(run.bench.agent)).length === 0;
    const now = performance.now();
    if (!isEmpty) gone = 0;
    else if (gone === 0) gone = now;
    if (gone > 0 && now - gone > QUIET_MS) return (gone - killed) / 1000;
    if (now - killed > PATIENCE_MS) {
      throw new Error(`Not gone after a minute: ${await objectsOf(run.bench.agent)}`);
    }
    await pause(50);
  }
}

/** When to strike, `count` times: spread evenly, each at a random place of its part. */
export function strikeTimes(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => (index + Math.random()) * SPREAD_MS / count);
}

/** The nearest-rank quantile. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((one, other) => one - other);
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? NaN;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
