import type { OnEvent } from "../../bottle/events.ts";
import { EXIT, Failure } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { rangeText } from "./addresses.ts";
import type { DockerClient } from "./client.ts";
import { containerNames } from "./engine.ts";
import { containerName, LAST_SUFFIX, NAME_PREFIX } from "./names.ts";
import { composePlan, type DockerBottlePlan, type PlanInputs } from "./plan.ts";
import { namesLost, newRun, pinnedNameTaken } from "./prepare.ts";
import { takenRanges } from "./taken_subnets.ts";

/** How often new subnets are drawn when the engine says that they overlap with another network's. */
const SUBNET_ATTEMPTS = 16;
/** How often a full range is looked at: others that lose a race give back what they took. */
const FULL_LOOKS = 5;
/** Milliseconds of the longest pause after the first lost subnet; twice that after each further one, up to the last. */
const FIRST_PAUSE_MS = 100;
const LAST_PAUSE_MS = 3_000;

/** What looking again takes. */
interface RacePorts {
  readonly host: Host;
  readonly client: DockerClient;
  readonly onEvent: OnEvent;
  readonly signal: AbortSignal;
}

/**
 * The races of one launch with others: the engine has the last word on names and subnets, and whoever was slower
 * looks again at what is free and decides anew.
 */
export class Races {
  readonly #ports: RacePorts;
  readonly #lostNames = new Set<string>();
  #lostSubnets = 0;

  constructor(ports: RacePorts) {
    this.#ports = ports;
  }

  /**
   * Executes a plan, and as long as its name turns out to be taken the same one under another: nothing else of the run
   * changes, so what is done stays done.
   *
   * @returns the plan that was executed
   * @throws Failure `name-taken` when there is no other name
   */
  async underFreeName(
    plan: DockerBottlePlan,
    execute: (plan: DockerBottlePlan) => Promise<unknown>,
  ): Promise<DockerBottlePlan> {
    for (let current = plan;;) {
      try {
        await execute(current);
        return current;
      } catch (error) {
        current = composePlan(await this.#renamed(current.inputs, error));
      }
    }
  }

  /** The next free name, then a random one of the next 4, 16, 64: many losers must not meet again. */
  async #renamed(inputs: PlanInputs, error: unknown): Promise<PlanInputs> {
    if (!isFailure(error, "name-taken")) throw error;
    const { pinnedName, slug, attempt } = inputs;
    if (pinnedName !== undefined) throw pinnedNameTaken(pinnedName);
    const { host, client, onEvent, signal } = this.#ports;
    this.#lostNames.add(containerName(slug, attempt));
    const taken = await containerNames(client, { prefix: `${NAME_PREFIX}${slug}`, signal });
    const free = Array.from({ length: LAST_SUFFIX }, (_, index) => index + 1).filter((suffix) => {
      const name = containerName(slug, suffix);
      return !taken.has(name) && !this.#lostNames.has(name);
    });
    const next = free[drawn(host, Math.min(free.length, 4 ** (this.#lostNames.size - 1)))];
    if (next === undefined) throw namesLost(slug);
    onEvent({ kind: "notice", text: `name conflict; retrying as ${containerName(slug, next)}` });
    return { ...inputs, attempt: next };
  }

  /**
   * Another run's decisions, when `error` says that a subnet is taken. The pause before it is random and grows: two
   * launches that each hold what the other needs must not go on at the same time.
   *
   * @throws Failure `error` itself when it says something else; `subnet-taken` after {@link SUBNET_ATTEMPTS};
   * `subnets-exhausted`
   */
  async elsewhere(inputs: PlanInputs, error: unknown): Promise<PlanInputs> {
    if (!isFailure(error, "subnet-taken")) throw error;
    for (let looks = 1;; looks++) {
      if (++this.#lostSubnets >= SUBNET_ATTEMPTS) throw refused(inputs, error);
      const { host, onEvent, signal } = this.#ports;
      const longest = Math.min(LAST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#lostSubnets - 1));
      await host.sleep(drawn(host, longest + 1), signal);
      const again = { ...inputs, taken: await takenRanges(this.#ports, signal) };
      try {
        const next = { ...again, ...newRun(again, host) };
        onEvent({ kind: "notice", text: "subnet conflict; retrying with another one" });
        return next;
      } catch (failure) {
        if (looks === FULL_LOOKS) throw failure;
      }
    }
  }
}

function isFailure(error: unknown, code: string): error is Failure {
  return error instanceof Failure && error.code === code;
}

/** A random number below `bound`, which is at most 65,536; 0 when there is none. */
function drawn({ random }: Pick<Host, "random">, bound: number): number {
  const [high = 0, low = 0] = random(2);
  return bound < 1 ? 0 : (high * 256 + low) % bound;
}

function refused({ pool }: PlanInputs, { message }: Failure): Failure {
  return new Failure(
    "subnet-taken",
    `The engine took none of ${SUBNET_ATTEMPTS} pairs of subnets of ${rangeText(pool)}: ${message}`,
    {
      hints: ["Name a range that nothing on its machine uses, e.g. CLAUDE_BOTTLE_SUBNETS=10.99.0.0/16"],
      exit: EXIT.beforeAgent,
    },
  );
}
