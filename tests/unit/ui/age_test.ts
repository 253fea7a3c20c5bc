import assert from "node:assert/strict";
import { age } from "../../../lib/ui/age.ts";

Deno.test("age() tells the largest unit", () => {
  const rows: readonly (readonly [number | undefined, string])[] = [
    [undefined, "unknown"],
    [1000, "0 s"],
    [0, "0 s"],
    [-59_999, "59 s"],
    [-60_000, "1 min"],
    [-3_599_000, "59 min"],
    [-3_600_000, "1 h"],
    [-86_399_000, "23 h"],
    [-172_800_000, "2 d"],
  ];
  for (const [since, text] of rows) assert.equal(age(since, 0), text);
});
