import type { ActiveBottle, OwnerState } from "../../bottle/active.ts";
import { shellQuoted } from "../../bottle/invocation.ts";
import type { KeptWorkspace } from "../../bottle/workspace.ts";
import { Failure } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { DockerClient } from "./client.ts";
import { engineTime } from "./engine.ts";
import { parseManifestLabel } from "./labels.ts";
import { runNames, slugify } from "./names.ts";
import { byRun, type LabelledObject, labelledObjects } from "./objects.ts";
import { judgeOwners } from "./owner.ts";
import { removeRun } from "./teardown.ts";
import { findWorkspace, isUnchanged, keptWorkspace, workspaceChanges } from "./workspace_end.ts";

/** What is needed to look for bottles. */
export interface SurveyPorts {
  readonly host: Host;
  readonly client: DockerClient;
}

/** The bottles that run, or all that there are, by name. @throws Failure */
export async function listActive(
  { host, client }: SurveyPorts,
  { stopped, signal }: { readonly stopped: boolean; readonly signal: AbortSignal },
): Promise<readonly ActiveBottle[]> {
  const containers = await labelledObjects(client, { kinds: ["container"], signal });
  const shown = containers.filter(({ role, running }) => role === "agent" && (running || stopped));
  const runs = byRun(containers);
  const owners = await ownersOf({ host, client }, { runs, signal });
  return shown.map((agent) => ({
    name: agent.name,
    id: agent.id,
    sidecar: sidecarOf(agent, runs)?.id,
    run: agent.run,
    agent: agent.agent,
    bottle: agent.bottle,
    manifestFiles: parseManifestLabel(agent.manifestLabel),
    ...(agent.claudeLabel === "" ? {} : { claude: agent.claudeLabel }),
    status: agent.status,
    since: agent.started,
    runtime: agent.runtime,
    proxy: proxyOf(sidecarOf(agent, runs)),
    owner: owners.get(agent.run) ?? "elsewhere",
  }));
}

/** What became of each run's owner. @throws Failure `machine-unknown` */
export async function ownersOf(
  { host, client }: SurveyPorts,
  { runs, signal }: {
    readonly runs: ReadonlyMap<string, readonly LabelledObject[]>;
    readonly signal: AbortSignal;
  },
): Promise<ReadonlyMap<string, OwnerState>> {
  const states = await judgeOwners(host, {
    runs: [...runs.values()].map((objects) => ({
      owners: objects.map(({ ownerLabel }) => ownerLabel),
      running: objects.some(({ running }) => running),
      newest: objects.some(({ created }) => created === undefined)
        ? undefined
        : Math.max(...objects.map(({ created }) => created ?? 0)),
    })),
    engineTime: () => engineTime(client, signal),
    signal,
  });
  return new Map([...runs.keys()].map((run, index) => [run, states[index] ?? "elsewhere"]));
}

/** The one with the name that an agent's launch gave it, which no other container can have meanwhile; labels anybody can write. */
function sidecarOf(
  { agent, run }: LabelledObject,
  runs: ReadonlyMap<string, readonly LabelledObject[]>,
): LabelledObject | undefined {
  const { sidecar } = runNames(slugify(agent), run);
  return runs.get(run)?.find(({ role, name }) => role === "sidecar" && name === sidecar);
}

/** Told by the command of the sidecar, which is ours and not the image's. */
function proxyOf(sidecar: LabelledObject | undefined): string | undefined {
  const command = sidecar?.command ?? [];
  if (command.includes("/config/pipelock.yaml")) return "pipelock";
  return command.includes("/config/supervisor.pl") ? "squid" : undefined;
}

/**
 * Removes everything of a bottle by its run's label, but a workspace with what is nowhere else, which it tells.
 *
 * @throws Failure `bottle-foreign`, `bottle-left`
 */
export async function stopBottle(
  { host, client }: SurveyPorts,
  bottle: ActiveBottle,
): Promise<KeptWorkspace | undefined> {
  // An empty or forged label would select what is not of this bottle.
  if (!/^[a-z2-7]{13}$/.test(bottle.run)) {
    throw new Failure("bottle-foreign", `${bottle.name} does not carry a run id of ours`, {
      hints: [`\`${shellQuoted(["docker", ...client.globalArguments, "rm", "-f", bottle.id])}\` removes it`],
    });
  }
  const found = await findWorkspace(client, { run: bottle.run, agentId: bottle.id });
  const changes = found?.compare && await workspaceChanges(client, found.compare);
  const keepWorkspace = found !== undefined && !isUnchanged(changes);
  const left = await removeRun(
    { client, sleep: (ms) => host.sleep(ms), now: () => host.now() },
    { run: bottle.run, keepWorkspace },
  );
  if (left !== "") throw new Failure("bottle-left", left);
  return keepWorkspace ? keptWorkspace(client, { ...found, changes }) : undefined;
}
