import type { ManifestFile } from "../manifest/model.ts";

/**
 * What is known of the process that a run belongs to. `gone` is said only where it is certain; `elsewhere` is
 * every owner that cannot be seen from here, an unreadable one included.
 */
export type OwnerState = "alive" | "gone" | "elsewhere" | "detached";

/** One bottle as the engine knows it. All texts are foreign: sanitise them before a terminal sees them. */
export interface ActiveBottle {
  readonly name: string;
  /** The agent container's full id. */
  readonly id: string;
  /** The sidecar's full id; `undefined` when it is not there. */
  readonly sidecar: string | undefined;
  readonly run: string;
  readonly agent: string;
  readonly bottle: string;
  /** The files of the manifest that it was launched from, as its label says. */
  readonly manifestFiles: readonly ManifestFile[];
  /** The variable of Claude Code's credential, as its label says, where its sidecar injects that by default. */
  readonly claude?: string;
  /** The engine's word, e.g. `running`. */
  readonly status: string;
  /** Milliseconds since the epoch at which its container started; `undefined` when the engine does not tell. */
  readonly since: number | undefined;
  readonly runtime: string;
  /** `undefined` when the sidecar is not there or not to be recognised. */
  readonly proxy: string | undefined;
  readonly owner: OwnerState;
}

/** What a word on the command line means among `bottles`. */
export type Named =
  | { readonly kind: "one"; readonly bottle: ActiveBottle }
  | { readonly kind: "none" }
  | { readonly kind: "several"; readonly bottles: readonly ActiveBottle[] };

const PREFIX = "claude-bottle-";

/** Whether commands can be run in it, by the engine's word. */
function isRunning({ status }: ActiveBottle): boolean {
  return status === "running";
}

/** Whether a word is no more than the beginning that all names have in common, and so means none of them. */
function isOurs(word: string): boolean {
  return PREFIX.startsWith(word);
}

/**
 * Finds a bottle by its name, its agent or short name, or the beginning of its name, with or without
 * `claude-bottle-`. Of several of one agent the only one that runs is meant. What agent and short name tell apart
 * differently is ambiguous, as is a beginning, unless the bottle is to be `entered`, which only one that runs can be.
 */
export function bottleNamed(
  word: string,
  bottles: readonly ActiveBottle[],
  { entered = false }: { readonly entered?: boolean } = {},
): Named {
  const rules: readonly ((bottle: ActiveBottle) => boolean)[] = [
    ({ name }) => name === word,
    ({ agent, name }) => agent === word || name === PREFIX + word,
    ({ name }) => name.startsWith(PREFIX + word) || (name.startsWith(word) && !isOurs(word)),
  ];
  for (const rule of word === "" ? [] : rules) {
    const found = bottles.filter(rule);
    const [bottle] = found;
    if (bottle === undefined) continue;
    if (found.length === 1) return { kind: "one", bottle };
    const [running, ...more] = found.filter(isRunning);
    const isClear = entered ||
      found.every((one) => one.agent === word && (isRunning(one) || one.name !== PREFIX + word));
    return running !== undefined && more.length === 0 && isClear
      ? { kind: "one", bottle: running }
      : { kind: "several", bottles: found };
  }
  return { kind: "none" };
}
