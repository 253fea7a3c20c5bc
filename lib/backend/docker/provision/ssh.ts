import askpassProgram from "../../../assets/ssh_askpass.pl" with { type: "text" };
import agentProgram from "../../../assets/ssh_agent.pl" with { type: "text" };
import connectProgram from "../../../assets/ssh_connect.pl" with { type: "text" };
import hostKeysProgram from "../../../assets/ssh_host_keys.pl" with { type: "text" };
import relayProgram from "../../../assets/ssh_relay.pl" with { type: "text" };
import type { TarFile } from "../../../bottle/invocation.ts";
import type { Secret } from "../../../bottle/env.ts";
import { isBound, isLearned, isPinned, isUnpinned, signs, type SshKey } from "../../../bottle/ssh_keys.ts";
import { PROXY_PORT } from "../../../egress/proxy.ts";
import type { SshEntry } from "../../../manifest/model.ts";
import { joined } from "../bytes.ts";

/** Where the ssh-agent's sockets and the keys' public halves are in a bottle: a tmpfs that root alone writes to. */
export const SSH_DIRECTORY = "/run/claude-bottle";

/** Its mount options. */
export const SSH_TMPFS_OPTIONS = "uid=0,gid=0,mode=0755,size=1m,noexec,nosuid,nodev";

/** What the agent's user asks for signatures: the relay. */
export const SSH_SOCKET = `${SSH_DIRECTORY}/ssh.sock`;

/** What the ssh-agent itself listens on; root's alone. */
export const SSH_PRIVATE_SOCKET = `${SSH_DIRECTORY}/private/agent.sock`;

/** Where the programs stand; the agent can change neither them nor what they start. */
export const SSH_PROGRAMS = "/usr/local/lib/claude-bottle";

/** The program that takes the keys. */
export const SSH_AGENT = `${SSH_PROGRAMS}/ssh_agent.pl`;

/** The program that asks hosts for their keys. */
export const SSH_HOST_KEYS = `${SSH_PROGRAMS}/ssh_host_keys.pl`;

/** Where the host keys that a launch learned are; root writes it when the keys come. */
const LEARNED_HOSTS = `${SSH_DIRECTORY}/known_hosts`;

/** Where ssh files stand. */
export interface SshPlace {
  readonly home: string;
  readonly user: { readonly uid: number; readonly gid: number };
  readonly sidecarAddress: string;
}

/** What ssh needs in a bottle but for the keys: the programs, root's, and the agent's own configuration. */
export function provisionSsh(
  entries: readonly SshEntry[],
  { keys, place }: { readonly keys: readonly SshKey[]; readonly place: SshPlace },
): readonly TarFile[] {
  if (keys.length === 0) return [];
  const program = (name: string, text: string, mode = 0o644): TarFile => ({
    path: `${SSH_PROGRAMS}/${name}`.slice(1),
    mode,
    uid: 0,
    gid: 0,
    text,
  });
  const folder = `${place.home.replace(/^\/+/, "")}/.ssh`;
  return [
    program("ssh_agent.pl", agentProgram),
    program("ssh_relay.pl", relayProgram),
    program("ssh_connect.pl", connectProgram),
    ...(keys.some(({ encrypted }) => encrypted) ? [program("ssh_askpass.pl", askpassProgram, 0o755)] : []),
    ...(entries.some(isLearned) ? [program("ssh_host_keys.pl", hostKeysProgram)] : []),
    { path: folder, mode: 0o700, ...place.user, kind: "directory" },
    { path: `${folder}/config`, mode: 0o600, ...place.user, text: sshConfig(entries, { keys, place }) },
    { path: `${folder}/known_hosts`, mode: 0o600, ...place.user, text: knownHosts(entries) },
  ];
}

/**
 * The agent's `~/.ssh/config`: a block for each entry, and one for all hosts behind them, so that a host that is not
 * granted is refused by the sidecar, in words. ssh takes the first value that it finds.
 */
export function sshConfig(
  entries: readonly SshEntry[],
  { keys, place }: { readonly keys: readonly SshKey[]; readonly place: SshPlace },
): string {
  const blocks = entries.map((entry) => {
    const number = keys.findIndex((key) => key.entries.some(({ host }) => host === entry.host)) + 1;
    return [
      `Host ${namesOf(entry, entries).map(word).join(" ")}`,
      `  HostName ${word(entry.hostname)}`,
      `  User ${word(entry.user)}`,
      `  Port ${port(entry)}`,
      `  IdentityFile ${SSH_DIRECTORY}/key${number}.pub`,
      "  IdentitiesOnly yes",
      ...(isUnpinned(entry) ? ["  StrictHostKeyChecking accept-new"] : []),
      "",
    ];
  });
  const proxy = `/usr/bin/perl ${SSH_PROGRAMS}/ssh_connect.pl ${
    word(place.sidecarAddress)
  } ${PROXY_PORT} %h %p`;
  const all = [
    "Host *",
    `  IdentityAgent ${SSH_SOCKET}`,
    "  StrictHostKeyChecking yes",
    `  UserKnownHostsFile ${place.home}/.ssh/known_hosts${
      entries.some(isLearned) ? ` ${LEARNED_HOSTS}` : ""
    }`,
    "  UpdateHostKeys no",
    `  ProxyCommand ${proxy}`,
    "",
  ];
  return [...blocks.flat(), ...all].join("\n");
}

/** What the entry is reached by: its Host, and its Hostname where that can mean no other entry. */
function namesOf({ host, hostname }: SshEntry, entries: readonly SshEntry[]): readonly string[] {
  const others = entries.filter((other) => other.host !== host);
  const isTaken = others.some((other) => other.hostname === hostname || other.host === hostname);
  return host === hostname || isTaken ? [host] : [host, hostname];
}

/** The agent's `~/.ssh/known_hosts`: by Host and by Hostname, but not by a Host that is another entry's Hostname. */
export function knownHosts(entries: readonly SshEntry[]): string {
  return entries.flatMap((entry) => {
    const isOther = entries.some(({ hostname }) => hostname === entry.host && hostname !== entry.hostname);
    const names = new Set([...(isOther ? [] : [entry.host]), entry.hostname]);
    return [...names].flatMap((name) => knownHostLines(name, entry));
  }).join("");
}

function knownHostLines(name: string, entry: SshEntry): readonly string[] {
  return entry.knownHostKeys.map((key) => `${place(name, entry)} ${hostKey(key)}\n`);
}

/** A host as known_hosts and ssh-add name it. */
function place(name: string, entry: SshEntry): string {
  return entry.port === 22 ? word(name) : `[${word(name)}]:${port(entry)}`;
}

/** A key with the passphrase that opens it; no passphrase for one that is open. */
export interface OpenableKey extends SshKey {
  readonly passphrase?: Secret | undefined;
}

/**
 * The keys as `ssh_agent.pl` reads them; the only place that writes a key. `learnedHosts` are the known_hosts lines of
 * a launch that learned host keys.
 *
 * @throws RangeError for a host key that is not learned yet: an empty list of hosts would bind a key to nothing
 */
export function keyFrames(keys: readonly OpenableKey[], learnedHosts = ""): Uint8Array {
  for (const key of keys) {
    const unknown = isBound(key) ? key.entries.find((entry) => !isPinned(entry)) : undefined;
    if (unknown !== undefined) throw new RangeError(`No known host key for ${unknown.host}`);
    if (key.encrypted && key.passphrase === undefined) throw new RangeError(`No passphrase for ${key.path}`);
  }
  const texts = keys.flatMap(({ entries, passphrase, text }) => [
    entries.map(({ host }) => word(host)).join(", "),
    entries.flatMap((entry) => knownHostLines(entry.hostname, entry)).join(""),
    entries.filter(isPinned).map((entry) => `${word(entry.user)}@${place(entry.hostname, entry)}\n`).join(""),
    signs({ entries }) ? "sign" : "",
    passphrase?.reveal() ?? "",
    text.reveal(),
  ]);
  const encoder = new TextEncoder();
  return joined([String(keys.length), learnedHosts, ...texts].flatMap((text) => {
    const bytes = encoder.encode(text);
    return [encoder.encode(`${bytes.length}:`), bytes, encoder.encode(",")];
  }));
}

/*
 * The manifest has no other values. What becomes a line must not depend on that: a space or a line feed would be a
 * directive.
 */

function word(text: string): string {
  if (/^[A-Za-z0-9._][A-Za-z0-9._-]*$/.test(text)) return text;
  throw new RangeError(`Not a word of an ssh configuration: ${JSON.stringify(text)}`);
}

function port({ port }: SshEntry): string {
  if (Number.isInteger(port) && port >= 1 && port <= 65_535) return String(port);
  throw new RangeError(`Not a port: ${port}`);
}

function hostKey(key: string): string {
  if (/^[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}$/.test(key)) return key;
  throw new RangeError(`Not a host key: ${JSON.stringify(key)}`);
}
