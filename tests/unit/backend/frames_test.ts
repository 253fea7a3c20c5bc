import assert from "node:assert/strict";
import { Secret } from "../../../lib/bottle/env.ts";
import { environmentFrames } from "../../../lib/backend/docker/frames.ts";

function framed(entries: readonly (readonly [string, string])[]): string {
  const env = new Map(entries.map(([name, value]) => [name, new Secret(value)]));
  return new TextDecoder().decode(environmentFrames(env));
}

Deno.test("environmentFrames() counts bytes, keeps the order and ends with an empty frame", () => {
  assert.equal(framed([["B", "2"], ["A", "é"]]), "3:B=2,4:A=é,0:,");
});

Deno.test("environmentFrames() takes values of any shape", () => {
  assert.equal(
    framed([["A", "line\nline\n"], ["B", ""], ["C", "1:X=y,0:,"]]),
    "12:A=line\nline\n,2:B=,11:C=1:X=y,0:,,0:,",
  );
  assert.equal(framed([]), "0:,");
});
