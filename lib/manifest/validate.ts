import type { Problem, Where } from "../errors.ts";
import { checkEnvName } from "./env_entries.ts";
import { badLists, hostProblems } from "./host_lists.ts";
import { inspectionProblems } from "./inspected_hosts.ts";
import { checkSource, enoughOf, type Found, problemAt } from "./issues.ts";
import {
  effectiveValue,
  type Entries,
  type Lineage,
  lineagesOf,
  placeBelow,
  unknownName,
} from "./lineage.ts";
import type { Agent, Bottle, EntryKind, Manifest, ManifestFile, Project } from "./model.ts";
import { checkAgentName, type Checked, checkName, nameSlug } from "./names.ts";
import { FOUND_LIMIT, type Path, pathKey } from "./node.ts";
import { quoted } from "./text.ts";
import { toAgent, toBottle } from "./resolve.ts";
import { agentSchema, bottleSchema, type ManifestEntries, manifestSchema } from "./schema.ts";
import type { Source } from "./source.ts";
import { isMapping, valueAt } from "./values.ts";

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
  options: { readonly complete: boolean; readonly project?: Project | undefined },
): Validation {
  const sources = files.map(({ source }) => source);
  const checked = new Map(sources.map((source) => [source, checkSource(source, manifestSchema)]));
  const found = sources.flatMap((source) => [...checked.get(source)?.found ?? [], ...badKeys(source)]);
  const entries = { bottles: entriesOf("bottles", sources), agents: entriesOf("agents", sources) };
  const bottles = lineagesOf("bottles", entries.bottles, options);
  const agents = lineagesOf("agents", entries.agents, options);
  const bad = badLists(found);
  const good = bottles.lineages.filter(({ layers }) => !layers.some((layer) => bad.has(pathKey(layer.path))));
  const problems = [
    ...found,
    ...bottles.problems,
    ...agents.problems,
    ...(options.complete ? agentBottles(entries) : []),
    ...sameSlugs("bottles", entries.bottles),
    ...sameSlugs("agents", entries.agents),
    ...enoughOf(good, hostProblems),
    ...inspectionProblems(good),
  ];
  if (problems.length > 0) return { kind: "invalid", problems: problems.map(({ problem }) => problem) };
  return {
    kind: "valid",
    manifest: manifestOf(files, {
      lineages: [...bottles.lineages, ...agents.lineages],
      checked: new Map([...checked].map(([source, { data }]) => [source, data])),
      project: options.project,
    }),
  };
}

/** Names that cannot be. */
function badKeys(source: Source): readonly Found[] {
  const bottles = enoughOf(
    keysAt(source, ["bottles"]),
    (name) => badNames(source, { path: ["bottles", name, "env"], check: checkEnvName }),
  );
  return [
    ...badNames(source, { path: ["bottles"], check: checkName }),
    ...badNames(source, { path: ["agents"], check: checkAgentName }),
    ...bottles,
  ];
}

/** The file that each entry is taken from: the last that has it. */
function entriesOf(kind: EntryKind, sources: readonly Source[]): Entries {
  return new Map(
    sources.flatMap((source) =>
      [...source.root.entries.get(kind)?.node.entries.keys() ?? []].map((name) => [name, source] as const)
    ),
  );
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

/** Agents whose bottle is not there. */
function agentBottles({ bottles, agents }: Readonly<Record<EntryKind, Entries>>): readonly Found[] {
  const found: Found[] = [];
  for (const [name, source] of agents) {
    const path = ["agents", name, "bottle"];
    const bottle = valueAt(source.value, path);
    if (typeof bottle !== "string" || bottles.has(bottle) || found.length >= FOUND_LIMIT) continue;
    found.push(problemAt(source, { path, ...unknownName("bottles", bottle, bottles) }));
  }
  return found;
}

/** Names that are one name to the engine. */
function sameSlugs(kind: EntryKind, entries: Entries): readonly Found[] {
  const first = new Map<string, string>();
  const found: Found[] = [];
  for (const [name, source] of entries) {
    if (checkName(name).kind === "bad" || found.length >= FOUND_LIMIT) continue;
    const slug = nameSlug(name);
    const other = first.get(slug);
    if (other === undefined) first.set(slug, name);
    else {
      const what = kind === "agents" ? "agent" : "bottle";
      const message = `the name is the ${what} ${quoted(other)}'s to the engine: both become \`${slug}\``;
      found.push(problemAt(source, { path: [kind, name], message, hint: "Rename one of them", key: true }));
    }
  }
  return found;
}

function alone({ layers }: Lineage): boolean {
  return layers.length === 1;
}

function manifestOf(
  files: readonly ValidSource[],
  what: {
    readonly lineages: readonly Lineage[];
    readonly checked: ReadonlyMap<Source, ManifestEntries | undefined>;
    readonly project: Project | undefined;
  },
): Manifest {
  const bottles = new Map<string, Bottle>();
  const agents = new Map<string, Agent>();
  const byName = { bottles: new Map<string, Lineage>(), agents: new Map<string, Lineage>() };
  for (const lineage of what.lineages) {
    const { kind, name } = lineage;
    byName[kind].set(name, lineage);
    const own = alone(lineage) ? what.checked.get(lineage.layers[0].source) : undefined;
    // Defaults count below what is taken over, so that a whole line is put together without them.
    if (kind === "bottles") {
      bottles.set(name, toBottle(name, own?.bottles[name] ?? bottleSchema.parse(effectiveValue(lineage))));
    } else agents.set(name, toAgent(name, own?.agents[name] ?? agentSchema.parse(effectiveValue(lineage))));
  }
  const listed: readonly ManifestFile[] = files.map(({ source, digest }) => ({ path: source.file, digest }));
  return {
    bottles,
    agents,
    files: listed,
    project: what.project,
    filesOf: (kind, name) => [
      ...new Set(byName[kind].get(name)?.layers.map(({ source }) => source.file)),
    ],
    where([kind, name, ...below]): Where | undefined {
      if (typeof name !== "string" || (kind !== "bottles" && kind !== "agents")) return undefined;
      const lineage = byName[kind].get(name);
      if (lineage === undefined) return undefined;
      const { source, path } = placeBelow(lineage, below);
      return source.where(path);
    },
  };
}
