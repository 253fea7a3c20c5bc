import { requireHostVariables } from "../../bottle/env.ts";
import type { OnEvent } from "../../bottle/events.ts";
import { examineSecretFiles } from "../../bottle/secret_sources.ts";
import type { BottleSpec } from "../../bottle/spec.ts";
import { unknownHosts } from "../../bottle/host_keys.ts";
import { readSshKeys } from "../../bottle/ssh_keys.ts";
import type { Workspace } from "../../bottle/workspace.ts";
import { readWorkspace } from "../../bottle/workspace_walk.ts";
import { EXIT, Failure } from "../../errors.ts";
import type { Environment } from "../../host/environment.ts";
import type { Host } from "../../host/host.ts";
import { VERSION } from "../../version.ts";
import { pickSubnets, subnetPool, type Subnets } from "./addresses.ts";
import { requireBounds } from "./bounds.ts";
import type { DockerClient } from "./client.ts";
import { containerNames, type EngineFacts, engineFacts, findImages, networkIds } from "./engine.ts";
import type { ImageChoice } from "./image_steps.ts";
import {
  AGENT_UID,
  agentUser,
  type ImageFacts,
  imageNamed,
  type ImageRecipe,
  imageRecipes,
  PIPELOCK_IMAGE,
  refuseSteering,
  refuseVolumes,
} from "./images.ts";
import { DETACHED, ownerLabel, type RunLabels } from "./labels.ts";
import { machineFacts } from "./machine.ts";
import { containerName, LAST_SUFFIX, NAME_PREFIX, RUN_ID_BYTES, runIdFrom, slugify } from "./names.ts";
import { composePlan, type DockerBottlePlan, type PlanInputs } from "./plan.ts";
import { environmentAtLaunch, environmentNames } from "./provision/env.ts";
import { readSkills } from "./provision/skills.ts";
import { networkRanges } from "./taken_subnets.ts";

interface Ports {
  readonly host: Host;
  readonly client: DockerClient;
  readonly onEvent: OnEvent;
  readonly signal: AbortSignal;
}

/** All checks and decisions of a launch. Creates nothing; asks the engine only what it is and has. @throws Failure */
export async function preparePlan(spec: BottleSpec, ports: Ports): Promise<DockerBottlePlan> {
  const { host, client, signal } = ports;
  const { environment } = host;
  // A bottle that is only made ready is given no secret yet.
  const sources = new Map(spec.startsAgent ? [...spec.env, ...spec.injected] : []);
  requireHostVariables(sources, environment);
  const envNotices = await examineSecretFiles(sources, host.files);
  const pool = subnetPool(environment.get("CLAUDE_BOTTLE_SUBNETS") || undefined);
  const recipes = await imageRecipes(environment);
  const slug = slugify(spec.agent);
  const pinnedName = pinned(environment);
  const skills = await readSkills(spec.skills, host);
  const sshKeys = await readSshKeys(spec.ssh, host.files);
  const workspace = await foundWorkspace(spec, ports);
  const wanted = agentImageName(environment, recipes.agent);
  const sidecar = spec.proxy.name === "squid" ? recipes.sidecar.name : pipelockImageName(environment);
  // Asked at the same time: each call of the client costs as much as all our own work.
  const [engine, images, names, machine, joined, networks] = await Promise.all([
    engineFacts(client, { signal, judge: (info) => requireBounds(spec, info) }),
    findImages(client, { names: [wanted, sidecar, recipes.agent.base], signal }),
    containerNames(client, { prefix: pinnedName ?? `${NAME_PREFIX}${slug}`, signal }),
    machineFacts(host, signal),
    networkIds(client, { names: spec.networks, signal }),
    networkRanges(client, signal),
  ]);
  if (sshKeys.length > 0) refuseSteering(wanted, images.get(wanted));
  for (const name of [wanted, sidecar]) refuseVolumes(name, images.get(name));
  const inputs = {
    spec,
    engine,
    runtime: chooseRuntime(spec, engine),
    images: {
      agent: agentImage({ wanted, recipe: recipes.agent, images, ca: spec.ca }),
      sidecar: spec.proxy.name === "squid"
        ? builtImage(recipes.sidecar, images, spec.ca)
        : { name: sidecar, id: images.get(sidecar)?.id, build: undefined },
    },
    user: userOf(wanted, images.get(wanted)),
    attempt: freeName(slug, { taken: names, pinnedName }),
    pinnedName,
    slug,
    joined,
    skills,
    sshKeys,
    unknownHosts: await unknownHosts(spec.ssh, { files: host.files, home: environment.get("HOME") }),
    workspace,
    envNotices,
    envNames: environmentNames(environmentAtLaunch(spec), environment),
    globalArguments: client.globalArguments,
    pool,
    taken: [...machine.routes, ...networks],
    owner: ownerLabel(machine.owner),
  };
  return composePlan({ ...inputs, ...newRun(inputs, host) });
}

async function foundWorkspace(
  { workspace: source }: BottleSpec,
  { host, onEvent, signal }: Ports,
): Promise<Workspace | undefined> {
  if (source === undefined) return undefined;
  const id = "workspace-walk";
  onEvent({ kind: "started", id, title: `looking through ${source.directory}`, slow: false });
  const workspace = await readWorkspace(source, { ...host, signal });
  onEvent({ kind: "finished", id });
  return workspace;
}

/** What is drawn anew for each attempt of a launch. */
export function newRun(
  from: Pick<PlanInputs, "spec" | "owner" | "pool" | "taken">,
  host: Pick<Host, "random">,
): { readonly run: RunLabels; readonly subnets: Subnets; readonly envToken: string } {
  return {
    run: {
      run: runIdFrom(host.random(RUN_ID_BYTES)),
      agent: from.spec.agent,
      bottle: from.spec.bottle,
      manifestFiles: from.spec.manifestFiles,
      version: VERSION,
      owner: from.spec.lifetime === "detached" ? DETACHED : from.owner,
      claude: from.spec.claudeInjection?.env,
    },
    subnets: pickSubnets(from.pool, from.taken, host.random),
    envToken: runIdFrom(host.random(RUN_ID_BYTES)),
  };
}

function pinned(environment: Environment): string | undefined {
  const name = environment.get("CLAUDE_BOTTLE_CONTAINER") || undefined;
  if (name !== undefined && !/^[A-Za-z0-9][A-Za-z0-9_.-]{1,127}$/.test(name)) {
    throw new Failure(
      "name-invalid",
      `CLAUDE_BOTTLE_CONTAINER is not a container name: ${JSON.stringify(name)}`,
      {
        hints: ["Use letters, digits, `_`, `.` and `-`, beginning with a letter or digit"],
        exit: EXIT.usage,
      },
    );
  }
  return name;
}

function freeName(
  slug: string,
  { taken, pinnedName }: { readonly taken: ReadonlySet<string>; readonly pinnedName: string | undefined },
): number {
  if (pinnedName !== undefined) {
    if (taken.has(pinnedName)) throw pinnedNameTaken(pinnedName);
    return 1;
  }
  for (let attempt = 1; attempt <= LAST_SUFFIX; attempt++) {
    if (!taken.has(containerName(slug, attempt))) return attempt;
  }
  throw namesTaken(slug);
}

/** All names were lost to parallel launches. In the seed's words. */
export function namesLost(slug: string): Failure {
  return new Failure(
    "name-taken",
    `could not find a free container name after ${containerName(slug, LAST_SUFFIX)} retries; ` +
      "clean up old containers",
  );
}

/** In the seed's words. */
function namesTaken(slug: string): Failure {
  return new Failure(
    "name-taken",
    `could not find a free container name after ${containerName(slug, LAST_SUFFIX)}; ` +
      `clean up old containers with 'docker rm -f <name>'`,
  );
}

/** In the seed's words. */
export function pinnedNameTaken(name: string): Failure {
  return new Failure(
    "name-taken",
    `container '${name}' already exists (pinned via CLAUDE_BOTTLE_CONTAINER). ` +
      `Remove it with 'docker rm -f ${name}' or unset the override.`,
  );
}

function agentImageName(environment: Environment, recipe: ImageRecipe): string {
  return imageNamed(environment, "CLAUDE_BOTTLE_IMAGE") ?? recipe.name;
}

function pipelockImageName(environment: Environment): string {
  return imageNamed(environment, "CLAUDE_BOTTLE_PIPELOCK_IMAGE") ?? PIPELOCK_IMAGE;
}

function agentImage(
  from: {
    readonly wanted: string;
    readonly recipe: ImageRecipe;
    readonly images: ReadonlyMap<string, ImageFacts>;
    readonly ca: string | undefined;
  },
): ImageChoice {
  if (from.wanted === from.recipe.name) return builtImage(from.recipe, from.images, from.ca);
  const facts = from.images.get(from.wanted);
  if (facts === undefined) {
    throw new Failure(
      "image-missing",
      `The engine has no image ${from.wanted}, which CLAUDE_BOTTLE_IMAGE names`,
      {
        hints: [
          `\`docker pull ${from.wanted}\` or build it: it is used as it is`,
          "Or unset CLAUDE_BOTTLE_IMAGE",
        ],
        exit: EXIT.beforeAgent,
      },
    );
  }
  return { name: from.wanted, id: facts.id, build: undefined };
}

function builtImage(
  recipe: ImageRecipe,
  images: ReadonlyMap<string, ImageFacts>,
  ca: string | undefined,
): ImageChoice {
  return {
    name: recipe.name,
    id: images.get(recipe.name)?.id,
    build: { ...recipe, pull: !images.has(recipe.base), ca: ca ?? "", version: VERSION, fresh: false },
  };
}

/** An image of ours that is still to be built has the user that its Dockerfile makes. */
function userOf(name: string, facts: ImageFacts | undefined): { readonly uid: number; readonly gid: number } {
  return facts === undefined ? { uid: AGENT_UID, gid: AGENT_UID } : agentUser(name, facts);
}

function chooseRuntime(spec: BottleSpec, engine: EngineFacts): "runc" | "runsc" {
  const has = (name: string): boolean => engine.runtimes.includes(name);
  if (spec.runtime === "auto") return has("runsc") ? "runsc" : "runc";
  if (has(spec.runtime)) return spec.runtime;
  throw new Failure("runtime-missing", `The engine does not have the runtime ${spec.runtime}`, {
    hints: [
      `It has: ${engine.runtimes.join(", ")}`,
      spec.runtime === "runsc" ? "Install gVisor, or use `runtime: auto`" : "Use `runtime: auto`",
    ],
    exit: EXIT.beforeAgent,
  });
}
