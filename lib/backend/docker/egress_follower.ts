import type { EgressReader } from "../../egress/log_reader.ts";
import type { EgressEvent, EgressProxy } from "../../egress/proxy.ts";
import { EgressTally } from "../../egress/tally.ts";
import type { Host } from "../../host/host.ts";
import { followLog, type LogPorts, READING } from "./followed_log.ts";
import { LogOrder, stamped } from "./log_order.ts";

/**
 * How long the next lines are awaited, all of them together, and how often they are looked for meanwhile. Who floods a
 * log on a busy machine leaves its readers behind; what they then did not read may be what the engine has forgotten.
 */
const PATIENCE_MS = 2000;
const LONGEST_MS = 30_000;
const LOOK_MS = 20;

/** What following needs. */
export interface FollowerPorts extends LogPorts {
  readonly host: Pick<Host, "sleep" | "now">;
}

/**
 * Reads a sidecar's log while an agent runs: the engine keeps its last 20 MB, which an agent can fill in seconds, and
 * what it reached before that must not be forgotten.
 */
export class EgressFollower {
  readonly #tally = new EgressTally();
  readonly #stop = new AbortController();
  readonly #ports: FollowerPorts;
  readonly #id: string;
  readonly #reader: EgressReader;
  readonly #after: number;
  readonly #ended: Promise<boolean>;
  #isOver = false;
  readonly #order = new LogOrder();

  /** `tail` is the number of older lines to begin with, all of them unless told; `after` leaves out events until that time. */
  constructor(
    sidecar: {
      readonly id: string;
      readonly proxy: EgressProxy;
      readonly tail?: number;
      readonly after?: number;
    },
    ports: FollowerPorts,
  ) {
    this.#ports = ports;
    this.#id = sidecar.id;
    this.#reader = sidecar.proxy.reader();
    this.#after = sidecar.after ?? -Infinity;
    this.#ended = this.#follow(sidecar).finally(() => this.#isOver = true);
  }

  async #follow(
    { id, tail }: ConstructorParameters<typeof EgressFollower>[0],
  ): Promise<boolean> {
    const signal = AbortSignal.any([this.#ports.signal, this.#stop.signal]);
    const onText = (text: string): void => this.#add(this.#reader.read(text));
    try {
      const { code } = await followLog({ id, tail, order: this.#order, onText }, { ...this.#ports, signal });
      return code === 0;
    } catch {
      return this.#stop.signal.aborted;
    }
  }

  /** Ends the following; what was seen, or `undefined` when not all of the log was. Never throws. */
  async end(): Promise<readonly EgressEvent[] | undefined> {
    const isWhole = this.#isOver || await this.#caughtUp();
    this.#stop.abort();
    this.#add(this.#reader.rest());
    return await this.#ended && isWhole ? this.#tally.events() : undefined;
  }

  #add(events: readonly EgressEvent[]): void {
    for (const event of events) if (event.time > this.#after) this.#tally.add(event);
  }

  /** Ends the following when nobody asks for what was seen. */
  giveUp(): void {
    this.#stop.abort();
  }

  /** Whether everything has come that the log has by now. */
  async #caughtUp(): Promise<boolean> {
    const { client, host } = this.#ports;
    try {
      const { code, stdout, stderr } = await client.outcome({
        what: READING,
        args: ["container", "logs", "--timestamps", "--tail", "1", this.#id],
        deadline: "ping",
      });
      if (code !== 0) return false;
      const stream = stdout === "" ? "stderr" : "stdout";
      const { at } = stamped(stream === "stdout" ? stdout : stderr);
      const { last } = this.#order;
      const latest = host.now() + LONGEST_MS;
      let [seen, end] = [last[stream], host.now() + PATIENCE_MS];
      while (last[stream] < at && !this.#isOver && host.now() < Math.min(end, latest)) {
        await host.sleep(LOOK_MS);
        if (last[stream] !== seen) [seen, end] = [last[stream], host.now() + PATIENCE_MS];
      }
      return last[stream] >= at;
    } catch {
      return false;
    }
  }
}
