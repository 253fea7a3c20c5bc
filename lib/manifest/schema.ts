import * as z from "zod";
import { checkCpus, checkDisk, checkMemory, checkPids, CPUS, PIDS } from "./amounts.ts";
import { egress } from "./egress_schema.ts";
import { checkEnvText, ENTRY_LIMIT, NAME_LIMIT } from "./env_entries.ts";
import { commandLine, distinctList, hostPath, number, text } from "./fields.ts";
import { checkImage, checkPackage, checkSkill, checkText } from "./names.ts";
import { PATTERNS } from "./patterns.ts";
import { secret } from "./secret_schema.ts";
import { sshEntry } from "./ssh_schema.ts";
import { isMapping } from "./values.ts";

/** What an agent runs unless its manifest says otherwise. */
export const DEFAULT_COMMAND: readonly string[] = ["claude", "--dangerously-skip-permissions"];

/** What no mapping can have as a key, whatever it is for. */
const NO_KEY = { const: "__proto__" };

// The loader checks names apart, so that a bad one hides no bad value: these are for editors.

const bottleName = z.string().meta({
  id: "BottleName",
  description: "A bottle's name: up to 64 letters, digits, spaces, `.`, `_` and `-`.",
  pattern: PATTERNS.name,
  not: NO_KEY,
  patternErrorMessage:
    "Up to 64 letters, digits, spaces, `.`, `_` and `-`: a letter or digit at least, and no dash or space first",
  examples: ["dev"],
});

const agentName = z.string().meta({
  id: "AgentName",
  description: "An agent's name: up to 64 letters, digits, spaces, `.`, `_` and `-`; `demo` is taken.",
  pattern: PATTERNS.agentName,
  not: NO_KEY,
  patternErrorMessage:
    "Not `demo`, and up to 64 letters, digits, spaces, `.`, `_` and `-`: a letter or digit at least, no dash or space first",
  examples: ["reviewer", "Code Reviewer 2.0"],
});

const envName = z.string().meta({
  id: "EnvName",
  description: "A variable's name. Those of proxies are claude-bottle's own.",
  pattern: PATTERNS.envName,
  maxLength: NAME_LIMIT,
  not: NO_KEY,
  patternErrorMessage: "Letters, digits and `_`, not beginning with a digit; not a proxy's variable",
  examples: ["GITHUB_TOKEN"],
});

const envValue = z.union([
  text(checkEnvText, {
    description:
      "A literal, `${NAME}` as a whole for a variable of your machine, or `?text` to be asked at launch.",
    pattern: PATTERNS.envText,
    maxLength: ENTRY_LIMIT,
    patternErrorMessage: "No NUL character, and a question in one line",
    examples: ["${GH_PAT}", "?paste your token", "plain text"],
  }),
  z.strictObject({
    secret: secret.meta({
      description: "Where the value comes from: a command or a file of your machine.",
      examples: [{ command: ["op", "read", "op://dev/npm"] }, { file: "~/.npm-token" }],
    }),
  }).meta({ description: "A secret from a command or a file of your machine." }),
]).meta({
  id: "EnvValue",
  description: "The value of one variable: text, or `{ secret: … }`.",
});

const resources = z.strictObject({
  cpus: number(checkCpus, {
    description: `Processors, from ${CPUS.least} to ${CPUS.most}. Default: all that the engine has.`,
    minimum: CPUS.least,
    maximum: CPUS.most,
    examples: [2, 1.5],
  }).optional(),
  memory: text(checkMemory, {
    description: "Memory with a unit (`m` is MiB, `g` is GiB), at least `64m`. Default: `4g`.",
    pattern: PATTERNS.memory,
    patternErrorMessage: "A whole number with b, k, m or g behind it, such as `512m` or `4g`; at least `64m`",
    examples: ["4g", "512m"],
  }).optional(),
  pids: number(checkPids, {
    description: `Processes and threads, from ${PIDS.least}. Default: 2048.`,
    type: "integer",
    minimum: PIDS.least,
    maximum: PIDS.most,
    examples: [2048],
  }).optional(),
  disk: text(checkDisk, {
    description: "Disk space with a unit (`m` is MiB, `g` is GiB), at least `16m`. Default: `20g`.",
    pattern: PATTERNS.disk,
    patternErrorMessage:
      "A whole number with b, k, m or g behind it, such as `512m` or `20g`; at least `16m`",
    examples: ["20g"],
  }).optional(),
}).meta({
  id: "Resources",
  description: "What the bottle may take of the machine.",
});

const image = z.strictObject({
  base: text(checkImage, {
    description:
      "The image that the agent's image is built on. Not available yet. Default: `debian:trixie-slim`.",
    pattern: PATTERNS.image,
    maxLength: 512,
    patternErrorMessage: "An image such as `debian:trixie-slim` or `registry.example.com/base:1`",
    examples: ["debian:trixie-slim"],
  }).optional(),
  dockerfile: hostPath({
    description:
      "A Dockerfile on your machine that the image is built from instead of ours. Not available yet.",
    examples: ["~/agent.Dockerfile"],
  }).optional(),
  packages: distinctList(
    text(checkPackage, {
      description: "A Debian package.",
      pattern: PATTERNS.package,
      maxLength: 128,
      patternErrorMessage:
        "A package's name: lower-case letters, digits, `+`, `.` and `-`, at least two, and no dash at the end",
      examples: ["ripgrep"],
    }),
    {
      description: "Debian packages that are installed as well. Not available yet. Default: none.",
      examples: [["ripgrep", "jq"]],
    },
  ).default([]),
  ca: hostPath({
    description:
      "A PEM file on your machine with more certificate authorities, for the build and the bottle.",
    examples: ["~/corp-ca.pem"],
  }).optional(),
}).meta({
  id: "Image",
  description: "What the bottle's image is made of.",
});

const git = z.strictObject({
  identity: z.literal("host").optional().meta({
    description: "`host`: git in the bottle has your machine's user.name and user.email. Default: nobody's.",
  }),
}).meta({
  id: "Git",
  description: "Git's configuration in the bottle.",
});

/** One bottle. Names of env variables are checked apart, so that a bad one hides no bad value. */
export const bottleSchema = z.strictObject({
  extends: bottleName.meta({
    description:
      "The bottle whose entries this one takes over: its own are added to maps, and replace lists.",
    examples: ["base"],
  }).optional(),
  env: z.record(envName, envValue).default({}).meta({
    description: "Environment variables of the agent. Values are never in an argv, an image or a log.",
    examples: [{ EDITOR: "vim", GITHUB_TOKEN: "${GH_PAT}", NPM_TOKEN: { secret: { file: "~/.npm-token" } } }],
  }),
  ssh: z.array(sshEntry).superRefine(distinctHosts).default([]).meta({
    description: "SSH identities that the agent may use. Default: none.",
    examples: [[{ Host: "gitea", IdentityFile: "~/.ssh/gitea_ed25519", Hostname: "git.example.com" }]],
  }),
  git: git.prefault({}).meta({
    description: "Git's configuration in the bottle.",
    examples: [{ identity: "host" }],
  }),
  egress: egress.prefault({}).meta({
    description: "What can be reached from the bottle. Everything else is refused.",
    examples: [{ allowlist: ["github.com"], proxy: "squid" }],
  }),
  runtime: z.enum(["auto", "runc", "runsc"]).default("auto").meta({
    description:
      "The OCI runtime: `runsc` is gVisor, a kernel of its own; `auto` takes it where the engine has it. Default: `auto`.",
  }),
  resources: resources.prefault({}).meta({
    description: "What the bottle may take of the machine.",
    examples: [{ cpus: 2, memory: "4g", pids: 2048, disk: "20g" }],
  }),
  image: image.prefault({}).meta({
    description: "What the bottle's image is made of.",
    examples: [{ ca: "~/corp-ca.pem" }],
  }),
}).meta({
  id: "Bottle",
  description: "A named set of grants: what its agents are given, and what they can reach.",
});

function distinctHosts(entries: readonly { readonly Host: string }[], context: z.RefinementCtx): void {
  const seen = new Set<string>();
  entries.forEach((entry, index) => {
    if (seen.has(entry.Host)) {
      const message = "has an ssh entry already";
      context.addIssue({ code: "custom", message, path: [index, "Host"] });
    }
    seen.add(entry.Host);
  });
}

/** One agent. */
export const agentSchema = z.strictObject({
  bottle: bottleName.meta({
    description: "The bottle it works in. Only an agent with `extends` can do without.",
    examples: ["dev"],
  }).optional(),
  extends: agentName.meta({
    description: "The agent whose fields this one takes over unless it has its own.",
    examples: ["reviewer"],
  }).optional(),
  skills: distinctList(
    text(checkSkill, {
      description: "A folder of `~/.claude/skills`.",
      pattern: PATTERNS.skill,
      maxLength: 128,
      patternErrorMessage:
        "A folder's name: letters, digits, `.`, `_` and `-`, beginning with a letter or digit",
      examples: ["code-review"],
    }),
    {
      description: "Claude Code skills of your machine that are copied into the bottle. Default: none.",
      examples: [["code-review"]],
    },
  ).default([]),
  prompt: text(checkText, {
    description: "What is appended to the agent's system prompt. Default: nothing.",
    pattern: PATTERNS.text,
    patternErrorMessage: "Must not contain a NUL character",
    examples: ["You review pull requests.\n"],
  }).default(""),
  command: commandLine({
    description: `What the agent runs, as a list of words. Default: \`${DEFAULT_COMMAND.join(" ")}\`.`,
    examples: [["claude", "--model", "opus"]],
  }).default([...DEFAULT_COMMAND]),
}).superRefine(requireBottle, { when: ({ value }) => isMapping(value) }).meta({
  id: "Agent",
  description: "A named user of a bottle: what runs, with which skills and prompt.",
  anyOf: [{ required: ["bottle"] }, { required: ["extends"] }],
});

/** Said of whatever else is wrong with the agent as well. */
function requireBottle(
  agent: { readonly bottle?: unknown; readonly extends?: unknown },
  context: z.RefinementCtx,
): void {
  if (agent.bottle !== undefined || agent.extends !== undefined) return;
  context.addIssue({ code: "invalid_type", expected: "string", input: undefined, path: ["bottle"] });
}

/** A whole manifest file. */
export const manifestSchema = z.strictObject({
  bottles: z.record(bottleName, bottleSchema).default({}).meta({
    description: "Bottles by name.",
    examples: [{ dev: { egress: { allowlist: ["github.com"] } } }],
  }),
  agents: z.record(agentName, agentSchema).default({}).meta({
    description: "Agents by name.",
    examples: [{ reviewer: { bottle: "dev", skills: ["code-review"] } }],
  }),
}).meta({
  title: "A claude-bottle manifest",
  description: "Bottles, each a named set of grants, and the agents that work in them.",
});

/** A file as it says it, with the defaults filled in. */
export type ManifestEntries = z.output<typeof manifestSchema>;
/** A bottle as its file says it, with the defaults filled in. */
export type BottleEntry = z.output<typeof bottleSchema>;
/** An agent as its file says it, with the defaults filled in. */
export type AgentEntry = z.output<typeof agentSchema>;
