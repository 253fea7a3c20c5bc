import type { ActiveBottle } from "../../bottle/active.ts";
import { wholeConnections } from "../../egress/connections.ts";
import { pipelock } from "../../egress/pipelock/pipelock.ts";
import type { EgressEvent, EgressProxy } from "../../egress/proxy.ts";
import { squid } from "../../egress/squid/squid.ts";
import { EXIT, Failure, oneLine, printable } from "../../errors.ts";
import type { DockerClient } from "./client.ts";
import { engineFailure } from "./failures.ts";
import { FOLLOWED_KEPT, LogOrder } from "./log_order.ts";

/** Whose logs can be read. */
const PROXIES: readonly EgressProxy[] = [squid, pipelock];

/** The proxy of a bottle's sidecar; `undefined` when it is not to be recognised. */
export function proxyOf(bottle: ActiveBottle): EgressProxy | undefined {
  return PROXIES.find(({ name }) => name === bottle.proxy);
}

/** Lines of the log that are shown when a sidecar died. */
const DEATH_TAIL = 10;

/** The sidecar's log, or its last lines; empty when it cannot be read. */
export async function sidecarLog(
  client: DockerClient,
  options: { readonly id: string; readonly tail?: number },
): Promise<readonly string[]> {
  const tail = options.tail === undefined ? [] : ["--tail", String(options.tail)];
  const outcome = await client.outcome({
    what: "reading the sidecar's log",
    args: ["container", "logs", ...tail, options.id],
    deadline: "log",
  });
  if (outcome.code !== 0) return [];
  return `${outcome.stdout}\n${outcome.stderr}`.split("\n").filter((line) => line !== "");
}

/** The failure of a sidecar that died before the agent could run, with its last words. */
export async function sidecarFailure(
  client: DockerClient,
  sidecar: { readonly id: string; readonly proxy: string },
): Promise<Failure> {
  const lines = await sidecarLog(client, { id: sidecar.id, tail: DEATH_TAIL });
  return new Failure(
    "sidecar-failed",
    `The sidecar (${sidecar.proxy}) did not stay up; the end of its log:`,
    {
      problems: lines.map((line) => ({ message: printable(line) })),
      exit: EXIT.beforeAgent,
    },
  );
}

/**
 * Reads a bottle's egress out of its sidecar's log: as it is when followed, else each connection once with its bytes.
 *
 * @throws Failure `sidecar-missing`
 */
export async function readEgressLog(
  bottle: ActiveBottle,
  options: {
    readonly client: DockerClient;
    readonly follow: boolean;
    readonly signal: AbortSignal;
    readonly onEgress: (event: EgressEvent) => void;
  },
): Promise<void> {
  const { client, signal } = options;
  const proxy = proxyOf(bottle);
  const { sidecar: id } = bottle;
  if (id === undefined || proxy === undefined) {
    throw new Failure(
      "sidecar-missing",
      `The sidecar of ${oneLine(bottle.name)} is not there or not to be recognised`,
    );
  }
  const what = "reading the sidecar's log";
  const read: EgressEvent[] = [];
  const order = new LogOrder();
  const outcome = await client.outcome({
    what,
    args: ["container", "logs", ...(options.follow ? ["--follow", "--timestamps"] : []), id],
    signal,
    kept: FOLLOWED_KEPT,
    // Followed, it is silent as long as nobody reaches out, and ended by the one who reads it.
    deadline: options.follow ? "held" : "log",
    onLine(line, stream): void {
      const text = options.follow ? order.next(line, stream) : line;
      const event = text === undefined ? undefined : proxy.readEvent(text);
      if (event === undefined) return;
      if (options.follow) options.onEgress(event);
      else read.push(event);
    },
  });
  wholeConnections(read).forEach(options.onEgress);
  if (outcome.code !== 0) throw engineFailure(what, outcome);
}
