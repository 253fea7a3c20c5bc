/** The prefix of everything that a user meets in `docker ps`. */
export const NAME_PREFIX = "claude-bottle-";

/** The highest suffix tried when a container name is taken: the seed's. */
export const LAST_SUFFIX = 99;

const RUN_ID_LETTERS = "abcdefghijklmnopqrstuvwxyz234567";

/** The bytes of randomness in a run id: 13 letters of 5 bits each, 65 bits. */
export const RUN_ID_BYTES = 13;

/** A run id from random bytes. */
export function runIdFrom(random: Uint8Array): string {
  return Array.from(random, (byte) => RUN_ID_LETTERS[byte % 32]).join("");
}

/** An agent's name as docker can carry it: lower case, other characters as single dashes. */
export function slugify(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
}

/** The container name of an attempt: the first has no suffix, the second is `-2`. */
export function containerName(slug: string, attempt: number): string {
  return attempt < 2 ? `${NAME_PREFIX}${slug}` : `${NAME_PREFIX}${slug}-${attempt}`;
}

/** How the name of every egress network begins: an engine routes through the first network by name that leads out. */
export const EGRESS_PREFIX = "0-claude-bottle-";

/** The names of one run's other objects. They carry the run id, so parallel launches never meet. */
export interface RunNames {
  readonly sidecar: string;
  readonly internal: string;
  readonly egress: string;
  readonly workspace: string;
}

/** The run's names. */
export function runNames(slug: string, runId: string): RunNames {
  const stem = `${NAME_PREFIX}${slug}-${runId}`;
  return {
    sidecar: `${stem}-sidecar`,
    internal: `${stem}-internal`,
    workspace: `${stem}-workspace`,
    egress: `${EGRESS_PREFIX}${slug}-${runId}-egress`,
  };
}
