import { CLAUDE_ENVIRONMENT } from "../../../bottle/claude.ts";
import type { CommandMode } from "../../../bottle/backend.ts";
import { checkedValue, literalsOf, type ResolvedEnv, Secret } from "../../../bottle/env.ts";
import { type Placeholders, requestForms } from "../../../bottle/injected.ts";
import { OAUTH_TOKEN } from "../../../bottle/oauth_token.ts";
import type { BottleSpec } from "../../../bottle/spec.ts";
import { inspects } from "../../../egress/policy.ts";
import type { Environment } from "../../../host/environment.ts";
import type { DockerBottlePlan } from "../plan.ts";
import { CA_FILE } from "./files.ts";
import { SSH_SOCKET } from "./ssh.ts";

/** The bundle that the wrapper makes of the image's authorities and the extra ones. */
const CA_BUNDLE = "/run/env/ca-bundle.pem";

/** Read beside what a program trusts by itself: Node.js and Bun; Deno. */
const EXTRA_AUTHORITIES = ["NODE_EXTRA_CA_CERTS", "DENO_CERT"] as const;

/** Read in place of it: OpenSSL and what is like it (Go, Rust, Ruby, uv); curl; git; Python's requests; pip; cargo; AWS. */
const ALL_AUTHORITIES = [
  "SSL_CERT_FILE",
  "CURL_CA_BUNDLE",
  "GIT_SSL_CAINFO",
  "REQUESTS_CA_BUNDLE",
  "PIP_CERT",
  "CARGO_HTTP_CAINFO",
  "AWS_CA_BUNDLE",
] as const;

/** Variables of the host's terminal that programs in the bottle draw by. */
const TERMINAL_VARIABLES = ["TERM", "COLORTERM"] as const;

/** What of a spec decides the environment of a process in its bottle. */
export type EnvironmentSpec =
  & Pick<BottleSpec, "home" | "ca" | "env" | "forwardOauthToken">
  & {
    /** Their variables hold placeholders. */
    readonly injected: { keys(): Iterable<string> };
    /** Only whether any host is inspected counts. */
    readonly policy: Pick<BottleSpec["policy"], "hosts">;
    readonly mode: CommandMode;
    /** How many ssh entries there are decides, not which. */
    readonly ssh: Pick<BottleSpec["ssh"], "length">;
  };

/** The same without any secret. */
export function withoutSecrets(spec: EnvironmentSpec): EnvironmentSpec {
  return { ...spec, env: literalsOf(spec.env), injected: new Map(), forwardOauthToken: false };
}

/** For what a launch runs: a bottle that is only made ready is given no secret yet. */
export function environmentAtLaunch(spec: BottleSpec): EnvironmentSpec {
  return spec.startsAgent ? spec : { ...withoutSecrets(spec), mode: "headless" };
}

/** What we set ourselves; the manifest's env wins over it. */
export function ownEnvironment(spec: EnvironmentSpec, environment: Environment): ReadonlyMap<string, string> {
  const own = new Map<string, string>(
    Object.entries({ HOME: spec.home, LANG: "C.UTF-8", ...CLAUDE_ENVIRONMENT }),
  );
  if (spec.ca !== undefined || inspects(spec.policy)) {
    for (const name of EXTRA_AUTHORITIES) own.set(name, CA_FILE);
    for (const name of ALL_AUTHORITIES) own.set(name, CA_BUNDLE);
  }
  // ssh finds it by its configuration; other programs look here.
  if (spec.ssh.length > 0) own.set("SSH_AUTH_SOCK", SSH_SOCKET);
  if (spec.mode === "attached") {
    for (const name of TERMINAL_VARIABLES) {
      const value = environment.get(name);
      if (value !== undefined && /^[A-Za-z0-9._+-]{1,64}$/.test(value)) own.set(name, value);
    }
  }
  return own;
}

/** Names of all variables of the agent's process, in the order they are sent; the manifest's last, so that they win. */
export function environmentNames(spec: EnvironmentSpec, environment: Environment): readonly string[] {
  const names = [...ownEnvironment(spec, environment).keys()];
  if (spec.forwardOauthToken) names.push(OAUTH_TOKEN.inBottle);
  return [...new Set([...names, ...spec.env.keys(), ...spec.injected.keys()])];
}

/** The whole environment of the agent's process. */
export function agentEnvironment(
  spec: EnvironmentSpec,
  sources: {
    readonly environment: Environment;
    readonly resolved: ResolvedEnv;
    readonly placeholders?: Placeholders;
  },
): ResolvedEnv {
  const all = new Map<string, Secret>();
  for (const [name, value] of ownEnvironment(spec, sources.environment)) all.set(name, new Secret(value));
  const token = sources.environment.get(OAUTH_TOKEN.onHost);
  if (spec.forwardOauthToken && token !== undefined) {
    all.set(OAUTH_TOKEN.inBottle, new Secret(checkedValue(OAUTH_TOKEN.onHost, token)));
  }
  for (const [name, value] of sources.resolved) all.set(name, value);
  for (const [name, value] of sources.placeholders ?? []) all.set(name, new Secret(value));
  return all;
}

/** The values that a command is given by the user: ours are no secrets. */
export function handedOver(
  { resolved, forwardOauthToken }: { readonly resolved: ResolvedEnv; readonly forwardOauthToken: boolean },
  environment: Environment,
): readonly Secret[] {
  const token = forwardOauthToken ? environment.get(OAUTH_TOKEN.onHost) : undefined;
  return [...resolved.values(), ...(token === undefined ? [] : [new Secret(token)])];
}

/** Everything that a launch writes to the engine and nobody may read. */
export function secretsOf(
  { spec, inputs }: Pick<DockerBottlePlan, "spec" | "inputs">,
  { env, injected = new Map(), environment }: {
    readonly env: ResolvedEnv;
    readonly injected?: ResolvedEnv;
    readonly environment: Environment;
  },
): readonly Secret[] {
  const { forwardOauthToken } = spec;
  return [
    ...handedOver({ resolved: env, forwardOauthToken }, environment),
    ...injected.values(),
    ...requestForms(injected, spec.policy),
    ...inputs.sshKeys.map(({ text }) => text),
  ];
}
