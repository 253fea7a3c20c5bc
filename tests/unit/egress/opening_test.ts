import assert from "node:assert/strict";
import { openingFrames, readOpening } from "../../../lib/egress/opening.ts";

const PEM = "-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n";

Deno.test("openingFrames() frames each secret by its length in bytes, and ends with an empty frame", () => {
  const frames = openingFrames([{ env: "TOKEN", placeholder: "p-1", secret: "gehÄim,1:" }]);
  assert.equal(new TextDecoder().decode(frames), "20:TOKEN\0p-1\0gehÄim,1:,0:,");
  assert.equal(new TextDecoder().decode(openingFrames([])), "0:,");
});

Deno.test("readOpening() reads placeholders and authority", () => {
  const { authority, placeholders } = readOpening(`placeholder TOKEN p-1\nhash 0123abcd\n${PEM}\nready\n`);
  assert.deepEqual(authority, { pem: PEM, hash: "0123abcd" });
  assert.deepEqual([...placeholders], [["TOKEN", "p-1"]]);
});

Deno.test("readOpening() trusts nothing that it does not understand", () => {
  for (
    const stdout of [
      "",
      "ready\n",
      `hash 0123abcd\n${PEM}`,
      `hash ../../x0\n${PEM}\nready\n`,
      `hash 0123abcd\n-----BEGIN PRIVATE KEY-----\nTUlJ\n-----END PRIVATE KEY-----\n\nready\n`,
    ]
  ) {
    assert.throws(() => readOpening(stdout), { code: "sidecar-answer" }, JSON.stringify(stdout));
  }
});
