import assert from "node:assert/strict";
import { sha256 } from "../../../lib/host/digest.ts";

Deno.test("sha256() is the known digest of a known text, and of its bytes", async () => {
  const known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
  assert.equal(await sha256("abc"), known);
  assert.equal(await sha256(new TextEncoder().encode("abc")), known);
});
