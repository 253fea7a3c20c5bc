import { type EgressReader, SETTLED_MS } from "../log_reader.ts";
import type { EgressEvent } from "../proxy.ts";
import { hasTarget, transactionEvent, transactionOf } from "./events.ts";
import type { Transaction } from "./events.ts";
import { unasked, unreadable } from "./inside.ts";

/** How many connections are remembered at most: the end of one that was cut off with the log is never told. */
const MOST = 4096;

/** A connection to an inspected host whose TLS was opened. */
interface Tunnel {
  readonly host: string;
  readonly port: number;
  readonly isAsked: boolean;
}

/** One that has ended; its last lines may be yet to come. */
interface EndedTunnel extends Tunnel {
  readonly ended: number;
  /** When both its beginning and its end had been told. */
  readonly told: number;
}

/**
 * Reads a log in which an opened tunnel, what is asked in it, and its end are told by lines of their own: only together
 * they tell of a tunnel in which nothing was asked, and which host a request was for that squid could not read.
 *
 * The two squids write without waiting for each other, so that the front may tell the end of a tunnel before the back
 * tells its beginning, or the request that its client gave up. What such a line changes is told once none can follow.
 *
 * What comes later than that is not waited for: a back that still dials (20 s at most) when its client has gone may tell
 * a beginning whose end is forgotten. Nothing is told of that tunnel then, for a longer memory would take the end for
 * one of the next tunnel from that port. Of a request that is told so late, the tunnel has been told as one without.
 */
export class SquidReader implements EgressReader {
  /** By the front's port on loopback, as all of these; no port is both here and in `#ended`. */
  readonly #open = new Map<string, Tunnel>();
  /** When those ended whose beginning has not been told. */
  readonly #ends = new Map<string, number>();
  /** Those whose last lines may be yet to come, the longest told first. */
  readonly #ended = new Map<string, EndedTunnel>();

  read(line: string): readonly EgressEvent[] {
    const transaction = transactionOf(line);
    if (transaction === undefined) return [];
    const settled = this.#settle(transaction);
    const event = this.#unreadable(transaction) ??
      (hasTarget(transaction) ? transactionEvent(transaction) : undefined);
    settled.push(...this.#follow(transaction));
    return event === undefined ? settled : [...settled, event];
  }

  get waits(): boolean {
    return this.#ended.values().some(({ isAsked }) => !isAsked);
  }

  rest(): readonly EgressEvent[] {
    const events = [...this.#ended.values()].flatMap(withoutRequest);
    this.#ended.clear();
    return events;
  }

  /** Takes what no later line can change any more. */
  #settle({ time }: Transaction): EgressEvent[] {
    const settled: EgressEvent[] = [];
    for (const [port, tunnel] of this.#ended) {
      if (tunnel.told + SETTLED_MS > time) break;
      this.#ended.delete(port);
      settled.push(...withoutRequest(tunnel));
    }
    for (const [port, ended] of this.#ends) {
      if (ended + SETTLED_MS > time) break;
      this.#ends.delete(port);
    }
    return settled;
  }

  /** Keeps account of tunnels; returns what a port that is used again makes certain. */
  #follow(transaction: Transaction): readonly EgressEvent[] {
    const { by, method, bump, error, why, from, to, time } = transaction;
    if (by === "front") {
      if (to !== "-") this.#end(to, time);
      return [];
    }
    if (method !== "CONNECT") {
      this.#ask(transaction);
      return [];
    }
    if (bump !== "bump" || error !== "-" || why !== "-" || !hasTarget(transaction)) return [];
    const before = this.#ended.get(from);
    this.#ended.delete(from);
    const { host, port } = transaction;
    const tunnel = { host, port, isAsked: false };
    const ended = this.#ends.get(from);
    this.#ends.delete(from);
    if (ended === undefined) remember(this.#open, from, tunnel);
    else remember(this.#ended, from, { ...tunnel, ended, told: time });
    return before === undefined ? [] : withoutRequest(before);
  }

  #ask(transaction: Transaction): void {
    for (const connection of this.#connections(transaction)) {
      const tunnel = this.#open.get(connection);
      if (tunnel !== undefined) this.#open.set(connection, { ...tunnel, isAsked: true });
      const ended = this.#ended.get(connection);
      if (ended !== undefined) this.#ended.set(connection, { ...ended, isAsked: true });
    }
  }

  /**
   * Of some requests that squid cannot read it does not tell the port: then all to the host that are open or have just
   * ended count as asked. One of them too many keeps but the end of a tunnel without a request from being told.
   */
  #connections({ from, host }: Transaction): readonly string[] {
    if (from !== "0") return [from];
    return [...this.#open, ...this.#ended].filter(([, tunnel]) => tunnel.host === host).map(([port]) => port);
  }

  #end(connection: string, time: number): void {
    const tunnel = this.#open.get(connection);
    this.#open.delete(connection);
    if (tunnel === undefined) remember(this.#ends, connection, time);
    else remember(this.#ended, connection, { ...tunnel, ended: time, told: time });
  }

  #unreadable(transaction: Transaction): EgressEvent | undefined {
    const { by, method } = transaction;
    if (by !== "back" || method === "CONNECT") return undefined;
    const [connection = ""] = this.#connections(transaction);
    const tunnel = this.#open.get(connection) ?? this.#ended.get(connection);
    return tunnel && unreadable(transaction, tunnel);
  }
}

function withoutRequest({ host, port, isAsked, ended }: EndedTunnel): readonly EgressEvent[] {
  return isAsked ? [] : [unasked({ host, port, time: ended })];
}

/** Adds the youngest entry; the oldest goes when there are too many. */
function remember<T>(entries: Map<string, T>, key: string, value: T): void {
  entries.delete(key);
  entries.set(key, value);
  if (entries.size > MOST) entries.delete(entries.keys().next().value ?? key);
}
