import assert from "node:assert/strict";
import { manifestJsonSchema } from "../../../lib/manifest/schema.ts";

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Every schema within a JSON Schema. */
function schemas(value: unknown): readonly Readonly<Record<string, unknown>>[] {
  if (Array.isArray(value)) return value.flatMap(schemas);
  if (!isRecord(value)) return [];
  const { properties, additionalProperties, items, anyOf } = value;
  const below = isRecord(properties) ? Object.values(properties) : [];
  return [value, ...[...below, additionalProperties, items, anyOf].flatMap(schemas)];
}

Deno.test("manifestJsonSchema() describes every field and closes every mapping", () => {
  const root = manifestJsonSchema();
  const all = schemas(root);
  const mappings = all.filter((schema) => isRecord(schema["properties"]));
  assert.equal(mappings.length, 13);
  for (const mapping of mappings) {
    assert.equal(mapping["additionalProperties"], false);
    assert.ok(isRecord(mapping["properties"]));
    for (const [key, field] of Object.entries(mapping["properties"])) {
      assert.ok(isRecord(field) && typeof field["description"] === "string", `${key} has no description`);
    }
  }
});

Deno.test("manifestJsonSchema() knows what must be there and what is filled in", () => {
  const all = schemas(manifestJsonSchema());
  const withKey = (key: string): Readonly<Record<string, unknown>> | undefined =>
    all.find((schema) => isRecord(schema["properties"]) && Object.hasOwn(schema["properties"], key));
  assert.deepEqual(withKey("Host")?.["required"], ["Host", "IdentityFile"]);
  assert.deepEqual(withKey("command")?.["required"], undefined);
});
