import { type Capability, capabilityId, DEFAULT_HOST, UNLIMITED, UNPINNED } from "./capabilities.ts";
import { aboveOf, coversHost, includesName } from "./host_grants.ts";
import { widerRules } from "./rules.ts";

type Parts = readonly string[];

/** The part of a key that says by what its host is known. */
const HOST_KEY = 4;

/** From the weakest to the strongest. */
const RUNTIMES: readonly string[] = ["runc", "auto", "runsc"];

/** Whether whoever has `a` has a different `b` too, by kind; what is not here covers nothing but itself. */
const COVERS: ReadonlyMap<string, (a: Parts, b: Parts) => boolean> = new Map([
  ["env", ([name], [other, source]) => name === other && source === "literal"],
  ["host", coversHost],
  ["http", coversHost],
  ["private", ([host], [other]) => includesName(host, other)],
  // A host key that is learned is not any: a person has compared it.
  ["key", isMoreOpen],
  ["runtime", ([a = ""], [b = ""]) => RUNTIMES.includes(a) && RUNTIMES.indexOf(a) < RUNTIMES.indexOf(b)],
  ["cpus", isMore],
  ["memory", isMore],
  ["pids", isMore],
  ["disk", isMore],
]);

/** Whether whoever has been given `a` has been given `b`. Reflexive and transitive. */
export function covers(a: Capability, b: Capability): boolean {
  if (a.subject !== b.subject) return false;
  if (a.kind === "host" && b.kind === DEFAULT_HOST) return coversHost(a.parts, b.parts);
  if (a.kind !== b.kind) return false;
  return capabilityId(a) === capabilityId(b) || (COVERS.get(a.kind)?.(a.parts, b.parts) ?? false);
}

function isMoreOpen(a: Parts, b: Parts): boolean {
  return a[HOST_KEY] === UNPINNED && besidesHostKey(a) === besidesHostKey(b);
}

function besidesHostKey(parts: Parts): string {
  return JSON.stringify(parts.toSpliced(HOST_KEY, 1));
}

function isMore([a = ""]: Parts, [b = ""]: Parts): boolean {
  return amount(a) > amount(b);
}

function amount(text: string): number {
  return text === UNLIMITED ? Infinity : Number(text);
}

/** How what is asked for now differs from what was approved. */
export interface Difference<T extends Capability> {
  /** What no approved capability covers. */
  readonly added: readonly T[];
  readonly kept: readonly T[];
  /** What was approved and is not asked for any more, not in these words. */
  readonly removed: readonly Capability[];
}

/** Compares a set of capabilities with an approved one, in the order of the first. */
export function difference<T extends Capability>(
  current: readonly T[],
  approved: readonly Capability[],
): Difference<T> {
  const known = new Set(approved.map(capabilityId));
  const filed = filedByGroup(approved);
  const isCovered = (one: T): boolean =>
    known.has(capabilityId(one)) ||
    groupsAbove(one).some((id) => {
      const group = filed.get(id);
      return group !== undefined &&
        rulesAbove(one).some((rule) => group.get(rule)?.some((other) => covers(other, one)) ?? false);
    });
  const { kept = [], added = [] } = Object.groupBy(current, (one) => isCovered(one) ? "kept" : "added");
  const asked = new Set(current.map(capabilityId));
  return { added, kept, removed: approved.filter((one) => !asked.has(capabilityId(one))) };
}

/** Only those of one group can cover each other, by rule: nobody waits for each to be compared with each. */
function filedByGroup(
  approved: readonly Capability[],
): ReadonlyMap<string, ReadonlyMap<string, readonly Capability[]>> {
  const groups = Map.groupBy(approved, (one) => groupOf(one, nameOf(one)));
  return new Map([...groups].map(([group, all]) => [group, Map.groupBy(all, ruleOf)]));
}

function groupOf({ subject, kind }: Capability, name: string): string {
  return JSON.stringify([subject, kind, name]);
}

function nameOf({ kind, parts }: Capability): string {
  const [name = ""] = parts;
  if (kind === "host" || kind === "http" || kind === "private" || kind === "env") return name;
  return kind === "key" ? besidesHostKey(parts) : "";
}

function ruleOf({ kind, parts: [, rule = ""] }: Capability): string {
  return kind === "host" ? rule : "";
}

/** All groups in which something may cover this. */
function groupsAbove(one: Capability): readonly string[] {
  const kind = one.kind === DEFAULT_HOST ? "host" : one.kind;
  const asked = { ...one, kind };
  const name = nameOf(asked);
  const isHost = kind === "host" || kind === "http" || kind === "private";
  const names = isHost ? [name, ...aboveOf(name).map((above) => `*.${above}`)] : [name];
  return names.map((each) => groupOf(asked, each));
}

function rulesAbove(one: Capability): readonly string[] {
  const rule = ruleOf(one);
  return rule === "" ? [""] : ["", ...new Set(widerRules(rule))];
}

/** Which project an approval is for. */
export interface ApprovedProject {
  /** Real path of its root. */
  readonly root: string;
  /** The manifest's, absolute: a repository may have several. */
  readonly folder: string;
  /** What tells this root from another folder at the same path. */
  readonly identity: string;
}

/** The form of what is stored. */
const VERSION = 1;

/** The most bytes of a stored approval: a manifest of a megabyte asks for no more. */
export const APPROVAL_BYTES = 32 * 1024 * 1024;

/** An approval as it is stored. */
export function approvalText(project: ApprovedProject, approved: readonly Capability[]): string {
  const stored = {
    version: VERSION,
    root: project.root,
    identity: project.identity,
    folder: project.folder,
    approved: approved.map(({ subject, kind, parts }) => ({ subject, kind, parts })),
  };
  return `${JSON.stringify(stored, undefined, 1)}\n`;
}

/** What came of reading a stored approval: nothing that is only half understood counts. */
export type ReadApproval =
  | { readonly kind: "good"; readonly approved: readonly Capability[] }
  /** `why` is what is said of the file. */
  | { readonly kind: "bad"; readonly why: string };

/** Reads what {@link approvalText} wrote for the same project. */
export function readApproval(text: string, project: ApprovedProject): ReadApproval {
  let stored: unknown;
  try {
    stored = JSON.parse(text);
  } catch {
    return bad("is not JSON");
  }
  if (!isRecord(stored)) return bad("is not an approval");
  if (stored["version"] !== VERSION) return bad("was written by another version");
  const { root, identity, folder } = project;
  if (stored["root"] !== root || stored["identity"] !== identity || stored["folder"] !== folder) {
    return bad("is the approval of another project");
  }
  const approved = stored["approved"];
  if (!Array.isArray(approved) || !approved.every(isCapability)) return bad("is damaged");
  return { kind: "good", approved: approved.map(({ subject, kind, parts }) => ({ subject, kind, parts })) };
}

function bad(why: string): ReadApproval {
  return { kind: "bad", why };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCapability(value: unknown): value is Capability {
  return isRecord(value) && typeof value["subject"] === "string" && typeof value["kind"] === "string" &&
    Array.isArray(value["parts"]) && value["parts"].every((part) => typeof part === "string");
}
