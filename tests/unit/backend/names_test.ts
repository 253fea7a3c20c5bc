import assert from "node:assert/strict";
import fc from "fast-check";
import { containerName, runIdFrom, runNames, slugify } from "../../../lib/backend/docker/names.ts";
import { LABEL, labelsOf, ownerLabel } from "../../../lib/backend/docker/labels.ts";
import { checkName, nameSlug } from "../../../lib/manifest/names.ts";
import { testInputs } from "../../support/plan_inputs.ts";

Deno.test("slugify() gives what a container's name can carry", () => {
  assert.equal(slugify("reviewer"), "reviewer");
  assert.equal(slugify("Code Reviewer"), "code-reviewer");
  assert.equal(slugify("__a..B--c__"), "a-b-c");
  assert.equal(slugify("Ünïcode 2"), "n-code-2");
});

Deno.test("slugify() and the manifest's nameSlug() agree: who else is refused would be another agent", () => {
  const letter = fc.constantFrom(..."aZ09 ._-ÄßİK\u212a\n");
  const name = fc.oneof(fc.string({ unit: letter }), fc.string(), fc.string({ unit: "binary" }));
  let good = 0;
  fc.assert(
    fc.property(name, (text) => {
      assert.equal(slugify(text), nameSlug(text));
      if (checkName(text).kind !== "good") return;
      good++;
      assert.match(slugify(text), /^[a-z0-9]+(-[a-z0-9]+)*$/);
    }),
    { numRuns: 2000, seed: 4711 },
  );
  assert.ok(good > 50, `${good} names were good`);
});

Deno.test("containerName() has no suffix at first, then -2 … -99", () => {
  assert.equal(containerName("reviewer", 1), "claude-bottle-reviewer");
  assert.equal(containerName("reviewer", 2), "claude-bottle-reviewer-2");
  assert.equal(containerName("reviewer", 99), "claude-bottle-reviewer-99");
});

Deno.test("runIdFrom() writes five bits of each byte in letters that names, labels and hosts can hold", () => {
  assert.equal(
    runIdFrom(Uint8Array.from({ length: 32 }, (_, index) => index)),
    "abcdefghijklmnopqrstuvwxyz234567",
  );
  assert.equal(runIdFrom(Uint8Array.of(255, 224, 32, 31)), "7aa7");
  assert.match(runIdFrom(Uint8Array.from({ length: 256 }, (_, index) => index)), /^[a-z2-7]{256}$/);
});

Deno.test("runNames() carry the run id, and the egress network sorts first", () => {
  const names = runNames("reviewer", "abcdefghijklm");
  assert.deepEqual(names, {
    sidecar: "claude-bottle-reviewer-abcdefghijklm-sidecar",
    internal: "claude-bottle-reviewer-abcdefghijklm-internal",
    egress: "0-claude-bottle-reviewer-abcdefghijklm-egress",
    workspace: "claude-bottle-reviewer-abcdefghijklm-workspace",
  });
  const networks = [names.internal, names.egress, "00-somebody", "Default", "a"].sort();
  assert.equal(networks.find((name) => !name.startsWith("00")), names.egress);
});

Deno.test("labelsOf() says whose an object is", () => {
  const run = {
    ...testInputs().run,
    manifestFiles: [{ path: "/etc/a.yaml", digest: "d1" }, { path: "built-in", digest: "d2" }],
  };
  assert.deepEqual(labelsOf(run, "sidecar"), {
    "claude-bottle.run": "abcdefghijklm",
    "claude-bottle.agent": "Code Reviewer",
    "claude-bottle.bottle": "dev",
    "claude-bottle.role": "sidecar",
    "claude-bottle.manifest": "/etc/a.yaml@sha256:d1 built-in@sha256:d2",
    "claude-bottle.version": "1.2.3",
    "claude-bottle.owner": "0123456789abcdef/boot-1/pid:4026531836/1000/42/777",
  });
});

Deno.test("ownerLabel() holds the six fields in order", () => {
  const owner = { machine: "m", boot: "b", pidNamespace: "pid:1", uid: "1000", pid: "42", started: "777" };
  assert.equal(ownerLabel(owner), "m/b/pid:1/1000/42/777");
  assert.equal(LABEL.owner, "claude-bottle.owner");
});
