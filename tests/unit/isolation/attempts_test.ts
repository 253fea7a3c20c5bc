import assert from "node:assert/strict";
import { GROUPS } from "../../../lib/isolation/attempt.ts";
import { ATTEMPTS } from "../../../lib/isolation/attempts.ts";
import { CONTROLS } from "../../../lib/isolation/controls.ts";
import { missingIn } from "../../../lib/isolation/probe.ts";
import { PROTECTIONS } from "../../../lib/isolation/protections.ts";

/** How many attempts each group has at least. */
const AT_LEAST = { direct: 8, host: 9, dns: 10, bottles: 6, proxy: 28, ports: 6, "fail-closed": 5 };

Deno.test("every group has its attempts", () => {
  const counts = Object.fromEntries(
    Object.keys(GROUPS).map((group) => [group, ATTEMPTS.filter((attempt) => attempt.group === group).length]),
  );
  assert.deepEqual(counts, AT_LEAST);
});

Deno.test("ids are unique and plain", () => {
  const ids = [...ATTEMPTS, ...CONTROLS].map(({ id }) => id);
  assert.deepEqual(ids.filter((id) => !/^[a-z][a-z0-9-]+$/.test(id)), []);
  assert.equal(new Set(ids).size, ids.length);
});

Deno.test("every protection stops an attempt", () => {
  const named = new Set(ATTEMPTS.flatMap(({ stoppedBy }) => stoppedBy));
  assert.deepEqual(Object.keys(PROTECTIONS).filter((id) => !(named as ReadonlySet<string>).has(id)), []);
});

Deno.test("what a canary is to see carries a mark", () => {
  const unmarked = [...ATTEMPTS, ...CONTROLS].filter(({ witness, acts }) =>
    witness.kind === "canary" && !/\{mark\}|hello:/.test(Deno.inspect(acts, { depth: 9 }))
  );
  assert.deepEqual(unmarked.map(({ id }) => id), []);
});

Deno.test("an attempt lacks the values that a world does not have, and no others", () => {
  const attempt = ATTEMPTS.find(({ id }) => id === "host-gateway-tcp");
  assert.ok(attempt !== undefined);
  assert.deepEqual(missingIn(attempt, { gateway: "10.0.0.1" }), ["hostPort"]);
  assert.deepEqual(missingIn(attempt, { gateway: "10.0.0.1", hostPort: "9" }), []);
});
