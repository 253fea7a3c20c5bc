import { Ajv } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import { Failure, type Problem } from "../../lib/errors.ts";
import { manifestJsonSchema } from "../../lib/manifest/json_schema.ts";
import { parseManifest } from "../../lib/manifest/load.ts";

/** A part of a JSON Schema. */
export type SchemaPart = Readonly<Record<string, unknown>>;

/** Whether a value is a part of a JSON Schema, or any other mapping. */
export function isPart(value: unknown): value is SchemaPart {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** What the keyword's own draft does not know. */
const KEYWORDS = ["patternErrorMessage"];

/** The schema as an independent program reads it; whatever is doubtful about it throws. */
const ajv = new Ajv2020({
  strict: true,
  // Of two alternatives each names a key that is declared beside them.
  strictRequired: false,
  // A command's first word has a rule of its own, and there may be others.
  strictTuples: false,
  keywords: KEYWORDS,
});

/** The manifest's JSON Schema. */
export const ROOT_SCHEMA: SchemaPart = rootSchema();

function rootSchema(): SchemaPart {
  const root = manifestJsonSchema();
  if (isPart(root)) return root;
  throw new Error("The schema is no mapping");
}

const accepts = ajv.compile(ROOT_SCHEMA);

/** Whether the JSON Schema accepts a manifest's content. */
export function schemaAccepts(value: unknown): boolean {
  return accepts(value);
}

/** Why it does not, in words. */
export function schemaReasons(value: unknown): string {
  return accepts(value) ? "nothing" : ajv.errorsText(accepts.errors);
}

/** Whether a part of the schema, named by its place such as `#/$defs/Host`, accepts a value. */
export function partAccepts(pointer: string, value: unknown): boolean {
  return ajv.compile({ $ref: `${String(ROOT_SCHEMA["$id"])}${pointer}` })(value);
}

/** The same schema for programs that know draft 7 only. */
export function olderSchemaAccepts(): (value: unknown) => boolean {
  const { $schema: _, ...rest } = ROOT_SCHEMA;
  const compiled = new Ajv({ strict: false }).compile(rest);
  return (value) => compiled(value);
}

/** What the loader says against a file; none when it loads. */
export async function loaderProblems(path: string, text: string): Promise<readonly Problem[]> {
  try {
    await parseManifest([{ path, bytes: new TextEncoder().encode(text) }]);
    return [];
  } catch (error) {
    if (error instanceof Failure && error.code === "manifest-invalid") return error.problems;
    throw error;
  }
}
