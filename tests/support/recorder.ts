import program from "../testdata/engine/recorder.mjs" with { type: "text" };
import { docker, eventually } from "./engine.ts";

/** Something that reached a recorder. */
export type Recorded =
  | { readonly kind: "connection"; readonly to: string; readonly port: number }
  /** What one read gave of a connection, each byte a character. */
  | { readonly kind: "bytes"; readonly to: string; readonly port: number; readonly text: string }
  | {
    readonly kind: "query";
    readonly name: string;
    readonly type: string;
    readonly answer: readonly string[];
  };

/** Answers by `NAME A` or `NAME AAAA`: one list of addresses after the other, the last of them for good. */
export type Zone = Readonly<Record<string, readonly (readonly string[])[]>>;

export interface RecorderOptions {
  /** An image with node. */
  readonly image: string;
  /** Where it stands: a network and its address there, `host`, or `container:ID`. */
  readonly network: string;
  readonly ip?: string;
  readonly aliases?: readonly string[];
  /** The address that it listens on; all of its own unless told. */
  readonly listen?: string;
  readonly ports?: readonly number[];
  /** Makes it a DNS server. */
  readonly zone?: Zone;
}

/** A container that records who connects to it and what they send; disposing removes it. */
export interface Recorder extends AsyncDisposable {
  /** Everything so far, oldest first. */
  recorded(): Promise<readonly Recorded[]>;
  /** All bytes that came to a port (80 unless told), each read for itself. */
  texts(port?: number): Promise<readonly string[]>;
  /** Names that were asked for. */
  names(): Promise<readonly string[]>;
}

/** It ends by itself after that long. */
const LIFETIME_MS = 300_000;

/** Starts a recorder and waits until it listens. */
export async function startRecorder(options: RecorderOptions): Promise<Recorder> {
  const { image, network, ip, aliases = [], listen = "0.0.0.0", ports = [80], zone } = options;
  const settings = JSON.stringify({ address: listen, ports, zone, lifetimeMs: LIFETIME_MS });
  const id = await docker(
    ...["run", "--detach", "--rm", "--label", "claude-bottle-test=recorder", "--network", network],
    ...(ip === undefined ? [] : ["--ip", ip]),
    ...aliases.flatMap((name) => ["--network-alias", name]),
    ...["--user", "0:0", "--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE"],
    ...["--security-opt", "no-new-privileges", "--memory", "256m", "--pids-limit", "64"],
    ...["--env", `RECORDER=${settings}`],
    ...["--entrypoint", "node", image, "--input-type=module", "--eval", program],
  );
  const lines = async (): Promise<readonly { readonly kind: string }[]> =>
    (await docker("logs", id)).split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  const recorded = async (): Promise<readonly Recorded[]> =>
    (await lines()).filter((line): line is Recorded => line.kind !== "ready");
  const recorder: Recorder = {
    recorded,
    texts: async (port = 80) =>
      (await recorded()).flatMap((one) => one.kind === "bytes" && one.port === port ? [one.text] : []),
    names: async () => (await recorded()).flatMap((one) => one.kind === "query" ? [one.name] : []),
    async [Symbol.asyncDispose](): Promise<void> {
      await docker("rm", "--force", "--volumes", id).catch(() => {});
    },
  };
  try {
    await eventually(
      "the recorder listens",
      async () => (await lines()).some(({ kind }) => kind === "ready") || undefined,
    );
    return recorder;
  } catch (error) {
    await recorder[Symbol.asyncDispose]();
    throw error;
  }
}

/** A network that leads nowhere; the host has no address in it. */
export interface ClosedNetwork extends AsyncDisposable {
  readonly name: string;
  /** The address `index` places into it: from 2 to 14 they are free. */
  address(index: number): string;
}

const ATTEMPTS = 20;
/** How long a range that somebody else has just now is waited for. */
const DEADLINE_MS = 60_000;

/** Creates a network of 16 addresses somewhere in `a.b.c.0/24`. */
export async function closedNetwork(prefix: string): Promise<ClosedNetwork> {
  for (let attempt = 1;; attempt++) {
    const first = ((crypto.getRandomValues(new Uint8Array(1))[0] ?? 0) & 15) * 16;
    const network = await createNetwork(prefix, first);
    if (network !== undefined) return network;
    if (attempt === ATTEMPTS) throw new Error(`No network of ${prefix}.0/24 could be created`);
  }
}

/** The network in which 169.254.169.254 is an address like any other. */
export async function metadataNetwork(): Promise<ClosedNetwork> {
  return await eventually("the range is free", () => createNetwork("169.254.169", 240), DEADLINE_MS);
}

/** `undefined` when another network has the range. */
async function createNetwork(prefix: string, first: number): Promise<ClosedNetwork | undefined> {
  const name = `closed-${crypto.randomUUID().slice(0, 13)}`;
  try {
    await docker(
      ...["network", "create", "--internal", "--label", "claude-bottle-test=recorder"],
      ...["--opt", "com.docker.network.bridge.inhibit_ipv4=true"],
      ...["--subnet", `${prefix}.${first}/28`, name],
    );
  } catch (error) {
    if (/overlap/i.test(String(error))) return undefined;
    throw error;
  }
  return {
    name,
    address: (index) => `${prefix}.${first + index}`,
    async [Symbol.asyncDispose](): Promise<void> {
      await docker("network", "rm", name);
    },
  };
}
