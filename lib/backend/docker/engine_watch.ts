import type { OnEvent } from "../../bottle/events.ts";
import { Failure } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { DockerClient } from "./client.ts";

/** How often the engine is asked whether it is there. */
const PING_MS = 30_000;
/** How many times in a row it has to fail before it counts as away: a busy one misses a question now and then. */
const MISSED = 2;
/**
 * How long it may be away. Its containers run on meanwhile and an agent at work is not to be lost to an engine that
 * hangs for minutes, but nobody waits for one that is gone for good.
 */
const GONE_MS = 10 * 60_000;

/** What watching an engine needs. */
export interface EngineWatchPorts {
  readonly client: DockerClient;
  readonly host: Pick<Host, "sleep">;
  readonly onEvent: OnEvent;
  /** Aborted when there is nothing to watch any more. */
  readonly done: AbortSignal;
}

/** Notices an engine that goes away while a command is attached: a client that waits for output would not. */
export class EngineWatch {
  readonly #ports: EngineWatchPorts;
  #missed = 0;

  constructor(ports: EngineWatchPorts) {
    this.#ports = ports;
  }

  /** Whether the engine answers nothing at the moment, so that nothing it does not tell means anything. */
  get isAway(): boolean {
    return this.#missed >= MISSED;
  }

  /** Watches until there is nothing to watch, or calls `end` once the engine has been away for too long. Never throws. */
  async watch(end: (why: Failure) => void): Promise<void> {
    const { host, done, onEvent } = this.#ports;
    for (;;) {
      try {
        await host.sleep(PING_MS, done);
      } catch {
        return;
      }
      const answers = await this.#answers();
      if (done.aborted) return;
      if (answers && this.isAway) onEvent({ kind: "notice", text: "the engine answers again" });
      this.#missed = answers ? 0 : this.#missed + 1;
      if (this.#missed === MISSED) {
        const text = `the engine does not answer; waiting ${GONE_MS / 60_000} minutes for it`;
        onEvent({ kind: "notice", text });
      }
      if (this.#missed * PING_MS >= GONE_MS) return end(engineGone());
    }
  }

  async #answers(): Promise<boolean> {
    const { client, done } = this.#ports;
    try {
      const { code } = await client.outcome({
        what: "asking whether the engine is there",
        args: ["version", "--format", "{{.Server.Version}}"],
        deadline: "ping",
        signal: done,
      });
      return code === 0;
    } catch {
      return false;
    }
  }
}

function engineGone(): Failure {
  return new Failure("engine-gone", `The engine has not answered for ${GONE_MS / 60_000} minutes`, {
    hints: ["Once it answers again, `claude-bottle cleanup` removes what is left of the bottle"],
  });
}
