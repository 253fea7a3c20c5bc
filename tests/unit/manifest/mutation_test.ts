import assert from "node:assert/strict";
import fc from "fast-check";
import { Failure } from "../../../lib/errors.ts";
import { renderProblem } from "../../../lib/manifest/diagnostics.ts";
import { parseManifest } from "../../../lib/manifest/load.ts";
import { readSource } from "../../../lib/manifest/source.ts";

const TEXTS = await Promise.all(
  ["everything.yaml", "original.yaml", "original.json"].map(async (name) => ({
    name,
    text: await Deno.readTextFile(new URL(`../../testdata/manifest/${name}`, import.meta.url)),
  })),
);

const PIECES = [
  ..."{}[]:,-?*&!|>'\"%@`#\n\t \0\x1b\\é日",
  "\n  ",
  "<<: *a",
  "__proto__: {}",
  "constructor",
  "null",
  "&a ",
  "*a",
  "9".repeat(400),
  "🍾",
  "\ufeff",
  "\r",
];

const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  remove: fc.nat({ max: 12 }),
  insert: fc.oneof(fc.constantFrom(...PIECES), fc.string({ unit: "binary", maxLength: 8 })),
});

/** Either it is refused in words, or all of it has passed. */
async function check(file: string, bytes: Uint8Array<ArrayBuffer>): Promise<void> {
  try {
    const manifest = await parseManifest([{ path: file, bytes }]);
    for (const agent of manifest.agents.values()) assert.ok(manifest.bottles.has(agent.bottle));
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    assert.equal(error.code, "manifest-invalid");
    assert.ok(error.problems.length > 0);
    for (const problem of error.problems) {
      assert.doesNotMatch(renderProblem(problem).replaceAll("\n", ""), /\p{Cc}/u);
    }
  }
}

Deno.test("parseManifest() throws nothing but a Failure for mutated manifests", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...TEXTS),
      fc.array(mutation, { minLength: 1, maxLength: 4 }),
      async ({ name, text }, mutations) => {
        let mutated = text;
        for (const { at, remove, insert } of mutations) {
          const offset = Math.floor(at * mutated.length);
          mutated = mutated.slice(0, offset) + insert + mutated.slice(offset + remove);
        }
        await check(name, new TextEncoder().encode(mutated));
      },
    ),
    { numRuns: 1500 },
  );
});

Deno.test("parseManifest() throws nothing but a Failure for any bytes", async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (bytes) => {
      await check("m.yaml", new Uint8Array(bytes));
      await check("m.json", new Uint8Array(bytes));
    }),
    { numRuns: 500 },
  );
});

Deno.test("parseManifest() throws nothing but a Failure for any data", async () => {
  const name = fc.constantFrom(
    "bottles",
    "agents",
    "env",
    "ssh",
    "egress",
    "allowlist",
    "private",
    "a",
    "constructor",
  );
  const tree = fc.letrec((tie) => ({
    node: fc.oneof(
      { depthSize: "small" },
      fc.constantFrom<unknown>("a", "*.a", "a", null, 1, true, [], {}),
      fc.dictionary(name, tie("node"), { maxKeys: 4 }),
      fc.array(tie("node"), { maxLength: 3 }),
    ),
  })).node;
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.constantFrom("bottles", "agents"), tree), async (data) => {
      await check("m.json", new TextEncoder().encode(JSON.stringify(data)));
    }),
    { numRuns: 500 },
  );
});

Deno.test("readSource() reads JSON as JSON.parse does", () => {
  fc.assert(
    fc.property(fc.json({ depthSize: "medium" }), fc.constantFrom(undefined, 2, "\t"), (json, space) => {
      const text = JSON.stringify(JSON.parse(json), null, space);
      if (text.includes("__proto__")) return;
      const { source, problems } = readSource("m.json", new TextEncoder().encode(text));
      assert.deepEqual(problems, []);
      assert.deepEqual(source?.value, JSON.parse(text));
    }),
    { numRuns: 500 },
  );
});
