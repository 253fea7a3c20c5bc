import { oneLine } from "../errors.ts";
import { type Input, printedArguments, shellQuoted, type Step, tarContentSize } from "./invocation.ts";
import { injectedJson, injectedRows, inspectedJson, inspectedRows, sourceText } from "./render_inspection.ts";
import type { BottlePlan, PlannedSsh } from "./plan.ts";
import type { BottleSpec } from "./spec.ts";
import { counted, megabytes } from "./workspace.ts";

/** Columns of the preflight's labels, with what parts them from the values. */
export const PREFLIGHT_LABELS = 17;

/** How much of a prompt the preflight shows, in characters. */
const PROMPT_HINT = 60;

/** The variables that the manifest and the forwarded token grant, and those of placeholders: what a person wants to check, by name only. */
export function grantedNames(spec: BottleSpec): readonly string[] {
  const names = [...new Set([...spec.env.keys(), ...spec.injected.keys()])];
  if (spec.forwardOauthToken && !names.includes("CLAUDE_CODE_OAUTH_TOKEN")) {
    names.push("CLAUDE_CODE_OAUTH_TOKEN");
  }
  return names;
}

/** The preflight: what is about to be granted, for the person who is asked y/N. No values of variables. */
export function preflightText(plan: BottlePlan): string {
  const { spec } = plan;
  const names = grantedNames(spec);
  const rows: readonly (readonly [string, string] | undefined)[] = [
    ["agent", spec.agent],
    ["command", shellQuoted(spec.command)],
    ["image", plan.image],
    ["container", plan.containerName],
    ["env", names.length === 0 ? "(none)" : names.map((name) => envText(name, spec)).join(", ")],
    ["skills", skillsText(plan)],
    ["prompt", promptHint(spec.prompt)],
    workspaceRow(plan),
    ["bottle", spec.bottle],
    ["  runtime", plan.runtime === "runsc" ? "runsc (gVisor)" : "runc"],
    ["  proxy", spec.proxy.name],
    identityRow(spec),
    ...plan.ssh.map((entry) => ["  ssh hosts", sshText(entry)] as const),
    ["  egress", spec.egressSummary],
    listRow("  granted", spec.namedHosts),
    ...inspectedRows(spec),
    ...injectedRows(spec),
    listRow("  plain HTTP", httpHosts(spec)),
    listRow("  private", privateHosts(spec)),
    ["  limits", plan.limits],
    listRow("  networks", spec.networks),
    spec.ca === undefined
      ? undefined
      : ["  extra CAs", String(spec.ca.split("-----BEGIN CERTIFICATE-----").length - 1)],
    ["remote-control", spec.remoteControl ? "enabled" : "disabled"],
    spec.lifetime === "session"
      ? undefined
      : ["lifetime", `until \`claude-bottle stop ${plan.containerName}\``],
    ...plan.notices.map((notice) => ["note", notice] as const),
  ];
  const lines = rows.filter((row) => row !== undefined)
    .map(([label, value]) => `${label.padEnd(PREFLIGHT_LABELS - 3)} : ${oneLine(value)}`);
  return ["", ...lines, ""].join("\n") + "\n";
}

function identityRow({ gitIdentity }: BottleSpec): readonly [string, string] | undefined {
  return gitIdentity && ["  git identity", `${gitIdentity.name} <${gitIdentity.email}>`];
}

function listRow(label: string, values: readonly string[]): readonly [string, string] | undefined {
  return values.length === 0 ? undefined : [label, values.join(", ")];
}

function httpHosts({ policy }: BottleSpec): readonly string[] {
  return policy.hosts.filter((rule) => rule.http).map(({ host }) => host);
}

function privateHosts({ policy }: BottleSpec): readonly string[] {
  const rules = [...policy.hosts, ...policy.ssh].filter((rule) => rule.private);
  return [...new Set(rules.map(({ host }) => host))];
}

/** Each with the folder that it really is: a name alone may be a link to anywhere. */
function skillsText({ skills }: BottlePlan): string {
  if (skills.length === 0) return "(none)";
  return skills.map(({ name, path }) => `${name} (${path})`).join(", ");
}

function sshText({ host, user, hostname, port, key, passphrase, pinned, learned }: PlannedSsh): string {
  const words = [
    `key ${key}`,
    ...(passphrase ? ["passphrase asked"] : []),
    pinned ? "pinned" : learned ? "host key unknown" : "not pinned",
  ];
  return `${host}: ${user}@${hostname}:${port} (${words.join(", ")})`;
}

function workspaceRow({ workspace }: BottlePlan): readonly [string, string] | undefined {
  if (workspace === undefined) return undefined;
  const { directory, files, bytes } = workspace;
  return ["workspace", `${directory} (${counted(files, "file")}, ${megabytes(bytes)})`];
}

/** A variable and where its value comes from; never the value. */
function envText(name: string, spec: BottleSpec): string {
  if (spec.injected.has(name)) return `${name} (placeholder)`;
  const source = spec.env.get(name);
  if (source === undefined) return `${name} (from CLAUDE_BOTTLE_OAUTH_TOKEN)`;
  return source.kind === "literal" ? name : `${name} (${sourceText(source)})`;
}

function promptHint(prompt: string): string {
  const line = prompt.trim().split("\n")[0] ?? "";
  if (line === "") return "(none)";
  const shown = [...line].slice(0, PROMPT_HINT).join("");
  return shown === prompt.trim() ? shown : `${shown}…`;
}

/** The plan's steps as a person could type them. */
export function stepsText(plan: BottlePlan): string {
  const groups = [
    ["launch", plan.steps],
    ["agent", plan.agentSteps],
    ["watch", plan.watchSteps],
    ["teardown", plan.teardownSteps],
  ] as const;
  return groups.filter(([title, steps]) => title !== "watch" || steps.length > 0).flatMap((
    [title, steps],
  ) => [
    `# ${title}`,
    ...steps.flatMap((step) => [oneLine(`# ${step.id}: ${step.invocation.why}`), oneLine(stepLine(step))]),
    "",
  ]).join("\n");
}

function stepLine({ invocation }: Step): string {
  const words = [invocation.program, ...printedArguments(invocation)];
  const { input } = invocation;
  return shellQuoted(words) +
    (input === undefined ? "" : `  # stdin: ${input.kind} of ${inputEntries(input).join(" ") || "(none)"}`);
}

function inputEntries(input: Input): readonly string[] {
  switch (input.kind) {
    case "tar":
      return input.files.map(({ path }) => path);
    case "workspace":
      return [input.directory];
    case "program":
      return [input.name];
    case "authority":
      return ["the bottle's own authority"];
    case "environment":
    case "keys":
    case "secrets":
      return input.names;
    default:
      return input satisfies never;
  }
}

/** Bytes of content; `null` for an environment, whose values are not known before the launch, and for keys. */
function inputBytes(input: Input): number | null {
  if (input.kind === "workspace") return input.bytes;
  if (input.kind === "program") return new TextEncoder().encode(input.text).length;
  if (input.kind !== "tar") return null;
  return input.files.reduce((sum, file) => sum + tarContentSize(file), 0);
}

function stepJson(step: Step): unknown {
  const { invocation } = step;
  const { input } = invocation;
  return {
    id: step.id,
    after: step.after,
    argv: [invocation.program, ...printedArguments(invocation)],
    ...(input === undefined
      ? {}
      : { stdin: { kind: input.kind, entries: inputEntries(input), bytes: inputBytes(input) } }),
    why: invocation.why,
  };
}

/** The plan for programs: the original's keys first, ours behind them. */
export function planJson(plan: BottlePlan): Readonly<Record<string, unknown>> {
  const { spec } = plan;
  return {
    agent: spec.agent,
    bottle: spec.bottle,
    container_name: plan.containerName,
    image: plan.image,
    // No image is derived and nothing is staged on the host: files go to the engine over stdin.
    derived_image: "",
    stage_dir: "",
    runtime: plan.runtime,
    env_names: grantedNames(spec),
    skills: plan.skills.map(({ name }) => name),
    ssh_hosts: plan.ssh.map(({ host }) => host),
    egress: {
      proxy: spec.proxy.name,
      hosts: spec.policy.hosts.map(({ host }) => host),
      http: httpHosts(spec),
      private: privateHosts(spec),
      inspected: inspectedJson(spec),
      networks: spec.networks,
      summary: spec.egressSummary,
    },
    prompt: { present: spec.prompt !== "", characters: [...spec.prompt].length },
    remote_control: spec.remoteControl,
    command: spec.command,
    mode: spec.mode,
    lifetime: spec.lifetime,
    run_id: plan.runId,
    notices: plan.notices,
    workspace: plan.workspace ?? null,
    git_identity: spec.gitIdentity ?? null,
    injected: injectedJson(spec),
    skill_paths: plan.skills.map(({ path }) => path),
    ssh: plan.ssh,
    manifest: spec.manifestFiles,
    limits: plan.bounds,
    steps: plan.steps.map(stepJson),
    agent_steps: plan.agentSteps.map(stepJson),
    watch_steps: plan.watchSteps.map(stepJson),
    teardown_steps: plan.teardownSteps.map(stepJson),
  };
}
