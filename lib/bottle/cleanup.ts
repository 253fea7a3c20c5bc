import type { OwnerState } from "./active.ts";
import type { KeptWorkspace } from "./workspace.ts";

/** One thing that a cleanup is about. All texts are foreign: sanitise them before a terminal sees them. */
export interface CleanupItem {
  readonly kind: "container" | "network" | "volume";
  /** What it is removed by. */
  readonly id: string;
  readonly name: string;
  readonly run: string;
  readonly agent: string;
  readonly role: string;
  /** Milliseconds since the epoch; `undefined` when the engine does not tell. */
  readonly created: number | undefined;
  readonly running: boolean;
  readonly owner: OwnerState;
}

/** A workspace that a cleanup leaves, with the commands for it. */
export type KeptItem = CleanupItem & Pick<KeptWorkspace, "fetch" | "remove">;

/** What a cleanup would do. */
export interface BottleCleanupPlan {
  /** What goes, in the order of removal. */
  readonly items: readonly CleanupItem[];
  /** Workspaces of ended runs that stay, since they may hold work that is nowhere else. */
  readonly kept: readonly KeptItem[];
  /** How many other runs are not touched: in use, or not known to be over. */
  readonly untouchedRuns: number;
  /** Whether there is nothing to remove. */
  readonly empty: boolean;
}

/** What a sweep did. */
export interface SweepOutcome extends CleanupOutcome {
  /** How many ended runs something was removed of. */
  readonly runs: number;
  /** Workspaces of those runs, which stay. */
  readonly kept: readonly KeptItem[];
}

/** What a cleanup did. */
export interface CleanupOutcome {
  readonly removed: readonly CleanupItem[];
  readonly left: readonly { readonly item: CleanupItem; readonly why: string }[];
}
