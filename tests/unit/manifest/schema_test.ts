import assert from "node:assert/strict";
import { jsonText } from "../../../lib/commands/json_text.ts";
import { manifestJsonSchema } from "../../../lib/manifest/json_schema.ts";
import {
  isPart,
  loaderProblems,
  olderSchemaAccepts,
  partAccepts,
  ROOT_SCHEMA,
  schemaAccepts,
  type SchemaPart,
} from "../../support/manifest_schema.ts";

/** One part of the schema and its place, `#/…`. */
interface Placed {
  readonly pointer: string;
  readonly part: SchemaPart;
}

const MAPS = ["properties", "$defs"];
const LISTS = ["anyOf", "allOf", "oneOf", "prefixItems"];
const SINGLES = ["items", "additionalProperties", "propertyNames", "not", "if", "then"];

/** Every part of the schema. */
function parts(part: unknown, pointer = "#"): readonly Placed[] {
  if (!isPart(part)) return [];
  const at = (key: string): readonly Placed[] => parts(part[key], `${pointer}/${key}`);
  const map = (key: string): readonly Placed[] =>
    isPart(part[key])
      ? Object.entries(part[key]).flatMap(([name, below]) => parts(below, `${pointer}/${key}/${name}`))
      : [];
  const list = (key: string): readonly Placed[] => {
    const below = part[key];
    return Array.isArray(below)
      ? below.flatMap((one, index) => parts(one, `${pointer}/${key}/${index}`))
      : [];
  };
  return [{ pointer, part }, ...MAPS.flatMap(map), ...LISTS.flatMap(list), ...SINGLES.flatMap(at)];
}

const ALL = parts(ROOT_SCHEMA);
/** The values that a manifest may have: not the conditions, which say a part of it only. */
const FIELDS = ALL.filter(({ pointer, part }) =>
  !/\/(?:not|if|then|prefixItems)(?:\/|$)/.test(pointer) && Object.keys(part).join() !== "required"
);

/** A part with those that it refers to. */
function resolved(part: SchemaPart): SchemaPart {
  const name = String(part["$ref"] ?? "").replace("#/$defs/", "");
  const defs = ROOT_SCHEMA["$defs"];
  const target = isPart(defs) ? defs[name] : undefined;
  return isPart(target) ? { ...target, ...part } : part;
}

Deno.test("docs/claude-bottle.schema.json is what `schema` prints", async () => {
  const path = new URL("../../../docs/claude-bottle.schema.json", import.meta.url);
  const hint = "deno run -P=project scripts/schema.ts writes it";
  assert.equal(await Deno.readTextFile(path), jsonText(manifestJsonSchema()), hint);
});

Deno.test("manifestJsonSchema() says what it is, without an address that nobody serves", () => {
  const { $schema, $id, title, description, type } = ROOT_SCHEMA;
  assert.equal($schema, "https://json-schema.org/draft/2020-12/schema");
  assert.equal($id, "claude-bottle.schema.json");
  assert.equal(title, "A claude-bottle manifest");
  assert.equal(typeof description, "string");
  assert.equal(type, "object");
});

Deno.test("manifestJsonSchema() names its parts", () => {
  const defs = ROOT_SCHEMA["$defs"];
  assert.deepEqual(Object.keys(isPart(defs) ? defs : {}).toSorted(), [
    "Agent",
    "AgentName",
    "AllowedHost",
    "Anthropic",
    "Bottle",
    "BottleName",
    "Egress",
    "EnvName",
    "EnvValue",
    "Git",
    "GitHub",
    "Host",
    "HostKey",
    "HostPath",
    "Image",
    "InjectedSecret",
    "Injection",
    "Npm",
    "OpenAI",
    "PyPI",
    "Resources",
    "Rule",
    "Secret",
    "SshEntry",
    "Use",
    "Word",
  ]);
});

Deno.test("manifestJsonSchema() closes every mapping", () => {
  const mappings = ALL.filter(({ part }) => part["type"] === "object");
  assert.ok(mappings.length > 14);
  for (const { pointer, part } of mappings) {
    if (part["properties"] === undefined) assert.ok(isPart(part["propertyNames"]), pointer);
    else assert.equal(part["additionalProperties"], false, pointer);
  }
});

Deno.test("manifestJsonSchema() describes everything in a sentence or two", () => {
  for (const { pointer, part } of FIELDS) {
    const { description } = resolved(part);
    assert.ok(typeof description === "string", `${pointer} has no description`);
    assert.match(description, /^[A-Z`].*[.:]/, pointer);
    assert.ok(description.length < 140, `${pointer} is described at length`);
  }
});

Deno.test("manifestJsonSchema() shows how to write everything that is not a choice", () => {
  for (const { pointer, part } of FIELDS.filter(({ pointer }) => /\/properties\/\w+$/.test(pointer))) {
    const { type, examples } = resolved(part);
    const isChoice = type === "boolean" || part["enum"] !== undefined || part["const"] !== undefined;
    assert.ok(isChoice || (Array.isArray(examples) && examples.length > 0), `${pointer} has no example`);
  }
});

Deno.test("manifestJsonSchema() accepts its own examples and defaults", () => {
  let count = 0;
  for (const { pointer, part } of ALL) {
    const { examples, default: byDefault } = part;
    const values: readonly unknown[] = [
      ...(Array.isArray(examples) ? examples : []),
      ...(byDefault === undefined ? [] : [byDefault]),
    ];
    for (const value of values) {
      assert.ok(partAccepts(pointer, value), `${pointer}: ${JSON.stringify(value)}`);
      count++;
    }
  }
  assert.ok(count > 80, String(count));
});

Deno.test("manifestJsonSchema() names in its texts the defaults that there are", () => {
  const named = FIELDS.flatMap(({ pointer, part }) => {
    const value = part["default"];
    return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
      ? [{ pointer, value: String(value), text: String(part["description"]) }]
      : [];
  });
  assert.equal(named.length, 9);
  for (const { pointer, value, text } of named) {
    const [, said] = /Default: `?([^`]*?)`?\.$/.exec(text) ?? [];
    assert.equal(said, value === "" ? "nothing" : value, pointer);
  }
});

Deno.test("every pattern has words of its own for an editor to say", () => {
  const patterns = ALL.filter(({ part }) => part["pattern"] !== undefined);
  assert.ok(patterns.length > 25);
  for (const { pointer, part } of patterns) {
    assert.ok(typeof part["patternErrorMessage"] === "string", pointer);
  }
});

Deno.test("manifestJsonSchema() says the same to programs that know older drafts", () => {
  const NEW = [
    "prefixItems",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedProperties",
    "$dynamicRef",
  ];
  const used = ALL.flatMap(({ part }) => Object.keys(part)).filter((key) => NEW.includes(key));
  // They do not look at a command's first word, and that is all.
  assert.deepEqual([...new Set(used)], ["prefixItems"]);
  const annotations = ["$ref", "description", "examples", "default"];
  for (const { pointer, part } of ALL.filter(({ part }) => part["$ref"] !== undefined)) {
    // What stands beside a reference is not looked at.
    assert.deepEqual(Object.keys(part).filter((key) => !annotations.includes(key)), [], pointer);
  }
  const older = olderSchemaAccepts();
  const command = (words: readonly string[]): unknown => ({
    bottles: { dev: {} },
    agents: { a: { bottle: "dev", command: words } },
  });
  for (const words of [["claude"], [], [""], ["claude", ""]]) {
    assert.equal(older(command(words)), schemaAccepts(command(words)), JSON.stringify(words));
  }
  assert.equal(schemaAccepts(command(["-x"])), false);
  assert.equal(older(command(["-x"])), true);
});

Deno.test("an agent without a bottle is told so, whatever else is wrong with it", async () => {
  const messages = async (agent: string): Promise<readonly string[]> =>
    (await loaderProblems("m.yaml", `bottles: { dev: {} }\nagents: { a: ${agent} }`)).map(({ message }) =>
      message
    );
  const missing = "agents.a: `bottle` is missing";
  assert.deepEqual(await messages("{}"), [missing]);
  assert.deepEqual(await messages("{ skills: 3 }"), [missing, "agents.a.skills: must be a list, found 3"]);
  for (const other of ["3", "null", "[dev]", "dev"]) {
    const [message = "", ...more] = await messages(other);
    assert.match(message, /^agents\.a: must be a mapping, found /);
    assert.deepEqual(more, []);
  }
  assert.deepEqual(await messages("{ bottle: dev }"), []);
});

Deno.test("the schema and the loader both refuse each thing that is taken out of a good manifest", async () => {
  const good = {
    bottles: { dev: { ssh: [{ Host: "box.example.org", IdentityFile: "~/.ssh/id" }] } },
    agents: { a: { bottle: "dev" }, b: { extends: "a", bottle: "dev" } },
  };
  assert.ok(schemaAccepts(good));
  assert.deepEqual(await loaderProblems("m.json", JSON.stringify(good)), []);
  const bad: readonly unknown[] = [
    { ...good, agents: { a: {} } },
    { ...good, bottles: { dev: { ssh: [{ Host: "box.example.org" }] } } },
    { ...good, bottles: { dev: { ssh: [{ IdentityFile: "~/.ssh/id" }] } } },
    { ...good, other: {} },
    JSON.parse('{ "bottles": { "__proto__": {} } }'),
    JSON.parse('{ "bottles": { "dev": { "env": { "__proto__": "" } } } }'),
    JSON.parse('{ "agents": { "__proto__": {} } }'),
    [],
    null,
  ];
  for (const value of bad) {
    assert.equal(schemaAccepts(value), false, JSON.stringify(value));
    assert.notDeepEqual(await loaderProblems("m.json", JSON.stringify(value)), [], JSON.stringify(value));
  }
});
