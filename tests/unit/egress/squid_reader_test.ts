import assert from "node:assert/strict";
import fc from "fast-check";
import type { EgressEvent } from "../../../lib/egress/proxy.ts";
import { readEvents } from "../../../lib/egress/log_reader.ts";
import { squid } from "../../../lib/egress/squid/squid.ts";

const START = 1_795_695_535;

/** A line of the back about the connection that came to it from `from`, so many seconds after the start. */
function back(at: number, from: string, changes: Readonly<Record<string, string>> = {}): string {
  return JSON.stringify({
    by: "back",
    time: START + at,
    status: 200,
    tag: "NONE_NONE",
    method: "CONNECT",
    host: "api.test",
    port: "443",
    why: "-",
    bump: "bump",
    sni: "api.test",
    error: "-",
    from,
    bytes: "128",
    said: "-",
    asked: "-",
    detail: "-",
    ...changes,
  });
}

function asked(at: number, from: string): string {
  return back(at, from, { tag: "TCP_MISS", method: "GET", said: "none", asked: "GET%20/" });
}

function unread(at: number, from: string, error: string, host = "-"): string {
  return back(at, from, { method: "-", host, port: host === "-" ? "-" : "443", bump: "-", sni: "-", error });
}

function ended(at: number, to: string): string {
  return JSON.stringify({ by: "front", time: START + at, to });
}

function words({ time, verdict, host, reason }: EgressEvent): string {
  return `${(time - 1000 * START) / 1000} ${verdict} ${host}${
    reason === "" ? "" : ` ${reason.split(/[:;]/)[0]}`
  }`;
}

function told(...lines: readonly string[]): readonly string[] {
  return readEvents(squid.reader(), lines).map(words);
}

const UNASKED = "closed api.test without a request";

Deno.test("a tunnel that ends without a request is told, one with a request is not", () => {
  assert.deepEqual(told(back(0, "1"), ended(1, "1")), [`1 ${UNASKED}`]);
  assert.deepEqual(told(back(0, "1"), asked(1, "1"), ended(2, "1")), ["1 allowed api.test"]);
  // It is open yet.
  assert.deepEqual(told(back(0, "1")), []);
});

Deno.test("the two programs may tell a tunnel's beginning, its request and its end in any order", () => {
  assert.deepEqual(told(ended(0, "1"), back(0.001, "1")), [`0 ${UNASKED}`]);
  assert.deepEqual(told(back(0, "1"), ended(1, "1"), asked(1.002, "1")), ["1.002 allowed api.test"]);
  assert.deepEqual(told(ended(1, "1"), back(1, "1"), asked(1.002, "1")), ["1.002 allowed api.test"]);
});

Deno.test("what nothing can change any more is told with the next line, the rest at the end", () => {
  const reader = squid.reader();
  const read = (line: string): readonly string[] => reader.read(line).map(words);
  assert.deepEqual([read(back(0, "1")), read(ended(1, "1")), reader.waits], [[], [], true]);
  assert.deepEqual(read(back(1.5, "2")), []);
  assert.deepEqual([read(back(2, "3")), reader.waits], [[`1 ${UNASKED}`], false]);
  assert.deepEqual([read(ended(2.5, "2")), reader.rest().map(words)], [[], [`2.5 ${UNASKED}`]]);
  assert.deepEqual([reader.waits, reader.rest()], [false, []]);
});

Deno.test("a port that is used again is another tunnel's", () => {
  assert.deepEqual(told(back(0, "1"), asked(1, "1"), ended(2, "1"), back(9, "1"), ended(10, "1")), [
    "1 allowed api.test",
    `10 ${UNASKED}`,
  ]);
  assert.deepEqual(told(back(0, "1"), ended(1, "1"), back(1.5, "1"), asked(2, "1")), [
    `1 ${UNASKED}`,
    "2 allowed api.test",
  ]);
  // An end that nobody has told the beginning of is not the next one's.
  assert.deepEqual(told(ended(1, "1"), back(9, "1"), asked(10, "1")), ["10 allowed api.test"]);
  assert.deepEqual(told(ended(1, "1"), back(9, "1")), []);
});

Deno.test("what squid cannot read is refused for the host of its tunnel, and is a request", () => {
  assert.deepEqual(told(back(0, "1"), unread(1, "1", "ERR_TOO_BIG"), ended(2, "1")), [
    "1 refused api.test a request with more than 64 KB of headers",
  ]);
  assert.deepEqual(told(back(0, "1"), unread(1, "1", "ERR_PROTOCOL_UNKNOWN"), ended(2, "1")), [
    "1 refused api.test a request that cannot be read in one way only",
  ]);
  // Here it does not tell the port, but the host.
  assert.deepEqual(told(back(0, "1"), unread(1, "0", "ERR_INVALID_REQ", "api.test"), ended(2, "1")), [
    "1 refused api.test a request that cannot be read in one way only",
  ]);
  assert.deepEqual(told(unread(1, "7", "ERR_TOO_BIG")), []);
  assert.deepEqual(told(back(0, "1"), unread(1, "1", "ERR_CLIENT_GONE"), ended(2, "1")), []);
});

Deno.test("a tunnel that could not be opened, and one that is no inspected host's, are told by their own lines", () => {
  const [failed, ...more] = told(back(0, "1", { error: "ERR_SECURE_ACCEPT_FAIL" }), ended(0, "1"));
  assert.match(failed ?? "", /^0 refused api\.test the client did not accept/);
  assert.deepEqual(more, []);
  assert.deepEqual(told(back(0, "1", { bump: "splice" }), ended(1, "1")), ["0 allowed api.test"]);
});

Deno.test("whatever lines come in whatever order, no request is lost and no asked tunnel told as unasked", () => {
  const line = fc.record({
    kind: fc.constantFrom("open", "ask", "end"),
    port: fc.constantFrom("1", "2"),
  });
  fc.assert(fc.property(fc.array(line, { maxLength: 40 }), (drawn) => {
    const lines = drawn.map(({ kind, port }, at) =>
      kind === "open" ? back(at, port) : kind === "ask" ? asked(at, port) : ended(at, port)
    );
    const events = readEvents(squid.reader(), lines);
    const count = (kind: string): number => drawn.filter((one) => one.kind === kind).length;
    assert.equal(events.filter(({ verdict }) => verdict === "allowed").length, count("ask"));
    const closed = events.filter(({ verdict }) => verdict === "closed").length;
    assert.ok(closed <= Math.min(count("open"), count("end")));
    assert.deepEqual(
      events.map(({ time }) => time),
      events.map(({ time }) => time).toSorted((a, b) => a - b),
    );
  }));
});

Deno.test("a flood of tunnels that never end is not remembered for ever", () => {
  const reader = squid.reader();
  for (let port = 0; port < 5000; port++) reader.read(back(port / 1000, String(port)));
  // The first are forgotten, the last are not.
  assert.deepEqual([reader.read(ended(6, "3")), reader.read(ended(6, "4999")), reader.waits], [[], [], true]);
});

Deno.test("squid.reader() never throws, whatever a line says", () => {
  fc.assert(fc.property(fc.array(fc.string()), (texts) => {
    const lines = texts.flatMap((
      text,
    ) => [text, `{"by":${text}`, JSON.stringify({ by: text, time: 1, to: text })]);
    assert.ok(Array.isArray(readEvents(squid.reader(), lines)));
  }));
});
