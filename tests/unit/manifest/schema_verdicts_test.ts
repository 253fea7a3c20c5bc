import assert from "node:assert/strict";
import fc from "fast-check";
import type { Problem } from "../../../lib/errors.ts";
import { UNSAID_RULES } from "../../../lib/manifest/json_schema.ts";
import { readSource } from "../../../lib/manifest/source.ts";
import { changed, changes, CHARACTERS, type Path, paths } from "../../support/changed_data.ts";
import {
  isPart,
  loaderProblems,
  ROOT_SCHEMA,
  schemaAccepts,
  schemaReasons,
} from "../../support/manifest_schema.ts";
import { MANIFESTS, VALUES } from "../../support/manifest_values.ts";

/** A rule that JSON Schema cannot say: a manifest that shows it, and how the loader's problems tell of it. */
interface Example {
  readonly id: string;
  /** YAML. */
  readonly text: string;
  readonly message: RegExp;
  /** The text that the problem points at; anything unless told. */
  readonly token?: RegExp;
}

const EXAMPLES: readonly Example[] = [
  {
    id: "file",
    text: "bottles: { dev: {}, dev: {} }",
    message: /^"dev" stands here twice$/,
  },
  {
    id: "references",
    text: "agents: { a: { bottle: dev } }",
    message: /: (no (bottle|agent) is named "|extends itself: )/,
  },
  {
    id: "inheritance",
    text: `bottles:\n  b0: {}\n${
      Array.from({ length: 34 }, (_, index) => `  b${index + 1}: { extends: b${index} }\n`).join("")
    }`,
    message: /: (extends more than 32 entries, one through another|the \w+ up to here take over more than )/,
  },
  {
    id: "slugs",
    text: "bottles: { dev: {} }\nagents: { a b: { bottle: dev }, A-B: { bottle: dev } }",
    message: /: both become `/,
  },
  {
    id: "ssh-hosts",
    text: [
      "bottles:",
      "  dev:",
      "    ssh:",
      "      - { Host: box.example.org, IdentityFile: ~/.ssh/one }",
      "      - { Host: box.example.org, IdentityFile: ~/.ssh/two }",
    ].join("\n"),
    message: /: "[^"]*" has an ssh entry already$/,
  },
  {
    id: "allowlist-hosts",
    text: "bottles: { dev: { egress: { allowlist: [a.example.org, { host: A.example.org, http: true }] } } }",
    message: /: "[^"]*" is in the allowlist already$/,
  },
  {
    id: "private-hosts",
    text: "bottles: { dev: { egress: { private: [git.lan] } } }",
    message:
      /: ("[^"]*" is neither in egress\.allowlist nor an ssh entry's Host or Hostname|leaves out "[^"]*", which )/,
  },
  {
    id: "inspecting-proxy",
    text: "bottles: { dev: { egress: { allowlist: [{ use: npm }], proxy: pipelock } } }",
    message:
      /: (`pipelock` cannot inspect hosts, |is to be inspected, which the proxy that this bottle takes over, )/,
  },
  {
    id: "placeholders",
    text: [
      "bottles:",
      "  dev:",
      '    env: { A: "${A}" }',
      "    egress:",
      "      allowlist:",
      '        - { host: a.example.org, inject: { env: A, secret: "${A}", as: bearer } }',
      '        - { host: b.example.org, inject: { env: B, secret: "${A}", as: bearer } }',
      '        - { host: c.example.org, inject: { env: B, secret: "${B}", as: bearer } }',
    ].join("\n"),
    message: /: (is to hold the placeholder of the secret for "|another secret has its placeholder in )/,
  },
  {
    id: "wildcards",
    text:
      'bottles: { dev: { egress: { allowlist: [{ host: "*.example.org", allow: [GET /] }, "*.a.example.org"] } } }',
    message:
      /: "[^"]*" (is below "[^"]*", and one of them is inspected|has more than 100 inspected hosts below it)$/,
  },
  {
    id: "inspected-names",
    text: `bottles: { dev: { egress: { allowlist: [{ host: ${
      "a.".repeat(30)
    }example, allow: [GET /] }] } } }`,
    message: /: "[^"]*" is too long to be inspected$/,
  },
  {
    id: "ssh-inspected",
    text: [
      "bottles:",
      "  dev:",
      "    ssh: [{ Host: a.example.org, IdentityFile: ~/.ssh/id, Port: 443 }]",
      "    egress: { allowlist: [{ host: a.example.org, allow: [GET /] }] }",
    ].join("\n"),
    message: /: reaches "[^"]*" on port 443, where "[^"]*" is inspected$/,
  },
  {
    id: "public-suffixes",
    text: 'bottles: { dev: { egress: { allowlist: [co.uk, "*.com"] } } }',
    message: /: "[^"]*" (is a public suffix|would allow what)/,
  },
  {
    id: "international-names",
    text: 'bottles: { dev: { egress: { allowlist: ["xn--a.example.org"] } } }',
    message: /is (not a host name|an IP address|not an IPv4 address|too long for a host name)/,
    token: /\P{ASCII}|[Xx][Nn]--|\\u/u,
  },
  {
    id: "bytes",
    text: `bottles: { dev: { image: { ca: ${"é".repeat(2500)} } } }`,
    message: / bytes\b/,
  },
  {
    id: "whole-characters",
    text: 'bottles: { dev: { env: { A: "\\ud800" } } }',
    message: / must not contain half a character/,
  },
  {
    id: "decimals",
    text: "bottles: { dev: { resources: { cpus: 0.1234567891 } } }",
    message: / must have at most 9 decimals$/,
  },
];

/** What a problem points at. */
function token({ where }: Problem): string {
  const line = [...where?.snippet ?? ""];
  return line.slice((where?.column ?? 1) - 1).slice(0, where?.length).join("");
}

function isUnsaid(problem: Problem): boolean {
  return EXAMPLES.some(({ message, token: shown }) =>
    message.test(problem.message) && (shown === undefined || shown.test(token(problem)))
  );
}

/**
 * The schema accepts exactly what the loader does, but for the rules that it cannot say.
 *
 * @returns what the schema says; `undefined` for a file that has no content to look at
 */
async function compare(path: string, text: string): Promise<boolean | undefined> {
  const { source, problems: unread } = readSource(path, new TextEncoder().encode(text));
  if (source === undefined || unread.length > 0) return undefined;
  const accepted = schemaAccepts(source.value);
  const problems = await loaderProblems(path, text);
  if (!accepted) {
    assert.notDeepEqual(
      problems,
      [],
      `the loader takes what the schema refuses: ${schemaReasons(source.value)}\n${text}`,
    );
    return false;
  }
  const others = problems.filter((problem) => !isUnsaid(problem)).map(({ message }) => message);
  assert.deepEqual(others, [], `the schema takes what the loader refuses\n${text}`);
  return true;
}

Deno.test("there is an example of each rule that JSON Schema cannot say, and each is told in the schema", () => {
  assert.deepEqual(EXAMPLES.map(({ id }) => id), UNSAID_RULES.map(({ id }) => id));
  const lines = String(ROOT_SCHEMA["$comment"]).split("\n").slice(1);
  assert.deepEqual(lines, UNSAID_RULES.map(({ id, sentence }) => `${id}: ${sentence}`));
});

for (const { id, text } of EXAMPLES) {
  Deno.test(`the schema cannot say the rule ${id}`, async () => {
    const { source } = readSource("m.yaml", new TextEncoder().encode(text));
    assert.equal(schemaReasons(source?.value), "nothing");
    const problems = await loaderProblems("m.yaml", text);
    assert.ok(problems.length > 0);
    assert.deepEqual(problems.filter((problem) => !isUnsaid(problem)), []);
  });
}

/** One value of one manifest. */
interface Place {
  readonly manifest: unknown;
  readonly path: Path;
}

const PLACES: readonly Place[] = MANIFESTS.flatMap((manifest) =>
  paths(manifest).map((path) => ({ manifest, path }))
);

Deno.test("the manifests with every field have every field", async () => {
  for (const manifest of MANIFESTS) assert.equal(await compare("m.json", JSON.stringify(manifest)), true);
  const written = new Set(PLACES.map(({ path }) => path.at(-1)));
  const defs = ROOT_SCHEMA["$defs"];
  const known = [ROOT_SCHEMA, ...Object.values(isPart(defs) ? defs : {})].flatMap((part) =>
    isPart(part) && isPart(part["properties"]) ? Object.keys(part["properties"]) : []
  );
  assert.ok(known.length > 40);
  assert.deepEqual(known.filter((key) => !written.has(key)), []);
});

function isLeaf(manifest: unknown, path: Path): boolean {
  const value = path.reduce<unknown>(
    (value, key) => Object.entries(value ?? {}).find(([name]) => name === key)?.[1],
    manifest,
  );
  return typeof value !== "object";
}

Deno.test("the schema accepts what the loader does, whatever one field is", async () => {
  const seen = { accepted: 0, refused: 0 };
  for (const { manifest, path } of PLACES) {
    // Which text comes instead of a mapping or list makes no difference.
    const values = isLeaf(manifest, path) ? VALUES : VALUES.filter((value) => typeof value !== "string");
    for (const value of values) {
      const text = JSON.stringify(changed(manifest, path, { kind: "replace", value }));
      seen[await compare("m.json", text) ? "accepted" : "refused"]++;
    }
  }
  assert.ok(seen.accepted > 1000 && seen.refused > 3000, JSON.stringify(seen));
});

Deno.test("the schema accepts what the loader does, whatever is changed in a manifest", async () => {
  const seen = { accepted: 0, refused: 0 };
  const keys = [...PLACES.map(({ path }) => path.at(-1)), ...VALUES].filter((key) => typeof key === "string");
  const change = changes({ values: VALUES, keys: [...new Set(keys)] });
  const manifests = fc.constantFrom(...MANIFESTS).chain((manifest) =>
    fc.array(fc.tuple(fc.constantFrom(...paths(manifest)), change), { minLength: 1, maxLength: 3 })
      .map((changes) =>
        changes.reduce<unknown>((value, [path, change]) => changed(value, path, change), manifest)
      )
  );
  await fc.assert(
    fc.asyncProperty(manifests, async (value) => {
      const accepted = await compare("m.json", JSON.stringify(value, undefined, 1));
      seen[accepted ? "accepted" : "refused"]++;
    }),
    { numRuns: 3000 },
  );
  assert.ok(seen.accepted > 200 && seen.refused > 200, JSON.stringify(seen));
});

/** Every manifest of the test data, and every other file that could be one. */
async function testdata(folder: URL): Promise<readonly { path: string; text: string }[]> {
  const found: { path: string; text: string }[] = [];
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) found.push(...await testdata(new URL(`${name}/`, folder)));
    else if (/\.(ya?ml|json)$/.test(name)) {
      const path = new URL(name, folder);
      // Files that are no UTF-8 are among them.
      const text = new TextDecoder().decode(await Deno.readFile(path));
      found.push({ path: path.pathname, text });
    }
  }
  return found;
}

const FILES = await testdata(new URL("../../testdata/", import.meta.url));

Deno.test("the schema accepts what the loader does of all test data", async () => {
  assert.ok(FILES.length >= 7);
  const verdicts = await Promise.all(FILES.map(({ path, text }) => compare(path, text)));
  assert.ok(verdicts.includes(true) && verdicts.includes(false));
});

Deno.test("the schema accepts what the loader does of changed test data", async () => {
  const manifests = FILES.filter(({ path }) => path.includes("/manifest/"));
  const piece = fc.constantFrom(
    "",
    ...CHARACTERS,
    "a",
    "- ",
    ": x",
    "null",
    "[]",
    "{}",
    "1",
    "true",
    "\n  ",
    "x: y\n",
  );
  const edit = fc.record({
    at: fc.double({ min: 0, max: 1, noNaN: true }),
    remove: fc.nat(6),
    insert: piece,
  });
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...manifests),
      fc.array(edit, { minLength: 1, maxLength: 3 }),
      async ({ path, text }, edits) => {
        const mutated = edits.reduce((text, { at, remove, insert }) => {
          const start = Math.floor(at * text.length);
          return text.slice(0, start) + insert + text.slice(start + remove);
        }, text);
        await compare(path, mutated);
      },
    ),
    { numRuns: 1000 },
  );
});
