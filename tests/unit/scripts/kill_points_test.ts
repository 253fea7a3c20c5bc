import assert from "node:assert/strict";
import { document, type Matrix, options } from "../../../scripts/kill_points.ts";
import { LAUNCHES, type Strike } from "../../support/kill_points.ts";
import { quantile, strikeTimes } from "../../support/reaper_speed.ts";
import { type KillPoint, MOMENTS, SIGNALS } from "../../support/shimmed_launch.ts";

const CALLS = ["info", "container rm"];

/** A launch of two calls; `wrong` is left where it says. */
function matrix(wrong: Readonly<Record<string, Omit<Strike, "point">>> = {}): Matrix {
  const points = CALLS.flatMap((call) =>
    SIGNALS.flatMap((signal) => MOMENTS.map((moment): KillPoint => ({ call, signal, moment })))
  );
  const strikes = points.map((point) => ({
    point,
    ...wrong[`${point.signal} ${point.moment} ${point.call}`] ?? { wrong: [], isLate: false },
  }));
  const [launch = assert.fail()] = LAUNCHES;
  return { launch, calls: CALLS, strikes };
}

function told(matrices: readonly Matrix[], touched = ""): string {
  return document(matrices, { seconds: [1, 2, 3], touched, engine: "20.10.24" });
}

Deno.test("document() has a row a call and a cell a point", () => {
  const text = told([matrix()]);

  assert.match(
    text,
    /^\| call \| KILL before \| KILL after \| TERM before \| TERM after \| HUP before \| HUP after \| INT before \| INT after \|$/m,
  );
  assert.match(text, /^\| `info` \|( nothing \|){8}$/m);
  assert.match(text, /^\| `container rm` \|( nothing \|){8}$/m);
  assert.match(text, /\*\*16 of 16\*\* points left nothing in 5 s; 0 were late; 0 left something/);
  assert.match(text, /touched: \*\*0\*\*/);
  assert.match(text, /median of \*\*2\.0 s\*\*, p95 \*\*3\.0 s\*\*, at most 3\.0 s/);
});

Deno.test("document() tells what was left, what was late and that somebody was touched", () => {
  const text = told([
    matrix({
      "SIGKILL before info": { wrong: ["network a", "container b"], isLate: false },
      "SIGINT after container rm": { wrong: ["volume c"], isLate: true },
    }),
  ], "before: …");

  assert.match(text, /^\| `info` \| \*\*2 left\*\* \|( nothing \|){7}$/m);
  assert.match(text, /^\| `container rm` \|( nothing \|){7} late \|$/m);
  assert.match(text, /^- SIGKILL before `info`: network a; container b$/m);
  assert.match(text, /^- SIGINT after `container rm`: late: volume c$/m);
  assert.match(text, /\*\*14 of 16\*\* points left nothing in 5 s; 1 were late; 1 left something/);
  assert.match(text, /touched: \*\*some\*\*/);
});

for (
  const { args, expected } of [
    { args: [], expected: { atOnce: 4, kills: 30, launches: 3 } },
    {
      args: ["--at-once", "2", "--kills", "5", "--launch", "2"],
      expected: { atOnce: 2, kills: 5, launches: 1 },
    },
    { args: ["--launch", "4"], expected: undefined },
    { args: ["--at-once", "0"], expected: undefined },
    { args: ["--kills"], expected: undefined },
    { args: ["--constructor", "1"], expected: undefined },
  ]
) {
  Deno.test(`options() reads \`${args.join(" ")}\``, () => {
    const chosen = options(args);
    const { atOnce, kills, launches } = chosen ?? {};
    assert.deepEqual(chosen && { atOnce, kills, launches: launches?.length }, expected);
  });
}

Deno.test("quantile() is a value that was measured", () => {
  const values = Array.from({ length: 30 }, (_, index) => 30 - index);
  assert.equal(quantile(values, 0.5), 15);
  assert.equal(quantile(values, 0.95), 29);
  assert.equal(quantile(values, 1), 30);
});

Deno.test("strikeTimes() are in every part of the time", () => {
  const times = strikeTimes(30);
  assert.equal(times.length, 30);
  for (const [index, time] of times.entries()) assert.ok(time >= index * 200 && time < (index + 1) * 200);
});
