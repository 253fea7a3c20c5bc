import assert from "node:assert/strict";
import fc from "fast-check";
import { eventWords } from "../../support/event_words.ts";
import { squidEvent } from "../../support/squid_event.ts";

/** Lines of a real sidecar (squid 6.13), and what they say; `undefined` for nothing. */
const REAL: readonly (readonly [string, string, string | undefined])[] = [
  [
    "an unlisted host",
    '{"by":"front","time":1795513629.566,"status":403,"tag":"TCP_DENIED","method":"CONNECT","host":"unlisted.test","port":"443","why":"host","bump":"-","sni":"-","error":"403:bottle/refused_host.txt"}',
    "refused unlisted.test:443 not an allowed host",
  ],
  [
    "another port",
    '{"by":"front","time":1795513629.574,"status":403,"tag":"TCP_DENIED","method":"CONNECT","host":"good.test","port":"8443","why":"port","bump":"-","sni":"-","error":"403:bottle/refused_port.txt"}',
    "refused good.test:8443 not an allowed port of this host",
  ],
  [
    "a private address",
    '{"by":"front","time":1795513629.582,"status":403,"tag":"TCP_DENIED","method":"CONNECT","host":"lan.test","port":"443","why":"private","bump":"-","sni":"-","error":"403:bottle/refused_private.txt"}',
    "refused lan.test:443 resolves to a private address",
  ],
  [
    "a loopback address",
    '{"by":"front","time":1795513629.604,"status":403,"tag":"TCP_DENIED","method":"CONNECT","host":"loop.test","port":"443","why":"never","bump":"-","sni":"-","error":"403:bottle/refused_never.txt"}',
    "refused loop.test:443 resolves to an address that is never reachable",
  ],
  [
    "a name that does not resolve",
    '{"by":"front","time":1795513629.628,"status":503,"tag":"TCP_DENIED","method":"CONNECT","host":"nx.test","port":"443","why":"unresolved","bump":"-","sni":"-","error":"503:bottle/refused_unresolved.txt"}',
    "refused nx.test:443 name does not resolve",
  ],
  [
    "plain HTTP, its client gone before the answer",
    '{"by":"front","time":1795513692.410,"status":403,"tag":"TCP_DENIED_ABORTED","method":"TRACE","host":"good.test","port":"80","why":"http","bump":"-","sni":"-","error":"403:bottle/refused_http.txt"}',
    "refused good.test:80 plain HTTP",
  ],
  [
    "an IPv6 literal",
    '{"by":"front","time":1795513632.726,"status":403,"tag":"TCP_DENIED","method":"CONNECT","host":"%5B::1%5D","port":"443","why":"host","bump":"-","sni":"-","error":"403:bottle/refused_host.txt"}',
    "refused [::1]:443 not an allowed host",
  ],
  [
    "TLS let through",
    '{"by":"back","time":1795633682.647,"status":200,"tag":"NONE_NONE","method":"CONNECT","host":"api.test","port":"443","why":"-","bump":"splice","sni":"api.test","error":"-","from":"37368","bytes":"128"}',
    "allowed api.test:443  37368",
  ],
  [
    "the end of the same TLS connection",
    '{"by":"back","time":1795633682.734,"status":200,"tag":"TCP_TUNNEL","method":"CONNECT","host":"api.test","port":"443","why":"-","bump":"splice","sni":"api.test","error":"-","from":"37368","bytes":"3008664"}',
    "closed api.test:443  37368 3008664 bytes",
  ],
  [
    "an ssh entry",
    '{"by":"back","time":1795513724.988,"status":200,"tag":"TCP_TUNNEL","method":"CONNECT","host":"ssh.test","port":"22","why":"-","bump":"splice","sni":"-","error":"-"}',
    "allowed ssh.test:22 ",
  ],
  [
    "TLS for another host",
    '{"by":"back","time":1795513632.777,"status":200,"tag":"NONE_NONE","method":"CONNECT","host":"good.test","port":"443","why":"-","bump":"terminate","sni":"other.test","error":"-"}',
    "refused good.test:443 TLS that names another host: other.test",
  ],
  [
    "TLS with an escape sequence for a name",
    '{"by":"back","time":1795513688.381,"status":200,"tag":"NONE_NONE","method":"CONNECT","host":"good.test","port":"443","why":"-","bump":"terminate","sni":"%1B%5B31mred","error":"-"}',
    "refused good.test:443 TLS that names another host: %1B[31mred",
  ],
  [
    "TLS without a name",
    '{"by":"back","time":1795513632.788,"status":200,"tag":"NONE_NONE","method":"CONNECT","host":"good.test","port":"443","why":"-","bump":"terminate","sni":"-","error":"-"}',
    "refused good.test:443 TLS that names no host",
  ],
  [
    "no TLS at all",
    '{"by":"back","time":1795513632.793,"status":200,"tag":"NONE_NONE","method":"CONNECT","host":"good.test","port":"443","why":"-","bump":"peek","sni":"-","error":"ERR_PROTOCOL_UNKNOWN"}',
    "refused good.test:443 not TLS",
  ],
  [
    "an address that turned private between front and back",
    '{"by":"back","time":1795514449.066,"status":200,"tag":"TCP_DENIED","method":"CONNECT","host":"alt.rebind.test","port":"443","why":"private","bump":"bump","sni":"alt.rebind.test","error":"403:bottle/refused_private.txt"}',
    "refused alt.rebind.test:443 resolves to a private address",
  ],
  [
    "the answer inside that connection",
    '{"by":"back","time":1795514449.066,"status":403,"tag":"NONE_NONE","method":"GET","host":"alt.rebind.test","port":"443","why":"-","bump":"-","sni":"alt.rebind.test","error":"403:bottle/refused_private.txt"}',
    undefined,
  ],
  [
    "an address that turned private while TLS was awaited",
    '{"by":"back","time":1795514472.045,"status":403,"tag":"TCP_DENIED","method":"CONNECT","host":"r6776.rebind.test","port":"443","why":"private","bump":"splice","sni":"r6776.rebind.test","error":"403:bottle/refused_private.txt"}',
    "refused r6776.rebind.test:443 resolves to a private address",
  ],
  [
    "a connection that nobody could judge",
    '{"by":"back","time":1795686718.604,"status":403,"tag":"TCP_DENIED","method":"CONNECT","host":"api.test","port":"443","why":"-","bump":"splice","sni":"api.test","error":"ERR_ACCESS_DENIED","from":"49814","bytes":"229","said":"-","asked":"-","detail":"-"}',
    "refused api.test:443 the sidecar could not judge it",
  ],
  [
    "an allowed host that answers nothing",
    '{"by":"back","time":1795633810.411,"status":503,"tag":"TCP_TUNNEL","method":"CONNECT","host":"dead.test","port":"443","why":"-","bump":"splice","sni":"dead.test","error":"-","from":"37378","bytes":"0"}',
    "closed dead.test:443  37378 0 bytes",
  ],
  [
    "a client that left without a word",
    '{"by":"back","time":1795513687.863,"status":200,"tag":"NONE_NONE_ABORTED","method":"CONNECT","host":"good.test","port":"443","why":"-","bump":"peek","sni":"-","error":"ERR_CLIENT_GONE"}',
    undefined,
  ],
  [
    "plain HTTP to a host that has it",
    '{"by":"back","time":1795644952.426,"status":200,"tag":"TCP_MISS","method":"POST","host":"deb.test","port":"80","why":"-","bump":"-","sni":"-","error":"-","from":"50038","bytes":"419"}',
    "allowed deb.test:80  419 bytes",
  ],
  [
    "plain HTTP to another port of such a host",
    '{"by":"front","time":1795644952.444,"status":403,"tag":"TCP_DENIED","method":"GET","host":"deb.test","port":"8080","why":"http","bump":"-","sni":"-","error":"403:bottle/refused_http.txt","from":"59082","bytes":"434"}',
    "refused deb.test:8080 plain HTTP",
  ],
  ["squid's own words", "2026/11/24 09:48:07| Service Name: squid", undefined],
  ["the supervisor's own words", "claude-bottle sidecar: reloaded", undefined],
];

for (const [what, line, expected] of REAL) {
  Deno.test(`SquidReader reads ${what}`, () => {
    const event = squidEvent(line);
    assert.equal(event && eventWords(event), expected);
  });
}

Deno.test("SquidReader gives the time in milliseconds", () => {
  assert.equal(squidEvent(REAL[0]?.[1] ?? "")?.time, 1795513629566);
});

Deno.test("SquidReader drops the front's passes and lines without a target", () => {
  const line = (change: Readonly<Record<string, unknown>>): string =>
    JSON.stringify({
      by: "front",
      time: 1795513721.121,
      status: 200,
      tag: "TCP_TUNNEL",
      method: "CONNECT",
      host: "good.test",
      port: "443",
      why: "-",
      bump: "-",
      sni: "-",
      error: "-",
      ...change,
    });
  assert.equal(squidEvent(line({})), undefined);
  assert.equal(
    squidEvent(line({ host: "-", port: "-", error: "error:transaction-end-before-headers" })),
    undefined,
  );
  assert.equal(squidEvent(line({ why: "host", port: "0" })), undefined);
  assert.equal(squidEvent(line({ why: "host", time: "yesterday" })), undefined);
  assert.equal(squidEvent(line({ why: "host", by: 7, host: ["x"] })), undefined);
  assert.equal(squidEvent(line({ why: "new-cause" }))?.reason, "refused by the sidecar");
});

Deno.test("SquidReader never throws and lets nothing but printable ASCII through", () => {
  const field = fc.oneof(
    fc.string({ unit: "binary", maxLength: 40 }),
    fc.constantFrom("-", "\u001b]0;x\u0007", "a\nb", "%1B%0A%7F%00%ff%", "x".repeat(3000), "good.test"),
  );
  const hostile = fc.oneof(
    fc.string({ unit: "binary", maxLength: 400 }),
    fc.string().map((text) => `{"by":${text}`),
    fc.record({
      by: fc.constantFrom("front", "back"),
      time: fc.oneof(fc.double(), fc.constant(1795513721.121)),
      tag: field,
      host: field,
      port: fc.constantFrom("443", "22", "-", "99999", "1e3"),
      why: fc.oneof(field, fc.constantFrom("host", "__proto__", "constructor")),
      bump: fc.constantFrom("splice", "terminate", "peek", "-"),
      sni: field,
      error: field,
    }).map((fields) => JSON.stringify(fields)),
  );
  let events = 0;
  fc.assert(
    fc.property(hostile, (line) => {
      const event = squidEvent(line);
      if (event === undefined) return;
      events++;
      for (const text of [event.host, event.reason]) {
        assert.match(text, /^[\x20-\x7e]*$/);
        assert.ok(text.length <= 300);
      }
      assert.ok(Number.isSafeInteger(event.time) && event.time >= 0);
    }),
    { numRuns: 2000 },
  );
  assert.ok(events > 100, `only ${events} lines were events`);
});

Deno.test("SquidReader ignores lines longer than squid writes", () => {
  const line = REAL[0]?.[1] ?? "";
  assert.notEqual(squidEvent(line), undefined);
  assert.equal(squidEvent(line.replace("unlisted.test", "x".repeat(5000))), undefined);
});
