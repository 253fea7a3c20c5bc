import type { Step } from "./invocation.ts";
import type { BottleSpec } from "./spec.ts";
import type { PlannedWorkspace } from "./workspace.ts";

/** A skill and the folder of the host that it is copied from. */
export interface PlannedSkill {
  readonly name: string;
  /** Its real path: no part of it is a link. */
  readonly path: string;
}

/** An ssh entry and the key that it uses. */
export interface PlannedSsh {
  readonly host: string;
  readonly user: string;
  readonly hostname: string;
  readonly port: number;
  /** Its real path: no part of it is a link. */
  readonly key: string;
  /** Whether the key's passphrase is asked. */
  readonly passphrase: boolean;
  /** Whether the host's key is known. */
  readonly pinned: boolean;
  /** Whether the host's key is learned by the launch and a person asked. */
  readonly learned: boolean;
}

/** What a bottle may take at most; bytes, where a number of them. */
export interface Bounds {
  /** `null` for all that the engine has. */
  readonly cpus: number | null;
  readonly memory: number;
  readonly pids: number;
  readonly disk: number;
}

/**
 * What will be done for one launch. `steps` make the bottle, `agentSteps` run the agent in it, `watchSteps` watch its
 * disk meanwhile, `teardownSteps` remove it.
 */
export interface BottlePlan {
  readonly spec: BottleSpec;
  readonly runId: string;
  readonly containerName: string;
  readonly image: string;
  readonly runtime: "runc" | "runsc";
  readonly skills: readonly PlannedSkill[];
  readonly ssh: readonly PlannedSsh[];
  /** `undefined` unless a directory of the host is copied. */
  readonly workspace: PlannedWorkspace | undefined;
  readonly steps: readonly Step[];
  readonly agentSteps: readonly Step[];
  /** They run at the same time, from the agent's first seconds to its end. */
  readonly watchSteps: readonly Step[];
  readonly teardownSteps: readonly Step[];
  readonly bounds: Bounds;
  /** The same in words, e.g. `4 GiB memory, 2048 processes, 20 GiB disk`. */
  readonly limits: string;
  /** What the user should know before saying yes, a line each. */
  readonly notices: readonly string[];
}
