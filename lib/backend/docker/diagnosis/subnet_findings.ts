import { type Finding, note, ok, problem } from "../../../bottle/diagnosis.ts";
import { freeSubnets, freeText, type Range } from "../addresses.ts";

/** What to do when there are too few. */
const REMEDY = "Name another range: CLAUDE_BOTTLE_SUBNETS=10.99.0.0/16, or remove networks nobody uses";

/** Whether bottles will find subnets: those in use by the host's routes and the engine's networks do not count. */
export function subnetsFinding(pool: Range, taken: readonly Range[]): Finding {
  const { free, all } = freeSubnets(pool, taken);
  const sentence = `${freeText(pool, taken)}; a bottle takes 2`;
  if (free < 2) return problem("subnets", sentence, REMEDY);
  return free < 8 || free < all / 10 ? note("subnets", sentence, REMEDY) : ok("subnets", sentence);
}
