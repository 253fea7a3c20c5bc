import type { Step } from "../../bottle/invocation.ts";
import { executedArguments, shellQuoted } from "../../bottle/invocation.ts";
import { Failure } from "../../errors.ts";
import type { DockerClient } from "./client.ts";
import { inspected } from "./engine.ts";
import { engineFailure, saidBy } from "./failures.ts";
import type { InspectedContainer } from "./inspected.ts";
import { LABEL } from "./labels.ts";
import { onlyGone, UNDER_WAY } from "./objects.ts";
import { isMadeByLaunch } from "./ours.ts";

/** How often a run's objects are looked for before giving up: an engine may still be creating what a dead client asked for. */
const ROUNDS = 6;
/** Milliseconds after which no further round begins: a person is waiting to get the shell back. */
const BUDGET_MS = 45_000;
/** How long an engine that is not there is waited for, which may be about to start again, and how often it is tried. */
const RESTART_MS = 15_000;
const RETRY_MS = 1000;
/** How long between two rounds. */
const ROUND_MS = 250;

/** What the teardown needs of the machine. */
export interface TeardownPorts {
  readonly client: DockerClient;
  sleep(ms: number): Promise<void>;
  /** Milliseconds since the epoch. */
  now(): number;
}

/** What could not be removed, in a sentence; empty when nothing is left. */
export type Leftover = string;

/**
 * Removes a bottle by the plan's own steps, by full ids. Whatever goes wrong there, the labels decide: the run
 * is looked up and removed until the engine lists nothing of it. Never throws.
 */
export async function tearDown(
  ports: TeardownPorts,
  run: {
    readonly id: string;
    readonly steps: readonly Step[];
    readonly ids: ReadonlyMap<string, string>;
    readonly keepWorkspace: boolean;
  },
): Promise<Leftover> {
  try {
    for (const { invocation } of run.steps) {
      const args = executedArguments(invocation, run.ids).slice(ports.client.globalArguments.length);
      await ports.client.run({ what: "removing the bottle", args, deadline: "removal" });
    }
    return "";
  } catch {
    // An id not known, or an object gone or stubborn: the labels know better than we do.
    return await removeRun(ports, { run: run.id, keepWorkspace: run.keepWorkspace });
  }
}

/** What of a run is removed. */
export interface Removal {
  /** Its id. */
  readonly run: string;
  /** True wherever its agent may have run and nobody has looked at what it made. */
  readonly keepWorkspace: boolean;
}

/** Removes everything that carries the run's label, but perhaps its workspace. Never throws. */
export async function removeRun(ports: TeardownPorts, removal: Removal): Promise<Leftover> {
  const end = ports.now() + BUDGET_MS;
  const restarted = ports.now() + RESTART_MS;
  const foreign = new Set<string>();
  let last = "";
  let empty = 0;
  let pause = 0;
  for (let round = 0; round < ROUNDS && empty < 2 && ports.now() < end;) {
    if (pause > 0) await ports.sleep(pause);
    pause = ROUND_MS;
    try {
      empty = await removeListed(ports.client, removal, foreign) ? empty + 1 : 0;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
      if (UNDER_WAY.test(last) || (isAway(error) && ports.now() < restarted)) {
        pause = RETRY_MS;
        continue;
      }
    }
    round++;
  }
  if (empty >= 2) return "";
  const said = `The bottle could not be removed${last === "" ? "" : `: ${last}`}`;
  return `${said}; ${remedy(ports.client, { ...removal, hasForeign: foreign.size > 0 })}`;
}

function isAway(error: unknown): boolean {
  return error instanceof Failure && error.code === "engine-unreachable";
}

/** What a person can type instead, for the same engine: nothing that would remove what is not of the bottle. */
function remedy(
  { globalArguments }: DockerClient,
  { run, keepWorkspace, hasForeign }: Removal & { readonly hasForeign: boolean },
): string {
  const docker = shellQuoted(["docker", ...globalArguments]);
  const filter = `--filter label=${LABEL.run}=${run}`;
  if (hasForeign) {
    return `containers that were run from a copy of it may hold it: \`${docker} ps -a ${filter}\``;
  }
  const commands = [
    `${docker} rm -fv $(${docker} ps -aq ${filter})`,
    `${docker} network rm $(${docker} network ls -q ${filter})`,
    // Those of the containers go with them.
    ...(keepWorkspace ? [] : [`${docker} volume rm $(${docker} volume ls -q ${filter})`]),
  ];
  return `\`${commands.join("; ")}\` finishes it`;
}

/** One round over all kinds, whatever becomes of one; whether there was nothing to remove. Adds to `foreign`. */
async function removeListed(
  client: DockerClient,
  { run, keepWorkspace }: Removal,
  foreign: Set<string>,
): Promise<boolean> {
  const filter = ["--filter", `label=${LABEL.run}=${run}`];
  const volumes = ["volume", "ls", ...filter, "--format", "{{.Name}}"];
  // First: were it not known, no volume could be removed.
  const kept = keepWorkspace
    ? await listedIds(client, [...volumes, "--filter", `label=${LABEL.role}=workspace`])
    : [];
  const kinds = [
    {
      list: ["container", "ls", "--all", "--no-trunc", ...filter, "--format", "{{.ID}}"],
      remove: ["container", "rm", "--force", "--volumes"],
    },
    { list: ["network", "ls", "--no-trunc", ...filter, "--format", "{{.ID}}"], remove: ["network", "rm"] },
    { list: volumes, remove: ["volume", "rm", "--force"] },
  ];
  const complaints: unknown[] = [];
  const listed = await Promise.all(
    kinds.map(({ list, remove: [kind] }) =>
      listedIds(client, list)
        .then((ids) =>
          kind === "container" ? madeByLaunch(client, ids, foreign) : ids.filter((id) => !kept.includes(id))
        )
        .catch((error) => void complaints.push(error))
    ),
  );
  // In this order: a network is held by its containers.
  for (const [index, { remove }] of kinds.entries()) {
    const ids = listed[index] ?? [];
    if (ids.length > 0) {
      await removed(client, [...remove, ...ids]).catch((error) => void complaints.push(error));
    }
  }
  if (complaints.length > 0) throw complaints[0];
  return listed.every((ids) => ids?.length === 0);
}

/** @throws Error with what the engine said against it */
async function removed(client: DockerClient, args: readonly string[]): Promise<void> {
  const outcome = await client.outcome({ what: "removing the bottle", args, deadline: "removal" });
  // What a neighbour removed meanwhile is as good as removed by us; the next listing tells.
  const harmless = outcome.code === 0 || /no such|not found/i.test(outcome.stderr);
  if (!harmless) throw new Error(saidBy(outcome.stderr));
}

/** Those of some containers that did not merely inherit the run's label; the others go into `foreign`. @throws Failure */
async function madeByLaunch(
  client: DockerClient,
  ids: readonly string[],
  foreign: Set<string>,
): Promise<readonly string[]> {
  if (ids.length === 0) return [];
  const what = "looking at what is left of the bottle";
  const outcome = await client.outcome({ what, args: ["container", "inspect", ...ids], deadline: "removal" });
  if (outcome.code !== 0 && !onlyGone(outcome.stderr)) throw engineFailure(what, outcome);
  const containers = inspected<InspectedContainer>(what, outcome.stdout);
  const { ours = [], others = [] } = Object.groupBy(
    containers,
    (container) => isMadeByLaunch(container) ? "ours" : "others",
  );
  for (const { Id } of others) foreign.add(Id);
  return ours.map(({ Id }) => Id);
}

async function listedIds(client: DockerClient, args: readonly string[]): Promise<readonly string[]> {
  const stdout = await client.run({ what: "listing what is left of the bottle", args, deadline: "ping" });
  return stdout.split("\n").filter((line) => line !== "");
}
