import { EXIT } from "../errors.ts";
import { manifestJsonSchema } from "../manifest/json_schema.ts";
import type { CommandPorts } from "./context.ts";
import { jsonText } from "./json_text.ts";

/** The JSON Schema of a manifest, as it stands in a file. */
export function schemaText(): string {
  return jsonText(manifestJsonSchema());
}

/** `schema`: prints the JSON Schema of a manifest. */
export function schema({ host }: CommandPorts): Promise<number> {
  host.terminal.out(schemaText());
  return Promise.resolve(EXIT.done);
}
