import * as z from "zod";
import { manifestSchema } from "./schema.ts";

/** A rule that JSON Schema cannot say. */
export interface UnsaidRule {
  readonly id: string;
  readonly sentence: string;
}

/** What is refused though the JSON Schema accepts it: all of it. */
export const UNSAID_RULES: readonly UnsaidRule[] = [
  {
    id: "file",
    sentence:
      "A file has at most 1 MiB, 200,000 values and 50 aliases, is one document, and has no key twice and no `<<`.",
  },
  {
    id: "references",
    sentence: "What `bottle` and `extends` name must be defined, and no `extends` leads back to itself.",
  },
  {
    id: "inheritance",
    sentence: "At most 32 entries extend one another in a line, and all together take over 200,000 values.",
  },
  {
    id: "slugs",
    sentence: "No two agents, and no two bottles, have names that differ in case and punctuation alone.",
  },
  {
    id: "ssh-hosts",
    sentence: "No two ssh entries of a bottle have one `Host`.",
  },
  {
    id: "allowlist-hosts",
    sentence: "A host has one entry in an allowlist, unless all its entries are the plain name.",
  },
  {
    id: "private-hosts",
    sentence: "What `private` names must be in the allowlist or be the `Host` or `Hostname` of an ssh entry.",
  },
  {
    id: "inspecting-proxy",
    sentence:
      "A bottle with inspected hosts, which are those with `allow`, `inject` or `use`, has not `pipelock`.",
  },
  {
    id: "placeholders",
    sentence:
      "A variable that holds the placeholder of a secret is not in `env`, and holds none of another secret.",
  },
  {
    id: "wildcards",
    sentence:
      "Of two wildcards of which one is below the other, none is inspected; 100 inspected hosts are below one at most.",
  },
  {
    id: "inspected-names",
    sentence: "The name of an inspected host has 64 characters at most.",
  },
  {
    id: "ssh-inspected",
    sentence: "No ssh entry reaches an inspected host on port 443.",
  },
  {
    id: "public-suffixes",
    sentence: "A host must not be a public suffix such as `co.uk`, nor a wildcard of one such as `*.com`.",
  },
  {
    id: "international-names",
    sentence: "A name with letters beyond ASCII, or with `xn--`, must be one that can be looked up (IDNA).",
  },
  {
    id: "bytes",
    sentence:
      "Paths, words and values of `env` have limits in bytes of UTF-8; the lengths here are in characters.",
  },
  {
    id: "whole-characters",
    sentence: "Text that goes to files and processes has no half character (`\\ud800` to `\\udfff` alone).",
  },
  {
    id: "decimals",
    sentence: "`cpus` has at most 9 decimals.",
  },
];

const COMMENT = ["What this schema cannot check, and `claude-bottle validate` does:"].concat(
  UNSAID_RULES.map(({ id, sentence }) => `${id}: ${sentence}`),
).join("\n");

/** The JSON Schema for editors, for draft 2020-12. */
export function manifestJsonSchema(): unknown {
  const { $schema, $defs, ...rest } = z.toJSONSchema(manifestSchema, { io: "input" });
  // No address that nobody serves: relative, it is wherever the file is.
  return { $schema, $id: "claude-bottle.schema.json", $comment: COMMENT, ...rest, $defs };
}
