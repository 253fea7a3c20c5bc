import assert from "node:assert/strict";
import fc from "fast-check";
import { Failure } from "../../../lib/errors.ts";
import { dump } from "js-yaml";
import { parseManifest } from "../../../lib/manifest/load.ts";
import type { Agent, Bottle, Manifest } from "../../../lib/manifest/model.ts";

type Path = readonly (string | number)[];
type Data = Readonly<Record<string, unknown>>;

/** A manifest file as data: what is written into it. */
interface Content {
  readonly bottles: Readonly<Record<string, Data>>;
  readonly agents: Readonly<Record<string, Data>>;
}

type Format = "json" | "yaml" | "flow";

function textOf(content: unknown, format: Format): string {
  if (format === "yaml") return dump(content);
  return JSON.stringify(content, undefined, format === "json" ? 2 : 1);
}

/** Files of rising precedence, in any format. */
async function parsed(contents: readonly unknown[], format: Format): Promise<Manifest> {
  return await parseManifest(contents.map((content, index) => ({
    path: fileName(index, format),
    bytes: new TextEncoder().encode(textOf(content, format)),
  })));
}

function fileName(index: number, format: Format): string {
  return `/f${index}.${format === "json" ? "json" : "yaml"}`;
}

const NAMES = ["a", "b", "c", "d"] as const;

/** An optional part of a mapping. */
function maybe<T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> {
  return fc.option(value, { nil: undefined, freq: 3 });
}

function present(value: Readonly<Record<string, unknown>>): Data {
  return Object.fromEntries(Object.entries(value).filter(([, part]) => part !== undefined));
}

/** Every value differs from every other one, so that a place can be told by its text. */
let count = 0;
const unique = fc.constant(undefined).map(() => `u${count++}x`);

const secret = fc.oneof(
  unique,
  unique.map((word) => ({ secret: { file: `/${word}` } })),
  unique.map((word) => ({ secret: { command: [word, "argument"] } })),
);

const bottleBody: fc.Arbitrary<Data> = fc.record({
  env: maybe(
    fc.record({ A: maybe(secret), B: maybe(secret), C: maybe(secret) }).map(present),
  ),
  ssh: maybe(fc.array(
    unique.map((word) => ({ Host: `${word}.test`, IdentityFile: `/keys/${word}`, User: `user-${word}` })),
    { maxLength: 2 },
  )),
  git: maybe(fc.constantFrom({}, { identity: "host" })),
  egress: maybe(
    fc.record({
      defaults: maybe(fc.boolean()),
      allowlist: maybe(fc.array(
        fc.oneof(
          unique.map((word) => `${word}.test`),
          unique.map((word) => ({ host: `${word}.test`, http: true })),
        ),
        { maxLength: 2 },
      )),
      networks: maybe(fc.array(unique, { maxLength: 2 })),
      proxy: maybe(fc.constantFrom("squid", "pipelock")),
    }).map(present),
  ),
  runtime: maybe(fc.constantFrom("auto", "runc", "runsc")),
  resources: maybe(
    fc.record({ cpus: maybe(fc.constantFrom(1, 2)), memory: maybe(fc.constantFrom("1g", "2g")) }).map(
      present,
    ),
  ),
  image: maybe(
    fc.record({ base: maybe(unique), packages: maybe(fc.array(unique, { maxLength: 2 })), ca: maybe(unique) })
      .map(present),
  ),
}).map(present);

const agentBody: fc.Arbitrary<Data> = fc.record({
  bottle: fc.constantFrom(...NAMES),
  skills: maybe(fc.array(unique, { maxLength: 2 })),
  prompt: maybe(unique),
  command: maybe(fc.tuple(unique, unique)),
}).map(present);

/** Entries in which each may extend an earlier name: there is no circle. */
function entries(body: fc.Arbitrary<Data>): fc.Arbitrary<Readonly<Record<string, Data>>> {
  return fc.tuple(
    ...NAMES.map((_, index) =>
      fc.tuple(body, index === 0 ? fc.constant(undefined) : maybe(fc.constantFrom(...NAMES.slice(0, index))))
        .map(([body, parent]) => parent === undefined ? body : { extends: parent, ...body })
    ),
  ).map((bodies) => Object.fromEntries(NAMES.map((name, index) => [name, bodies[index] ?? {}])));
}

/** Some of the entries. */
function some(all: Readonly<Record<string, Data>>): fc.Arbitrary<Readonly<Record<string, Data>>> {
  return fc.subarray(Object.entries(all)).map((kept) => Object.fromEntries(kept));
}

const whole: fc.Arbitrary<Content> = fc.record({ bottles: entries(bottleBody), agents: entries(agentBody) });
const part: fc.Arbitrary<Content> = whole.chain(({ bottles, agents }) =>
  fc.record({ bottles: some(bottles), agents: some(agents) })
);

/** A file with every name, and up to two that say some of it anew. */
const files = fc.tuple(whole, part, part).chain(([first, ...rest]) =>
  fc.integer({ min: 0, max: 2 }).map((many) => [first, ...rest.slice(0, many)] as const)
);
const format = fc.constantFrom<Format>("json", "yaml", "flow");

function isMapping(value: unknown): value is Data {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** By whole entry, the later file's. */
function merged(contents: readonly Content[]): Content {
  return {
    bottles: Object.assign({}, ...contents.map(({ bottles }) => bottles)),
    agents: Object.assign({}, ...contents.map(({ agents }) => agents)),
  };
}

/** What an entry says once all that it extends is written into it. */
function flat(all: Readonly<Record<string, Data>>, name: string): Data {
  const { extends: parent, ...own } = all[name] ?? {};
  return typeof parent === "string" ? over(flat(all, parent), own, 0) : own;
}

function over(below: Data, above: Data, depth: number, key = ""): Data {
  const result: Record<string, unknown> = { ...below };
  for (const [name, value] of Object.entries(above)) {
    const under = below[name];
    // A variable is one thing, however it is written.
    const isOne = depth === 1 && key === "env";
    result[name] = isMapping(value) && isMapping(under) && !isOne
      ? over(under, value, depth + 1, name)
      : value;
  }
  return result;
}

function everything(manifest: Manifest): readonly (Omit<Bottle, "extends"> | Omit<Agent, "extends">)[] {
  const all = [...manifest.bottles.values(), ...manifest.agents.values()];
  return all.toSorted((a, b) => a.name < b.name ? -1 : 1).map(({ extends: _, ...rest }) => rest);
}

const RUNS = { numRuns: 150 };

Deno.test("an entry that extends another one is the same as one with all of it written out", async () => {
  let chains = 0;
  await fc.assert(
    fc.asyncProperty(files, format, async (contents, format) => {
      const { bottles, agents } = merged(contents);
      const written = {
        bottles: Object.fromEntries(NAMES.map((name) => [name, flat(bottles, name)])),
        agents: Object.fromEntries(NAMES.map((name) => [name, flat(agents, name)])),
      };
      const manifest = await parsed(contents, format);
      assert.deepEqual(everything(manifest), everything(await parsed([written], "json")));
      for (const { name, extends: parent } of [...manifest.bottles.values()]) {
        assert.equal(parent, bottles[name]?.["extends"]);
        if (parent !== undefined && manifest.bottles.get(parent)?.extends !== undefined) chains++;
      }
    }),
    RUNS,
  );
  assert.ok(chains > 50, `${chains}`);
});

Deno.test("a list of an entry replaces that of its parent as a whole", async () => {
  const parent = { env: { A: "1", B: "2" }, egress: { allowlist: ["a.test", "b.test"], networks: ["n"] } };
  const manifest = await parsed([{
    bottles: {
      parent,
      child: { extends: "parent", env: { A: "3" }, egress: { allowlist: ["c.test"] } },
      empty: { extends: "parent", egress: { allowlist: [], networks: [] } },
    },
  }], "yaml");
  const { env, egress } = manifest.bottles.get("child") ?? {};
  assert.deepEqual([...env ?? []], [["A", { kind: "literal", value: "3" }], ["B", {
    kind: "literal",
    value: "2",
  }]]);
  assert.deepEqual(egress?.allowlist.map(({ host }) => host), ["c.test"]);
  assert.deepEqual(egress?.networks, ["n"]);
  assert.deepEqual(manifest.bottles.get("empty")?.egress.allowlist, []);
  assert.deepEqual(manifest.bottles.get("empty")?.egress.networks, []);
});

Deno.test("files are merged by whole entry, the later one's, and it does not matter which two are merged first", async () => {
  await fc.assert(
    fc.asyncProperty(fc.tuple(whole, part, part), format, async (contents, format) => {
      const [first, second, third] = contents;
      const all = everything(await parsed(contents, format));
      assert.deepEqual(everything(await parsed([merged([first, second]), third], format)), all);
      assert.deepEqual(everything(await parsed([first, merged([second, third])], format)), all);
      assert.deepEqual(everything(await parsed([merged(contents)], format)), all);
    }),
    RUNS,
  );
});

/** Every value in plain data that is no list or mapping, with its path. */
function scalars(value: unknown, path: Path = []): readonly (readonly [Path, unknown])[] {
  if (Array.isArray(value)) return value.flatMap((item, index) => scalars(item, [...path, index]));
  if (isMapping(value)) return Object.entries(value).flatMap(([key, item]) => scalars(item, [...path, key]));
  return [[path, value]];
}

/** The value at a path. */
function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (at, step) => Array.isArray(at) ? at[Number(step)] : isMapping(at) ? at[step] : undefined,
    value,
  );
}

Deno.test("where() of each value is the line that it stands on, in whichever entry and file", async () => {
  let inherited = 0;
  await fc.assert(
    fc.asyncProperty(files, format, async (contents, format) => {
      const all = merged(contents);
      const manifest = await parsed(contents, format);
      for (const kind of ["bottles", "agents"] as const) {
        for (const name of NAMES) {
          for (const [path, value] of scalars(flat(all[kind], name))) {
            const where = manifest.where([kind, name, ...path]);
            const what = `${[kind, name, ...path].join(".")}: ${String(value)}`;
            assert.ok(where?.snippet !== undefined, what);
            const token = [...where.snippet].slice(where.column - 1, where.column - 1 + (where.length ?? 1))
              .join("");
            assert.equal(token.replaceAll(/["']/g, ""), String(value), what);
            assert.ok(manifest.filesOf(kind, name).includes(where.file), what);
            // A value of its own is found in its own file.
            const owner = contents.findLastIndex((content) => content[kind][name] !== undefined);
            if (valueAt(all[kind][name], path) === value) {
              assert.equal(where.file, fileName(owner, format), what);
            } else inherited++;
          }
        }
      }
    }),
    RUNS,
  );
  assert.ok(inherited > 500, `${inherited}`);
});

Deno.test("filesOf() are the files of an entry and of all that it extends", async () => {
  await fc.assert(
    fc.asyncProperty(files, format, async (contents, format) => {
      const all = merged(contents);
      const manifest = await parsed(contents, format);
      for (const kind of ["bottles", "agents"] as const) {
        for (const name of NAMES) {
          const expected = new Set<string>();
          for (let at: unknown = name; typeof at === "string"; at = all[kind][at]?.["extends"]) {
            const from = at;
            expected.add(
              fileName(contents.findLastIndex((content) => content[kind][from] !== undefined), format),
            );
          }
          assert.deepEqual(manifest.filesOf(kind, name), [...expected]);
        }
        assert.deepEqual(manifest.filesOf(kind, "unknown"), []);
      }
    }),
    RUNS,
  );
});

async function problemsOf(content: unknown): Promise<readonly string[]> {
  const started = performance.now();
  try {
    await parsed([content], "json");
    return [];
  } catch (error) {
    assert.ok(error instanceof Failure);
    return error.problems.map(({ message }) => message);
  } finally {
    const took = performance.now() - started;
    assert.ok(took < 5000, `${took} ms`);
  }
}

/** A line of as many bottles. */
function lineOf(length: number): Readonly<Record<string, Data>> {
  const bottles = Array.from(
    { length },
    (_, index) => [`b${index}`, index === 0 ? {} : { extends: `b${index - 1}` }],
  );
  return Object.fromEntries(bottles);
}

/** A bottle with many hosts, and bottles that extend it. */
function fan(hosts: number, bottles: number): Readonly<Record<string, Data>> {
  const allowlist = Array.from({ length: hosts }, (_, index) => `h${index}.test`);
  const children = Array.from({ length: bottles }, (_, index) => [`b${index}`, { extends: "base" }]);
  return Object.fromEntries([["base", { egress: { allowlist } }], ...children]);
}

Deno.test("what would take over too much, or through too many, is refused before it fills memory", async () => {
  assert.deepEqual(await problemsOf({ bottles: lineOf(33) }), []);
  assert.deepEqual(await problemsOf({ bottles: lineOf(5000) }), [
    "bottles.b33.extends: extends more than 32 entries, one through another",
  ]);
  assert.deepEqual(await problemsOf({ bottles: fan(10, 1000) }), []);
  assert.deepEqual(await problemsOf({ bottles: fan(3000, 3000) }), [
    "bottles.b66.extends: the bottles up to here take over more than 200000 values in all",
  ]);
});
