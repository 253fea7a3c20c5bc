import type { ProxyName } from "../manifest/model.ts";
import type { EgressReader } from "./log_reader.ts";
import type { EgressPolicy } from "./policy.ts";

/** The port on the internal address that every egress proxy listens on. */
export const PROXY_PORT = 8888;

/** One file of the sidecar's `/config` volume. */
export interface ConfigFile {
  /** Relative to `/config`. */
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  readonly text: string;
}

/** A tmpfs of the sidecar; always noexec, nosuid, nodev. */
export interface SidecarTmpfs {
  readonly path: string;
  readonly sizeMiB: number;
  /** Permission bits of its root; it belongs to the sidecar's user. */
  readonly mode: number;
}

/** What the backend needs to run one proxy as a sidecar: data, without engine words. */
export interface SidecarProgram {
  readonly uid: number;
  readonly gid: number;
  /** The command, after the image's entrypoint if it has one. */
  readonly command: readonly string[];
  readonly files: readonly ConfigFile[];
  readonly tmpfs: readonly SidecarTmpfs[];
  readonly memoryMiB: number;
  readonly pids: number;
  /**
   * Run in it as its user once it runs, with what `opening.ts` writes on stdin: until then it lets nothing through.
   * Absent where no host is inspected. Run again, it takes other secrets over without a connection being cut.
   */
  readonly open?: readonly string[];
}

/** Something the sidecar let through or refused. Strings come from the bottle: printable ASCII only, truncated. */
export interface EgressEvent {
  /** Milliseconds since the epoch. */
  readonly time: number;
  /** `closed` is the end of a connection that an earlier event let through; with a reason, of one that came to nothing. */
  readonly verdict: "allowed" | "refused" | "closed";
  readonly host: string;
  /** 0 where the proxy does not tell it. */
  readonly port: number;
  /** Why it was refused or came to nothing, in words; empty otherwise. */
  readonly reason: string;
  /** What was asked of an inspected host: method and path, and of a query only git's service. */
  readonly request?: string;
  /** Variables whose placeholders it carried though they belong to other hosts: they are worth nothing there. */
  readonly placeholders?: readonly string[];
  /** What went through it in both directions, as the proxy counts; `undefined` when that is not known, or not yet. */
  readonly bytes: number | undefined;
  /** What the two events of one connection have in common; absent where one event tells all of it. */
  readonly connection?: string;
  /** How many of its kind it stands for; 1 unless told. */
  readonly times?: number;
}

/** Where a sidecar stands. */
export interface SidecarPlace {
  /** Its address on the internal network, the only one that it listens on. */
  readonly listen: string;
  /** The range of its egress network, `a.b.c.d/n`: the host has an address there, which no name may lead to. */
  readonly egressSubnet: string;
  /** Certificates in PEM that inspected hosts' own are verified with, beside the system's roots. */
  readonly authorities?: string;
}

/** What runs in the sidecar. Pure: configuration out, log lines in. */
export interface EgressProxy {
  readonly name: ProxyName;
  /** Whether it can open the TLS of inspected hosts. */
  readonly inspects: boolean;
  /** What a policy can ask that this proxy cannot enforce, a line each for the preflight. */
  limits(policy: EgressPolicy): readonly string[];
  /** @throws Failure for a policy that it cannot enforce, but for what {@link limits} says */
  program(policy: EgressPolicy, place: SidecarPlace): SidecarProgram;
  /** Sent to PID 1 after the files of `/config` were replaced. */
  readonly reloadSignal: "HUP";
  /** A reader for one log from its beginning, or from some line on. */
  reader(): EgressReader;
}
