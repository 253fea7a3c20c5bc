import { jsonText } from "../lib/commands/json_text.ts";
import { manifestJsonSchema } from "../lib/manifest/json_schema.ts";
import { fromFileUrl } from "./lint_paths.ts";

// Writes what `claude-bottle schema` prints to where people find it without having the program.
if (import.meta.main) {
  const path = fromFileUrl(new URL("../docs/claude-bottle.schema.json", import.meta.url));
  await Deno.writeTextFile(path, jsonText(manifestJsonSchema()));
}
