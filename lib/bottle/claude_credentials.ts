import type { Environment } from "../host/environment.ts";
import type { EnvSource } from "../manifest/model.ts";
import { OAUTH_TOKEN } from "./oauth_token.ts";

/** Where Claude Code sends its requests unless told. */
export const API_HOST = "api.anthropic.com";

/** The variable that tells it. */
export const API_ELSEWHERE = "ANTHROPIC_BASE_URL";

/** A variable that Claude Code takes its credential from, and how it then stands in its requests. */
export interface ClaudeCredential {
  readonly env: string;
  /** As a manifest writes it. */
  readonly as: string;
}

/** The one that it prefers first. Headless it takes what is there; on a terminal it asks before it uses a key. */
export const CLAUDE_CREDENTIALS: readonly ClaudeCredential[] = [
  { env: "ANTHROPIC_AUTH_TOKEN", as: "bearer" },
  { env: "ANTHROPIC_API_KEY", as: "header:X-Api-Key" },
  { env: OAUTH_TOKEN.inBottle, as: "bearer" },
];

/** What a default injection has made of Claude Code's credentials. */
export interface ClaudeInjection {
  /** The one variable that has a placeholder. */
  readonly env: string;
  /** Those that the bottle does not get at all, as the user set them: Claude Code would not use them, or be refused. */
  readonly keptOut: readonly string[];
}

/** Whether a variable is a credential for Claude Code to use; an empty one is none to it. */
export function isCredential(source: EnvSource | undefined): source is EnvSource {
  return source !== undefined && !(source.kind === "literal" && source.value === "");
}

/**
 * Whether the host's token is handed over as it is: not where the sidecar injects it, nor to a bottle that has a
 * placeholder for another of these credentials, which is the one that counts then.
 */
export function forwardsOauthToken(
  injected: ReadonlyMap<string, EnvSource>,
  environment: Environment,
): boolean {
  if (!environment.get(OAUTH_TOKEN.onHost)) return false;
  if (CLAUDE_CREDENTIALS.some(({ env }) => injected.has(env))) return false;
  return ![...injected.values()].some((source) =>
    source.kind === "host" && source.variable === OAUTH_TOKEN.onHost
  );
}
