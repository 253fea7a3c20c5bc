import type { Problem, Where } from "../errors.ts";
import { checkEnvName } from "./env_entries.ts";
import { checkHost } from "./hosts.ts";
import { type Found, FOUND_LIMIT, isMapping, problemAt, problemsOf, valueAt } from "./issues.ts";
import type { Agent, Bottle, Manifest, ManifestFile } from "./model.ts";
import { checkAgentName, type Checked, checkName, nameSlug } from "./names.ts";
import { nearest } from "./nearest.ts";
import type { Path } from "./node.ts";
import { quoted } from "./text.ts";
import { toAgent, toBottle } from "./resolve.ts";
import { manifestSchema } from "./schema.ts";
import type { Source } from "./source.ts";

/** A file that could be read. */
export interface ValidSource {
  readonly source: Source;
  readonly digest: string;
}

/** What came of checking: a manifest exactly when there are no problems. */
export type Validation =
  | { readonly kind: "valid"; readonly manifest: Manifest }
  | { readonly kind: "invalid"; readonly problems: readonly Problem[] };

/**
 * Checks files in order of rising precedence, alone and merged by whole entry per name. Unless they are all the
 * files there are, what seems to be undefined may be defined in another one. Never throws.
 */
export function validate(
  files: readonly ValidSource[],
  options: { readonly complete: boolean },
): Validation {
  const found = files.map(({ source }) => fileProblems(source));
  const merged = mergeEntries(files.map(({ source }) => source));
  const crossed = [
    ...(options.complete ? agentBottles(merged) : []),
    ...sameSlugs(merged),
  ];
  const problems = [...found.flat(), ...crossed];
  if (problems.length > 0) return { kind: "invalid", problems: problems.map(({ problem }) => problem) };
  return { kind: "valid", manifest: manifestOf(files, merged) };
}

function fileProblems(source: Source): readonly Found[] {
  const shape = problemsOf(source, manifestSchema);
  const badHosts = bottlesWithBadHosts(shape);
  const names = [
    ...badNames(source, { path: ["bottles"], check: checkName }),
    ...badNames(source, { path: ["agents"], check: checkAgentName }),
  ];
  const bottles = keysAt(source, ["bottles"]).flatMap((name) => [
    ...badNames(source, { path: ["bottles", name, "env"], check: checkEnvName }),
    ...(badHosts.has(name) ? [] : hostProblems(source, ["bottles", name])),
  ]);
  return [...shape, ...names, ...bottles];
}

function keysAt(source: Source, path: Path): readonly string[] {
  const value = valueAt(source.value, path);
  return isMapping(value) ? Object.keys(value) : [];
}

function badNames(
  source: Source,
  what: { readonly path: Path; readonly check: (name: string) => Checked<string> },
): readonly Found[] {
  const found: Found[] = [];
  for (const name of keysAt(source, what.path)) {
    const checked = what.check(name);
    if (checked.kind === "good" || found.length >= FOUND_LIMIT) continue;
    const message = `the name ${checked.message}`;
    const path = [...what.path, name];
    found.push(problemAt(source, { path, message, hint: checked.hint, key: true }));
  }
  return found;
}

/** The bottles whose lists of hosts are wrong in themselves, so that comparing them would mislead. */
function bottlesWithBadHosts(shape: readonly Found[]): ReadonlySet<string> {
  const lists = [["egress", "allowlist"], ["egress", "private"], ["ssh"]];
  const bad = new Set<string>();
  for (const { path: [kind, name, ...below] } of shape) {
    const concerns = lists.some((list) =>
      list.every((step, index) => below[index] === undefined || below[index] === step)
    );
    if (kind === "bottles" && typeof name === "string" && concerns) bad.add(name);
  }
  return bad;
}

/** What the lists of hosts of one bottle say about each other. */
function hostProblems(source: Source, bottle: Path): readonly Found[] {
  const allowlist = [...bottle, "egress", "allowlist"];
  const privates = [...bottle, "egress", "private"];
  const hosts = list(source, allowlist).map((entry) =>
    canonical(String(isMapping(entry) ? entry["host"] : entry))
  );
  const connections = list(source, [...bottle, "ssh"]).filter(isMapping).flatMap((entry) =>
    [entry["Host"], entry["Hostname"]].filter((name) => typeof name === "string")
  );
  const granted = new Set([...hosts, ...connections, ...connections.map(canonical)]);
  const wildcards = hosts.filter((host) => host.startsWith("*."));
  const isGranted = (name: string): boolean => {
    const host = canonical(name);
    return granted.has(name) || granted.has(host) ||
      wildcards.some((wildcard) => `.${host}`.endsWith(wildcard.slice(1)));
  };
  return [
    ...repeatedHosts(source, { allowlist, hosts }),
    ...list(source, privates).flatMap((entry, index) =>
      isGranted(String(entry)) ? [] : [problemAt(source, {
        path: [...privates, index],
        message: `${
          quoted(String(entry))
        } is neither in egress.allowlist nor an ssh entry's Host or Hostname`,
        hint: /^[\d.]+$|:/.test(String(entry))
          ? "Write the name that leads to that address, and allow it there as well"
          : "Allow it there as well, or remove it here",
      })]
    ),
  ];
}

function list(source: Source, path: Path): readonly unknown[] {
  const value = valueAt(source.value, path);
  return Array.isArray(value) ? value : [];
}

function canonical(host: string): string {
  const checked = checkHost(host);
  return checked.kind === "good" ? checked.value : host;
}

/** A host twice as plain names is one host; with rules of its own it would be two that contradict each other. */
function repeatedHosts(
  source: Source,
  what: { readonly allowlist: Path; readonly hosts: readonly string[] },
): readonly Found[] {
  const entries = list(source, what.allowlist);
  const first = new Map<string, unknown>();
  const found: Found[] = [];
  what.hosts.forEach((host, index) => {
    const entry = entries[index];
    if (!first.has(host)) first.set(host, entry);
    else if (typeof entry !== "string" || typeof first.get(host) !== "string") {
      const path = [...what.allowlist, index];
      const message = `${quoted(host)} is in the allowlist already`;
      found.push(problemAt(source, { path, message, hint: "Write one entry for each host" }));
    }
  });
  return found;
}

/** The file that each entry is taken from. */
interface Merged {
  readonly bottles: ReadonlyMap<string, Source>;
  readonly agents: ReadonlyMap<string, Source>;
}

function mergeEntries(sources: readonly Source[]): Merged {
  const from = (kind: string): ReadonlyMap<string, Source> =>
    new Map(
      sources.flatMap((source) =>
        [...source.root.entries.get(kind)?.node.entries.keys() ?? []].map((name) => [name, source] as const)
      ),
    );
  return { bottles: from("bottles"), agents: from("agents") };
}

/** How many names are listed or compared when one of them is meant: thousands would help nobody. */
const NAMES_SHOWN = 20;
const NAMES_COMPARED = 500;

function agentBottles(merged: Merged): readonly Found[] {
  const names = [...merged.bottles.keys()];
  const shown = names.slice(0, NAMES_SHOWN).map((name) => `\`${name}\``).join(", ");
  const fallback = names.length === 0 ? "Define it under `bottles`" : `Defined are ${shown}`;
  const found: Found[] = [];
  const check = (source: Source, path: Path): void => {
    const bottle = valueAt(source.value, path);
    if (typeof bottle !== "string" || merged.bottles.has(bottle) || found.length >= FOUND_LIMIT) return;
    const near = nearest(bottle, names.slice(0, NAMES_COMPARED));
    const hint = near === undefined ? fallback : `Did you mean \`${near}\`?`;
    found.push(problemAt(source, { path, message: `no bottle is named ${quoted(bottle)}`, hint }));
  };
  for (const [name, source] of merged.agents) check(source, ["agents", name, "bottle"]);
  for (const [name, source] of merged.bottles) check(source, ["bottles", name, "extends"]);
  return found;
}

function sameSlugs(merged: Merged): readonly Found[] {
  const first = new Map<string, string>();
  const found: Found[] = [];
  for (const [name, source] of merged.agents) {
    if (checkName(name).kind === "bad" || found.length >= FOUND_LIMIT) continue;
    const slug = nameSlug(name);
    const other = first.get(slug);
    if (other === undefined) first.set(slug, name);
    else {
      const message = `the name is the agent ${quoted(other)}'s to the engine: both become \`${slug}\``;
      found.push(
        problemAt(source, { path: ["agents", name], message, hint: "Rename one of them", key: true }),
      );
    }
  }
  return found;
}

function manifestOf(files: readonly ValidSource[], merged: Merged): Manifest {
  const entries = new Map(files.map(({ source }) => [source, manifestSchema.parse(source.value)]));
  const bottles = new Map<string, Bottle>();
  for (const [name, source] of merged.bottles) {
    const entry = entries.get(source)?.bottles[name];
    if (entry !== undefined) bottles.set(name, toBottle(name, entry));
  }
  const agents = new Map<string, Agent>();
  for (const [name, source] of merged.agents) {
    const entry = entries.get(source)?.agents[name];
    if (entry !== undefined) agents.set(name, toAgent(name, entry));
  }
  const listed: readonly ManifestFile[] = files.map(({ source, digest }) => ({ path: source.file, digest }));
  return { bottles, agents, files: listed, where: (path) => whereIn(merged, path) };
}

function whereIn(merged: Merged, path: Path): Where | undefined {
  const [kind, name] = path;
  if (typeof name !== "string" || (kind !== "bottles" && kind !== "agents")) return undefined;
  return merged[kind].get(name)?.where(path);
}
