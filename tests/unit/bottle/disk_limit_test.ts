import assert from "node:assert/strict";
import { binaryText, diskFailure, DiskMeter, unwatchedFailure } from "../../../lib/bottle/disk_limit.ts";

/** What a meter answers to lines of parts. */
function answers(
  { parts, limit }: { readonly parts: number; readonly limit: number },
  lines: readonly (readonly [number, string])[],
): readonly (number | undefined)[] {
  const meter = new DiskMeter({ parts, limit });
  return lines.map(([part, line]) => meter.read(part, line));
}

Deno.test("DiskMeter says when there is too much, from the second measurement on", () => {
  const rows = [
    { lines: ["disk 99", "disk 100", "disk 101"], expected: [undefined, undefined, 101] },
    // Too much at once may still be becoming less.
    { lines: ["disk 500", "disk 500"], expected: [undefined, 500] },
    {
      lines: ["disk 500", "disk 400", "disk 300", "disk 300"],
      expected: [undefined, undefined, undefined, 300],
    },
    { lines: ["disk 500", "disk 90", "disk 101"], expected: [undefined, undefined, 101] },
    // Who is over the limit does not stay there by freeing a little now and then.
    { lines: ["disk 10100", "disk 10089", "disk 10081"], expected: [undefined, undefined, 10081] },
  ];
  for (const { lines, expected } of rows) {
    assert.deepEqual(answers({ parts: 1, limit: 100 }, lines.map((line) => [0, line])), expected);
  }
});

Deno.test("DiskMeter adds up the parts, once each has told anew", () => {
  assert.deepEqual(
    answers({ parts: 2, limit: 100 }, [[0, "disk 60"], [1, "disk 30"], [0, "disk 60"], [1, "disk 60"]]),
    [undefined, undefined, undefined, 120],
  );
  // One that becomes less while the other has not told yet is no growth.
  assert.deepEqual(
    answers({ parts: 2, limit: 100 }, [
      [0, "disk 90"],
      [1, "disk 30"],
      [0, "disk 80"],
      [1, "disk 30"],
      [0, "disk 70"],
      [1, "disk 30"],
    ]),
    Array(6).fill(undefined),
  );
});

Deno.test("DiskMeter does not wait for a part that tells nothing", () => {
  assert.deepEqual(
    answers({ parts: 2, limit: 100 }, [[0, "disk 101"], [0, "disk 101"], [0, "disk 101"], [0, "disk 101"]]),
    [undefined, undefined, undefined, 101],
  );
});

Deno.test("DiskMeter takes no line for a measurement that is none", () => {
  const meter = new DiskMeter({ parts: 1, limit: 1 });
  for (
    const line of [
      "",
      "disk",
      "disk -5",
      "disk 1e9",
      "disk 5 ",
      " disk 5",
      `disk ${"9".repeat(16)}`,
      "WARNING",
    ]
  ) {
    assert.equal(meter.read(0, line), undefined);
    assert.equal(meter.read(0, line), undefined, line);
  }
});

Deno.test("diskFailure() tells both numbers and what to write, and that what lives on is all there", () => {
  const failure = diskFailure({ taken: 432_013_312, limit: 209_715_200, stays: undefined });
  assert.deepEqual([failure.code, failure.exit], ["disk-limit", 1]);
  assert.equal(
    failure.message,
    "What ran was ended at the bottle's disk limit: it takes 412 MiB, and may take 200 MiB",
  );
  const raise = "Raise resources.disk in the manifest if it needs more, such as `disk: 1g`";
  assert.deepEqual(failure.hints, [raise]);
  assert.deepEqual(
    diskFailure({ taken: 22 * 1024 ** 3, limit: 20 * 1024 ** 3, stays: "claude-bottle-dev" }).hints,
    [
      raise.replace("1g", "44g"),
      "Or free some: nothing in it is lost, and files can be removed: claude-bottle exec claude-bottle-dev -- rm FILE",
    ],
  );
});

Deno.test("binaryText() is in the units of a manifest", () => {
  const rows = [
    [0, "0 bytes"],
    [1023, "1023 bytes"],
    [1024, "1 KiB"],
    [1536, "1.5 KiB"],
    [
      1024 ** 2,
      "1 MiB",
    ],
    [20 * 1024 ** 3, "20 GiB"],
    [25_276_510_208, "23.5 GiB"],
  ] as const;
  for (const [bytes, text] of rows) assert.equal(binaryText(bytes), text);
});

Deno.test("unwatchedFailure() tells how long and what was said last, and that what lives on is all there", () => {
  const failure = unwatchedFailure({
    minutes: 2,
    said: "its processes have too many",
    stays: "claude-bottle-dev",
  });
  assert.equal(failure.code, "disk-unwatched");
  assert.equal(
    failure.message,
    "The bottle was stopped: for 2 minutes nobody could tell what disk it takes (its processes have too many)",
  );
  assert.equal(failure.hints.length, 2);
  const silent = unwatchedFailure({ minutes: 2, said: "", stays: undefined });
  assert.match(silent.message, /what disk it takes$/);
  assert.equal(silent.hints.length, 1);
});
