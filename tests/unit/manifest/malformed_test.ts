import assert from "node:assert/strict";
import { expectationOf, malformedNames, refusal, told } from "../../support/malformed_manifests.ts";
import { within } from "../../support/within.ts";

const { manifests, orphans } = await malformedNames();

Deno.test(`validate says of ${manifests.length} malformed manifests what is expected`, async (test) => {
  let matching = 0;
  for (const name of manifests) {
    await test.step(name, async () => {
      assert.equal(await told(name), await Deno.readTextFile(expectationOf(name)));
      matching++;
    });
  }
  assert.deepEqual(orphans, []);
  assert.ok(manifests.length >= 100);
  await test.step(`${matching} of ${manifests.length}`, () => assert.equal(matching, manifests.length));
});

Deno.test("validate refuses every malformed manifest in under a second, with a place for each problem", async () => {
  for (const name of manifests) {
    let refused: Awaited<ReturnType<typeof refusal>>;
    assert.ok(
      await within(1000, async () => refused = await refusal(name)),
      `${name} takes more than a second`,
    );
    assert.equal(refused?.code, "manifest-invalid", name);
    assert.equal(refused?.exit, 2);
    for (const { where, message, path } of refused?.problems ?? []) {
      assert.equal(where?.file, name);
      assert.ok(where.line >= 1 && where.column >= 1 && (where.length ?? 1) >= 1);
      if (path !== undefined) assert.ok(message.startsWith(`${path}: `), message);
    }
  }
});

Deno.test("the malformed manifests are YAML and JSON alike", () => {
  const json = manifests.filter((name) => name.endsWith(".json"));
  assert.ok(json.length >= 50);
  assert.ok(manifests.length - json.length >= 50);
});
