import type { ProtectionId } from "./protections.ts";

/** The kinds of things that are tried, in the order they are told. */
export const GROUPS = {
  direct: "straight out: TCP, UDP, ICMP, IPv6, raw packets",
  host: "the engine's host and its daemon",
  dns: "names as a way out",
  bottles: "other bottles and their sidecars",
  proxy: "the sidecar, deceived",
  ports: "ssh and odd ports",
  "fail-closed": "the sidecar gone or broken",
} as const;

export type Group = keyof typeof GROUPS;

/**
 * One thing that an attempt's process does. Text is bytes, a character each (Latin-1), and may name a value of the
 * {@link World} in braces.
 */
export type Act =
  /** Connects and writes; before each further writing it waits for an answer. */
  | {
    readonly kind: "tcp";
    readonly host: string;
    readonly port: string;
    readonly sends: readonly Sent[];
    /** Routers to pass by, as an IP option. */
    readonly via?: string;
  }
  | { readonly kind: "udp"; readonly host: string; readonly port: string; readonly data: string }
  /** An echo request, without privileges. */
  | { readonly kind: "icmp"; readonly host: string; readonly data: string }
  /** An IP packet made by hand. */
  | { readonly kind: "raw"; readonly host: string; readonly data: string }
  /** An Ethernet frame made by hand, to everyone on the wire. */
  | { readonly kind: "frame"; readonly data: string }
  | { readonly kind: "unix"; readonly path: string; readonly sends: readonly Sent[] }
  /** Asks the system's own resolver. */
  | { readonly kind: "resolve"; readonly name: string }
  /** Asks a name server itself. */
  | {
    readonly kind: "query";
    readonly server: string;
    readonly port?: string;
    readonly over: "udp" | "tcp";
    readonly name: string;
    readonly type: "A" | "TXT";
  }
  /** A command of a shell. */
  | { readonly kind: "sh"; readonly script: string };

/** Bytes to write, or the beginning of a TLS connection that names a host, or none. */
export type Sent = string | { readonly hello: string | undefined };

/** How it would be seen that an attempt got through. */
export type Witness =
  /** One of the recording canaries has the attempt's mark in what arrived there. */
  | { readonly kind: "canary" }
  /**
   * What came back matches, for what only answers and has no canary behind it; or how its acts ended does, for what
   * has nobody of ours at its other end.
   */
  | {
    readonly kind: "answer" | "outcome";
    readonly pattern: RegExp;
    /** What is seen of an attempt that was stopped, where something else may be seen that proves nothing. */
    readonly stopped?: RegExp;
  };

export const CANARY: Witness = { kind: "canary" };

export type ProtectionList = readonly [ProtectionId, ...ProtectionId[]];

/** Something that a process in a bottle does, and how it would be seen to have got through. */
export interface Trial {
  /** Stable, kebab-case, unique. */
  readonly id: string;
  /** What is tried, in a few words. */
  readonly title: string;
  readonly acts: readonly Act[];
  readonly witness: Witness;
}

/** One attempt to get out. */
export interface Attempt extends Trial {
  readonly group: Group;
  /** The protections that stop it: with all of them off it gets through. */
  readonly stoppedBy: ProtectionList;
  /** Why it gets through behind pipelock: one of its named exceptions. */
  readonly pipelockLets?: string;
}

/**
 * What a template's braces may name: names and addresses of one run. Attempts that name a value which a run does not
 * have are not made.
 */
export type World = Readonly<Record<string, string | undefined>>;
