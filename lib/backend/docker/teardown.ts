import type { Step } from "../../bottle/invocation.ts";
import { executedArguments } from "../../bottle/invocation.ts";
import type { DockerClient } from "./client.ts";
import { saidBy } from "./failures.ts";
import { LABEL } from "./labels.ts";

/** How often a run's objects are looked for before giving up: an engine may still be creating what a dead client asked for. */
const ROUNDS = 6;

/** What the teardown needs of the machine. */
export interface TeardownPorts {
  readonly client: DockerClient;
  sleep(ms: number): Promise<void>;
}

/** What could not be removed, in a sentence; empty when nothing is left. */
export type Leftover = string;

/**
 * Removes a bottle by the plan's own steps, by full ids. Whatever goes wrong there, the labels decide: the run
 * is looked up and removed until the engine lists nothing of it. Never throws.
 */
export async function tearDown(
  ports: TeardownPorts,
  run: { readonly id: string; readonly steps: readonly Step[]; readonly ids: ReadonlyMap<string, string> },
): Promise<Leftover> {
  try {
    for (const { invocation } of run.steps) {
      const args = executedArguments(invocation, run.ids).slice(ports.client.globalArguments.length);
      await ports.client.run({ what: "removing the bottle", args });
    }
    return "";
  } catch {
    // An id not known, or an object gone or stubborn: the labels know better than we do.
    return await removeRun(ports, run.id);
  }
}

/** Removes everything that carries the run's label. Never throws. */
export async function removeRun(ports: TeardownPorts, runId: string): Promise<Leftover> {
  let last = "";
  let empty = 0;
  for (let round = 0; round < ROUNDS && empty < 2; round++) {
    if (round > 0) await ports.sleep(250);
    try {
      empty = await removeListed(ports.client, runId) ? empty + 1 : 0;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
    }
  }
  if (empty >= 2) return "";
  const filter = `--filter label=${LABEL.run}=${runId}`;
  const remedy =
    `docker rm -fv $(docker ps -aq ${filter}); docker network rm $(docker network ls -q ${filter})`;
  return `The bottle could not be removed${last === "" ? "" : `: ${last}`}; \`${remedy}\` finishes it`;
}

/** One round; whether there was nothing to remove. */
async function removeListed(client: DockerClient, runId: string): Promise<boolean> {
  const filter = ["--filter", `label=${LABEL.run}=${runId}`];
  const [containers, networks, volumes] = await Promise.all([
    list(client, ["container", "ls", "--all", "--no-trunc", ...filter, "--format", "{{.ID}}"]),
    list(client, ["network", "ls", "--no-trunc", ...filter, "--format", "{{.ID}}"]),
    list(client, ["volume", "ls", ...filter, "--format", "{{.Name}}"]),
  ]);
  const removals = [
    { ids: containers, args: ["container", "rm", "--force", "--volumes"] },
    { ids: networks, args: ["network", "rm"] },
    { ids: volumes, args: ["volume", "rm", "--force"] },
  ];
  for (const { ids, args } of removals) {
    if (ids.length === 0) continue;
    const outcome = await client.outcome({ what: "removing the bottle", args: [...args, ...ids] });
    // What a neighbour removed meanwhile is as good as removed by us; the next listing tells.
    if (outcome.code !== 0 && !/no such|not found|already in progress/i.test(outcome.stderr)) {
      throw new Error(saidBy(outcome.stderr));
    }
  }
  return containers.length + networks.length + volumes.length === 0;
}

async function list(client: DockerClient, args: readonly string[]): Promise<readonly string[]> {
  const stdout = await client.run({ what: "listing what is left of the bottle", args });
  return stdout.split("\n").filter((line) => line !== "");
}
