import { EXIT, Failure } from "../errors.ts";
import type { AllowedHost, EgressSettings, SshEntry } from "../manifest/model.ts";
import type { EgressPolicy, HostRule, InjectionForm, Inspection, SshRule } from "./policy.ts";
import { covers, isAddress } from "./hosts.ts";

/** Hosts that every bottle may reach unless its manifest says `defaults: false`. */
export const DEFAULT_HOSTS: readonly string[] = [
  // The model itself: without it Claude Code answers nothing.
  "api.anthropic.com",
  // Signing in with a Claude account.
  "claude.ai",
  // Claude Code's releases and plugins.
  "downloads.claude.ai",
  // Signing in with a Console account, and renewing tokens.
  "platform.claude.com",
  // Claude Code's changelog.
  "raw.githubusercontent.com",
  // Claude Code's crash reports.
  "sentry.io",
  // Claude Code's feature flags and usage figures.
  "statsig.anthropic.com",
];

/**
 * All that one bottle may reach: the default hosts, its allowlist, and the host and port of each ssh entry.
 *
 * A name below a wildcard has plain HTTP or is private where the wildcard is, and may be private on its own. An ssh
 * entry that is an IPv4 address may be a private one without being listed: there is no name whose answer could change.
 *
 * @throws {Failure} when `private` names something that is not granted at all.
 */
export function egressPolicy(settings: EgressSettings, ssh: readonly SshEntry[]): EgressPolicy {
  const inspected = new Map(settings.allowlist.flatMap((allowed) => {
    const inspection = inspectionOf(allowed);
    return inspection === undefined ? [] : [[plainName(allowed.host), inspection] as const];
  }));
  const granted = new Set([
    ...settings.allowlist.map((allowed) => plainName(allowed.host)),
    ...(settings.defaults ? DEFAULT_HOSTS.filter((host) => !isCovered(host, [...inspected.keys()])) : []),
  ]);
  const privates = [...new Set(settings.private.map(plainName))];
  for (const name of privates) {
    const inSsh = ssh.some((entry) => plainName(entry.hostname) === name);
    if (!granted.has(name)) {
      const above = [...granted].filter((host) => covers(host, name));
      if (above.length > 0) {
        granted.add(name);
        // An exact name counts before a wildcard, and is to be as narrow.
        const inspection = above.map((host) => inspected.get(host)).find((one) => one !== undefined);
        if (inspection !== undefined) inspected.set(name, inspection);
      } else if (!inSsh) throw notGranted(name);
    }
  }
  const plain = settings.allowlist.filter(({ http }) => http).map(({ host }) => plainName(host));
  return { hosts: hostRules(granted, { privates, plain, inspected }), ssh: sshRules(ssh, privates) };
}

/** `undefined` for a host whose TLS passes untouched. */
function inspectionOf({ allow, inject }: AllowedHost): Inspection | undefined {
  if (allow.length === 0 && inject === undefined) return undefined;
  return {
    rules: allow.length === 0 ? undefined : allow.map((rule) => {
      const [method = "", path = ""] = rule.split(" ");
      return { method, path };
    }),
    secret: inject && { env: inject.env, form: injectionForm(inject.as) },
  };
}

/** `bearer`, `basic:USER` or `header:NAME`, which has been checked. */
function injectionForm(text: string): InjectionForm {
  const [kind, value = ""] = text.split(":");
  if (kind === "basic") return { kind, user: value };
  return kind === "header" ? { kind, name: value } : { kind: "bearer" };
}

function hostRules(
  granted: ReadonlySet<string>,
  { privates, plain, inspected }: {
    readonly privates: readonly string[];
    readonly plain: readonly string[];
    readonly inspected: ReadonlyMap<string, Inspection>;
  },
): readonly HostRule[] {
  return [...granted].sort(byText).map((host) => {
    const inspection = inspected.get(host);
    return {
      host,
      private: isCovered(host, privates),
      http: inspection === undefined && isCovered(host, plain),
      ...(inspection === undefined ? {} : { inspection }),
    };
  });
}

function sshRules(ssh: readonly SshEntry[], privates: readonly string[]): readonly SshRule[] {
  const rules = new Map<string, SshRule>();
  for (const entry of ssh) {
    const host = plainName(entry.hostname);
    const rule = { host, port: entry.port, private: isCovered(host, privates) || isAddress(host) };
    rules.set(`${host}:${entry.port}`, rule);
  }
  return [...rules.values()].sort((a, b) => byText(a.host, b.host) || a.port - b.port);
}

function isCovered(name: string, hosts: readonly string[]): boolean {
  return hosts.some((host) => covers(host, name));
}

/** The preflight's line: how many hosts, and the first three. */
export function allowlistSummary(policy: EgressPolicy): string {
  const names = [...new Set([...policy.hosts, ...policy.ssh].map((rule) => rule.host))].sort(byText);
  const count = `${names.length} ${names.length === 1 ? "host" : "hosts"} allowed`;
  if (names.length === 0) return "no hosts allowed";
  const more = names.length > 3 ? `, +${names.length - 3} more` : "";
  return `${count} (${names.slice(0, 3).join(", ")}${more})`;
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/\.$/, "");
}

/** By code units, the same on every machine. */
function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function notGranted(name: string): Failure {
  const shown = name.replace(/[^\x20-\x7e]/g, "?").slice(0, 255);
  return new Failure(
    "private-not-granted",
    `egress.private names '${shown}', which the bottle may not reach at all`,
    {
      exit: EXIT.usage,
      hints: ["Add it to egress.allowlist or to an ssh entry as well, or remove it from egress.private"],
    },
  );
}
