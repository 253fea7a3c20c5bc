import program from "../testdata/engine/tls_host.mjs" with { type: "text" };
import { docker, eventually } from "./engine.ts";
import { type ClosedNetwork, closedNetwork } from "./recorder.ts";

/** One request that a {@link TlsHost} got. */
export interface HostRequest {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  /** Lower-case names; credentials as `credentialFingerprint` makes them of the whole header. */
  readonly headers: Readonly<Record<string, string>>;
}

/** A host over TLS that tells what it was asked; disposing removes it, with the network if that is its own. */
export interface TlsHost extends AsyncDisposable {
  readonly network: string;
  readonly names: readonly string[];
  /** The authority that signed its certificate. */
  readonly caPem: string;
  /** Everything so far, oldest first. */
  requests(): Promise<readonly HostRequest[]>;
}

/** It ends by itself after that long. */
const LIFETIME_MS = 300_000;

/** What may be wrong with a certificate: `other` is for another name, `unknown` is signed by nobody else. */
export type CertificateFault = "expired" | "early" | "other" | "unknown";

/** A name for each. */
export const FAULTS = {
  "expired.test": "expired",
  "early.test": "early",
  "wrong.test": "other",
  "unknown.test": "unknown",
} as const satisfies Readonly<Record<string, CertificateFault>>;

export interface TlsHostOptions {
  /** One with node, openssl and git. */
  readonly image: string;
  readonly names: readonly string[];
  /** What its certificate is for; `names` unless told. */
  readonly certified?: readonly string[];
  /** Names with certificates of their own. */
  readonly faults?: Readonly<Record<string, CertificateFault>>;
  /** The text of a program that sets `globalThis.further`, which answers before it does. */
  readonly further?: string;
  /** Where it stands, at the second address; in a network of its own unless told. */
  readonly network?: ClosedNetwork;
}

/** Starts one that answers under all `names`. */
export async function startTlsHost(options: TlsHostOptions): Promise<TlsHost> {
  const { image, names, certified = names, faults = {}, further } = options;
  await using stack = new AsyncDisposableStack();
  const network = options.network ?? stack.use(await closedNetwork("10.212.77"));
  const settings = JSON.stringify({ certified, faults, lifetimeMs: LIFETIME_MS });
  const id = await docker(
    ...["run", "--detach", "--label", "claude-bottle-test=tls-host", "--network", network.name],
    ...["--ip", network.address(2), ...names.flatMap((name) => ["--network-alias", name])],
    ...["--user", "0:0", "--cap-drop", "ALL", "--cap-add", "NET_BIND_SERVICE"],
    ...["--security-opt", "no-new-privileges", "--memory", "512m", "--pids-limit", "128"],
    ...["--env", `TLS_HOST=${settings}`],
    ...["--entrypoint", "node", image],
    ...(further === undefined ? [] : ["--import", `data:text/javascript,${encodeURIComponent(further)}`]),
    ...["--input-type=module", "--eval", program],
  );
  stack.defer(async () => {
    await docker("rm", "--force", "--volumes", id);
  });
  const lines = async (): Promise<readonly { readonly kind: string; readonly caPem?: string }[]> =>
    (await docker("logs", id)).split("\n").filter((line) => line.startsWith("{"))
      .map((line) => JSON.parse(line));
  const caPem = await eventually(
    "the host listens",
    async () => (await lines()).find(({ kind }) => kind === "ready")?.caPem,
  );
  const all = stack.move();
  return {
    network: network.name,
    names,
    caPem,
    requests: async () =>
      (await lines()).filter((line): line is HostRequest & { readonly kind: string } =>
        line.kind === "request"
      ),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}
