import { type EgressReader, SETTLED_MS } from "../log_reader.ts";
import type { EgressEvent } from "../proxy.ts";
import { hasTarget, transactionEvent, transactionOf } from "./events.ts";
import type { Transaction } from "./events.ts";
import { unasked, unreadable } from "./inside.ts";

/** How many connections are remembered at most: squid has no more open at once. */
const MOST = 4096;

/** A connection to an inspected host whose TLS was opened. */
interface Tunnel {
  readonly host: string;
  readonly port: number;
  readonly isAsked: boolean;
}

/**
 * Reads a log in which an opened tunnel, what is asked in it, and its end are told by lines of their own: only together
 * they tell of a tunnel in which nothing was asked, and which host a request was for that squid could not read.
 *
 * The two squids write without waiting for each other, so that the front may tell the end of a tunnel before the back
 * tells its beginning, or the request that its client gave up. What such a line changes is told once none can follow.
 */
export class SquidReader implements EgressReader {
  /** By the front's port on loopback. */
  readonly #open = new Map<string, Tunnel>();
  /** When those ended whose beginning has not been told. */
  readonly #ended = new Map<string, number>();
  /** Those that have ended without a request so far, oldest first. */
  readonly #waiting = new Map<string, EgressEvent>();

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
    return this.#waiting.size > 0;
  }

  rest(): readonly EgressEvent[] {
    const events = [...this.#waiting.values()];
    this.#waiting.clear();
    return events;
  }

  /** Takes what no later line can change any more. */
  #settle({ time }: Transaction): EgressEvent[] {
    const settled: EgressEvent[] = [];
    for (const [port, event] of this.#waiting) {
      if (event.time + SETTLED_MS > time) break;
      this.#waiting.delete(port);
      settled.push(event);
    }
    for (const [port, ended] of this.#ended) {
      if (ended + SETTLED_MS > time) break;
      this.#ended.delete(port);
    }
    return settled;
  }

  /** Keeps account of tunnels; returns what a port that is used again makes certain. */
  #follow(transaction: Transaction): readonly EgressEvent[] {
    const { by, method, bump, error, from, to, time } = transaction;
    if (by === "front") {
      if (to !== "-") this.#end(to, time);
      return [];
    }
    if (method !== "CONNECT") {
      this.#ask(transaction);
      return [];
    }
    if (bump !== "bump" || error !== "-" || !hasTarget(transaction)) return [];
    const before = this.#waiting.get(from);
    this.#waiting.delete(from);
    const { host, port } = transaction;
    remember(this.#open, from, { host, port, isAsked: false });
    const ended = this.#ended.get(from);
    if (ended !== undefined) this.#end(from, ended);
    return before === undefined ? [] : [before];
  }

  #ask(transaction: Transaction): void {
    for (const connection of this.#connections(transaction)) {
      this.#waiting.delete(connection);
      const tunnel = this.#open.get(connection);
      if (tunnel !== undefined) this.#open.set(connection, { ...tunnel, isAsked: true });
    }
  }

  /** Of some requests that squid cannot read it does not tell the port: then all that are open to the host. */
  #connections({ from, host }: Transaction): readonly string[] {
    if (from !== "0") return [from];
    return [...this.#open].filter(([, tunnel]) => tunnel.host === host).map(([connection]) => connection);
  }

  #end(connection: string, time: number): void {
    const tunnel = this.#open.get(connection);
    this.#open.delete(connection);
    this.#ended.delete(connection);
    if (tunnel === undefined) remember(this.#ended, connection, time);
    else if (!tunnel.isAsked) remember(this.#waiting, connection, unasked({ ...tunnel, time }));
  }

  #unreadable(transaction: Transaction): EgressEvent | undefined {
    const { by, method } = transaction;
    if (by !== "back" || method === "CONNECT") return undefined;
    const [connection = ""] = this.#connections(transaction);
    const tunnel = this.#open.get(connection);
    return tunnel && unreadable(transaction, tunnel);
  }
}

/** Adds the youngest entry; the oldest goes when there are too many. */
function remember<T>(entries: Map<string, T>, key: string, value: T): void {
  entries.delete(key);
  entries.set(key, value);
  if (entries.size > MOST) entries.delete(entries.keys().next().value ?? key);
}
