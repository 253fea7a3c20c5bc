import type { Environment } from "../host/environment.ts";
import type { EnvSource } from "../manifest/model.ts";

/** The variable that Claude Code takes its token from, and the host's that it is handed over from. */
export const OAUTH_TOKEN = {
  inBottle: "CLAUDE_CODE_OAUTH_TOKEN",
  onHost: "CLAUDE_BOTTLE_OAUTH_TOKEN",
} as const;

/**
 * Whether the token is handed over as it is: not where the sidecar injects it, or another one that the bottle has a
 * placeholder for.
 */
export function forwardsOauthToken(
  injected: ReadonlyMap<string, EnvSource>,
  environment: Environment,
): boolean {
  if (!environment.get(OAUTH_TOKEN.onHost) || injected.has(OAUTH_TOKEN.inBottle)) return false;
  return ![...injected.values()].some((source) =>
    source.kind === "host" && source.variable === OAUTH_TOKEN.onHost
  );
}
