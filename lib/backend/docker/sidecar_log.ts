import type { ActiveBottle } from "../../bottle/active.ts";
import { wholeConnections } from "../../egress/connections.ts";
import { inOrder, SETTLED_MS } from "../../egress/log_reader.ts";
import { pipelock } from "../../egress/pipelock/pipelock.ts";
import type { EgressEvent, EgressProxy } from "../../egress/proxy.ts";
import { squid } from "../../egress/squid/squid.ts";
import { EXIT, Failure, oneLine, printable } from "../../errors.ts";
import type { Outcome } from "../../host/processes.ts";
import type { DockerClient } from "./client.ts";
import { engineFailure } from "./failures.ts";
import { followLog, type LogPorts, READING } from "./followed_log.ts";
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
    what: READING,
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
      hints: ["Start the bottle again; `claude-bottle doctor` looks at the engine and at its images"],
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
  options: LogPorts & {
    readonly follow: boolean;
    readonly onEgress: (event: EgressEvent) => void;
  },
): Promise<void> {
  const proxy = proxyOf(bottle);
  const { sidecar: id } = bottle;
  if (id === undefined || proxy === undefined) {
    throw new Failure(
      "sidecar-missing",
      `The sidecar of ${oneLine(bottle.name)} is not there or not to be recognised`,
    );
  }
  const outcome = options.follow
    ? await follow({ id, proxy }, options)
    : await readLog({ id, proxy }, options);
  if (outcome.code !== 0) throw engineFailure(READING, outcome);
}

/** Tells a log as it comes: what a next line could change once there has been none for a while, or none follows. */
async function follow(
  { id, proxy }: { readonly id: string; readonly proxy: EgressProxy },
  options: Parameters<typeof readEgressLog>[1],
): Promise<Outcome> {
  const { host, onEgress } = options;
  const reader = proxy.reader();
  const over = new AbortController();
  const signal = AbortSignal.any([options.signal, over.signal]);
  let lines = 0;
  let isSettling = false;
  const settle = async (): Promise<void> => {
    isSettling = true;
    // However many lines come meanwhile, one pause at a time.
    for (let seen = -1; reader.waits && seen !== lines;) {
      seen = lines;
      await host.sleep(SETTLED_MS, signal);
      if (seen === lines) reader.rest().forEach(onEgress);
    }
    isSettling = false;
  };
  try {
    return await followLog({
      id,
      order: new LogOrder(),
      onText(text): void {
        lines++;
        reader.read(text).forEach(onEgress);
        // It fails with the signal alone, and the following with it.
        if (reader.waits && !isSettling) settle().catch(() => {});
      },
    }, options);
  } finally {
    over.abort();
    reader.rest().forEach(onEgress);
  }
}

/** Reads a log as it is. */
async function readLog(
  { id, proxy }: { readonly id: string; readonly proxy: EgressProxy },
  { client, signal, onEgress }: Parameters<typeof readEgressLog>[1],
): Promise<Outcome> {
  const reader = proxy.reader();
  const read: EgressEvent[] = [];
  const outcome = await client.outcome({
    what: READING,
    args: ["container", "logs", id],
    signal,
    kept: FOLLOWED_KEPT,
    deadline: "log",
    onLine(line): void {
      read.push(...reader.read(line));
    },
  });
  wholeConnections(inOrder([...read, ...reader.rest()])).forEach(onEgress);
  return outcome;
}
