import * as z from "zod";
import { checkCpus, checkDisk, checkMemory, checkPids, checkPort } from "./amounts.ts";
import { checkEnvName, checkEnvText } from "./env_entries.ts";
import { checkHost, checkHostname, checkSshHostname, isAddress } from "./hosts.ts";
import { checkKnownHostKey } from "./known_host_keys.ts";
import {
  bad,
  type Checked,
  checkImage,
  checkInjectionForm,
  checkNetwork,
  checkPackage,
  checkPath,
  checkRule,
  checkSkill,
  checkSshWord,
  checkText,
  checkWord,
  good,
} from "./names.ts";

/** What an agent runs unless its manifest says otherwise. */
export const DEFAULT_COMMAND: readonly string[] = ["claude", "--dangerously-skip-permissions"];

/** The parameter of an issue under which a hint travels. */
export const HINT = "hint";

function text(check: (value: string) => Checked<unknown>, description: string): z.ZodString {
  return z.string().superRefine(reasons(check)).describe(description);
}

function number(check: (value: number) => Checked<unknown>, description: string): z.ZodNumber {
  return z.number().superRefine(reasons(check)).describe(description);
}

/** Turns a check into zod's form. */
function reasons<T>(check: (value: T) => Checked<unknown>): (value: T, context: z.RefinementCtx) => void {
  return (value, context) => {
    const checked = check(value);
    if (checked.kind === "good") return;
    const params = checked.hint === undefined ? {} : { [HINT]: checked.hint };
    context.addIssue({ code: "custom", message: checked.message, params });
  };
}

/** Refuses the second of two equal items. */
function distinct(items: readonly string[], context: z.RefinementCtx): void {
  const seen = new Set<string>();
  items.forEach((item, index) => {
    if (seen.has(item)) {
      context.addIssue({ code: "custom", message: "stands in the list twice", path: [index] });
    }
    seen.add(item);
  });
}

const secret = z.strictObject({
  command: z.array(text(checkWord, "One word of the command")).superRefine(reasons(program)).optional()
    .describe("A command of the host whose output is the secret, as a list of words; no shell"),
  file: text(checkPath, "A file of the host that holds the secret").optional(),
}).superRefine((value, context) => {
  if ((value.command === undefined) === (value.file === undefined)) {
    context.addIssue({ code: "custom", message: "must have either `command` or `file`" });
  }
}).describe("A secret that is fetched on the host at launch");

/** A shell that becomes the program would take a dash before its name for an option of its own. */
function program(words: readonly string[]): Checked<unknown> {
  return words[0]?.startsWith("-") ? bad("must not begin with a word that begins with `-`") : nonEmpty(words);
}

function nonEmpty(list: readonly unknown[]): Checked<unknown> {
  return list.length === 0 ? bad("must not be empty") : good(list);
}

const envEntry = z.union([
  text(checkEnvText, "A literal, `${NAME}` for the host's variable, or `?text` to be asked at launch"),
  z.strictObject({ secret }).describe("A secret"),
]).describe("The value of one variable");

const sshEntry = z.strictObject({
  Host: text(checkSshWord, "The name under which the agent connects"),
  IdentityFile: text(checkPath, "The private key on the host; it never enters the agent's reach"),
  Hostname: text(checkSshHostname, "The host to connect to; default: Host").optional(),
  User: text(checkSshWord, "The user to connect as").default("git"),
  Port: z.union([number(checkPort, "A port"), text(checkPort, "A port in digits")]).default(22)
    .describe("The port to connect to"),
  KnownHostKey: z.union([
    text(checkKnownHostKey, "A public host key, `TYPE BASE64`"),
    z.array(text(checkKnownHostKey, "A public host key, `TYPE BASE64`")).superRefine(reasons(nonEmpty)),
  ]).optional().describe("The host's public key, or several"),
  unpinned: z.boolean().default(false).describe("Whether to connect without a known host key when headless"),
  sign: z.boolean().default(false).describe("Whether the key also signs commits"),
}).superRefine((entry, context) => {
  if (entry.Hostname !== undefined || checkSshWord(entry.Host).kind === "bad") return;
  const checked = checkSshHostname(entry.Host);
  if (checked.kind === "bad") {
    const message = `is also the Hostname while that is not given, and as such ${checked.message}`;
    context.addIssue({ code: "custom", message, path: ["Host"] });
  }
}).describe("One SSH identity");

const rule = text(
  checkRule,
  "A method and a path",
);

const injection = z.strictObject({
  env: text(
    checkEnvName,
    "The bottle's variable that holds the placeholder",
  ),
  secret: z.union([text(checkEnvText, "`${NAME}` or `?text`"), secret]).describe(
    "Where the secret comes from",
  ),
  as: text(
    checkInjectionForm,
    "How the secret is put into a request",
  ),
}).describe("A secret that only the sidecar holds");

const allowedHost = z.strictObject({
  host: text(checkHost, "A host name, or `*.name` for it and all names below it"),
  http: z.boolean().default(false).describe("Whether plain HTTP to port 80 is allowed as well"),
  allow: z.array(rule).default([]).describe(
    "The only requests that are let through; the host is then inspected",
  ),
  inject: injection.optional(),
}).describe("A host and what else is to be known about it");

const egress = z.strictObject({
  defaults: z.boolean().default(true).describe("Whether the default hosts are allowed as well"),
  allowlist: z.array(
    z.union([text(checkHost, "A host name, or `*.name` for it and all names below it"), allowedHost]),
  ).default([]).describe("The hosts that can be reached, over TLS on port 443 unless they say more"),
  private: z.array(text(checkPrivate, "A host name")).default([])
    .describe("Names of the allowlist or of an ssh entry that may resolve to private addresses"),
  networks: z.array(text(checkNetwork, "A network's name")).superRefine(distinct).default([])
    .describe("Existing networks of the engine that the sidecar joins"),
  proxy: z.enum(["pipelock", "squid"]).optional().describe("The egress proxy"),
}).describe("What can be reached from the bottle");

function checkPrivate(value: string): Checked<string> {
  return isAddress(value) ? good(value) : value.startsWith("*.") ? checkHost(value) : checkHostname(value);
}

const resources = z.strictObject({
  cpus: number(checkCpus, "Processors").optional(),
  memory: text(checkMemory, "Memory, such as `4g`").optional(),
  pids: number(checkPids, "Processes").optional(),
  disk: text(checkDisk, "Disk space, such as `20g`").optional(),
}).describe("Limits of the bottle");

const image = z.strictObject({
  base: text(checkImage, "The image that the agent's image is built on").optional(),
  dockerfile: text(checkPath, "A Dockerfile on the host to use instead of ours").optional(),
  packages: z.array(text(checkPackage, "A Debian package")).superRefine(distinct).default([])
    .describe("Debian packages to install as well"),
  ca: text(checkPath, "A PEM file on the host with extra certificate authorities").optional(),
}).describe("What the bottle's image is made of");

/** One bottle. Names of env variables are checked apart, so that a bad one hides no bad value. */
export const bottleSchema = z.strictObject({
  extends: z.string().optional().describe("The bottle whose entries this one takes over"),
  env: z.record(z.string(), envEntry).default({})
    .meta({ propertyNames: { pattern: "^[A-Za-z_][A-Za-z0-9_]*$" } })
    .describe("Environment variables of the agent"),
  ssh: z.array(sshEntry).superRefine(distinctHosts).default([]).describe("SSH identities the agent may use"),
  git: z.strictObject({
    identity: z.literal("host").optional().describe("`host`: the host's user.name and user.email"),
  }).prefault({}).describe("Git's configuration"),
  egress: egress.prefault({}),
  runtime: z.enum(["auto", "runc", "runsc"]).default("auto").describe("The OCI runtime; `runsc` is gVisor"),
  resources: resources.prefault({}),
  image: image.prefault({}),
}).describe("A named set of grants");

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
  extends: z.string().optional().describe("The agent whose settings this one takes over"),
  bottle: z.string().optional().describe("The bottle it works in"),
  skills: z.array(text(checkSkill, "A skill's name")).superRefine(distinct).default([])
    .describe("Claude Code skills of the host that are copied into the bottle"),
  prompt: text(checkText, "Appended to the agent's system prompt").default(""),
  command: z.array(text(checkWord, "One word")).superRefine(reasons(program)).default([...DEFAULT_COMMAND])
    .describe("The agent's command, as a list of words"),
}).superRefine((agent, context) => {
  if (agent.bottle === undefined && agent.extends === undefined) {
    const hint = "Add `bottle: NAME`, with the name of one defined under `bottles`";
    context.addIssue({ code: "custom", message: "`bottle` is missing", params: { [HINT]: hint } });
  }
}).describe("A named user of a bottle");

/** A whole manifest file. */
export const manifestSchema = z.strictObject({
  bottles: z.record(z.string(), bottleSchema).default({}).describe("Bottles by name"),
  agents: z.record(z.string(), agentSchema).default({}).describe("Agents by name"),
}).describe("A claude-bottle manifest");

/** A file as it says it, with the defaults filled in. */
export type ManifestEntries = z.output<typeof manifestSchema>;
/** A bottle as its file says it, with the defaults filled in. */
export type BottleEntry = z.output<typeof bottleSchema>;
/** An agent as its file says it, with the defaults filled in. */
export type AgentEntry = z.output<typeof agentSchema>;

/** The JSON Schema for editors. */
export function manifestJsonSchema(): unknown {
  return z.toJSONSchema(manifestSchema, { io: "input" });
}
