import type { ActiveBottle } from "../bottle/active.ts";
import type { BottleCommand, OpenBottle } from "../bottle/backend.ts";
import { forwardsOauthToken } from "../bottle/claude_credentials.ts";
import { literalsOf, requireHostVariables, resolveEnv, Secret } from "../bottle/env.ts";
import { requireInjectable } from "../bottle/injected.ts";
import { OAUTH_TOKEN } from "../bottle/oauth_token.ts";
import { egressPolicy } from "../egress/allowlist.ts";
import type { EgressPolicy } from "../egress/policy.ts";
import { EXIT, Failure, oneLine } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { requireAgent } from "../manifest/agents.ts";
import { refuseUnavailable } from "../manifest/available.ts";
import type { Agent, Bottle, EnvSource, Manifest } from "../manifest/model.ts";
import { loadBackend } from "./backend_choice.ts";
import { meantBottle } from "./bottle_choice.ts";
import { claudeInjection, injectedClaude } from "./claude_injection.ts";
import type { CommandPorts } from "./context.ts";
import { envPorts } from "./env_ports.ts";
import { hostEnv, injectedSources } from "./host_paths.ts";
import { requireSameManifest } from "./launched_manifest.ts";
import { grantedManifest, shownManifest } from "./manifest_choice.ts";

/** Which bottle is meant, and by which manifest it is entered. */
export interface EntryOptions {
  /** Its name, the beginning of its name, or its agent. */
  readonly bottle: string;
  readonly manifest: string | undefined;
  /** Whether a person may be asked to approve what a project's manifest grants. */
  readonly mayAsk: boolean;
  readonly backend: string | undefined;
  readonly context: string | undefined;
}

/** A bottle that commands can be run in, and what the manifest says of it. */
export interface Entry {
  readonly bottle: OpenBottle;
  readonly agent: Agent;
  readonly env: ReadonlyMap<string, EnvSource>;
  /** Those of the secrets that only the sidecar holds, by the variables of their placeholders. */
  readonly injected: ReadonlyMap<string, EnvSource>;
  readonly policy: EgressPolicy;
  /** Whether the host's Claude token may come along as it is. */
  readonly takesToken: boolean;
}

/**
 * Finds a running bottle of one's own whose manifest is still the one that it was launched from, and opens it.
 * `judge` may refuse it before.
 *
 * @throws Failure
 */
export async function enteredBottle(
  options: EntryOptions,
  { command, judge }: { readonly command: string; readonly judge: (bottle: ActiveBottle) => void },
  ports: CommandPorts,
): Promise<Entry> {
  const { host, reporter } = ports;
  const { signal } = host.interrupts;
  const shown = await shownManifest(host, options.manifest);
  const backend = await loadBackend(ports, options);
  const bottles = await backend.listActive({ signal, stopped: true });
  const meant = meantBottle(bottles, { word: options.bottle, command });
  requireOwn(meant);
  judge(meant);
  requireSameManifest(meant, shown, { file: options.manifest });
  const { mayAsk } = options;
  const manifest = await grantedManifest(ports, { manifest: shown, agent: meant.agent, mayAsk });
  const { agent, bottle: grants } = requireAgent(manifest, meant.agent);
  if (grants.name !== meant.bottle) throw foreign(meant);
  refuseUnavailable(manifest, agent.name);
  const launched = asLaunched(meant, { manifest, grants, host });
  const { disk } = grants.resources;
  const policy = egressPolicy(launched.egress, launched.ssh);
  const bottle = await backend.open(meant, { disk, policy, signal, onEvent: reporter.onEvent });
  if (meant.owner === "gone") {
    reporter.info(
      `the \`start\` of ${oneLine(meant.name)} is gone: the next \`start\` or \`cleanup\` removes the bottle`,
    );
  }
  return {
    bottle,
    agent,
    env: launched.env,
    injected: injectedSources(manifest, launched, host),
    policy,
    takesToken: !isKeptOut(meant, { launched, host }),
  };
}

/**
 * Whether a bottle that was launched without the host's token is given none now: its sidecar would have kept it
 * outside, and cannot any more.
 */
function isKeptOut(
  { claude, proxy }: Pick<ActiveBottle, "claude" | "proxy">,
  { launched, host }: { readonly launched: Bottle; readonly host: Host },
): boolean {
  if (claude !== undefined || proxy !== "squid") return false;
  const options = { inspects: true, remoteControl: false, environment: host.environment };
  return claudeInjection(launched, options) !== undefined;
}

/** A bottle's grants as they were settled at its launch, with the sources of its variables in absolute paths. */
function asLaunched(
  { claude }: Pick<ActiveBottle, "claude">,
  { manifest, grants, host }: { readonly manifest: Manifest; readonly grants: Bottle; readonly host: Host },
): Bottle {
  const located = { ...grants, env: hostEnv(manifest, grants, host) };
  if (claude === undefined) return located;
  return injectedClaude(located, { env: claude, environment: host.environment })?.bottle ?? located;
}

/** Another's bottle is not ours to enter, and what we would bring into it not theirs to have. */
function requireOwn(bottle: ActiveBottle): void {
  if (bottle.owner !== "elsewhere") return;
  throw new Failure(
    "bottle-elsewhere",
    `${oneLine(bottle.name)} belongs to another machine, user or container`,
    { hints: ["`claude-bottle list active` shows whose each bottle is"] },
  );
}

function foreign({ name, agent, bottle }: ActiveBottle): Failure {
  return new Failure(
    "bottle-foreign",
    `${oneLine(name)} says that its agent ${JSON.stringify(oneLine(agent))} is in the bottle ` +
      `${JSON.stringify(oneLine(bottle))}, and the manifest says otherwise`,
    { exit: EXIT.usage },
  );
}

/**
 * The variables of a command: all that is granted, or what stands in the manifest for all to read. With secrets the
 * sidecar is given those that it injects, as they are now. @throws Failure
 */
export async function grantedEnv(
  { bottle, env, injected, policy, takesToken }: Omit<Entry, "agent">,
  { secrets }: { readonly secrets: boolean },
  ports: CommandPorts,
): Promise<Pick<BottleCommand, "env" | "forwardOauthToken" | "placeholders">> {
  if (!secrets) {
    return { env: await resolveEnv(literalsOf(env), envPorts(ports)), forwardOauthToken: false };
  }
  // Nobody is asked for one as long as another cannot be had.
  requireHostVariables(new Map([...env, ...injected]), ports.host.environment);
  const resolved = await resolveEnv(env, envPorts(ports));
  const hasToken = forwardsOauthToken(injected, ports.host.environment);
  if (hasToken && !takesToken) {
    ports.reporter.info(
      `your Claude token stays outside: ${oneLine(bottle.name)} was launched without one; start it anew`,
    );
  }
  const forwardOauthToken = hasToken && takesToken;
  if (injected.size === 0) return { env: resolved, forwardOauthToken };
  const values = await resolveEnv(injected, envPorts(ports));
  const token = forwardOauthToken ? ports.host.environment.get(OAUTH_TOKEN.onHost) ?? "" : "";
  const all = new Map([...resolved, [OAUTH_TOKEN.onHost, new Secret(token)]]);
  requireInjectable(values, { env: all, policy });
  return { env: resolved, forwardOauthToken, placeholders: await bottle.inject(values) };
}
