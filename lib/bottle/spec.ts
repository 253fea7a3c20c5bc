import type { EgressProxy } from "../egress/proxy.ts";
import type { Neighbours } from "../egress/neighbours.ts";
import type { EgressPolicy } from "../egress/policy.ts";
import type { ClaudeInjection } from "./claude_credentials.ts";
import type { GitIdentity } from "./git_identity.ts";
import type { EnvSource, ManifestFile, Resources, RuntimeChoice, SshEntry } from "../manifest/model.ts";

/** How the agent's command is run. */
export type AgentMode =
  /** On the user's terminal. */
  | "attached"
  /** Without a terminal: stdin is empty, stdout and stderr are passed on. */
  | "headless";

/** How long a bottle lives. */
export type Lifetime =
  /** No longer than the command that launched it. */
  | "session"
  /** Until `stop`: no process owns it. */
  | "detached";

/** The host's directory that is copied into the workspace. */
export interface WorkspaceSource {
  /** Absolute; no part of it is a link. */
  readonly directory: string;
  /** Patterns of what is left out, as given with `--exclude`. */
  readonly exclude: readonly string[];
}

/** What is asked for: everything a manifest grants to one agent, with nothing left to look up but the engine. */
export interface BottleSpec {
  readonly agent: string;
  readonly bottle: string;
  readonly manifestFiles: readonly ManifestFile[];
  readonly mode: AgentMode;
  /** The agent's whole command line. */
  readonly command: readonly string[];
  /** Names of the skills that the agent is given. */
  readonly skills: readonly string[];
  /** The agent's system prompt; empty when there is none. */
  readonly prompt: string;
  readonly remoteControl: boolean;
  readonly lifetime: Lifetime;
  /** Whether a launch runs the agent's command; else the bottle is only made ready for `attach`. */
  readonly startsAgent: boolean;
  /** Paths are absolute. */
  readonly env: ReadonlyMap<string, EnvSource>;
  /** Where the secrets come from that only the sidecar holds, by the variable that has the placeholder; paths are absolute. */
  readonly injected: ReadonlyMap<string, EnvSource>;
  /** Whose commits the agent makes unless a repository says otherwise; `undefined` when none is granted. */
  readonly gitIdentity: GitIdentity | undefined;
  /** Each with the absolute path of its key. */
  readonly ssh: readonly SshEntry[];
  /** `undefined` unless a directory of the host is copied. */
  readonly workspace: WorkspaceSource | undefined;
  /** What of `injected` no manifest says: Claude Code's own credential; absent where there is none. */
  readonly claudeInjection?: ClaudeInjection | undefined;
  /** Whether `CLAUDE_BOTTLE_OAUTH_TOKEN` is handed to the agent as `CLAUDE_CODE_OAUTH_TOKEN`. */
  readonly forwardOauthToken: boolean;
  readonly proxy: EgressProxy;
  readonly policy: EgressPolicy;
  /** Allowed hosts that are not defaults: those that the manifest grants. */
  readonly namedHosts: readonly string[];
  /** `policy` in a few words. */
  readonly egressSummary: string;
  /** What of `policy` passes unopened beside an inspected host of its domain. */
  readonly neighbours: readonly Neighbours[];
  /** Existing networks that the sidecar joins. */
  readonly networks: readonly string[];
  readonly runtime: RuntimeChoice;
  readonly resources: Resources;
  /** Extra certificate authorities, PEM; `undefined` when there are none. */
  readonly ca: string | undefined;
  /** The agent's home and the directory it starts in. */
  readonly home: string;
  readonly workdir: string;
  /** Where its skills stand, a folder for each. */
  readonly skillsDir: string;
}
