import agentDockerfile from "../../assets/agent.dockerfile" with { type: "text" };
import squidDockerfile from "../../assets/squid.dockerfile" with { type: "text" };
import { EXIT, Failure, oneLine } from "../../errors.ts";
import { sha256 } from "../../host/digest.ts";
import type { Environment } from "../../host/environment.ts";
import { LABEL } from "./labels.ts";

/** Debian 13: its packages are what the Dockerfiles name. */
export const DEFAULT_BASE = "debian:trixie-slim";

/**
 * The agent's uid and gid in our image. Unusual on purpose: a host process with the agent's uid could read the
 * agent's environment, and 1000 is the first user of most machines. Below 65,536, so that it exists in user
 * namespaces too.
 */
export const AGENT_UID = 47291;

/** The largest uid that a tar stream's seven octal digits can give a file. */
const LAST_UID = 0o7777777;

/** An image that this program builds from an embedded Dockerfile. */
export interface ImageRecipe {
  readonly role: "agent" | "sidecar";
  readonly dockerfile: string;
  readonly base: string;
  /** Repository and tag; the tag is a digest of everything the image is made from but the extra authorities. */
  readonly name: string;
}

/** Pipelock's configuration is written for this one version: its parser refuses what it does not know. */
export const PIPELOCK_IMAGE = "ghcr.io/luckypipewrench/pipelock:2.3.0";

/** The image that a variable names, if it is set. @throws Failure `image-invalid` */
export function imageNamed(environment: Environment, variable: string): string | undefined {
  const name = environment.get(variable) || undefined;
  if (name === undefined || isImageReference(name)) return name;
  throw new Failure("image-invalid", `${variable} is not an image reference: ${JSON.stringify(name)}`, {
    hints: [`Give a name such as ${DEFAULT_BASE}`],
    exit: EXIT.usage,
  });
}

/** The recipes of both images. */
export async function imageRecipes(
  environment: Environment,
): Promise<Record<"agent" | "sidecar", ImageRecipe>> {
  const base = imageNamed(environment, "CLAUDE_BOTTLE_BASE_IMAGE") ?? DEFAULT_BASE;
  return {
    agent: await recipe({ role: "agent", repository: "claude-bottle", dockerfile: agentDockerfile, base }),
    sidecar: await recipe({
      role: "sidecar",
      repository: "claude-bottle-squid",
      dockerfile: squidDockerfile,
      base,
    }),
  };
}

/** Whether docker would read it as an image's name, and never as an option. */
export function isImageReference(text: string): boolean {
  return text.length <= 256 && /^[A-Za-z0-9][A-Za-z0-9._:/@-]*$/.test(text);
}

async function recipe(
  from: { role: "agent" | "sidecar"; repository: string; dockerfile: string; base: string },
): Promise<ImageRecipe> {
  const digest = await sha256(JSON.stringify([from.dockerfile, from.base]));
  return {
    role: from.role,
    dockerfile: from.dockerfile,
    base: from.base,
    name: `${from.repository}:${digest.slice(0, 12)}`,
  };
}

/** What an image of the engine is, as far as a launch depends on it. */
export interface ImageFacts {
  readonly id: string;
  /** `Config.Env` by name. */
  readonly env: ReadonlyMap<string, string>;
  readonly user: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Paths of `VOLUME`. */
  readonly volumes: readonly string[];
}

interface InspectedImage {
  readonly Id: string;
  readonly Config?: {
    readonly Env?: readonly string[] | null;
    readonly User?: string;
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly Volumes?: Readonly<Record<string, unknown>> | null;
  } | null;
}

/** Reads one element of `docker image inspect`. */
export function imageFacts(inspected: InspectedImage): ImageFacts {
  const env = new Map<string, string>();
  for (const entry of inspected.Config?.Env ?? []) {
    const equals = entry.indexOf("=");
    env.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  return {
    id: inspected.Id,
    env,
    user: inspected.Config?.User ?? "",
    labels: inspected.Config?.Labels ?? {},
    volumes: Object.keys(inspected.Config?.Volumes ?? {}),
  };
}

/**
 * Whether a variable decides what code runs in a program of root's. Python's own are without the underscore that
 * those of its official images have; a locale's folder names the charset whose converter is then loaded.
 */
export function isSteering(name: string): boolean {
  return /^(LD_.*|GCONV_PATH|LOCPATH|BASH_ENV|ENV|NODE_OPTIONS|PERL.*|PYTHON(?!_).*)$/.test(name);
}

/**
 * @throws Failure `image-volumes` for an image that brings volumes of its own: the engine would mount each of them,
 * and nobody granted, bounds or knows it
 */
export function refuseVolumes(name: string, facts: ImageFacts | undefined): void {
  const found = facts?.volumes ?? [];
  if (found.length === 0) return;
  throw new Failure(
    "image-volumes",
    `${name} declares volumes, which would be mounts that nobody granted: ${oneLine(found.join(", "))}`,
    {
      hints: ["Build it without VOLUME, on a base without one: what is built on a base keeps its volumes"],
      exit: EXIT.beforeAgent,
    },
  );
}

/** @throws Failure `image-environment` for an image whose variables would reach the root that handles ssh keys */
export function refuseSteering(name: string, facts: ImageFacts | undefined): void {
  const found = [...facts?.env.keys() ?? []].filter(isSteering);
  if (found.length === 0) return;
  throw new Failure(
    "image-environment",
    `${name} sets ${oneLine(found.join(", "))}, which would steer the programs that ssh keys are handed to`,
    {
      hints: ["Build the image without it and set it in the manifest's env instead, or leave out ssh"],
      exit: EXIT.beforeAgent,
    },
  );
}

/**
 * The agent's user in an image: our label, else a numeric `USER`.
 *
 * @throws Failure `image-user-unknown`: a name says nothing about the uid that files must be given.
 */
export function agentUser(name: string, facts: ImageFacts): { readonly uid: number; readonly gid: number } {
  // An image built on ours takes the label back by emptying it.
  const match = /^(\d{1,9})(?::(\d{1,9}))?$/.exec(facts.labels[LABEL.agentUid] || facts.user);
  const uid = Number(match?.[1]);
  const gid = Number(match?.[2] ?? uid);
  if (match === null || uid === 0 || Math.max(uid, gid) > LAST_UID) {
    throw new Failure(
      "image-user-unknown",
      `${name} does not say which uid the agent has: USER is "${facts.user}"`,
      {
        hints: [`Build it with a numeric USER from 1 to ${LAST_UID}, or with LABEL ${LABEL.agentUid}=UID`],
        exit: EXIT.beforeAgent,
      },
    );
  }
  return { uid, gid };
}
