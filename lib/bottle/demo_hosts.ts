import type { OnEvent } from "./events.ts";
import type { Secret } from "./env.ts";

/** What the hosts of the tour are to be. */
export interface DemoHostsOptions {
  /** Names under which they are known in their network; all are one container. */
  readonly names: readonly string[];
  /** Ports that speak TLS. */
  readonly ports: readonly number[];
  /** Extra certificate authorities for the image's build, PEM. */
  readonly ca: string | undefined;
  readonly signal: AbortSignal;
  readonly onEvent: OnEvent;
}

/** Hosts that are there for one tour alone: a scripted Messages API over TLS and an ssh server. Disposing removes them. */
export interface DemoHosts extends AsyncDisposable {
  /** Names of what the engine has of them. */
  readonly objects: readonly string[];
  /** The network that they alone are in. */
  readonly network: string;
  readonly address: string;
  /** The engine's own address in that network. */
  readonly gateway: string;
  /** The authority that signed their certificate. */
  readonly caPem: string;
  /** The user that may log in, with which key, and the key that the ssh server shows. */
  readonly user: string;
  readonly clientKey: Secret;
  readonly hostKey: string;
  /** The command that tries them, and all else, from inside a bottle; its arguments follow. */
  readonly probe: readonly string[];
}
