import type { OnEvent } from "./events.ts";

/** What a canary is to be. */
export interface CanaryOptions {
  /** Names that lead to its public address, and names that lead to its private one. */
  readonly names: readonly string[];
  readonly privateNames: readonly string[];
  readonly tcpPorts: readonly number[];
  readonly udpPorts: readonly number[];
  readonly signal: AbortSignal;
  readonly onEvent: OnEvent;
}

/** A host that records everything that arrives at it, also on port 53. Disposing removes it and its networks. */
export interface Canary extends AsyncDisposable {
  /** The networks that it alone is in; its container has the name of the first. */
  readonly networks: readonly string[];
  /** One that counts as public and that nothing routes to. */
  readonly address: string;
  readonly privateAddress: string;
  /** An address of the engine's own host outside all bottles, where the engine tells one. */
  readonly hostAddress: string | undefined;
  /** All that arrived so far, a line each, bytes percent-encoded. @throws Failure */
  records(): Promise<string>;
  /** Makes attempts from where it stands. Arguments and answer as of {@link Bottle.probe}. @throws Failure */
  probe(attempts: readonly string[]): Promise<string>;
}
