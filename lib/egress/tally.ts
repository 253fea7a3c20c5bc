import type { EgressEvent } from "./proxy.ts";

/** How many different targets, and how many open connections, are told apart: an agent can try as many as it likes. */
const TARGETS = 10_000;

/** What stands for the targets that are not told apart any more. */
const MORE = { host: "(more targets)", port: 0, reason: "too many to tell apart", bytes: undefined } as const;

/**
 * What a sidecar let through and refused, each target once with how often and how many bytes: as much memory for a
 * flood as for a handful. Targets stay in the order in which they were first tried.
 */
export class EgressTally {
  readonly #targets = new Map<string, EgressEvent>();
  /** The targets of connections that have not ended yet. */
  readonly #open = new Map<string, string>();
  readonly #most: number;

  constructor(most = TARGETS) {
    this.#most = most;
  }

  /** Takes the next event of the log. */
  add(event: EgressEvent): void {
    const { connection, verdict } = event;
    // The end of one that came to nothing tells all of it.
    if (verdict === "closed" && event.reason === "") {
      const target = targetOf({ ...event, verdict: "allowed" });
      // Proxies name connections anew after a while, so that an end may be another's.
      const isKnown = connection !== undefined && this.#open.get(connection) === target;
      if (connection !== undefined) this.#open.delete(connection);
      this.#count({ ...event, verdict: "allowed" }, isKnown ? 0 : 1);
      return;
    }
    this.#count(event, 1);
    if (verdict === "allowed" && connection !== undefined && this.#open.size < this.#most) {
      this.#open.set(connection, targetOf(event));
    }
  }

  /** All of them, each with its `times`. */
  events(): readonly EgressEvent[] {
    return [...this.#targets.values()];
  }

  #count(event: EgressEvent, times: number): void {
    const isKept = this.#targets.size < this.#most || this.#targets.has(targetOf(event));
    const one = isKept ? event : { time: event.time, verdict: event.verdict, ...MORE };
    const target = targetOf(one);
    const before = this.#targets.get(target);
    const bytes = before?.bytes === undefined ? one.bytes : before.bytes + (one.bytes ?? 0);
    const { time, verdict, host, port, reason, request, placeholders } = before ?? one;
    this.#targets.set(target, {
      time,
      verdict,
      host,
      port,
      reason,
      ...(request === undefined ? {} : { request }),
      ...(placeholders === undefined ? {} : { placeholders }),
      bytes,
      times: (before?.times ?? 0) + times,
    });
  }
}

function targetOf({ verdict, host, port, reason, request, placeholders }: EgressEvent): string {
  return JSON.stringify([verdict, host, port, reason, request, placeholders]);
}
