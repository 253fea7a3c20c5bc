import { API_HOST } from "../bottle/claude_credentials.ts";
import type { Environment } from "../host/environment.ts";
import type { Bottle } from "../manifest/model.ts";
import { ANTHROPIC_RULES } from "../manifest/ready_made/anthropic_rules.ts";
import { claudeInjection, type InjectedClaude } from "./claude_injection.ts";
import type { Grant } from "./grant_rows.ts";
import { proxyDefault } from "./proxy_choice.ts";

/** What `start` without flags injects of Claude Code's credential. @throws Failure for a variable that names no proxy */
export function injectedUnasked(bottle: Bottle, environment: Environment): InjectedClaude | undefined {
  const proxy = bottle.egress.proxy ?? proxyDefault(environment.get("CLAUDE_BOTTLE_PROXY"));
  return claudeInjection(bottle, { inspects: proxy === "squid", remoteControl: false, environment });
}

/**
 * A bottle's grants as `start` without flags makes them of Claude Code's credential: what the sidecar injects is no
 * variable of the bottle, and its host is let through for what Claude Code asks, without the other default hosts.
 *
 * @throws Failure for a variable that names no proxy
 */
export function withClaudeInjection(
  grants: readonly Grant[],
  { bottle, environment }: { readonly bottle: Bottle; readonly environment: Environment },
): readonly Grant[] {
  const claude = injectedUnasked(bottle, environment)?.claude;
  if (claude === undefined) return grants;
  return grants.flatMap((grant) => {
    const { label, text, data } = grant;
    if (label === "host" && data["value"] === API_HOST) {
      return [{
        ...grant,
        text: `${API_HOST} (only ${ANTHROPIC_RULES.join(", ")}; injects ${claude.env})`,
        data: { ...data, allow: ANTHROPIC_RULES, inject: { env: claude.env } },
      }];
    }
    if (label === "host" && grant.origin.kind === "default") return [];
    if (label !== "env") return [grant];
    const name = data["name"];
    if (name === claude.env) {
      return [{ ...grant, label: "injected", text: `${text}, into requests to ${API_HOST}` }];
    }
    const isKeptOut = claude.keptOut.some((kept) =>
      kept === name || (grant.origin.kind === "environment" && kept === grant.origin.variable)
    );
    return isKeptOut ? [] : [grant];
  });
}
