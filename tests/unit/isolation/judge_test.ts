import assert from "node:assert/strict";
import { CANARY, type Trial, type Witness } from "../../../lib/isolation/attempt.ts";
import { resultOf } from "../../../lib/isolation/judge.ts";
import type { Observation } from "../../../lib/isolation/probe.ts";
import { PROBED } from "../../../lib/isolation/probed.ts";

function trial(witness: Witness): Trial {
  return { id: "t", title: "it", acts: [{ kind: "icmp", host: "{canary}", data: "{mark}" }], witness };
}

function verdict(
  witness: Witness,
  said: Observation | undefined,
  arrived: readonly string[] = [],
): string {
  return resultOf(trial(witness), { said, world: { canary: "10.0.0.1" }, arrived: new Set(arrived) }).verdict;
}

const SAID = { outcome: "connected", answer: "hello" };

Deno.test("resultOf() believes the canary, whatever came back", () => {
  assert.equal(verdict({ kind: "canary" }, SAID), "stopped");
  assert.equal(verdict({ kind: "canary" }, SAID, ["t"]), "through");
  assert.equal(verdict({ kind: "answer", pattern: /nothing/ }, SAID, ["t"]), "through");
});

Deno.test("resultOf() judges by what came back, or how it ended, where there is no canary", () => {
  assert.equal(verdict({ kind: "answer", pattern: /ell/ }, SAID), "through");
  assert.equal(verdict({ kind: "answer", pattern: /connected/ }, SAID), "stopped");
  assert.equal(verdict({ kind: "outcome", pattern: /connected/ }, SAID), "through");
  assert.equal(verdict({ kind: "outcome", pattern: /ell/ }, SAID), "stopped");
  const either: Witness = { kind: "outcome", pattern: /^connected$/, stopped: /^refused$/ };
  assert.equal(verdict(either, SAID), "through");
  assert.equal(verdict(either, { outcome: "refused", answer: "" }), "stopped");
  assert.equal(verdict(either, { outcome: "silence", answer: "" }), "untried");
});

Deno.test("resultOf() does not take for stopped what was not made to its end", () => {
  const ends = [
    "failed: Can't locate object method",
    "took too long",
    "ended with 127",
    "silence, ended with 126",
  ];
  for (const outcome of ends) {
    for (
      const witness of [CANARY, { kind: "answer", pattern: /x/ }, { kind: "outcome", pattern: /x/ }] as const
    ) {
      assert.equal(verdict(witness, { outcome, answer: "" }), "unknown", outcome);
      assert.equal(verdict(witness, { outcome, answer: "" }, ["t"]), "through", outcome);
    }
  }
  assert.equal(verdict(CANARY, { outcome: "ended with 1", answer: "" }), "stopped");
});

Deno.test("resultOf() knows nothing of what was not told, and says what it would take", () => {
  const nothing = { said: undefined, arrived: new Set<string>() };
  assert.deepEqual(resultOf(trial({ kind: "canary" }), { ...nothing, world: {} }), {
    id: "t",
    verdict: "untried",
    said: "no canary",
  });
  assert.equal(
    resultOf(trial({ kind: "canary" }), { ...nothing, world: { canary: "x" } }).said,
    "not told of",
  );
});

/** What one attempt of the probe is judged when no canary saw it. */
function probed(id: string, said: Observation): string {
  const attempt = PROBED.find((one) => one.id === id);
  assert.ok(attempt, id);
  return resultOf(attempt, { said, world: {}, arrived: new Set() }).verdict;
}

Deno.test("a refused connection from the host is an answer, and silence is none", () => {
  const ids = ["host-gateway-tcp", "host-default-bridge", "host-egress-gateway", "host-by-name"];
  for (const id of ids) {
    assert.equal(probed(id, { outcome: "refused", answer: "" }), "through", id);
    assert.equal(probed(id, { outcome: "connected", answer: "SSH-2.0" }), "through", id);
    for (const outcome of ["No route to host", "silence", "unresolved: Temporary failure"]) {
      assert.equal(probed(id, { outcome, answer: "" }), "stopped", id);
    }
  }
});

Deno.test("a resolver that answers has asked or knows; one that fails has not", () => {
  const message = (code: number, before = ""): string =>
    `${before}BB\x81${String.fromCharCode(0x80 | code)}\x00\x01`;
  for (const code of [0, 3]) {
    assert.equal(probed("dns-embedded-udp", { outcome: "sent", answer: message(code) }), "through");
    assert.equal(
      probed("dns-embedded-tcp", { outcome: "connected", answer: message(code, "\x00\x20") }),
      "through",
    );
  }
  for (const code of [2, 5]) {
    assert.equal(probed("dns-embedded-udp", { outcome: "sent", answer: message(code) }), "stopped");
  }
  assert.equal(probed("dns-embedded-udp", { outcome: "sent", answer: "" }), "stopped");
  assert.equal(probed("dns-resolver", { outcome: "Name or service not known", answer: "" }), "through");
  assert.equal(
    probed("dns-resolver", { outcome: "Temporary failure in name resolution", answer: "" }),
    "stopped",
  );
});

Deno.test("the rest that no canary sees is judged by what it takes", () => {
  const rows: readonly [string, Observation, Observation][] = [
    ["direct-raw", { outcome: "sent", answer: "" }, {
      outcome: "no socket: Operation not permitted",
      answer: "",
    }],
    ["direct-frame", { outcome: "sent on 2", answer: "" }, {
      outcome: "not sent: Network is down",
      answer: "",
    }],
    ["direct-icmp", { outcome: "sent", answer: "\0\0" }, { outcome: "sent", answer: "" }],
    [
      "host-engine-socket",
      { outcome: "No such file or directory, Permission denied", answer: "" },
      { outcome: "No such file or directory, No such file or directory", answer: "" },
    ],
    [
      "host-by-sidecar",
      { outcome: "connected", answer: "HTTP/1.1 503 Service Unavailable\r\n" },
      { outcome: "connected", answer: "HTTP/1.1 403 Forbidden\r\n" },
    ],
    [
      "proxy-loopback-address",
      { outcome: "connected", answer: "HTTP/1.0 200 Connection established\r\n" },
      { outcome: "connected", answer: "HTTP/1.1 403 Forbidden\r\n" },
    ],
    [
      "direct-ipv6-address",
      {
        outcome: "ended with 0",
        answer: "00000000000000000000000000000001 01 80 10 80       lo\n" +
          "fd000000000000000000000000000003 1f 40 00 80     eth0\n",
      },
      { outcome: "ended with 0", answer: "00000000000000000000000000000001 01 80 10 80       lo\n" },
    ],
  ];
  for (const [id, through, stopped] of rows) {
    assert.equal(probed(id, through), "through", id);
    assert.equal(probed(id, stopped), "stopped", id);
  }
});

Deno.test("a sidecar that says nothing may be waiting for a firewall: that proves nothing", () => {
  for (const id of ["host-by-sidecar", "proxy-loopback-address"]) {
    assert.equal(probed(id, { outcome: "connected", answer: "" }), "untried", id);
  }
});
