import assert from "node:assert/strict";
import { untouchedNeighbours } from "../../../lib/egress/neighbours.ts";
import type { HostRule } from "../../../lib/egress/policy.ts";

function rule(host: string, isInspected: boolean): HostRule {
  const inspection = { rules: [{ method: "GET", path: "/" }], secret: undefined };
  return { host, private: false, http: false, ...(isInspected ? { inspection } : {}) };
}

Deno.test("untouchedNeighbours() takes an ssh entry on the port of TLS for one", () => {
  const hosts = [rule("api.example.com", true)];
  const near = (port: number): unknown =>
    untouchedNeighbours({ hosts, ssh: [{ host: "ssh.example.com", port, private: false }] });
  assert.deepEqual(near(22), []);
  assert.deepEqual(near(443), [{ inspected: "api.example.com", untouched: ["ssh.example.com"] }]);
});

for (
  const [inspected, untouched, isNear] of [
    ["api.example.com", "www.example.com", true],
    ["api.example.com", "example.com", true],
    ["example.com", "a.b.example.com", true],
    ["api.example.com", "*.example.com", true],
    ["*.example.com", "www.example.com", true],
    ["api.example.co.uk", "www.example.co.uk", true],
    ["api.example.co.uk", "www.other.co.uk", false],
    ["api.example.com", "api.other.com", false],
    ["api.example.com", "myexample.com", false],
    ["api.example.com", "example.org", false],
    ["app", "db", false],
    ["app", "app.example.com", false],
  ] as const
) {
  const verb = isNear ? "takes" : "does not take";
  Deno.test(`untouchedNeighbours() ${verb} ${untouched} for one of ${inspected}`, () => {
    const hosts = [rule(inspected, true), rule(untouched, false)];
    const expected = isNear ? [{ inspected, untouched: [untouched] }] : [];
    assert.deepEqual(untouchedNeighbours({ hosts, ssh: [] }), expected);
    // Neither all of them inspected nor all untouched say anything.
    for (const same of [true, false]) {
      assert.deepEqual(
        untouchedNeighbours({ hosts: hosts.map(({ host }) => rule(host, same)), ssh: [] }),
        [],
      );
    }
  });
}
