import { boundsOf, hostWords } from "./host_grants.ts";
import { defaultsBeside, hostPlace, injectPlace, rulePlace, secretPlace } from "./host_places.ts";
import type { Agent, AllowedHost, Bottle, EnvSource, Manifest, SshEntry } from "./model.ts";
import { type Path, pathKey } from "./node.ts";

/** One thing that an agent or a bottle is given, as it is compared and stored. */
export interface Capability {
  /** `agent NAME` or `bottle NAME`: what one bottle has is no grant to another. */
  readonly subject: string;
  readonly kind: string;
  /** What it is about, by kind; a literal by its name alone, a secret by where it comes from. */
  readonly parts: readonly string[];
}

/** One that a manifest asks for. */
export interface Requested extends Capability {
  /** Where it stands, or would stand. */
  readonly at: Path;
  /** Whether every bottle or agent has it unless its manifest says otherwise. */
  readonly usual: boolean;
}

/** Agents and bottles by name, each in the manifest's order. */
export interface Subjects {
  readonly agents: readonly string[];
  readonly bottles: readonly string[];
}

/** What the manifest alone does not say. */
export interface Facts {
  /** What a bottle or an agent has when its manifest names nothing. */
  readonly usual: {
    readonly hosts: readonly string[];
    readonly command: readonly string[];
    /** Bytes. */
    readonly memory: number;
    readonly pids: number;
    /** Bytes. */
    readonly disk: number;
  };
  /** Fingerprints of the manifest's known host keys. */
  readonly fingerprints: ReadonlyMap<string, string>;
  /** What counts of files besides their paths: contents, and whether they are missing; by {@link pathKey} of their place. */
  readonly marks: ReadonlyMap<string, readonly string[]>;
}

/** The proxy of a bottle that names none: it may let through what the one that was named before does not. */
export const UNNAMED = "unnamed";
/** The kind of a host that no manifest names. */
export const DEFAULT_HOST = "default host";
/** The kind of a token that a bottle is given although its sidecar could keep it. */
export const TOKEN_INSIDE = "claude token";
/** How a limit that is not set is written. */
export const UNLIMITED = "unlimited";
/** A host key that is learned at the launch, and one that is never looked at; in place of a fingerprint. */
export const LEARNED = "learned";
export const UNPINNED = "unpinned";

/**
 * Whose grants need approval: every agent that the project's file has a say in, itself or through its bottle; and the
 * bottles of those agents, since what is in a bottle is given to whoever works there.
 */
export function projectSubjects(manifest: Manifest): Subjects {
  const { project } = manifest;
  if (project === undefined) return { agents: [], bottles: [] };
  const isProjects = (kind: "agents" | "bottles", name: string): boolean =>
    manifest.filesOf(kind, name).includes(project.file);
  const agents = [...manifest.agents.values()].filter(({ name, bottle }) =>
    isProjects("agents", name) || isProjects("bottles", bottle)
  );
  const used = new Set(agents.map(({ bottle }) => bottle));
  return {
    agents: agents.map(({ name }) => name),
    bottles: [...manifest.bottles.keys()].filter((name) => used.has(name)),
  };
}

/** Everything that these agents and bottles are given. Host paths in the manifest are real ones already. */
export function capabilitiesOf(
  manifest: Manifest,
  { subjects, facts }: { readonly subjects: Subjects; readonly facts: Facts },
): readonly Requested[] {
  const agents = subjects.agents.flatMap((name) => manifest.agents.get(name) ?? []);
  const bottles = subjects.bottles.flatMap((name) => manifest.bottles.get(name) ?? []);
  return distinct([
    ...agents.flatMap((agent) => agentCapabilities(agent, facts)),
    ...bottles.flatMap((bottle) => bottleCapabilities(bottle, facts)),
  ]);
}

/** The first of those that say the same. */
function distinct(all: readonly Requested[]): readonly Requested[] {
  const seen = new Map<string, Requested>();
  for (const one of all) {
    const id = capabilityId(one);
    if (!seen.has(id)) seen.set(id, one);
  }
  return [...seen.values()];
}

/** The same text for the same capability, and for no other. */
export function capabilityId({ subject, kind, parts }: Capability): string {
  return JSON.stringify([subject, kind, ...parts]);
}

interface Row {
  readonly kind: string;
  readonly parts: readonly string[];
  /** Below the agent or bottle. */
  readonly at: Path;
  readonly usual?: boolean;
}

function requested(of: Pick<Requested, "subject" | "at">, rows: readonly Row[]): readonly Requested[] {
  return rows.map(({ kind, parts, at, usual = false }) => ({
    subject: of.subject,
    kind,
    parts,
    at: [...of.at, ...at],
    usual,
  }));
}

/** Not its prompt: that is text to the agent, and gives it nothing. */
function agentCapabilities({ name, bottle, command, skills }: Agent, { usual }: Facts): readonly Requested[] {
  return requested({ subject: `agent ${name}`, at: ["agents", name] }, [
    { kind: "bottle", parts: [bottle], at: ["bottle"] },
    {
      kind: "command",
      parts: command,
      at: ["command"],
      usual: JSON.stringify(command) === JSON.stringify(usual.command),
    },
    ...skills.map((skill, index): Row => ({ kind: "skill", parts: [skill], at: ["skills", index] })),
  ]);
}

function bottleCapabilities(bottle: Bottle, facts: Facts): readonly Requested[] {
  const at = ["bottles", bottle.name];
  const marks = (below: Path): readonly string[] => facts.marks.get(pathKey([...at, ...below])) ?? [];
  return requested({ subject: `bottle ${bottle.name}`, at }, [
    ...envRows(bottle, marks),
    ...egressRows(bottle, { facts, marks }),
    ...bottle.ssh.flatMap((entry, index) => sshRows(entry, { index, facts, marks })),
    ...(bottle.gitIdentity === undefined
      ? []
      : [{ kind: "git identity", parts: [bottle.gitIdentity], at: ["git", "identity"] }]),
    ...imageRows(bottle, marks),
    { kind: "runtime", parts: [bottle.runtime], at: ["runtime"], usual: bottle.runtime === "auto" },
    ...limitRows(bottle, facts),
  ]);
}

type Marks = (below: Path) => readonly string[];

function envRows({ env }: Bottle, marks: Marks): readonly Row[] {
  return [...env].map(([name, source]) => ({
    kind: "env",
    parts: [name, ...sourceParts(source), ...marks(["env", name])],
    at: ["env", name],
  }));
}

/** Where a value comes from. What a literal is, an agent could give itself. */
function sourceParts(source: EnvSource): readonly string[] {
  switch (source.kind) {
    case "literal":
      return [source.kind];
    case "host":
      return [source.kind, source.variable];
    case "prompt":
      return [source.kind, source.text];
    case "command":
      return [source.kind, JSON.stringify(source.argv)];
    case "file":
      return [source.kind, source.path];
    default:
      return source satisfies never;
  }
}

function egressRows(
  { egress }: Bottle,
  { facts, marks }: { readonly facts: Facts; readonly marks: Marks },
): readonly Row[] {
  const list = (kind: string, names: readonly string[], key: string): readonly Row[] =>
    names.map((name, index) => ({ kind, parts: [name], at: ["egress", key, index] }));
  const bounds = boundsOf(egress.allowlist);
  const defaults = defaultsBeside(egress, facts.usual.hosts);
  return [
    ...egress.allowlist.flatMap((host) => hostRows(host, { bounds: bounds(host), marks })),
    // One that is named is more: it passes unopened also where the sidecar would open it, or leave it out.
    ...defaults.map((host): Row => ({
      kind: DEFAULT_HOST,
      parts: [host],
      at: ["egress", "defaults"],
      usual: true,
    })),
    ...list("private", egress.private, "private"),
    ...list("network", egress.networks, "networks"),
    {
      kind: "proxy",
      parts: [egress.proxy ?? UNNAMED],
      at: ["egress", "proxy"],
      usual: egress.proxy === undefined,
    },
  ];
}

function hostRows(
  allowed: AllowedHost,
  { bounds, marks }: { readonly bounds: readonly string[]; readonly marks: Marks },
): readonly Row[] {
  const { host, http, allow, inject } = allowed;
  const at = hostPlace(allowed);
  const any: Row = { kind: "host", parts: hostWords(host, { bounds }), at };
  return [
    ...(allow.length === 0 ? [any] : allow.map((rule, which): Row => ({
      kind: "host",
      parts: hostWords(host, { rule, bounds }),
      at: rulePlace(allowed, which),
    }))),
    ...(http ? [{ ...any, kind: "http", at: [...at, "http"] }] : []),
    ...(inject === undefined ? [] : [{
      kind: "inject",
      parts: [
        host,
        inject.env,
        inject.as,
        ...sourceParts(inject.secret),
        ...marks(secretPlace(allowed)),
      ],
      at: injectPlace(allowed),
    }]),
  ];
}

/** The name that the agent uses for an entry grants nothing. */
function sshRows(
  { hostname, port, user, identityFile, knownHostKeys, unpinned, sign }: SshEntry,
  { index, facts, marks }: { readonly index: number; readonly facts: Facts; readonly marks: Marks },
): readonly Row[] {
  const at = ["ssh", index];
  const keys = knownHostKeys.map((key) => facts.fingerprints.get(key) ?? key);
  const missing = marks([...at, "IdentityFile"]);
  return [
    { kind: "ssh", parts: [hostname, String(port)], at },
    ...(keys.length > 0 ? keys : [unpinned ? UNPINNED : LEARNED]).map((hostKey): Row => ({
      kind: "key",
      parts: [identityFile, user, hostname, String(port), hostKey, ...missing],
      at: [...at, "IdentityFile"],
    })),
    ...(sign ? [{ kind: "sign", parts: [identityFile, ...missing], at: [...at, "sign"] }] : []),
  ];
}

function imageRows({ image, ssh }: Bottle, marks: Marks): readonly Row[] {
  const { base, dockerfile, packages, ca } = image;
  const foreign = [
    ...(base === undefined ? [] : [{ parts: [base], at: ["image", "base"] }]),
    ...(dockerfile === undefined ? [] : [{ parts: [dockerfile], at: ["image", "dockerfile"] }]),
  ];
  return [
    ...(base === undefined ? [] : [{ kind: "image", parts: [base], at: ["image", "base"] }]),
    ...(dockerfile === undefined ? [] : [{
      kind: "dockerfile",
      parts: [dockerfile, ...marks(["image", "dockerfile"])],
      at: ["image", "dockerfile"],
    }]),
    // Whatever it is made of is root where the keys are.
    ...(ssh.length === 0 ? [] : foreign.map((row): Row => ({ kind: "image with keys", ...row }))),
    ...packages.map((name, index): Row => ({
      kind: "package",
      parts: [name],
      at: ["image", "packages", index],
    })),
    ...(ca === undefined
      ? []
      : [{ kind: "ca", parts: [ca, ...marks(["image", "ca"])], at: ["image", "ca"] }]),
  ];
}

function limitRows({ resources }: Bottle, { usual }: Facts): readonly Row[] {
  const row = (kind: keyof typeof resources, without: number | undefined): Row => {
    const amount = resources[kind] ?? without;
    return {
      kind,
      parts: [amount === undefined ? UNLIMITED : String(amount)],
      at: ["resources", kind],
      usual: amount === without,
    };
  };
  return [
    row("cpus", undefined),
    row("memory", usual.memory),
    row("pids", usual.pids),
    row("disk", usual.disk),
  ];
}
