import assert from "node:assert/strict";
import { loaderProblems } from "../../support/manifest_schema.ts";

/** The messages for a bottle with that list, from one to the next. */
async function told(allowlist: readonly unknown[]): Promise<readonly string[]> {
  const manifest = {
    bottles: { dev: { egress: { proxy: "squid", allowlist } } },
    agents: { a: { bottle: "dev" } },
  };
  return (await loaderProblems("m.json", JSON.stringify(manifest, undefined, 1))).map(({ message }) =>
    message
  );
}

const secret = "${A}";
const inspected = (host: string): unknown => ({ host, allow: ["GET /"] });

Deno.test("what counts once each is taken, however often it is named", async () => {
  assert.deepEqual(
    await told([
      // One secret for several hosts, in several forms.
      { host: "a.example.org", inject: { env: "A", secret, as: "bearer" } },
      { host: "b.example.org", inject: { env: "A", secret, as: "basic:me" } },
      { use: { openai: { key: "?" } } },
      // An exact name below a wildcard, whichever of the two is inspected.
      "*.c.example.org",
      inspected("api.c.example.org"),
      inspected("*.d.example.org"),
      "api.d.example.org",
      // Wildcards side by side.
      inspected("*.e.example.org"),
      "*.f.example.org",
    ]),
    [],
  );
});

Deno.test("a wildcard has a hundred inspected hosts below it at most", async () => {
  const below = (count: number): readonly unknown[] =>
    Array.from({ length: count }, (_, index) => inspected(`h${index}.example.org`));
  assert.deepEqual(await told(["*.example.org", ...below(100)]), []);
  assert.deepEqual(await told(["*.example.org", ...below(101)]), [
    'bottles.dev.egress.allowlist[0]: "*.example.org" has more than 100 inspected hosts below it',
  ]);
});

Deno.test("what a bottle takes over is told once, however many take it over", async () => {
  const problems = await loaderProblems(
    "m.yaml",
    `bottles:
  base: { env: { A: x }, egress: { proxy: squid, allowlist: [{ host: a.example.org, inject: { env: A, secret: "?", as: bearer } }] } }
${
      Array.from({ length: 5 }, (_, index) => `  b${index}: { extends: base, env: { B: y } }\n`).join("")
    }agents: {}
`,
  );
  assert.equal(problems.length, 1);
  assert.match(problems[0]?.message ?? "", /^bottles\.base\.env\.A: is to hold the placeholder/);
});
