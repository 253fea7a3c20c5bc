import { egressPolicy } from "../egress/allowlist.ts";
import { EXIT } from "../errors.ts";
import { injectedUnasked } from "./claude_grants.ts";
import type { Environment } from "../host/environment.ts";
import type { Manifest } from "../manifest/model.ts";
import { type Column, fittedTable } from "../ui/fitted_table.ts";
import { resultColumns } from "../ui/wrap.ts";
import type { CommandPorts } from "./context.ts";
import { firstLine } from "./grants.ts";
import { shownManifest, warnUnlessApproved } from "./manifest_choice.ts";
import { jsonText } from "./json_text.ts";

/** What of the manifest can be listed. */
export type Listed = "agents" | "bottles";

export interface ListOptions {
  readonly what: Listed;
  readonly manifest: string | undefined;
  readonly json: boolean;
}

/** `list`: the agents or bottles of the manifest. @throws Failure */
export async function list(options: ListOptions, ports: CommandPorts): Promise<number> {
  const { host, reporter } = ports;
  const manifest = await shownManifest(host, options.manifest);
  const entries = options.what === "agents"
    ? agentEntries(manifest)
    : bottleEntries(manifest, host.environment);
  if (options.json) {
    host.terminal.out(jsonText({ [options.what]: entries.map(({ data }) => data) }));
  } else if (entries.length === 0) {
    reporter.info(`the manifest defines no ${options.what}`);
  } else {
    host.terminal.out(listText(COLUMNS[options.what], entries, resultColumns(host.terminal)));
  }
  if (!options.json) await warnUnlessApproved(manifest, ports);
  return EXIT.done;
}

const COLUMNS: Readonly<Record<Listed, readonly Column[]>> = {
  agents: [
    { heading: "AGENT" },
    { heading: "BOTTLE" },
    { heading: "SKILLS" },
    { heading: "PROMPT", isText: true },
  ],
  bottles: [
    { heading: "BOTTLE" },
    { heading: "USED BY", isText: true },
    { heading: "HOSTS" },
    { heading: "ENV", isText: true },
  ],
};

/** One entry, for people and for programs. */
interface Entry {
  readonly cells: readonly string[];
  readonly parent: string | undefined;
  readonly data: unknown;
}

/** What entries extend has a column where one of them does. */
function listText(columns: readonly Column[], entries: readonly Entry[], width: number): string {
  const hasParents = entries.some(({ parent }) => parent !== undefined);
  if (!hasParents) return fittedTable(columns, entries.map(({ cells }) => cells), width);
  const rows = entries.map(({ cells, parent }) => cells.toSpliced(1, 0, parent ?? "-"));
  return fittedTable(columns.toSpliced(1, 0, { heading: "EXTENDS" }), rows, width);
}

function agentEntries({ agents }: Manifest): readonly Entry[] {
  return [...agents.values()].map(({ name, extends: parent, bottle, skills, prompt }) => ({
    cells: [name, bottle, String(skills.length), prompt === "" ? "-" : firstLine(prompt)],
    parent,
    data: { name, extends: parent ?? null, bottle, skills, prompt: firstLine(prompt) },
  }));
}

function bottleEntries({ agents, bottles }: Manifest, environment: Environment): readonly Entry[] {
  return [...bottles.values()].map((bottle) => {
    const { name, extends: parent, ssh, env } = bottle;
    const { egress } = injectedUnasked(bottle, environment)?.bottle ?? bottle;
    const policy = egressPolicy(egress, ssh);
    const hosts = new Set([...policy.hosts, ...policy.ssh].map(({ host }) => host)).size;
    const users = [...agents.values()].filter(({ bottle }) => bottle === name).map((agent) => agent.name);
    const names = [...env.keys()];
    return {
      cells: [name, joined(users), String(hosts), joined(names)],
      parent,
      data: { name, extends: parent ?? null, agents: users, hosts, env: names },
    };
  });
}

function joined(names: readonly string[]): string {
  return names.length === 0 ? "-" : names.join(", ");
}
