import assert from "node:assert/strict";
import fc from "fast-check";
import { Failure } from "../../../lib/errors.ts";
import { renderProblem } from "../../../lib/manifest/diagnostics.ts";
import { parseManifest } from "../../../lib/manifest/load.ts";
import { readSource } from "../../../lib/manifest/source.ts";
import { MALFORMED, malformedNames } from "../../support/malformed_manifests.ts";
import { within } from "../../support/within.ts";

const FORMATS = ["yaml", "json"] as const;
/** How many mutated inputs each format gets. */
const RUNS = 10_000;
/** The longest that one input may take, in milliseconds. */
const LIMIT_MS = 1000;

/** Small manifests, right and wrong, so that the time goes into many inputs. */
const SEEDS = {
  yaml: [
    "bottles:\n  dev:\n    env: { A: b, T: ?token }\nagents:\n  a: { bottle: dev }\n",
    'bottles:\n  "x y": &x\n    egress:\n      allowlist:\n        - a.de\n        - "*.b.de"\n  z: *x\n',
    "bottles: { d: {} }\nagents:\n  a:\n    bottle: d\n    prompt: |\n      Hä?\n    skills: ['s']\n",
    "bottles: { d: { ssh: [{ Host: g, IdentityFile: ~/k, Port: 22 }] } }\n",
    "bottles:\n  b: { git: { identity: host }, egress: { allowlist: [a], private: [a] } }\n  c:\n    extends: b\n    env: { S: { secret: { file: ~/s } } }\nagents: { x: { bottle: c }, y: { extends: x } }\n",
  ],
  json: [
    '{ "bottles": { "d": { "env": { "A": "b" } } }, "agents": { "a": { "bottle": "d" } } }',
    '{\n  "bottles": {\n    "d": { "egress": { "allowlist": ["a.de", { "host": "b.de" }] } }\n  }\n}\n',
    '{ "bottles": { "d": {} }, "agents": { "a b": { "bottle": "d", "prompt": "\\u00e4ö\\n" } } }',
    '{ "bottles": { "d": { "resources": { "cpus": 1.5e0, "pids": 100 } } } }',
    '{ "bottles": { "b": { "image": { "ca": "~/c" } }, "c": { "extends": "b", "env": { "S": { "secret": { "command": ["s"] } } } } }, "agents": { "x": { "bottle": "c" }, "y": { "extends": "x" } } }',
  ],
} as const;

const PIECES = [
  ..."{}[]:,-?*&!|>'\"%@`#\n\t \0\x1b\\é日=;“\u00a0\u200d",
  "\n  ",
  "\n      ",
  ": ",
  "- ",
  "//",
  "<<: *x",
  "*x",
  "&x ",
  "__proto__: {}",
  "constructor",
  "null",
  "True",
  "0x1",
  "\\u12",
  "9".repeat(400),
  "🍾",
  "👩‍💻",
  "\ufeff",
  "\r",
  "---\n",
];

const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  remove: fc.oneof(fc.constant(0), fc.nat({ max: 12 })),
  insert: fc.oneof(
    fc.constantFrom(...PIECES),
    fc.string({ unit: "binary", maxLength: 6 }),
    fc.constantFrom(..." abde.1_-"),
  ),
});
const mutations = fc.array(mutation, { minLength: 1, maxLength: 4, size: "xsmall" });

function mutated(text: string, changes: readonly { at: number; remove: number; insert: string }[]): string {
  return changes.reduce((so, { at, remove, insert }) => {
    const offset = Math.floor(at * so.length);
    return so.slice(0, offset) + insert + so.slice(offset + remove);
  }, text);
}

/** Either it is refused in words, or all of it has passed. Tells which. */
async function check(file: string, bytes: Uint8Array<ArrayBuffer>): Promise<"refused" | "passed"> {
  let outcome: "refused" | "passed" = "passed";
  try {
    const manifest = await parseManifest([{ path: file, bytes }]);
    for (const agent of manifest.agents.values()) assert.ok(manifest.bottles.has(agent.bottle));
  } catch (error) {
    outcome = "refused";
    assert.ok(error instanceof Failure, String(error));
    assert.equal(error.code, "manifest-invalid");
    assert.ok(error.problems.length > 0);
    for (const problem of error.problems) {
      assert.doesNotMatch(renderProblem(problem).replaceAll("\n", ""), /\p{Cc}/u);
      assert.ok(problem.where === undefined || inside(problem.where.column, bytes));
    }
  }
  return outcome;
}

/** A place may be one behind the last character, and no further. */
function inside(column: number, bytes: Uint8Array): boolean {
  return column >= 1 && column <= bytes.length + 1;
}

for (const format of FORMATS) {
  Deno.test(`parseManifest() refuses ${RUNS} mutated ${format} inputs in words, each in under a second`, async () => {
    const counts = { refused: 0, passed: 0 };
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...SEEDS[format]), mutations, async (seed, changes) => {
        const bytes = new TextEncoder().encode(mutated(seed, changes));
        let outcome: "refused" | "passed" = "passed";
        const quick = await within(LIMIT_MS, async () => outcome = await check(`m.${format}`, bytes));
        assert.ok(quick, `more than ${LIMIT_MS} ms`);
        counts[outcome]++;
      }),
      { numRuns: RUNS },
    );
    assert.equal(counts.refused + counts.passed, RUNS);
    assert.ok(counts.refused > RUNS / 2 && counts.passed > RUNS / 100, JSON.stringify(counts));
  });
}

Deno.test("parseManifest() refuses mutations of whole and of malformed manifests in words", async () => {
  const { manifests } = await malformedNames();
  const urls = [
    ...["everything.yaml", "original.yaml", "original.json"].map((name) => new URL(`../${name}`, MALFORMED)),
    ...manifests.map((name) => new URL(name, MALFORMED)),
  ];
  const texts = await Promise.all(urls.map(async (url) => ({
    file: url.pathname.endsWith(".json") ? "m.json" : "m.yaml",
    text: await Deno.readTextFile(url),
  })));
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...texts), mutations, async ({ file, text }, changes) => {
      await check(file, new TextEncoder().encode(mutated(text, changes)));
    }),
    { numRuns: 1000 },
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
