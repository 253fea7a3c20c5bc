import type { Trial } from "../../../lib/isolation/attempt.ts";
import type { Result } from "../../../lib/isolation/judge.ts";
import * as trials from "../../../lib/isolation/trials.ts";
import type { AttackedBottle } from "./bottles.ts";

export type { Result };

/** Where attempts are made and seen. */
export interface Scene {
  readonly within: Pick<AttackedBottle, "bottle" | "world">;
  /** All that arrived anywhere. */
  readonly records: () => Promise<string>;
}

/** Makes attempts in a bottle as its agent's user, all at the same time, and looks at what arrived. */
export async function tryAll(
  attempts: readonly Trial[],
  { within, records }: Scene,
): Promise<readonly Result[]> {
  const { bottle, world } = within;
  const results = await trials.tryAll(attempts, {
    world,
    records,
    probe: (words) => bottle.probe(words),
    random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
  });
  const unknown = results.filter(({ verdict }) => verdict === "unknown");
  if (unknown.length > 0) {
    throw new Error(`Nothing is known of ${unknown.map(({ id, said }) => `${id} (${said})`).join(", ")}`);
  }
  return results;
}

/** What no other attempt has. */
export function newMark(): string {
  return `m${crypto.randomUUID().replaceAll("-", "").slice(0, 14)}`;
}
