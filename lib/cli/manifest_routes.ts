import { buildCommand } from "@stricli/core";
import type { ValidateFormat } from "../commands/validate.ts";
import { EXIT, Failure } from "../errors.ts";
import type { CliContext, CommonFlags } from "./context.ts";
import { agentName, COMMON_FLAGS, ENGINES_FLAGS, fileName, MANIFEST_FLAG } from "./flags.ts";

interface ManifestFlags extends CommonFlags {
  readonly manifest?: string;
}

const LISTED = ["agents", "bottles", "active"] as const;
type Listed = typeof LISTED[number];

function listed(input: string): Listed {
  const found = LISTED.find((name) => name === input);
  if (found === undefined) {
    throw new Failure("usage", `it is none of ${LISTED.join(", ")}`, { exit: EXIT.usage });
  }
  return found;
}

interface ListFlags extends ManifestFlags {
  readonly backend?: string;
  readonly context?: readonly string[];
}

/** `list` */
export const listCommand = buildCommand<ListFlags, [what?: Listed], CliContext>({
  loader: () =>
    Promise.resolve(function (flags, what = "agents"): Promise<void> {
      return this.perform(flags, async (ports) => {
        if (what === "active") {
          const { listActive } = await import("../commands/list_active.ts");
          return await listActive(
            { backend: flags.backend, contexts: flags.context ?? [], json: flags.json },
            ports,
          );
        }
        const { list } = await import("../commands/list.ts");
        return await list({ what, manifest: flags.manifest, json: flags.json }, ports);
      });
    }),
  parameters: {
    flags: { manifest: MANIFEST_FLAG, ...ENGINES_FLAGS, ...COMMON_FLAGS },
    aliases: { v: "verbose" },
    positional: {
      kind: "tuple",
      parameters: [{
        parse: listed,
        brief: `What to list: ${LISTED.join(", ")}; agents unless told`,
        placeholder: "what",
        optional: true,
      }],
    },
  },
  docs: {
    brief: "List the agents or bottles of the manifest, or the bottles that run",
    customUsage: ["[agents|bottles|active] [flags]"],
    fullDescription: [
      "Lists what the manifest that `start` would use defines; `active`: the bottles that run, never their",
      "sidecars. The owner is the process that a bottle belongs to: alive, gone (the next `start` or",
      "`cleanup` removes it), elsewhere (not to be seen from here), or detached (it lives until `stop`).",
      "",
      "EXAMPLES",
      "  claude-bottle list",
      "  claude-bottle list bottles",
      "  claude-bottle list active --json",
      "  claude-bottle list active --context default --context other-machine",
    ].join("\n"),
  },
});

/** `info` */
export const infoCommand = buildCommand<ManifestFlags, [agent?: string], CliContext>({
  loader: async () => {
    const { info } = await import("../commands/info.ts");
    return function (flags, agent): Promise<void> {
      return this.perform(
        flags,
        (ports) => info({ agent, manifest: flags.manifest, json: flags.json }, ports),
      );
    };
  },
  parameters: {
    flags: { manifest: MANIFEST_FLAG, ...COMMON_FLAGS },
    aliases: { v: "verbose" },
    positional: {
      kind: "tuple",
      parameters: [{
        parse: agentName,
        brief: "The agent; not needed when there is one",
        placeholder: "agent",
        optional: true,
      }],
    },
  },
  docs: {
    brief: "Show every grant of an agent with the file and line it comes from",
    customUsage: ["[AGENT] [flags]"],
    fullDescription: [
      "Shows what an agent would be given: its own settings and those of its bottle, with what they extend and the",
      "defaults, each with the file and line where it stands. Values of literals are never shown. Asks no engine.",
      "",
      "EXAMPLES",
      "  claude-bottle info reviewer",
      "  claude-bottle info reviewer --manifest ./claude-bottle.yaml",
      "  claude-bottle info reviewer --json",
    ].join("\n"),
  },
});

interface ValidateFlags extends CommonFlags {
  readonly format?: ValidateFormat;
}

/** `--json` is short for one of the formats. */
function formatOf({ json, format }: ValidateFlags): ValidateFormat {
  if (!json || format === undefined || format === "json") return json ? "json" : format ?? "text";
  throw new Failure("usage", `--json and --format ${format} contradict each other`, {
    hints: ["Leave one of them out"],
    exit: EXIT.usage,
  });
}

/** `validate` */
export const validateCommand = buildCommand<ValidateFlags, string[], CliContext>({
  loader: async () => {
    const { validate } = await import("../commands/validate.ts");
    return function (flags, ...files): Promise<void> {
      const json = flags.json || flags.format === "json";
      return this.perform(
        { ...flags, json },
        async (ports) => await validate({ files, format: formatOf(flags) }, ports),
      );
    };
  },
  parameters: {
    flags: {
      format: {
        kind: "enum",
        values: ["text", "json", "github"] satisfies ValidateFormat[],
        brief: "How problems are told: text unless told, json as with --json, or GitHub's annotations",
        optional: true,
      },
      ...COMMON_FLAGS,
    },
    aliases: { v: "verbose" },
    positional: {
      kind: "array",
      parameter: {
        parse: fileName,
        brief: "A manifest to check; without any, those that `start` would use",
        placeholder: "file",
      },
    },
  },
  docs: {
    brief: "Tell every problem of the manifest and where it is",
    customUsage: ["[FILE…] [flags]"],
    fullDescription: [
      "Checks the manifest that `start` would use, or each file that is named, by itself, and tells every",
      "problem with its place. Exits 2 when there is one. Nothing is granted by checking a file.",
      "",
      "It also looks for what a manifest names on this host: skills, ssh keys, files, programs, variables, git's",
      "identity. What is missing is a warning, for the manifest may be meant for another host. No secret is fetched",
      "and no engine is asked.",
      "",
      "EXAMPLES",
      "  claude-bottle validate",
      "  claude-bottle validate claude-bottle.yaml",
      "  claude-bottle validate --json",
      "  claude-bottle validate --format github claude-bottle.yaml   in a workflow",
    ].join("\n"),
  },
});

/** `schema` */
export const schemaCommand = buildCommand<CommonFlags, [], CliContext>({
  loader: async () => {
    const { schema } = await import("../commands/schema.ts");
    return function (flags): Promise<void> {
      return this.perform(flags, schema);
    };
  },
  parameters: { flags: COMMON_FLAGS, aliases: { v: "verbose" } },
  docs: {
    brief: "Print the manifest's JSON Schema, for editors",
    customUsage: ["[flags]"],
    fullDescription: [
      "Prints the JSON Schema of a manifest, the same for YAML and JSON. Editors complete, explain and check with",
      "it as you type; `claude-bottle validate` also checks what no schema can, such as names that must exist.",
      "",
      "Editors that use yaml-language-server, such as VS Code with its YAML extension, look for this line in the",
      "manifest, and for the file beside it:",
      "",
      "  # yaml-language-server: $schema=./claude-bottle.schema.json",
      "",
      "EXAMPLES",
      "  claude-bottle schema > claude-bottle.schema.json",
    ].join("\n"),
  },
});
