import { EXIT, Failure } from "../../errors.ts";
import type { DockerClient } from "./client.ts";
import { engineFailure } from "./failures.ts";
import { type ImageFacts, imageFacts } from "./images.ts";

/** What the engine says of itself, as far as a plan depends on it. */
export interface EngineFacts {
  readonly version: string;
  /** The leading number of `version`; 0 when it has none. */
  readonly major: number;
  readonly runtimes: readonly string[];
  /** Bytes of memory it can give. */
  readonly memory: number;
  readonly cpus: number;
}

interface Info {
  readonly ServerVersion?: string;
  readonly Runtimes?: Readonly<Record<string, unknown>>;
  readonly MemTotal?: number;
  readonly NCPU?: number;
  readonly ServerErrors?: readonly string[];
}

/** Asks the engine. @throws Failure `engine-unreachable` and its kin */
export async function engineFacts(client: DockerClient, signal: AbortSignal): Promise<EngineFacts> {
  const what = "asking the engine what it is";
  const outcome = await client.outcome({ what, args: ["info", "--format", "{{json .}}"], signal });
  const info = parsed<Info | null>(outcome.stdout) ?? undefined;
  // Older clients exit 0 and only list the errors when the engine is not there.
  if (outcome.code !== 0 || info === undefined || (info.ServerErrors ?? []).length > 0) {
    const stderr = [outcome.stderr, ...(info?.ServerErrors ?? [])].join("\n");
    throw engineFailure(what, { code: outcome.code, stderr });
  }
  const version = info.ServerVersion ?? "";
  return {
    version,
    major: Number(/^\d+/.exec(version)?.[0] ?? 0),
    runtimes: Object.keys(info.Runtimes ?? {}),
    memory: info.MemTotal ?? 0,
    cpus: info.NCPU ?? 0,
  };
}

function parsed<T>(text: string): T | undefined {
  try {
    return JSON.parse(text) as T;
  } catch {
    return undefined;
  }
}

/** Every element of a `docker … inspect`'s answer. */
export function inspected<T>(what: string, stdout: string): readonly T[] {
  const elements = parsed<readonly T[]>(stdout);
  if (!Array.isArray(elements)) {
    throw new Failure("engine-failed", `The engine's answer could not be read at ${what}`, {
      hints: ["Run again with `-v` to see each call"],
      exit: EXIT.beforeAgent,
    });
  }
  return elements;
}

/** What the engine knows of each of `names`; absent ones are absent from the result. */
export async function findImages(
  client: DockerClient,
  options: { readonly names: readonly string[]; readonly signal: AbortSignal },
): Promise<ReadonlyMap<string, ImageFacts>> {
  const what = "looking for the images";
  // One call an image: a single one answers for several without saying which is which.
  const found = await Promise.all(options.names.map(async (name) => {
    const outcome = await client.outcome({ what, args: ["image", "inspect", name], signal: options.signal });
    if (outcome.code !== 0) {
      if (/no such image/i.test(outcome.stderr)) return undefined;
      throw engineFailure(what, outcome);
    }
    const [image] = inspected<Parameters<typeof imageFacts>[0]>(what, outcome.stdout);
    return image === undefined ? undefined : [name, imageFacts(image)] as const;
  }));
  return new Map(found.filter((pair) => pair !== undefined));
}

/** Names of all containers that begin with `prefix`, running or not. */
export async function containerNames(
  client: DockerClient,
  options: { readonly prefix: string; readonly signal: AbortSignal },
): Promise<ReadonlySet<string>> {
  const stdout = await client.run({
    what: "listing the containers",
    args: ["ps", "--all", "--filter", `name=^/?${options.prefix}`, "--format", "{{json .Names}}"],
    signal: options.signal,
  });
  return new Set(
    stdout.split("\n").filter((line) => line !== "").map((line) => String(parsed<string>(line))),
  );
}

/** Ids of the networks that `names` mean. @throws Failure `network-missing` naming the first that is not there */
export async function networkIds(
  client: DockerClient,
  options: { readonly names: readonly string[]; readonly signal: AbortSignal },
): Promise<ReadonlyMap<string, string>> {
  const ids = await Promise.all(options.names.map(async (name) => {
    const outcome = await client.outcome({
      what: `looking for the network ${name}`,
      args: ["network", "inspect", "--format", "{{.Id}}", name],
      signal: options.signal,
    });
    if (outcome.code === 0) return [name, outcome.stdout.trim()] as const;
    if (!/no such network|network .* not found/i.test(outcome.stderr)) {
      throw engineFailure(`looking for the network ${name}`, outcome);
    }
    throw new Failure("network-missing", `The network '${name}' of egress.networks does not exist`, {
      hints: ["`docker network ls` lists the networks; a compose project makes its own when it is up"],
      exit: EXIT.failed,
    });
  }));
  return new Map(ids);
}
