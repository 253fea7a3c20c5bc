import assert from "node:assert/strict";
import { LABEL, labelsOf, parseManifestLabel } from "../../../lib/backend/docker/labels.ts";
import { testInputs } from "../../support/plan_inputs.ts";

Deno.test("parseManifestLabel() reads back what a launch wrote, spaces and all", () => {
  const files = ["/a/claude-bottle.yaml", "/b c/@sha256:x/claude bottle.json", "built-in"].map((
    path,
    index,
  ) => ({
    path,
    digest: String(index).repeat(64),
  }));
  for (const manifestFiles of [files, files.slice(1), files.slice(2), []]) {
    const label = labelsOf({ ...testInputs().run, manifestFiles }, "agent")[LABEL.manifest] ?? "";
    assert.deepEqual(parseManifestLabel(label), manifestFiles);
  }
});

Deno.test("parseManifestLabel() takes nothing from a label of another form", () => {
  for (const label of ["", " ", "/a/claude-bottle.yaml", "/a@sha256:d1", `/a@sha512:${"a".repeat(64)}`]) {
    assert.deepEqual(parseManifestLabel(label), [], label);
  }
});

Deno.test("parseManifestLabel() is not held up by a long label of another form", () => {
  const began = performance.now();
  assert.deepEqual(parseManifestLabel("a".repeat(1_000_000)), []);
  assert.deepEqual(parseManifestLabel("a@sha256:".repeat(100_000)), []);
  assert.ok(performance.now() - began < 2000);
});
