import type { BottleSpec } from "./spec.ts";

/** Where Claude Code sends its requests unless told. */
const API_HOST = "api.anthropic.com";

/** What a person should know of a spec before saying yes, a line each; independent of any engine. */
export function specNotices(spec: BottleSpec): readonly string[] {
  const notices: string[] = [];
  const elsewhere = spec.env.has("ANTHROPIC_BASE_URL");
  if (elsewhere && spec.forwardOauthToken) {
    notices.push("env sets ANTHROPIC_BASE_URL: your Claude token goes to that host");
  }
  const reachable = spec.policy.hosts.some(({ host }) => host === API_HOST || host === "*.anthropic.com");
  if (spec.command[0] === "claude" && !elsewhere && !reachable) {
    notices.push(`${API_HOST} is not an allowed host: Claude Code will try for minutes and give up`);
  }
  if (spec.command[0] === "claude" && spec.mode === "attached" && spec.env.has("ANTHROPIC_API_KEY")) {
    notices.push("Claude Code asks whether to use ANTHROPIC_API_KEY before its first prompt");
  }
  return notices;
}
