import stealModule from "../testdata/engine/Steal.pm" with { type: "text" };
import thiefProgram from "../testdata/engine/key_thief.pl" with { type: "text" };
import agentProgram from "../../lib/assets/ssh_agent.pl" with { type: "text" };
import relayProgram from "../../lib/assets/ssh_relay.pl" with { type: "text" };
import {
  keyFrames,
  SSH_AGENT,
  SSH_DIRECTORY,
  SSH_TMPFS_OPTIONS,
} from "../../lib/backend/docker/provision/ssh.ts";
import { Secret } from "../../lib/bottle/env.ts";
import { docker } from "./engine.ts";
import { testSshEntry, testSshKey } from "./plan_inputs.ts";
import { includesBytes, keyForms } from "./sightings.ts";
import type { TestKey } from "./ssh_host.ts";

/** The attempts of `key_thief.pl`, in an order in which none spoils the next. */
export const ATTEMPTS = [
  "ptrace",
  "mem",
  "process_vm",
  "environ",
  "fd",
  "socket",
  "userns",
  "files",
  "setuid",
  "preload",
  "replace",
  "race",
  "signals",
  "core",
] as const;

export type Attempt = (typeof ATTEMPTS)[number];

/** The files of the thief, as they stand in one folder. */
export const THIEF_FILES: Readonly<Record<string, string>> = {
  "key_thief.pl": thiefProgram,
  "Steal.pm": stealModule,
};

/** What one attempt got hold of, and where in which process that was. */
interface Loot {
  readonly attempt: string;
  readonly pid: number;
  readonly address: number;
  readonly bytes: Uint8Array;
}

/** What an attempt came to. */
export interface Result {
  /** Whether it got the bytes of a key, or changed what is not the agent's. */
  readonly succeeded: boolean;
  /** How many single things it tried. */
  readonly tried: number;
  /** The last thing that was said against it. */
  readonly error: string;
}

/** Judges what the thief printed: whether the secret numbers of one of `keys` are in it. */
export async function judged(
  printed: string,
  keys: readonly TestKey[],
): Promise<ReadonlyMap<string, Result>> {
  const forms = (await Promise.all(keys.map(({ path }) => keyForms(path)))).flat();
  const wanted = [...forms, new TextEncoder().encode("TAKEN")];
  const loot = printed.split("\n").filter((line) => line.startsWith("loot ")).map(lootOf);
  const results = new Map<string, Result>();
  for (const [, attempt = "", tried, error = ""] of printed.matchAll(/^tried (\S+) (\d+) ?(.*)$/gm)) {
    const got = loot.filter((one) => one.attempt === attempt);
    const opened = await Promise.all(
      [...new Set(got.map(({ pid }) => pid))].map((pid) => unshielded(got.filter((one) => one.pid === pid))),
    );
    const all = [...got.map(({ bytes }) => bytes), ...opened.flat()];
    const succeeded = all.some((bytes) => wanted.some((form) => includesBytes(bytes, form)));
    results.set(attempt, { succeeded, tried: Number(tried), error });
  }
  return results;
}

function lootOf(line: string): Loot {
  const [, attempt = "", pid, address = "", hex = ""] = line.split(" ");
  const bytes = new Uint8Array(hex.length / 2);
  for (let at = 0; at < bytes.length; at++) bytes[at] = parseInt(hex.slice(2 * at, 2 * at + 2), 16);
  return { attempt, pid: Number(pid), address: parseInt(address, 16), bytes };
}

/** Bytes of the key by which an ssh-agent hides the keys it holds from a look at its memory. */
const PREKEY_BYTES = 16_384;

/**
 * The keys in an ssh-agent's memory, as OpenSSH shields them: a key's record has the address and length of the
 * encrypted key and of a long random text; AES-256-CTR, its key and counter being the beginning of that text's SHA-512.
 */
async function unshielded(memory: readonly Loot[]): Promise<readonly Uint8Array<ArrayBuffer>[]> {
  const at = (address: number, length: number): Uint8Array<ArrayBuffer> | undefined => {
    const region = memory.find((one) =>
      one.address !== 0 && one.address <= address && address + length <= one.address + one.bytes.length
    );
    return region &&
      new Uint8Array(region.bytes.slice(address - region.address, address - region.address + length));
  };
  const opened: Uint8Array<ArrayBuffer>[] = [];
  for (const { address, bytes } of memory.filter((one) => one.address !== 0)) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const word = (offset: number): number => Number(view.getBigUint64(offset, true));
    for (let offset = 24 - address % 8; offset + 8 <= bytes.length; offset += 8) {
      const length = word(offset - 16);
      if (word(offset) !== PREKEY_BYTES || length === 0 || length > 8192 || length % 16 !== 0) continue;
      const [shielded, prekey] = [at(word(offset - 24), length), at(word(offset - 8), PREKEY_BYTES)];
      if (shielded !== undefined && prekey !== undefined) opened.push(await decrypted(shielded, prekey));
    }
  }
  return opened;
}

async function decrypted(
  shielded: Uint8Array<ArrayBuffer>,
  prekey: Uint8Array<ArrayBuffer>,
): Promise<Uint8Array<ArrayBuffer>> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-512", prekey));
  const key = await crypto.subtle.importKey("raw", digest.slice(0, 32), "AES-CTR", false, ["decrypt"]);
  const algorithm = { name: "AES-CTR", counter: digest.slice(32, 48), length: 128 };
  return new Uint8Array(await crypto.subtle.decrypt(algorithm, key, shielded));
}

/** Where the thief stands in the container without protection. */
const THIEF_FOLDER = "/thief";

/** Runs a command in a container, `input` being its stdin; what it printed. @throws Error when it fails */
async function run(args: readonly string[], input: string | Uint8Array = ""): Promise<string> {
  const child = new Deno.Command("docker", {
    args: ["exec", "--interactive", ...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const bytes = typeof input === "string" ? new TextEncoder().encode(input) : input;
  const [output] = await Promise.all([
    child.output(),
    ReadableStream.from([bytes]).pipeTo(child.stdin).catch(() => {}),
  ]);
  const text = new TextDecoder();
  if (!output.success) throw new Error(`docker exec ${args.join(" ")}: ${text.decode(output.stderr)}`);
  return text.decode(output.stdout);
}

/**
 * The same attempts where nothing keeps them off: by root, who may look into every process, in a container of the
 * agent's image in which keys were handled as carelessly as each attempt hopes for.
 */
export async function unprotectedAttempts(
  keys: readonly TestKey[],
  options: { readonly image: string; readonly runtime: string },
): Promise<string> {
  const id = await docker(
    ...["run", "--detach", "--init", "--runtime", options.runtime, "--network", "none", "--user", "0:0"],
    ...["--cap-add", "SYS_PTRACE", "--security-opt", "seccomp=unconfined", "--ulimit", "core=-1"],
    ...[
      "--tmpfs",
      `${SSH_DIRECTORY}:${SSH_TMPFS_OPTIONS}`,
      "--entrypoint",
      "sleep",
      options.image,
      "infinity",
    ],
  );
  try {
    const programs = { [SSH_AGENT]: agentProgram, [SSH_AGENT.replace("agent.pl", "relay.pl")]: relayProgram };
    const files = Object.entries(THIEF_FILES).map(([name, text]) =>
      [`${THIEF_FOLDER}/${name}`, text] as const
    );
    for (const [path, text] of [...Object.entries(programs), ...files]) {
      await run([id, "sh", "-c", 'mkdir -p "${0%/*}" && cat > "$0"', path], text);
    }
    await carelessness(id, await Deno.readTextFile(keys[0]?.path ?? ""));
    const loaded = await Promise.all(keys.map(async ({ path }, index) => {
      const entry = testSshEntry({ host: `host${index}`, unpinned: true, knownHostKeys: [] });
      return testSshKey({ text: new Secret(await Deno.readTextFile(path)), entries: [entry] });
    }));
    const perl5opt = `PERL5OPT=-I${THIEF_FOLDER} -MSteal`;
    await run(["--user", "0:47291", "--env", perl5opt, id, "/usr/bin/perl", SSH_AGENT], keyFrames(loaded));
    const thief = ["perl", `${THIEF_FOLDER}/key_thief.pl`];
    const printed = [
      await run([id, ...thief, ...ATTEMPTS.filter((one) => one !== "setuid" && one !== "core")]),
      await run(["--user", "47291:47291", id, ...thief, "setuid"]),
      await run([id, ...thief, "core"]),
    ];
    return printed.join("");
  } finally {
    await docker("rm", "--force", "--volumes", id);
  }
}

/**
 * A key as a file for a moment while somebody watches, left behind in a file, in the environment and an open file
 * of a process that also dumps core, and readable through a setuid program.
 */
async function carelessness(id: string, key: string): Promise<void> {
  const script = `
cat > /key
perl ${THIEF_FOLDER}/key_thief.pl watch 2 & until [ -s /tmp/watched ]; do sleep 0.1; done
cp /key ${SSH_DIRECTORY}/key; sleep 1; rm ${SSH_DIRECTORY}/key
wait
cp /bin/cat /usr/local/bin/reads-all; chmod 4755 /usr/local/bin/reads-all`;
  await run([id, "sh", "-ec", script], key);
  const holder = 'open my $f, "<", "/key"; $k = join "", <$f>; chdir "/tmp"; sleep 600';
  await run([
    id,
    "bash",
    "-c",
    `KEY=$(cat /key) exec -a holder perl -e '${holder}' </dev/null >/dev/null 2>&1 &`,
  ]);
  // Once the ssh-agent's own folder is there.
  await run([
    id,
    "sh",
    "-c",
    `(until [ -d ${SSH_DIRECTORY}/private ]; do sleep 0.1; done; cp /key ${SSH_DIRECTORY}/private/left) >/dev/null 2>&1 &`,
  ]);
}
