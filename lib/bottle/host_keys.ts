import { Failure, oneLine } from "../errors.ts";
import type { Files } from "../host/files.ts";
import type { SshEntry } from "../manifest/model.ts";
import { fingerprint, type KnownHostLine, knownHostLines } from "./known_hosts.ts";
import { isLearned, isPinned } from "./ssh_keys.ts";

/** A host whose key is learned at a launch. */
export interface UnknownHost {
  readonly hostname: string;
  readonly port: number;
  /** The Host of each entry that is about it. */
  readonly names: readonly string[];
  /** Whom ssh names when it asks; it does not log in. */
  readonly user: string;
  /** What is known of it already: from the user's known_hosts, and from other entries of the manifest. */
  readonly known: readonly KnownHostLine[];
}

/** What identifies a host. */
export function addressOf({ hostname, port }: Pick<SshEntry, "hostname" | "port">): string {
  return `${hostname}:${port}`;
}

/** The algorithms of plain host keys in ssh's own order; those that a key's type is used by. */
const ALGORITHMS: readonly (readonly [type: string, algorithms: string])[] = [
  ["ssh-ed25519", "ssh-ed25519"],
  ["ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"],
  ["ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"],
  ["ecdsa-sha2-nistp521", "ecdsa-sha2-nistp521"],
  ["sk-ssh-ed25519@openssh.com", "sk-ssh-ed25519@openssh.com"],
  ["sk-ecdsa-sha2-nistp256@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"],
  ["ssh-rsa", "rsa-sha2-512,rsa-sha2-256"],
];

/** Which key a host is asked for: the best one that it has, but one of a type that is known before any other. */
export function hostKeyAlgorithms({ known }: UnknownHost): string {
  const types = new Set(known.filter(isCompared).map(({ key }) => key.split(" ")[0]));
  const first = ALGORITHMS.filter(([type]) => types.has(type));
  const rest = ALGORITHMS.filter(([type]) => !types.has(type));
  return [...first, ...rest].map(([, algorithms]) => algorithms).join(",");
}

/** Whether a text is a host key as it may be shown, compared and used. */
export function isHostKey(text: string): boolean {
  const [type, blob = "", ...more] = text.split(" ");
  const isType = ALGORITHMS.some(([known]) => known === type);
  return isType && more.length === 0 && blob.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(blob);
}

/**
 * The hosts whose keys have to be learned, each once, with what the user's own known_hosts says of them.
 *
 * @throws Failure `known-hosts-unreadable`
 */
export async function unknownHosts(
  entries: readonly SshEntry[],
  { files, home }: { readonly files: Files; readonly home: string | undefined },
): Promise<readonly UnknownHost[]> {
  const learned = Map.groupBy(entries.filter(isLearned), addressOf);
  if (learned.size === 0) return [];
  const file = `${home ?? ""}/.ssh/known_hosts`;
  const text = home === undefined ? "" : await readKnownHosts(file, files);
  const hosts: UnknownHost[] = [];
  for (const [address, [first, ...others]] of learned) {
    if (first === undefined) continue;
    const { hostname, port, user } = first;
    const pinned = entries.filter((entry) => isPinned(entry) && addressOf(entry) === address);
    hosts.push({
      hostname,
      port,
      user,
      names: [first, ...others].map(({ host }) => host),
      known: [
        ...pinned.flatMap(({ host, knownHostKeys }) =>
          knownHostKeys.map((key) =>
            ({ kind: "key", key, where: `the KnownHostKey of ${host}`, exact: true }) as const
          )
        ),
        ...await knownHostLines(text, { hostname, port, file }),
      ],
    });
  }
  return hosts;
}

async function readKnownHosts(file: string, files: Files): Promise<string> {
  try {
    return new TextDecoder().decode(await files.readBytes(file) ?? new Uint8Array());
  } catch (error) {
    const why = error instanceof Error ? `: ${oneLine(error.message)}` : "";
    throw new Failure("known-hosts-unreadable", `${oneLine(file)} cannot be read${why}`, {
      hints: ["Make it readable for yourself, or give each ssh entry a KnownHostKey"],
      cause: error,
    });
  }
}

function isCompared({ kind, exact }: KnownHostLine): boolean {
  return kind === "key" && exact;
}

/** What the user should know before saying yes, a line for each host. */
export function unknownHostNotices(hosts: readonly UnknownHost[]): readonly string[] {
  return hosts.flatMap(({ names, hostname, known }) => {
    const whose = names.join(", ");
    const compared = known.find(isCompared);
    const authority = known.find(({ kind }) => kind === "authority");
    return [
      compared === undefined
        ? `host key of ${whose} unknown: it will be learned through the sidecar and you will be asked`
        : `host key of ${whose}: it will be learned through the sidecar and compared with ${compared.where}`,
      ...(authority === undefined ? [] : [
        `${authority.where}: a @cert-authority of ${hostname} is not used: the bottle's ssh-agent binds keys to plain host keys`,
      ]),
    ];
  });
}

/**
 * Compares the key that a host showed with what is known of it.
 *
 * @returns where the same key stands; `undefined` when nothing is known of the host
 * @throws Failure `host-key-revoked`, `host-key-changed`
 */
export async function whereKnown(host: UnknownHost, key: string): Promise<string | undefined> {
  const whose = `${host.names.join(", ")} (${addressOf(host)})`;
  const shown = `${key.split(" ")[0]} ${await fingerprint(key)}`;
  const same = host.known.filter((line) => line.key === key);
  const revoked = same.find(({ kind }) => kind === "revoked");
  if (revoked !== undefined) {
    throw new Failure(
      "host-key-revoked",
      `The host key of ${whose} is revoked in ${oneLine(revoked.where)}: ${shown}`,
      { hints: ["Do not use this host until its owner has given it another key"] },
    );
  }
  const equal = same.find(({ kind }) => kind === "key");
  if (equal !== undefined) return equal.where;
  const other = host.known.find(isCompared);
  if (other === undefined) return undefined;
  throw new Failure(
    "host-key-changed",
    `The host key of ${whose} is NOT the one that is known: the host, or somebody between the sidecar and it, ` +
      `shows ${shown}; ${oneLine(other.where)} has ${other.key.split(" ")[0]} ${await fingerprint(
        other.key,
      )}`,
    {
      hints: [
        "Ask the host's owner for its fingerprint before anything else",
        "If the host has a new key, write it as the entry's KnownHostKey, or correct that line",
      ],
    },
  );
}
