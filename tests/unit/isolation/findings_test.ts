import assert from "node:assert/strict";
import type { Attempt, Group, ProtectionList } from "../../../lib/isolation/attempt.ts";
import { type Probed, type ProtectionFinding, protectionFindings } from "../../../lib/isolation/findings.ts";
import type { Result } from "../../../lib/isolation/judge.ts";
import { COMPARED_AT_LAUNCH } from "../../../lib/isolation/probed.ts";
import { PROTECTIONS } from "../../../lib/isolation/protections.ts";

interface Case {
  readonly stoppedBy: ProtectionList;
  readonly verdict: Result["verdict"];
  readonly group?: Group;
  readonly lets?: string;
}

/** What is found of one protection when these attempts were made. */
function found(
  id: ProtectionFinding["id"],
  cases: readonly Case[],
  more: Partial<Probed> = {},
): ProtectionFinding {
  const attempts = cases.map(({ stoppedBy, group = "proxy", lets }, index): Attempt => ({
    id: `a${index}`,
    group,
    title: `attempt ${index}`,
    acts: [],
    witness: { kind: "canary" },
    stoppedBy,
    ...(lets === undefined ? {} : { pipelockLets: lets }),
  }));
  const results = cases.map(({ verdict }, index) => ({ id: `a${index}`, verdict, said: "" }));
  const findings = protectionFindings({ attempts, results, proxy: "squid", doubt: undefined, ...more });
  assert.deepEqual(findings.map((finding) => finding.id), [...Object.keys(PROTECTIONS), "fail-closed"]);
  const finding = findings.find((one) => one.id === id);
  assert.ok(finding);
  return finding;
}

const PORTS: ProtectionList = ["proxy-ports"];

Deno.test("a protection holds when what it alone stops was stopped", () => {
  const stopped = { stoppedBy: PORTS, verdict: "stopped" } as const;
  const { status, grounds, attempts } = found("proxy-ports", [stopped, stopped]);
  assert.deepEqual([status, grounds, attempts.length], ["held", "2 attempts stopped", 2]);
});

Deno.test("one attempt that got through is enough for a protection not to hold", () => {
  const { status, grounds, remedy } = found("proxy-ports", [
    { stoppedBy: PORTS, verdict: "stopped" },
    { stoppedBy: PORTS, verdict: "through" },
  ]);
  assert.deepEqual([status, grounds], ["not held", "1 of 2 attempts got through (attempt 1)"]);
  assert.equal(remedy, PROTECTIONS["proxy-ports"].remedy);
});

Deno.test("what got through past several protections is held against each of them, even where a control failed", () => {
  const through: Case = { stoppedBy: ["proxy-ports", "proxy-tls"], verdict: "through" };
  const doubt = "nothing got through";
  for (const id of ["proxy-ports", "proxy-tls"] as const) {
    assert.equal(found(id, [through], { doubt }).status, "not held");
  }
  assert.notEqual(found("proxy-hosts", [through]).status, "not held");
});

Deno.test("what the launch compared is suspected only when nothing else is left", () => {
  const both: Case = { stoppedBy: ["internal", "no-host-address"], verdict: "through", group: "host" };
  const decisive: Case = { stoppedBy: ["no-host-address"], verdict: "through", group: "host" };
  assert.equal(found("internal", [both, decisive]).status, "held");
  assert.equal(found("no-host-address", [both, decisive]).status, "not held");
  for (const id of ["internal", "no-host-address"] as const) {
    assert.equal(found(id, [both]).status, "not held");
  }
});

Deno.test("what several protections stop says nothing of any one of them", () => {
  const cases: readonly Case[] = [{ stoppedBy: ["proxy-ports", "proxy-tls"], verdict: "stopped" }];
  assert.equal(found("proxy-ports", cases).status, "not testable");
  const own: Case = { stoppedBy: PORTS, verdict: "stopped" };
  assert.deepEqual(found("proxy-ports", [...cases, own]).status, "held");
  assert.equal(found("proxy-ports", [...cases, own]).grounds, "2 attempts stopped");
});

Deno.test("what the launch compares holds without an attempt, and nothing else does", () => {
  for (const id of Object.keys(PROTECTIONS) as (keyof typeof PROTECTIONS)[]) {
    const isCompared = COMPARED_AT_LAUNCH.has(id);
    assert.equal(found(id, []).status, isCompared ? "held" : "not testable", id);
    assert.equal(found(id, [], { doubt: "a dead bottle" }).status, "not testable", id);
  }
  assert.match(found("internal", []).grounds, /^the launch compared it/);
});

Deno.test("what was not tried counts for nothing", () => {
  const { status, attempts } = found("proxy-ports", [{ stoppedBy: PORTS, verdict: "untried" }]);
  assert.deepEqual([status, attempts], ["not testable", []]);
});

Deno.test("where what is granted did not get through either, nothing is held", () => {
  const cases: readonly Case[] = [{ stoppedBy: PORTS, verdict: "stopped" }];
  const { status, grounds } = found("proxy-ports", cases, { doubt: "a dead bottle" });
  assert.deepEqual([status, grounds], ["not testable", "a dead bottle"]);
});

Deno.test("pipelock's exceptions are exceptions with pipelock alone, and hide nothing", () => {
  const lets: Case = { stoppedBy: PORTS, verdict: "through", lets: "it pins none" };
  const stopped: Case = { stoppedBy: PORTS, verdict: "stopped" };
  const pipelock = found("proxy-ports", [lets, stopped], { proxy: "pipelock" });
  assert.deepEqual(
    [pipelock.status, pipelock.grounds],
    ["excepted", "1 of 2 attempts let through: it pins none"],
  );
  assert.deepEqual(pipelock.attempts.map(({ excepted }) => excepted), [true, false]);
  assert.equal(found("proxy-ports", [lets, stopped]).status, "not held");
  const more: Case = { stoppedBy: PORTS, verdict: "through" };
  const open = found("proxy-ports", [lets, stopped, more], { proxy: "pipelock" });
  assert.deepEqual([open.status, open.grounds], ["not held", "1 of 3 attempts got through (attempt 2)"]);
});

Deno.test("an exception is told with the reason of what one protection alone would stop", () => {
  const { grounds } = found("proxy-tls", [
    { stoppedBy: ["proxy-ports", "proxy-tls"], verdict: "through", lets: "it pins none" },
    { stoppedBy: ["proxy-tls"], verdict: "through", lets: "any TLS" },
    { stoppedBy: ["proxy-tls"], verdict: "through", lets: "any TLS" },
  ], { proxy: "pipelock" });
  assert.equal(grounds, "3 of 3 attempts let through: any TLS");
});

Deno.test("what is tried without the sidecar is told by itself", () => {
  const closed = (verdict: Result["verdict"]): readonly Case[] => [
    { stoppedBy: ["one-network"], verdict, group: "fail-closed" },
  ];
  assert.equal(found("fail-closed", closed("stopped")).status, "held");
  assert.equal(found("fail-closed", closed("through")).status, "not held");
  assert.deepEqual(found("one-network", closed("through")).attempts, []);
});
