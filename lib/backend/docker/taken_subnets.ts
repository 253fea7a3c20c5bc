import type { Host } from "../../host/host.ts";
import { type Range, rangeAround } from "./addresses.ts";
import type { DockerClient } from "./client.ts";
import { inspected } from "./engine.ts";
import { engineFailure } from "./failures.ts";
import { machineFacts } from "./machine.ts";
import { idIn, LISTS, onlyGone } from "./objects.ts";

/** The part of `docker network inspect` that is read here. */
export interface InspectedPool {
  readonly IPAM?:
    | { readonly Config?: readonly ({ readonly Subnet?: string } | null)[] | null }
    | null;
}

/** The IPv4 ranges that this machine routes and that the engine's networks have. @throws Failure */
export async function takenRanges(
  { host, client }: { readonly host: Host; readonly client: DockerClient },
  signal: AbortSignal,
): Promise<readonly Range[]> {
  const [{ routes }, networks] = await Promise.all([
    machineFacts(host, signal),
    networkRanges(client, signal),
  ]);
  return [...routes, ...networks];
}

/** The IPv4 ranges of the engine's networks. What its machine routes besides, nobody can ask it. @throws Failure */
export async function networkRanges(client: DockerClient, signal: AbortSignal): Promise<readonly Range[]> {
  const what = "listing the networks";
  const listed = await client.run({ what, args: LISTS.network, signal });
  const ids = listed.split("\n").filter((line) => line !== "").map((line) => idIn(what, line));
  if (ids.length === 0) return [];
  const outcome = await client.outcome({ what, args: ["network", "inspect", ...ids], signal });
  // What was removed since it was listed is missing from the answer and takes no subnet.
  if (outcome.code !== 0 && !onlyGone(outcome.stderr)) throw engineFailure(what, outcome);
  return rangesOf(inspected<InspectedPool | null>(what, outcome.stdout));
}

/** The IPv4 ranges that are told. */
export function rangesOf(networks: readonly (InspectedPool | null)[]): readonly Range[] {
  return networks.flatMap((network) => network?.IPAM?.Config ?? [])
    .map((config) => rangeAround(config?.Subnet ?? ""))
    .filter((range) => range !== undefined);
}
