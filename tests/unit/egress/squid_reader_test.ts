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

Deno.test("what squid cannot read is refused also where the tunnel's end was told before", () => {
  const large = "1.002 refused api.test a request with more than 64 KB of headers";
  assert.deepEqual(told(back(0, "1"), ended(1, "1"), unread(1.002, "1", "ERR_TOO_BIG")), [large]);
  assert.deepEqual(told(ended(1, "1"), back(1.001, "1"), unread(1.002, "1", "ERR_TOO_BIG")), [large]);
  assert.deepEqual(told(back(0, "1"), asked(0.5, "1"), ended(1, "1"), unread(1.002, "1", "ERR_TOO_BIG")), [
    "0.5 allowed api.test",
    large,
  ]);
  const invalid = unread(1.002, "0", "ERR_INVALID_REQ", "api.test");
  assert.deepEqual(told(back(0, "1"), ended(1, "1"), invalid), [
    "1.002 refused api.test a request that cannot be read in one way only",
  ]);
  // Long after its end there is nobody whom it could be for.
  assert.deepEqual(told(back(0, "1"), ended(1, "1"), unread(2, "1", "ERR_TOO_BIG")), [`1 ${UNASKED}`]);
});

Deno.test("a request that squid cannot read and whose port it does not tell is one of every tunnel to its host", () => {
  const other = back(0, "3", { host: "other.test", sni: "other.test" });
  const invalid = unread(1, "0", "ERR_INVALID_REQ", "api.test");
  assert.deepEqual(
    told(back(0, "1"), back(0, "2"), other, invalid, ...["1", "2", "3"].map((to) => ended(2, to))),
    [
      "1 refused api.test a request that cannot be read in one way only",
      "2 closed other.test without a request",
    ],
  );
});

Deno.test("a tunnel that could not be opened, and one that is no inspected host's, are told by their own lines", () => {
  const [failed, ...more] = told(back(0, "1", { error: "ERR_SECURE_ACCEPT_FAIL" }), ended(0, "1"));
  assert.match(failed ?? "", /^0 refused api\.test the client did not accept/);
  assert.deepEqual(more, []);
  assert.deepEqual(told(back(0, "1", { bump: "splice" }), ended(1, "1")), ["0 allowed api.test"]);
  assert.deepEqual(told(back(0, "1", { why: "private" }), ended(1, "1")), [
    "0 refused api.test resolves to a private address",
  ]);
});

Deno.test("a line that comes too late changes nothing that was told, and its port is free for the next tunnel", () => {
  assert.deepEqual(told(back(0, "1"), ended(1, "1"), asked(2.5, "1")), [
    `1 ${UNASKED}`,
    "2.5 allowed api.test",
  ]);
  assert.deepEqual(told(ended(1, "1"), back(2.5, "1"), back(9, "1"), ended(10, "1")), [`10 ${UNASKED}`]);
});

type Kind = "open" | "ask" | "unread" | "end";

/** One drawn line about a port, so many seconds after the start. */
interface Drawn {
  readonly kind: Kind;
  readonly port: string;
  readonly at: number;
}

const LINES: Readonly<Record<Kind, (at: number, port: string) => string>> = {
  open: (at, port) => back(at, port, { host: `${port}.test`, sni: `${port}.test` }),
  ask: (at, port) => back(at, port, { tag: "TCP_MISS", method: "GET", said: "none", sni: `${port}.test` }),
  unread: (at, port) => unread(at, port, "ERR_TOO_BIG"),
  end: ended,
};

/** What the lines about one port say when all of them are looked at together. */
function expected(lines: readonly Drawn[]): readonly string[] {
  const isSoon = (at: number, after: number): boolean => at - after < 1;
  const events = lines.filter(({ kind }) => kind === "ask").map(({ at }) => `${at} allowed`);
  const taken = new Set<Drawn>();
  for (const [index, opened] of lines.entries()) {
    if (opened.kind !== "open") continue;
    const earlier = lines.slice(0, index).findLast((line) => line.kind === "end" && !taken.has(line));
    const next = lines.findIndex(({ kind }, other) => kind === "open" && other > index);
    const own = lines.slice(index + 1, next < 0 ? undefined : next);
    const isEarly = earlier !== undefined && isSoon(opened.at, earlier.at);
    const end = isEarly ? earlier : own.find(({ kind }) => kind === "end");
    if (end !== undefined) taken.add(end);
    const since = isEarly ? opened.at : end?.at;
    const asks = own.filter((line) =>
      line.kind !== "end" &&
      (since === undefined || isSoon(line.at, since) ||
        (!isEarly && own.indexOf(line) < own.indexOf(end ?? line)))
    );
    events.push(...asks.filter(({ kind }) => kind === "unread").map(({ at }) => `${at} refused`));
    if (end !== undefined && asks.length === 0) events.push(`${end.at} closed`);
  }
  return events.toSorted();
}

Deno.test("whatever lines come in whatever order, each request and each tunnel without one is told once", () => {
  const line = fc.record({
    kind: fc.constantFrom<Kind>("open", "ask", "unread", "end"),
    port: fc.constantFrom("1", "2"),
    pause: fc.integer({ min: 0, max: 10 }),
  });
  const seen = { closed: 0, refused: 0 };
  fc.assert(
    fc.property(fc.array(line, { maxLength: 40 }), (steps) => {
      let tenths = 0;
      const drawn: readonly Drawn[] = steps.map(({ kind, port, pause }) => {
        tenths += 3 * pause;
        return { kind, port, at: tenths / 10 };
      });
      const events = readEvents(squid.reader(), drawn.map(({ kind, port, at }) => LINES[kind](at, port)));
      for (const port of ["1", "2"]) {
        const own = events.filter(({ host }) => host === `${port}.test`);
        const words = own.map(({ time, verdict }) => `${(time - 1000 * START) / 1000} ${verdict}`);
        assert.deepEqual(words.toSorted(), expected(drawn.filter((one) => one.port === port)));
      }
      const times = events.map(({ time }) => time);
      assert.deepEqual(times, times.toSorted((a, b) => a - b));
      for (const { verdict } of events) if (verdict !== "allowed") seen[verdict]++;
    }),
    { numRuns: 500 },
  );
  // Both were drawn.
  assert.ok(seen.closed > 20 && seen.refused > 20, JSON.stringify(seen));
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
