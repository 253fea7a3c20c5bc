import { checkDisk, checkMemory, checkPort } from "./amounts.ts";
import { envSource } from "./env_entries.ts";
import { checkHost, checkSshHostname, isAddress } from "./hosts.ts";
import { checkKnownHostKey } from "./known_host_keys.ts";
import type { Agent, AllowedHost, Bottle, EgressSettings, Injection, SshEntry } from "./model.ts";
import type { Checked } from "./names.ts";
import type { Path } from "./node.ts";
import type { WrittenInjection } from "./ready_made/service.ts";
import { expansionOf, type Use } from "./ready_made/services.ts";
import type { AgentEntry, BottleEntry } from "./schema.ts";

/** A bottle as the rest of the program knows it. Its entry must have passed every check. */
export function toBottle(name: string, entry: BottleEntry): Bottle {
  const ssh = entry.ssh.map(toSshEntry);
  return {
    name,
    extends: entry.extends,
    env: new Map(Object.entries(entry.env).map(([variable, value]) => [variable, envSource(value)])),
    ssh,
    gitIdentity: entry.git.identity,
    egress: toEgress(entry.egress, ssh),
    runtime: entry.runtime,
    resources: {
      cpus: entry.resources.cpus,
      memory: optional(entry.resources.memory, checkMemory),
      pids: entry.resources.pids,
      disk: optional(entry.resources.disk, checkDisk),
    },
    image: {
      base: entry.image.base,
      dockerfile: entry.image.dockerfile,
      packages: entry.image.packages,
      ca: entry.image.ca,
    },
  };
}

/** An agent as the rest of the program knows it. Its entry must have passed every check. */
export function toAgent(name: string, entry: AgentEntry): Agent {
  const { bottle, skills, prompt, command } = entry;
  if (bottle === undefined) throw new Error("An unchecked agent was taken for a checked one");
  return { name, extends: entry.extends, bottle, skills, prompt, command };
}

function toSshEntry(entry: BottleEntry["ssh"][number]): SshEntry {
  const keys = entry.KnownHostKey ?? [];
  return {
    host: entry.Host,
    identityFile: entry.IdentityFile,
    hostname: value(checkSshHostname(entry.Hostname ?? entry.Host)),
    user: entry.User,
    port: value(checkPort(entry.Port)),
    knownHostKeys: (typeof keys === "string" ? [keys] : keys).map((key) => value(checkKnownHostKey(key))),
    unpinned: entry.unpinned,
    sign: entry.sign,
  };
}

function toEgress(entry: BottleEntry["egress"], ssh: readonly SshEntry[]): EgressSettings {
  return {
    defaults: entry.defaults,
    allowlist: entry.allowlist.flatMap(toAllowedHosts),
    private: entry.private.map((name) => toPrivate(name, ssh)),
    networks: entry.networks,
    proxy: entry.proxy,
  };
}

/** `private` may name an ssh entry by its Host; what resolves is its Hostname. */
function toPrivate(name: string, ssh: readonly SshEntry[]): string {
  const entry = ssh.find((entry) => entry.host === name);
  if (entry !== undefined) return entry.hostname;
  return isAddress(name) ? name : value(checkHost(name));
}

function toAllowedHosts(
  entry: BottleEntry["egress"]["allowlist"][number],
  index: number,
): readonly AllowedHost[] {
  const at = ["egress", "allowlist", index];
  if (typeof entry === "string") {
    return [{ host: value(checkHost(entry)), http: false, allow: [], inject: undefined, at }];
  }
  if (entry.use !== undefined) return fromService(entry.use, [...at, "use"]);
  const { host = "", http = false, allow = [], inject } = entry;
  return [{ host: value(checkHost(host)), http, allow, inject: inject && toInjection(inject), at }];
}

function fromService(use: Use, at: Path): readonly AllowedHost[] {
  const { service, hosts } = expansionOf(use);
  return hosts.map(({ host, allow, inject }) => ({
    host,
    http: false,
    allow,
    inject: inject && toInjection(inject),
    at,
    use: { service, option: inject?.option },
  }));
}

function toInjection({ env, secret, as }: WrittenInjection): Injection {
  return { env, secret: envSource(typeof secret === "string" ? secret : { secret }), as };
}

function optional<S, T>(entry: S | undefined, check: (entry: S) => Checked<T>): T | undefined {
  return entry === undefined ? undefined : value(check(entry));
}

/** The value of something that has been checked before: a bad one here is our own mistake. */
function value<T>(checked: Checked<T>): T {
  if (checked.kind === "good") return checked.value;
  throw new Error(`An unchecked value was taken for a checked one: ${checked.message}`);
}
