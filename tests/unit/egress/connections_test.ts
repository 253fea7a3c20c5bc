import assert from "node:assert/strict";
import fc from "fast-check";
import { wholeConnections } from "../../../lib/egress/connections.ts";
import { eventBytes } from "../../../lib/egress/log_line.ts";
import type { EgressEvent } from "../../../lib/egress/proxy.ts";
import { eventWords } from "../../support/event_words.ts";

const OPEN: EgressEvent = {
  time: 1,
  verdict: "allowed",
  host: "api.test",
  port: 443,
  reason: "",
  bytes: undefined,
  connection: "1",
};
const CLOSED: EgressEvent = { ...OPEN, time: 9, verdict: "closed", bytes: 7 };
const REFUSED: EgressEvent = { ...OPEN, verdict: "refused", host: "x.test", reason: "x" };

function words(...events: readonly EgressEvent[]): readonly string[] {
  return wholeConnections(events).map((event) => `${event.time} ${eventWords(event)}`);
}

Deno.test("wholeConnections() gives a connection its bytes where it began", () => {
  const other = { ...OPEN, connection: "2" };
  assert.deepEqual(words(OPEN, other, REFUSED, CLOSED), [
    "1 allowed api.test:443  1 7 bytes",
    "1 allowed api.test:443  2",
    "1 refused x.test:443 x 1",
  ]);
});

Deno.test("wholeConnections() tells connections of one name apart that followed each other", () => {
  assert.deepEqual(words(OPEN, CLOSED, { ...OPEN, time: 10 }, { ...CLOSED, bytes: 8 }), [
    "1 allowed api.test:443  1 7 bytes",
    "10 allowed api.test:443  1 8 bytes",
  ]);
});

Deno.test("wholeConnections() keeps an end whose beginning is no longer in the log, or another's", () => {
  assert.deepEqual(words(CLOSED), ["9 allowed api.test:443  1 7 bytes"]);
  assert.deepEqual(words({ ...OPEN, host: "other.test" }, CLOSED), [
    "1 allowed other.test:443  1",
    "9 allowed api.test:443  1 7 bytes",
  ]);
});

Deno.test("wholeConnections() loses no connection, no refusal and no byte, and tells no end by itself", () => {
  const event = fc.record({
    verdict: fc.constantFrom("allowed", "refused", "closed"),
    host: fc.constantFrom("a.test", "b.test"),
    connection: fc.constantFrom("1", "2", "3"),
    bytes: fc.nat(),
  }).map((parts): EgressEvent => ({
    ...OPEN,
    ...parts,
    bytes: parts.verdict === "closed" ? parts.bytes : undefined,
  }));
  const total = (events: readonly EgressEvent[]): number =>
    events.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0);
  fc.assert(fc.property(fc.array(event, { maxLength: 30 }), (events) => {
    const whole = wholeConnections(events);
    const count = (verdict: string): number => events.filter((one) => one.verdict === verdict).length;
    assert.equal(total(whole), total(events));
    assert.ok(whole.every(({ verdict }) => verdict !== "closed"));
    assert.equal(whole.filter(({ verdict }) => verdict === "refused").length, count("refused"));
    assert.ok(whole.length >= count("allowed") + count("refused") && whole.length <= events.length);
  }));
});

Deno.test("eventBytes() reads whole numbers in either form and nothing else", () => {
  for (const value of [0, 12, "0", "12"]) assert.equal(eventBytes(value), Number(value));
  for (const value of ["-", "", "1.5", "-1", -1, 1.5, NaN, 2 ** 60, "9".repeat(30), null, undefined, [1]]) {
    assert.equal(eventBytes(value), undefined, String(value));
  }
});
