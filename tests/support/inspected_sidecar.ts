import { type Opening, openingFrames, type OpeningSecret, readOpening } from "../../lib/egress/opening.ts";
import { readEvents } from "../../lib/egress/log_reader.ts";
import type { EgressPolicy } from "../../lib/egress/policy.ts";
import type { EgressEvent, SidecarProgram } from "../../lib/egress/proxy.ts";
import { squid } from "../../lib/egress/squid/squid.ts";
import { tarOf } from "../../lib/backend/docker/tar.ts";
import { builtImages, docker, eventually } from "./engine.ts";
import type { ClosedNetwork } from "./recorder.ts";
import rawTls from "../testdata/engine/raw_tls.mjs" with { type: "text" };
import tlsRecorder from "../testdata/engine/tls_recorder.mjs" with { type: "text" };

const LIFETIME_MS = 300_000;
const LABEL = ["--label", "claude-bottle-test=inspected"];

/** What the kernel's list of sockets has of one that listens on port 8888. */
const LISTENING = "^ *[0-9]*: [0-9A-F]*:22B8 [0-9A-F:]* 0A ";

/** A far side over TLS that records all bytes which reach it. */
export interface FarSide extends AsyncDisposable {
  readonly authority: string;
  /** Everything so far, each byte a character. */
  recorded(): Promise<string>;
}

/** Starts one that answers for `aliases`; its certificate names `names`. */
export async function startFarSide(
  network: ClosedNetwork,
  { aliases, names = aliases }: { readonly aliases: readonly string[]; readonly names?: readonly string[] },
): Promise<FarSide> {
  const { agent } = await builtImages();
  const id = await docker(
    ...["run", "--detach", ...LABEL, "--network", network.name, "--user", "0:0"],
    ...aliases.flatMap((alias) => ["--network-alias", alias]),
    ...["--env", `RECORDER=${JSON.stringify({ names, lifetimeMs: LIFETIME_MS })}`],
    ...["--entrypoint", "node", agent, "--input-type=module", "--eval", tlsRecorder],
  );
  const lines = async (): Promise<readonly { kind: string; text?: string; caPem?: string }[]> =>
    (await docker("logs", id)).split("\n").filter((line) => line.startsWith("{")).map((line) =>
      JSON.parse(line)
    );
  const authority = await eventually(
    "the far side listens",
    async () => (await lines()).find(({ kind }) => kind === "ready")?.caPem,
  );
  return {
    authority,
    recorded: async () => (await lines()).map(({ text = "" }) => text).join(""),
    async [Symbol.asyncDispose](): Promise<void> {
      await docker("rm", "--force", "--volumes", id).catch(() => {});
    },
  };
}

/** Where tools look for authorities: a file in place of theirs. */
const CA_PLACES = Object.fromEntries(
  ["SSL_CERT_FILE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "NODE_EXTRA_CA_CERTS"].map((
    name,
  ) => [name, "/tmp/ca.pem"]),
);

/** Runs a command with bytes on stdin. @throws Error with its stderr when it fails */
async function dockerWith(stdin: Uint8Array<ArrayBuffer>, ...args: readonly string[]): Promise<string> {
  const child = new Deno.Command("docker", {
    args: [...args],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const writer = child.stdin.getWriter();
  await writer.write(stdin);
  await writer.close();
  const { success, stdout, stderr } = await child.output();
  if (!success) throw new Error(`docker ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout);
}

/** One request as bytes, each a character, in a TLS connection through the sidecar. */
export interface RawRequest {
  readonly host: string;
  /** What TLS names; `host` unless told. */
  readonly sni?: string;
  readonly raw: string;
}

/** The squid sidecar of a policy without the bottle around it. */
export interface InspectedSidecar extends AsyncDisposable {
  readonly id: string;
  /** Gives it secrets; what it answers. */
  open(secrets: readonly OpeningSecret[]): Promise<Opening>;
  /** Says all of them at the same time; what came back for each. */
  say(requests: readonly RawRequest[], ca: string): Promise<readonly string[]>;
  /** What a program for node makes beside it of `input`, which it is given as JSON together with the proxy's place. */
  node<T>(program: string, input: object): Promise<T>;
  /** The stdout of a shell script beside it, whose tools go through it and trust `ca` alone. */
  shell(script: string, ca: string): Promise<string>;
  events(): Promise<readonly EgressEvent[]>;
}

/** A sidecar whose judge lets everything pass that is asked inside an opened tunnel. */
export function withoutJudge(program: SidecarProgram): SidecarProgram {
  const text = '$| = 1; while (<STDIN>) { print "$1 OK why_=none\\n" if /\\A(\\d+)/ }\n';
  const files = program.files.map((file) => file.path === "inspect.pl" ? { ...file, text } : file);
  return { ...program, files };
}

/** Starts it at the network's address `index`. */
export async function startSidecar(
  policy: EgressPolicy,
  { network, index, authorities, change = (program) => program }: {
    readonly network: ClosedNetwork;
    readonly index: number;
    readonly authorities?: string;
    readonly change?: (program: SidecarProgram) => SidecarProgram;
  },
): Promise<InspectedSidecar> {
  const { agent, sidecar: image } = await builtImages();
  const listen = network.address(index);
  const place = {
    listen,
    egressSubnet: "10.213.0.16/28",
    ...(authorities === undefined ? {} : { authorities }),
  };
  const program = change(squid.program(policy, place));
  const [command = "", ...words] = program.command;
  const id = await docker(
    ...["container", "create", ...LABEL, "--network", network.name, "--ip", listen, "--read-only"],
    ...["--user", `${program.uid}:${program.gid}`, "--cap-drop", "ALL", "--memory", `${program.memoryMiB}m`],
    ...program.tmpfs.flatMap(({ path, sizeMiB, mode }) => [
      "--tmpfs",
      `${path}:uid=${program.uid},gid=${program.gid},mode=${
        mode.toString(8)
      },size=${sizeMiB}m,noexec,nosuid,nodev`,
    ]),
    ...["--volume", "/config", "--entrypoint", command, image, ...words],
  );
  const owned = program.files.map((file) => ({ ...file, uid: program.uid, gid: program.gid }));
  await dockerWith(new Uint8Array(tarOf(owned)), "container", "cp", "-", `${id}:/config`);
  await docker("container", "start", id);
  const log = async (): Promise<readonly string[]> => (await docker("container", "logs", id)).split("\n");
  const beside = ["run", "--rm", "--interactive", ...LABEL, "--network", network.name];
  const node = async <T>(text: string, input: object): Promise<T> => {
    const words = ["--entrypoint", "node", agent, "--input-type=module", "--eval", text];
    const given = new TextEncoder().encode(JSON.stringify({ proxy: listen, port: 8888, ...input }));
    return JSON.parse(await dockerWith(given, ...beside, ...words));
  };
  return {
    id,
    async open(secrets): Promise<Opening> {
      const answer = await dockerWith(
        openingFrames(secrets),
        "exec",
        "--interactive",
        id,
        ...(program.open ?? []),
      );
      // It starts once it has been opened, and on a busy machine not at once.
      await eventually(
        "the sidecar listens",
        async () =>
          await docker("exec", id, "grep", "-q", LISTENING, "/proc/net/tcp").then(() => true).catch(() =>
            undefined
          ),
      );
      return readOpening(answer);
    },
    say: (requests, ca) => node(rawTls, { ca, requests: requests.map((one) => ({ sni: one.host, ...one })) }),
    node,
    shell: async (script, ca) => {
      const words = ["--entrypoint", "bash", agent, "-c", `cat > /tmp/ca.pem\n${script}`];
      const places = { ...CA_PLACES, HTTPS_PROXY: `http://${listen}:8888` };
      const env = Object.entries(places).flatMap((pair) => ["--env", pair.join("=")]);
      return await dockerWith(new TextEncoder().encode(ca), ...beside, ...env, ...words);
    },
    events: async () => readEvents(squid.reader(), await log()),
    async [Symbol.asyncDispose](): Promise<void> {
      await docker("rm", "--force", "--volumes", id).catch(() => {});
    },
  };
}
