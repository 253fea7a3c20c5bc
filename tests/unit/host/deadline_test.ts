import assert from "node:assert/strict";
import { Deadline } from "../../../lib/host/deadline.ts";

/** Milliseconds until a deadline of 20 is over. */
async function passed(now?: () => number): Promise<number> {
  const began = performance.now();
  using deadline = new Deadline({ deadlineMs: 20 }, now);
  await new Promise((resolve) => deadline.signal.addEventListener("abort", resolve));
  return performance.now() - began;
}

Deno.test("a deadline is over after its time, and not before", async () => {
  const ms = await passed();
  assert.ok(ms >= 19, String(ms));
});

Deno.test("a deadline that passed while the process was stopped begins anew, once for each time", async () => {
  // Asked once at first, then when it begins and when it is over: the first two times a minute has gone by in between.
  const times = [0, 0, 60_000, 60_000, 120_000, 120_000, 120_020];
  const ms = await passed(() => times.shift() ?? NaN);
  assert.ok(ms >= 57, String(ms));
  assert.deepEqual(times, []);
});

Deno.test("a deadline that is disposed is never over", async () => {
  const deadline = new Deadline({ deadlineMs: 1 });
  deadline[Symbol.dispose]();
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(deadline.signal.aborted, false);
});

Deno.test("a deadline of silence is put off by each sign of life, and says what it is", async () => {
  using deadline = new Deadline({ silenceMs: 30 });
  for (let sign = 0; sign < 4; sign++) {
    await new Promise((resolve) => setTimeout(resolve, 15));
    deadline.sign();
  }
  assert.equal(deadline.exceeded, undefined);
  await new Promise((resolve) => deadline.signal.addEventListener("abort", resolve));
  assert.equal(deadline.exceeded, "made no progress for 0.03 s");
});
