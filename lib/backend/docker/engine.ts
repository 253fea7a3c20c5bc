import { Failure } from "../../errors.ts";
import type { DockerClient } from "./client.ts";
import type { DeadlineName } from "./deadlines.ts";
import { engineFailure, unreadableAnswer } from "./failures.ts";
import { type ImageFacts, imageFacts } from "./images.ts";
import { DEMO_ROLE, LABEL } from "./labels.ts";
import { EGRESS_PREFIX } from "./names.ts";

/** What the engine says of itself, as far as a plan depends on it. */
export interface EngineFacts {
  /** The leading number of its version; 0 when it has none. */
  readonly major: number;
  readonly runtimes: readonly string[];
  /** Bytes of memory it can give. */
  readonly memory: number;
  /** Whether it can bound swap. */
  readonly swapLimit: boolean;
}

/** The part of `docker info` that is read. */
export interface EngineInfo {
  readonly ServerVersion?: string;
  readonly OSType?: string;
  readonly Architecture?: string;
  readonly CgroupVersion?: string;
  /** The storage driver. */
  readonly Driver?: string;
  readonly Debug?: boolean;
  readonly SecurityOptions?: readonly string[] | null;
  readonly Runtimes?: Readonly<Record<string, unknown>>;
  readonly NCPU?: number;
  readonly MemTotal?: number;
  readonly MemoryLimit?: boolean;
  readonly SwapLimit?: boolean;
  readonly SystemTime?: string;
  readonly PidsLimit?: boolean;
  readonly CpuCfsQuota?: boolean;
  readonly ServerErrors?: readonly string[];
}

/** Asks the engine. @throws Failure `engine-unreachable` and its kin */
export async function engineInfo(
  client: DockerClient,
  options: { readonly signal: AbortSignal; readonly deadline?: DeadlineName },
): Promise<EngineInfo> {
  const what = "asking the engine what it is";
  const outcome = await client.outcome({ what, args: ["info", "--format", "{{json .}}"], ...options });
  const info = parsed<EngineInfo | null>(outcome.stdout) ?? undefined;
  // Older clients exit 0 and only list the errors when the engine is not there.
  if (outcome.code !== 0 || info === undefined || (info.ServerErrors ?? []).length > 0) {
    const stderr = [outcome.stderr, ...(info?.ServerErrors ?? [])].join("\n");
    throw engineFailure(what, { code: outcome.code, stderr });
  }
  return info;
}

/** The engine's clock, in milliseconds since the epoch; `undefined` when it does not tell. @throws Failure as {@link engineInfo} */
export async function engineTime(client: DockerClient, signal: AbortSignal): Promise<number | undefined> {
  const time = Date.parse((await engineInfo(client, { signal })).SystemTime ?? "");
  return Number.isFinite(time) ? time : undefined;
}

/** What a plan depends on; `judge` may refuse the engine. @throws Failure as {@link engineInfo} and `judge` */
export async function engineFacts(
  client: DockerClient,
  { signal, judge }: { readonly signal: AbortSignal; readonly judge?: (info: EngineInfo) => void },
): Promise<EngineFacts> {
  const info = await engineInfo(client, { signal });
  judge?.(info);
  return {
    major: Number(/^\d+/.exec(info.ServerVersion ?? "")?.[0] ?? 0),
    runtimes: Object.keys(info.Runtimes ?? {}),
    memory: info.MemTotal ?? 0,
    swapLimit: info.SwapLimit !== false,
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
    throw unreadableAnswer(what);
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
    if (typeof image?.Id !== "string") throw unreadableAnswer(what);
    return [name, imageFacts(image)] as const;
  }));
  return new Map(found.filter((pair) => pair !== undefined));
}

/** Names of all containers that begin with `prefix`, running or not. */
export async function containerNames(
  client: DockerClient,
  options: { readonly prefix: string; readonly signal: AbortSignal },
): Promise<ReadonlySet<string>> {
  const what = "listing the containers";
  const stdout = await client.run({
    what,
    args: ["ps", "--all", "--filter", `name=^/?${options.prefix}`, "--format", "{{json .Names}}"],
    signal: options.signal,
  });
  const names = stdout.split("\n").filter((line) => line !== "").map((line) => parsed<unknown>(line));
  if (!names.every((name) => typeof name === "string")) throw unreadableAnswer(what);
  return new Set(names);
}

interface InspectedNetwork {
  readonly Id: string;
  readonly Name: string;
  readonly Driver?: string;
  readonly Internal?: boolean;
  readonly Labels?: Readonly<Record<string, string>> | null;
}

/**
 * Ids of the networks that a manifest names, for the sidecar to join.
 *
 * @throws Failure `network-missing`, `network-refused`
 */
export async function networkIds(
  client: DockerClient,
  options: { readonly names: readonly string[]; readonly signal: AbortSignal },
): Promise<ReadonlyMap<string, string>> {
  const ids = await Promise.all(options.names.map(async (name) => {
    const what = `looking for the network ${name}`;
    const args = ["network", "inspect", name];
    const outcome = await client.outcome({ what, args, signal: options.signal });
    if (outcome.code !== 0 && !MISSING_NETWORK.test(outcome.stderr)) throw engineFailure(what, outcome);
    const [network] = outcome.code === 0 ? inspected<InspectedNetwork>(what, outcome.stdout) : [];
    const { Id } = checkedNetwork(name, network);
    if (typeof Id !== "string") throw unreadableAnswer(what);
    return [name, Id] as const;
  }));
  return new Map(ids);
}

const MISSING_NETWORK = /no such network|network .* not found/i;

/** The engine takes a part of an id for a name as well: one digit could mean another bottle's network. */
function checkedNetwork(name: string, network: InspectedNetwork | undefined): InspectedNetwork {
  if (network?.Name !== name) {
    throw new Failure("network-missing", `The network '${name}' of egress.networks does not exist`, {
      hints: ["`docker network ls` lists the networks; a compose project makes its own when it is up"],
    });
  }
  const why = refusal(network);
  if (why === undefined) return network;
  throw new Failure("network-refused", `The network '${name}' of egress.networks cannot be joined: ${why}`, {
    hints: ["Make a network of its own for what the bottle may reach: `docker network create NAME`"],
  });
}

function refusal(network: InspectedNetwork): string | undefined {
  const { [LABEL.run]: run, [LABEL.role]: role } = network.Labels ?? {};
  if (run !== undefined && role !== DEMO_ROLE) return "it is part of a bottle";
  if (network.Driver === "host" || network.Driver === "null") {
    return `it is the engine's ${network.Driver} network`;
  }
  // An engine routes through the first network by name that leads out; behind our own prefix that is anybody's guess.
  const how = network.Name.startsWith(EGRESS_PREFIX)
    ? "begins with"
    : network.Name < EGRESS_PREFIX
    ? "sorts before"
    : undefined;
  if (network.Internal === true || how === undefined) return undefined;
  return `by its name the engine would send all egress through it (it ${how} ${EGRESS_PREFIX})`;
}
