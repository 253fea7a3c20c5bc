import { EXIT } from "../errors.ts";
import { manifestJsonSchema } from "../manifest/json_schema.ts";
import type { CommandPorts } from "./context.ts";
import { jsonText } from "./json_text.ts";

/** `schema`: prints the JSON Schema of a manifest. */
export function schema({ host }: CommandPorts): Promise<number> {
  host.terminal.out(jsonText(manifestJsonSchema()));
  return Promise.resolve(EXIT.done);
}
