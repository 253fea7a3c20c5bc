import { API_ELSEWHERE, API_HOST, CLAUDE_CREDENTIALS } from "./claude_credentials.ts";
import { OAUTH_TOKEN } from "./oauth_token.ts";
import type { BottleSpec } from "./spec.ts";

/** What a person should know of a spec before saying yes, a line each; independent of any engine. */
export function specNotices(spec: BottleSpec): readonly string[] {
  const notices: string[] = [];
  const elsewhere = spec.env.has(API_ELSEWHERE);
  if (elsewhere && spec.forwardOauthToken) {
    notices.push("env sets ANTHROPIC_BASE_URL: your Claude token goes to that host");
  }
  const reachable = spec.policy.hosts.some(({ host }) => host === API_HOST || host === "*.anthropic.com");
  if (spec.command[0] === "claude" && !elsewhere && !reachable) {
    notices.push(`${API_HOST} is not an allowed host: Claude Code will try for minutes and give up`);
  }
  const hasKey = spec.env.has("ANTHROPIC_API_KEY") || spec.injected.has("ANTHROPIC_API_KEY");
  if (spec.command[0] === "claude" && spec.mode === "attached" && hasKey) {
    notices.push("Claude Code asks whether to use ANTHROPIC_API_KEY before its first prompt");
  }
  return [
    ...notices,
    ...neighbourNotices(spec),
    ...credentialNotices(spec, { reachable: reachable && !elsewhere }),
  ];
}

/** What goes around an inspected host's rules where one server answers for its domain. */
function neighbourNotices({ neighbours }: BottleSpec): readonly string[] {
  return neighbours.map(({ inspected, untouched }) => {
    const [first = "", ...more] = untouched;
    const all = more.length > 0 ? `${first} and ${more.length} more pass` : `${first} passes`;
    return `${all} unopened beside ${inspected}: a server that answers for both can be asked past its rules`;
  });
}

/** Where Claude Code's credential is: in the bottle, or in the sidecar alone. */
function credentialNotices(
  spec: BottleSpec,
  { reachable }: { readonly reachable: boolean },
): readonly string[] {
  const { claudeInjection: injection } = spec;
  if (injection !== undefined) {
    const { env, keptOut } = injection;
    return [
      `${
        named(env)
      } never enters the bottle: the sidecar puts it into requests to ${API_HOST}, and of the default hosts only those that the manifest lists are left`,
      ...keptOut.map((name) =>
        `${name} stays outside: Claude Code is given ${env}, and only one can be injected`
      ),
    ];
  }
  const entering = enteringCredential(spec);
  if (entering === undefined) return [];
  if (!reachable) return uselessToken(spec);
  const reason = spec.proxy.inspects
    ? spec.remoteControl ? "what --remote-control asks is not known" : ownEntry(spec)
    : "squid keeps it outside (`--proxy squid`)";
  return [`${named(entering)} enters the bottle: ${reason}`];
}

/** Why nothing is injected by itself where the sidecar could. */
function ownEntry({ policy, injected }: BottleSpec): string {
  if (CLAUDE_CREDENTIALS.some(({ env }) => injected.has(env))) {
    return "the manifest injects another of Claude's credentials itself";
  }
  const rule = policy.hosts.find(({ host }) => host === API_HOST);
  if (rule === undefined) return `the manifest has its own rules for hosts such as ${API_HOST}`;
  const nothing = rule.inspection?.secret === undefined ? ", with nothing to inject" : "";
  return `the manifest names ${API_HOST} itself${nothing}`;
}

/** The host's token comes along to every bottle, also to one that cannot use it; a host it goes to has a line of its own. */
function uselessToken({ env, forwardOauthToken, proxy }: BottleSpec): readonly string[] {
  if (!forwardOauthToken || !proxy.inspects || env.has(API_ELSEWHERE)) return [];
  return [`your Claude token enters the bottle, though ${API_HOST} is not an allowed host`];
}

/** The variable of a credential that is no text of the manifest, and that the agent's processes will hold. */
function enteringCredential({ env, forwardOauthToken }: BottleSpec): string | undefined {
  const granted = CLAUDE_CREDENTIALS.find(({ env: name }) =>
    (env.get(name)?.kind ?? "literal") !== "literal"
  );
  // A text of the manifest wins over what is forwarded.
  const isForwarded = forwardOauthToken && !env.has(OAUTH_TOKEN.inBottle);
  return granted?.env ?? (isForwarded ? OAUTH_TOKEN.inBottle : undefined);
}

function named(env: string): string {
  return env === OAUTH_TOKEN.inBottle ? "your Claude token" : env;
}
