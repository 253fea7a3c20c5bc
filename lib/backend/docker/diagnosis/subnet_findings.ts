import { type Finding, note, ok, problem } from "../../../bottle/diagnosis.ts";
import { freeSubnets, parseRange, type Range, rangeText } from "../addresses.ts";

/** What to do when there are too few. */
const REMEDY = "Name another range: CLAUDE_BOTTLE_SUBNETS=10.99.0.0/16, or remove networks nobody uses";

/** Whether bottles will find subnets: those in use by the host's routes and the engine's networks do not count. */
export function subnetsFinding(pool: Range, taken: readonly Range[]): Finding {
  const { free, all } = freeSubnets(pool, taken);
  const sentence = `${free} of ${all} subnets of ${rangeText(pool)} are free; a bottle takes 2`;
  // A launch draws at random and gives up after some draws.
  if (free < 2) return problem("subnets", sentence, REMEDY);
  return free < 8 || free < all / 10 ? note("subnets", sentence, REMEDY) : ok("subnets", sentence);
}

/** The part of `docker network inspect` that is read here. */
export interface InspectedPool {
  readonly IPAM?:
    | { readonly Config?: readonly ({ readonly Subnet?: string } | null)[] | null }
    | null;
}

/** The IPv4 ranges of the engine's networks. */
export function rangesOf(networks: readonly (InspectedPool | null)[]): readonly Range[] {
  return networks.flatMap((network) => network?.IPAM?.Config ?? [])
    .map((config) => parseRange(config?.Subnet ?? ""))
    .filter((range) => range !== undefined);
}
