import assert from "node:assert/strict";
import type { Trial } from "../../../lib/isolation/attempt.ts";
import { CANARY } from "../../../lib/isolation/attempt.ts";
import { clientHello } from "../../../lib/isolation/client_hello.ts";
import { arrivedMarks, probeArgument, readObservations } from "../../../lib/isolation/probe.ts";

function trial(acts: Trial["acts"]): Trial {
  return { id: "some-id", title: "something", acts, witness: CANARY };
}

Deno.test("an attempt is one argument, its bytes percent-encoded and its braces filled", () => {
  const attempt = trial([
    {
      kind: "tcp",
      host: "{sidecar}",
      port: "8888",
      sends: ["CONNECT {other}\0.x HTTP/1.1\r\n\r\n", "{mark}"],
    },
    { kind: "resolve", name: "{mark}.leak" },
  ]);
  assert.equal(
    probeArgument({ attempt, mark: "m1" }, { sidecar: "10.0.0.2", other: "o.test" }),
    "some-id tcp % 10.0.0.2 8888 CONNECT%20o.test%00.x%20HTTP/1.1%0d%0a%0d%0a m1 ; resolve m1.leak",
  );
});

Deno.test("a name without a value is not sent as it stands", () => {
  const attempt = trial([{ kind: "resolve", name: "{nobody}" }]);
  assert.throws(() => probeArgument({ attempt, mark: "m1" }, {}), /No value for \{nobody\}/);
});

Deno.test("text that is no bytes is refused", () => {
  const attempt = trial([{ kind: "resolve", name: "\u0100" }]);
  assert.throws(() => probeArgument({ attempt, mark: "m1" }, {}), /bytes/);
});

Deno.test("what the probe printed is read, and lines that are none are not", () => {
  const said = readObservations("a\tconnected\tHTTP%2f1.1%20200%0d%0a\nb\tNo%20route\t%\nPerl warning\n");
  assert.deepEqual([...said], [
    ["a", { outcome: "connected", answer: "HTTP/1.1 200\r\n" }],
    ["b", { outcome: "No route", answer: "" }],
  ]);
});

Deno.test("an attempt has arrived when its mark stands in what did, and only then", () => {
  const marked = [{ attempt: trial([]), mark: "mabc" }, {
    attempt: { ...trial([]), id: "other" },
    mark: "mdef",
  }];
  assert.deepEqual([...arrivedMarks("tcp 443 10.0.0.3 mabc%0a\n", marked)], ["some-id"]);
});

Deno.test("a TLS beginning names its host and carries its mark, and its lengths add up", () => {
  const hello = clientHello("a.test", "m1");
  assert.equal(hello.slice(0, 3), "\x16\x03\x01");
  assert.equal(hello.charCodeAt(3) * 256 + hello.charCodeAt(4), hello.length - 5);
  assert.equal(hello.charCodeAt(7) * 256 + hello.charCodeAt(8), hello.length - 9);
  assert.ok(hello.includes("\0\x06a.test"));
  assert.ok(hello.includes("m1"));
  assert.ok(!clientHello(undefined, "m1").includes("a.test"));
});
