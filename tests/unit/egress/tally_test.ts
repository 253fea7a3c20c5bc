import assert from "node:assert/strict";
import fc from "fast-check";
import { wholeConnections } from "../../../lib/egress/connections.ts";
import type { EgressEvent } from "../../../lib/egress/proxy.ts";
import { EgressTally } from "../../../lib/egress/tally.ts";

function event(changes: Partial<EgressEvent> = {}): EgressEvent {
  return { time: 1, verdict: "refused", host: "a.test", port: 443, reason: "", bytes: undefined, ...changes };
}

function tallied(events: readonly EgressEvent[], most?: number): readonly EgressEvent[] {
  const tally = new EgressTally(most);
  for (const one of events) tally.add(one);
  return tally.events();
}

Deno.test("EgressTally keeps each target once, in the order of their first tries", () => {
  assert.deepEqual(
    tallied([
      event({ reason: "x", time: 1 }),
      event({ verdict: "allowed", time: 2, bytes: 5 }),
      event({ reason: "x", time: 3 }),
      event({ reason: "y", time: 4 }),
      event({ reason: "x", port: 80, time: 5 }),
      event({ verdict: "allowed", time: 6, bytes: 7 }),
    ]),
    [
      event({ reason: "x", time: 1, times: 2 }),
      event({ verdict: "allowed", time: 2, bytes: 12, times: 2 }),
      event({ reason: "y", time: 4, times: 1 }),
      event({ reason: "x", port: 80, time: 5, times: 1 }),
    ],
  );
});

Deno.test("EgressTally counts a connection once, with the bytes of its end", () => {
  const begun = event({ verdict: "allowed", connection: "1" });
  const ended = event({ verdict: "closed", connection: "1", bytes: 100 });
  const other = event({ verdict: "closed", connection: "1", host: "b.test", bytes: 9 });
  assert.deepEqual(tallied([begun, ended]), [event({ verdict: "allowed", bytes: 100, times: 1 })]);
  assert.deepEqual(tallied([begun, ended, begun, ended])[0]?.times, 2);
  // An end alone stands for its connection, as does one that is another's.
  assert.deepEqual(tallied([ended]), [event({ verdict: "allowed", bytes: 100, times: 1 })]);
  assert.deepEqual(tallied([begun, other]).map(({ host, times, bytes }) => [host, times, bytes]), [
    ["a.test", 1, undefined],
    ["b.test", 1, 9],
  ]);
});

Deno.test("EgressTally keeps what came to nothing apart from what was let through and what was refused", () => {
  const closed = event({ verdict: "closed", reason: "without a request" });
  const begun = event({ verdict: "allowed", connection: "1" });
  assert.deepEqual(tallied([closed, begun, closed]), [
    { ...closed, times: 2 },
    event({ verdict: "allowed", times: 1 }),
  ]);
});

Deno.test("EgressTally tells requests to an inspected host apart, and sums equal ones", () => {
  const asked = (request: string, changes: Partial<EgressEvent> = {}): EgressEvent =>
    event({ verdict: "allowed", request, ...changes });
  assert.deepEqual(
    tallied([
      asked("GET /a", { bytes: 5 }),
      asked("POST /a", { bytes: 1 }),
      asked("GET /a", { bytes: 7, time: 2 }),
      asked("GET /a", { verdict: "refused", reason: "x" }),
      event({ verdict: "allowed", bytes: 3 }),
    ]),
    [
      asked("GET /a", { bytes: 12, times: 2 }),
      asked("POST /a", { bytes: 1, times: 1 }),
      asked("GET /a", { verdict: "refused", reason: "x", times: 1 }),
      event({ verdict: "allowed", bytes: 3, times: 1 }),
    ],
  );
  // What is not told apart any more is no single request.
  const [, more] = tallied([asked("GET /a"), asked("GET /b"), asked("GET /c")], 1);
  assert.deepEqual([more?.host, more?.request, more?.times], ["(more targets)", undefined, 2]);
});

Deno.test("EgressTally tells apart what carried which placeholder", () => {
  const carried = (changes: Partial<EgressEvent> = {}): EgressEvent =>
    event({ verdict: "allowed", placeholders: ["API_KEY"], ...changes });
  assert.deepEqual(
    tallied([
      event({ verdict: "allowed" }),
      carried({ bytes: 1 }),
      carried({ bytes: 2 }),
      carried({ placeholders: ["API_KEY", "B"] }),
    ]),
    [
      event({ verdict: "allowed", times: 1 }),
      carried({ bytes: 3, times: 2 }),
      carried({ placeholders: ["API_KEY", "B"], times: 1 }),
    ],
  );
});

Deno.test("EgressTally takes no more memory for a flood, and counts what it does not tell apart", () => {
  const flood = Array.from({ length: 50 }, (_, index) => event({ host: `h${index}.test` }));
  const kept = tallied([...flood, ...flood], 10);
  assert.deepEqual(kept.map(({ host, times }) => [host, times]), [
    ...Array.from({ length: 10 }, (_, index) => [`h${index}.test`, 2]),
    ["(more targets)", 80],
  ]);
  // Those that are known go on being counted; the two verdicts stay apart.
  const more = tallied([...flood, event({ verdict: "allowed", host: "late.test" })], 10);
  assert.deepEqual(more.slice(10).map(({ verdict, times }) => [verdict, times]), [["refused", 40], [
    "allowed",
    1,
  ]]);
});

Deno.test("EgressTally says of any log what its whole connections say, summed up", () => {
  const one = fc.record({
    verdict: fc.constantFrom("allowed" as const, "refused" as const, "closed" as const),
    host: fc.constantFrom("a.test", "b.test"),
    connection: fc.constantFrom("1", "2", "3"),
  });
  fc.assert(fc.property(fc.array(one), (drawn) => {
    const events = drawn.map(({ connection, ...rest }) =>
      event({ ...rest, ...(rest.verdict === "refused" ? {} : { connection }) })
    );
    const counts = (of: readonly EgressEvent[]): ReadonlyMap<string, number> => {
      const result = new Map<string, number>();
      for (const { verdict, host, times = 1 } of of) {
        const key = `${verdict} ${host}`;
        result.set(key, (result.get(key) ?? 0) + times);
      }
      return result;
    };
    assert.deepEqual(counts(tallied(events)), counts(wholeConnections(events)));
  }));
});
