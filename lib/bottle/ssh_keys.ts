import { Failure, oneLine } from "../errors.ts";
import type { Files } from "../host/files.ts";
import type { SshEntry } from "../manifest/model.ts";
import { Secret } from "./env.ts";
import { shellQuoted } from "./invocation.ts";
import type { PlannedSsh } from "./plan.ts";
import { type ExaminedKey, examineKey } from "./private_key.ts";

/** More than any key has: 16,384 bits of RSA make 13 KB. */
const SIZE_LIMIT = 65_536;

/** A private key of the host that a bottle's ssh-agent is given. */
export interface SshKey {
  /** Where it was read; no part of it is a link. */
  readonly path: string;
  readonly text: Secret;
  /** Whether it is asked for a passphrase. */
  readonly encrypted: boolean;
  /** Those that use it, at least one; either all of them are unpinned or none. */
  readonly entries: readonly SshEntry[];
}

/** Whether a key signs for nothing but the users and hosts of its entries. */
export function isBound({ entries }: SshKey): boolean {
  return !entries.some(isUnpinned);
}

/** Whether a key also signs commits, for whatever host. */
export function signs({ entries }: Pick<SshKey, "entries">): boolean {
  return entries.some(({ sign }) => sign);
}

/** Whether the host's key is known, so that no other host can pass for it. */
export function isPinned(entry: SshEntry): boolean {
  return entry.knownHostKeys.length > 0;
}

/** Whether any host can pass for it, as its manifest allows. */
export function isUnpinned(entry: SshEntry): boolean {
  return !isPinned(entry) && entry.unpinned;
}

/** Whether the host's key is learned by the launch. */
export function isLearned(entry: SshEntry): boolean {
  return !isPinned(entry) && !entry.unpinned;
}

/** Each entry with its key, for the plan. */
export function plannedSsh(entries: readonly SshEntry[], keys: readonly SshKey[]): readonly PlannedSsh[] {
  const used = new Map(keys.flatMap((key) => key.entries.map(({ host }) => [host, key] as const)));
  return entries.map((entry) => ({
    host: entry.host,
    user: entry.user,
    hostname: entry.hostname,
    port: entry.port,
    key: used.get(entry.host)?.path ?? entry.identityFile,
    passphrase: used.get(entry.host)?.encrypted ?? false,
    pinned: isPinned(entry),
    learned: isLearned(entry),
  }));
}

/** Which keys a person is asked a passphrase for, a line for each of them. */
export function passphraseNotices(keys: readonly SshKey[]): readonly string[] {
  return keys.filter(({ encrypted }) => encrypted).map(({ path }) =>
    `ssh key ${path} has a passphrase: you will be asked for it`
  );
}

/** What keys that sign commits can do beyond their entries, a line for each of them. */
export function signingKeyNotices(keys: readonly SshKey[]): readonly string[] {
  const signing = keys.filter(signs);
  return signing.map(({ path }, index) =>
    `ssh key ${path} also signs git commits (any commit, not bound to a host)` +
    (index === 0 && signing.length > 1 ? "; git takes this one" : "")
  );
}

/** What keys can do beyond their entries, a line for each of them. */
export function unboundKeyNotices(keys: readonly SshKey[]): readonly string[] {
  return keys.filter((key) => !isBound(key)).map(({ path, entries }) =>
    `ssh key ${path} (${entries.map(({ host }) => host).join(", ")}): not bound to user and host: ` +
    "signs for anything while the bottle runs"
  );
}

/**
 * Reads the keys of a bottle's ssh entries, each once however many use it.
 *
 * @param entries with absolute paths
 * @throws Failure `ssh-key-…` for one that cannot be used as it is
 */
export async function readSshKeys(entries: readonly SshEntry[], files: Files): Promise<readonly SshKey[]> {
  const keys = new Map<string, SshKey>();
  for (const entry of entries) {
    const { identity, ...key } = await readKey(entry, files);
    const known = keys.get(identity);
    keys.set(identity, known === undefined ? { ...key, entries: [entry] } : joined(known, entry));
  }
  return [...keys.values()];
}

/** To an ssh-agent a key that is added again is another one, no longer bound to what it was. */
function joined(key: SshKey, entry: SshEntry): SshKey {
  const entries = [...key.entries, entry];
  const bound = entries.find((one) => !isUnpinned(one));
  const unpinned = entries.find(isUnpinned);
  if (bound === undefined || unpinned === undefined) return { ...key, entries };
  throw new Failure(
    "ssh-key-conflict",
    `The ssh key ${
      oneLine(key.path)
    } is used with a known host key (${bound.host}) and without one (${unpinned.host})`,
    { hints: [`Give ${unpinned.host} a KnownHostKey too, or a key of its own`] },
  );
}

interface ReadKey extends Omit<SshKey, "entries"> {
  readonly identity: string;
}

async function readKey({ host, identityFile }: SshEntry, files: Files): Promise<ReadKey> {
  const path = oneLine(identityFile);
  try {
    const status = await files.status(identityFile);
    const real = await files.realPath(identityFile);
    if (status?.kind !== "file" || real === undefined) throw missing(host, path);
    if (status.size > SIZE_LIMIT) throw unusable({ host, path }, "foreign");
    if ((status.mode & 0o077) !== 0) {
      // Its mode is right for what it is.
      if (identityFile.endsWith(".pub")) throw unusable({ host, path }, "public");
      throw exposed({ host, path: identityFile, mode: status.mode });
    }
    const bytes = await files.readBytes(identityFile);
    if (bytes === undefined) throw missing(host, path);
    const examined: ExaminedKey = bytes.length > SIZE_LIMIT
      ? { kind: "unusable", reason: "foreign" }
      : examineKey(bytes);
    if (examined.kind === "unusable") throw unusable({ host, path }, examined.reason);
    const { text, identity, encrypted } = examined;
    return { path: real, text: new Secret(text), identity, encrypted };
  } catch (error) {
    if (error instanceof Failure) throw error;
    const why = error instanceof Error ? `: ${oneLine(error.message)}` : "";
    throw new Failure("ssh-key-unreadable", `The ssh key for host '${host}' cannot be read: ${path}${why}`, {
      hints: ["Make it readable for yourself alone, or name another IdentityFile"],
      cause: error,
    });
  }
}

/** In the seed's words. */
function missing(host: string, path: string): Failure {
  return new Failure("ssh-key-missing", `ssh key file not found for host '${host}': ${path}`, {
    hints: ["Correct its IdentityFile, or make a key with `ssh-keygen -t ed25519`"],
  });
}

function exposed(
  { host, path, mode }: { readonly host: string; readonly path: string; readonly mode: number },
): Failure {
  const bits = (mode & 0o777).toString(8).padStart(4, "0");
  return new Failure(
    "ssh-key-exposed",
    `The ssh key for host '${host}' can be read or changed by others: ${oneLine(path)} has mode ${bits}`,
    { hints: [`\`${oneLine(shellQuoted(["chmod", "600", path]))}\``] },
  );
}

/** Why a key cannot be used: its code, what is said of it, and what to do. */
const UNUSABLE = {
  public: {
    code: "ssh-key-public",
    what: "is a public key, and the private one is needed",
    hint: "Name the private key: usually the same path without `.pub`",
  },
  hardware: {
    code: "ssh-key-hardware",
    what: "is in a security key, which no bottle can reach",
    hint: "Make a key for the bottle that is a file: `ssh-keygen -t ed25519 -N ''`",
  },
  outdated: {
    code: "ssh-key-outdated",
    what: "is a DSA key, which ssh no longer takes",
    hint: "Make another one: `ssh-keygen -t ed25519 -N ''`",
  },
  broken: {
    code: "ssh-key-broken",
    what: "is not whole",
    hint: "Copy it again from where it was made; `ssh-keygen -y -f FILE` tells whether it is whole",
  },
  foreign: {
    code: "ssh-key-invalid",
    what: "is no private key in a form of OpenSSH or OpenSSL",
    hint: "Name a key that `ssh-keygen` made; PuTTY's are converted by `puttygen KEY -O private-openssh`",
  },
} as const;

function unusable(
  { host, path }: { readonly host: string; readonly path: string },
  reason: keyof typeof UNUSABLE,
): Failure {
  const { code, what, hint } = UNUSABLE[reason];
  return new Failure(code, `The ssh key for host '${host}' ${what}: ${path}`, { hints: [hint] });
}
