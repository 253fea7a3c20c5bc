import { EXIT, Failure } from "../../errors.ts";
import { checkedAddress, checkedName, checkedPort, checkedSshHost } from "../checked.ts";
import { isAddress } from "../hosts.ts";
import type { EgressPolicy } from "../policy.ts";
import { PROXY_PORT, type SidecarPlace } from "../proxy.ts";
import { isWithin, NEVER, PRIVATE } from "../ranges.ts";

/** Where pipelock tells its own figures: on loopback, out of the bottle's reach. */
const METRICS_LISTEN = "127.0.0.1:9091";
/** An empty allowlist would be refused; this reserved name never resolves. */
const NOTHING = "deny-all.invalid";
/** What pipelock writes as its caller into every line, whatever the bottle claims to be. */
const CALLER = "bottle";
const DAY = 86_400;
/** What comes back in one plain HTTP request at most, in MiB: it is held in memory, several times over. */
export const LARGEST_ANSWER_MIB = 10;

/**
 * The configuration for pipelock 2.3.0, whose parser refuses keys it does not know.
 *
 * JSON, which YAML contains: every string is quoted, and a file that pipelock reads while it is being replaced
 * is an error, which it answers by keeping the old one, and never a shorter policy.
 */
export function configuration(policy: EgressPolicy, place: SidecarPlace): string {
  checkedAddress(place.listen);
  return JSON.stringify({ ...reach(policy, place), ...inspection(), ...SILENT }, undefined, 2) + "\n";
}

/** What may be reached and for how long. */
function reach(
  policy: EgressPolicy,
  { listen, egressSubnet }: SidecarPlace,
): Readonly<Record<string, unknown>> {
  const rules = [
    ...policy.hosts.map((rule) => ({ ...rule, host: pipelockName(rule.host) })),
    ...policy.ssh.map((rule) => ({ ...rule, host: checkedSshHost(rule.host), port: checkedPort(rule.port) })),
  ];
  const hosts = distinct(rules.map(({ host }) => host));
  const privates = rules.filter((rule) => rule.private).map(({ host }) => host);
  return {
    version: 1,
    mode: "strict",
    enforce: true,
    explain_blocks: false,
    api_allowlist: hosts.length > 0 ? hosts : [NOTHING],
    trusted_domains: distinct(privates.filter((host) => !isAddress(host)).map(trustedName)),
    ssrf: {
      ip_allowlist: distinct(
        privates.filter((host) => isAddress(host) && !isWithin(host, [...NEVER, listen, egressSubnet]))
          .map((host) => `${host}/32`),
      ),
    },
    // The last two are the user's to choose, and may lie outside of all private ranges.
    internal: [...NEVER, ...PRIVATE, listen, egressSubnet].map((range) =>
      range.includes("/") ? range : `${range}/32`
    ),
    fetch_proxy: {
      listen: `${listen}:${PROXY_PORT}`,
      // Of one plain HTTP request.
      timeout_seconds: 3600,
      max_response_mb: LARGEST_ANSWER_MIB,
      monitoring: {
        // A limit cannot be switched off; one bottle never gets here.
        max_requests_per_minute: 60_000,
        // No label can reach it: names are judged by the allowlist, and one that looks random may be listed.
        subdomain_entropy_threshold: 8,
      },
    },
    forward_proxy: {
      enabled: true,
      // Both would also end tunnels in use.
      max_tunnel_seconds: DAY,
      idle_timeout_seconds: DAY,
      sni_verification: true,
    },
    websocket_proxy: { enabled: false },
    tls_interception: { enabled: false },
    default_agent_identity: CALLER,
    bind_default_agent_identity: true,
  };
}

/** What is looked into: what leaves in plain sight. The sidecar holds no secret, so none of its own is searched for. */
function inspection(): Readonly<Record<string, unknown>> {
  return {
    dlp: { include_defaults: true, scan_env: false },
    request_body_scanning: { enabled: true, action: "block", scan_headers: true, header_mode: "sensitive" },
    // Switched off it would still look, and block what it finds.
    response_scanning: { enabled: true, action: "warn" },
    media_policy: { enabled: false },
    taint: { enabled: false },
  };
}

/** Nothing is sent anywhere, and only the log is written. */
const SILENT = {
  metrics_listen: METRICS_LISTEN,
  sentry: { enabled: false },
  logging: { format: "json", output: "stdout", include_allowed: true, include_blocked: true },
} as const;

/** Pipelock's `*.x` is ours: x and every name below it. */
function pipelockName(host: string): string {
  return host.startsWith("*.") ? `*.${checkedName(host.slice(2))}` : checkedName(host);
}

/** Pipelock does not start with a private wildcard of one label. */
function trustedName(host: string): string {
  if (!host.startsWith("*.") || host.slice(2).includes(".")) return host;
  throw new Failure("egress-host", `pipelock cannot let every name below '${host.slice(2)}' be private`, {
    exit: EXIT.usage,
    hints: [`List the names of egress.private without a wildcard, or choose \`--proxy squid\``],
  });
}

function distinct(names: readonly string[]): readonly string[] {
  return [...new Set(names)].sort();
}
