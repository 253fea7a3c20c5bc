import {
  API_ELSEWHERE,
  API_HOST,
  CLAUDE_CREDENTIALS,
  type ClaudeInjection,
  isCredential,
} from "../bottle/claude_credentials.ts";
import { OAUTH_TOKEN } from "../bottle/oauth_token.ts";
import { covers } from "../egress/hosts.ts";
import type { Environment } from "../host/environment.ts";
import { isInspected } from "../manifest/host_places.ts";
import type { AllowedHost, Bottle, EnvSource } from "../manifest/model.ts";
import { ANTHROPIC_RULES } from "../manifest/ready_made/anthropic_rules.ts";

/** Where the token comes from that every bottle is given. */
const FORWARDED: EnvSource = { kind: "host", variable: OAUTH_TOKEN.onHost };

/** What the sidecar injects although the manifest does not say so, and the bottle that this leaves. */
export interface InjectedClaude {
  readonly bottle: Bottle;
  readonly claude: ClaudeInjection;
}

export interface ClaudeInjectionOptions {
  /** Whether the bottle's egress proxy can do it. */
  readonly inspects: boolean;
  readonly remoteControl: boolean;
  readonly environment: Environment;
}

/**
 * Keeps Claude Code's credential out of a bottle that is granted one: the sidecar injects it into the requests that
 * Claude Code makes, and lets no others through to the model's host, which is the only default host then. It grants
 * nothing, so nobody is asked.
 *
 * `undefined` where the credential goes into the bottle as it is: a manifest that names the host, inspects it by a
 * wildcard or injects the credential itself has its own say on it; what another host of `ANTHROPIC_BASE_URL` is asked
 * is not known, nor what remote control asks.
 */
export function claudeInjection(
  bottle: Bottle,
  { inspects, remoteControl, environment }: ClaudeInjectionOptions,
): InjectedClaude | undefined {
  if (!inspects || remoteControl || !isUsual(bottle)) return undefined;
  const env = credentials(bottle, environment).keys().next().value;
  return env === undefined ? undefined : injectedClaude(bottle, { env, environment });
}

/** Whether the host's token enters a bottle that squid serves, because of what its manifest says. */
export function letsTokenEnter(bottle: Bottle): boolean {
  return !isUsual(bottle) && !bottle.egress.allowlist.some(injectsCredential);
}

function injectsCredential({ inject }: AllowedHost): boolean {
  return inject !== undefined && (CLAUDE_CREDENTIALS.some(({ env }) => env === inject.env) ||
    inject.secret.kind === "host" && inject.secret.variable === OAUTH_TOKEN.onHost);
}

/** Whether a manifest leaves the model's host and Claude Code's credential to the defaults. */
function isUsual(bottle: Bottle): boolean {
  const isNamed = bottle.egress.allowlist.some((allowed) =>
    allowed.host === API_HOST || (isInspected(allowed) && covers(allowed.host, API_HOST)) ||
    CLAUDE_CREDENTIALS.some(({ env }) => env === allowed.inject?.env)
  );
  // Its TLS would pass unopened.
  const isSsh = bottle.ssh.some(({ hostname, port }) => hostname === API_HOST && port === 443);
  return bottle.egress.defaults && !isNamed && !isSsh && !bottle.env.has(API_ELSEWHERE);
}

/**
 * The same for a bottle that has been launched so: `env` is the variable of its placeholder. Where the host has the
 * token no longer, its variable is still what the secret comes from.
 */
export function injectedClaude(
  bottle: Bottle,
  { env, environment }: { readonly env: string; readonly environment: Environment },
): InjectedClaude | undefined {
  const found = credentials(bottle, environment);
  const secret = found.get(env) ?? (env === OAUTH_TOKEN.inBottle ? FORWARDED : undefined);
  const as = CLAUDE_CREDENTIALS.find((credential) => credential.env === env)?.as;
  if (secret === undefined || as === undefined) return undefined;
  const rest = [...bottle.env].filter(([name, source]) => !found.has(name) || !isCredential(source));
  const { egress } = bottle;
  const inspected = { host: API_HOST, http: false, allow: ANTHROPIC_RULES, inject: { env, secret, as } };
  const keptOut = [...found].filter(([name]) => name !== env).map(([name, source]) =>
    bottle.env.has(name) || source.kind !== "host" ? name : source.variable
  );
  return {
    bottle: {
      ...bottle,
      env: new Map(rest),
      // Untouched, the other default hosts would be ways past the rules, and Claude Code needs none of them for its work.
      egress: { ...egress, defaults: false, allowlist: [...egress.allowlist, inspected] },
    },
    claude: { env, keptOut },
  };
}

/** Where Claude Code's credentials come from, by their variables, the one that it prefers first. */
function credentials({ env }: Bottle, environment: Environment): ReadonlyMap<string, EnvSource> {
  return new Map(CLAUDE_CREDENTIALS.flatMap(({ env: name }) => {
    const granted = env.get(name);
    if (isCredential(granted)) return [[name, granted] as const];
    const isForwarded = name === OAUTH_TOKEN.inBottle && granted === undefined &&
      Boolean(environment.get(OAUTH_TOKEN.onHost));
    return isForwarded ? [[name, FORWARDED] as const] : [];
  }));
}
