import type { AgentOutcome, Bottle, LaunchOptions } from "../../bottle/backend.ts";
import { executedArguments, type Step } from "../../bottle/invocation.ts";
import type { EgressEvent } from "../../egress/proxy.ts";
import { EXIT, Failure } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { DockerClient } from "./client.ts";
import { inspected } from "./engine.ts";
import { engineFailure } from "./failures.ts";
import { environmentFrames } from "./frames.ts";
import type { DockerBottlePlan } from "./plan.ts";
import { REF } from "./refs.ts";
import { agentEnvironment } from "./provision/env.ts";
import { sidecarFailure, sidecarLog } from "./sidecar_log.ts";
import { tearDown } from "./teardown.ts";
import type { InspectedContainer } from "./verify.ts";

/** What the client reports of a process that SIGKILL ended. */
const KILLED = 137;
/** How long the engine is given to notice that a container is dead. */
const SETTLE_MS = 300;

/** A running bottle on a docker engine. */
export class DockerBottle implements Bottle {
  readonly #plan: DockerBottlePlan;
  readonly #ids: ReadonlyMap<string, string>;
  readonly #host: Host;
  readonly #client: DockerClient;
  readonly #options: LaunchOptions;
  #disposed: Promise<void> | undefined;

  constructor(parts: {
    readonly plan: DockerBottlePlan;
    readonly ids: ReadonlyMap<string, string>;
    readonly host: Host;
    readonly client: DockerClient;
    readonly options: LaunchOptions;
  }) {
    this.#plan = parts.plan;
    this.#ids = parts.ids;
    this.#host = parts.host;
    this.#client = parts.client;
    this.#options = parts.options;
  }

  get name(): string {
    return this.#plan.containerName;
  }

  async attach(): Promise<AgentOutcome> {
    const { environment } = this.#host;
    const { spec, agentSteps } = this.#plan;
    const frames = environmentFrames(agentEnvironment(spec, { environment, resolved: this.#options.env }));
    let code = 0;
    for (const step of agentSteps) {
      const isAgent = step.id === "agent";
      code = isAgent ? await this.#attachStep(step, frames) : await this.#runStep(step, frames);
    }
    this.#options.signal.throwIfAborted();
    if (code !== 0) await this.#explain(code);
    return { code };
  }

  async #attachStep(step: Step, frames: Uint8Array): Promise<number> {
    await using _terminal = await this.#host.terminal.saved();
    const outcome = await this.#client.attach({
      what: "running the agent",
      args: this.#arguments(step),
      signal: this.#options.signal,
      ...(step.invocation.input === undefined ? {} : { input: frames }),
    });
    return outcome.code;
  }

  async #runStep(step: Step, frames: Uint8Array): Promise<number> {
    await this.#client.run({ what: step.invocation.why, args: this.#arguments(step), input: frames });
    return 0;
  }

  #arguments(step: Step): readonly string[] {
    return executedArguments(step.invocation, this.#ids).slice(this.#client.globalArguments.length);
  }

  /**
   * Tells the agent's own code from a bottle that failed under it: the client's code alone does not.
   *
   * @throws Failure when the sidecar kept the agent from running or the agent container is gone
   */
  async #explain(code: number): Promise<void> {
    // An exec dies a moment before its container counts as dead.
    if (code === KILLED) await this.#host.sleep(SETTLE_MS);
    const what = "asking how the bottle is";
    const args = ["container", "inspect", this.#id(REF.agent), this.#id(REF.sidecar)];
    const outcome = await this.#client.outcome({ what, args });
    if (outcome.code !== 0 && !/no such (container|object)/i.test(outcome.stderr)) {
      throw engineFailure(what, outcome);
    }
    const containers = inspected<InspectedContainer>(what, outcome.stdout);
    const agent = containers.find(({ Id }) => Id === this.#id(REF.agent));
    const sidecar = containers.find(({ Id }) => Id === this.#id(REF.sidecar));
    if (agent?.State.Running !== true) {
      throw new Failure("bottle-ended", "The bottle was stopped or removed while the agent ran", {
        hints: [
          agent?.State.OOMKilled === true
            ? "It ran out of memory: raise resources.memory in the manifest"
            : "`docker events` may tell who did it",
        ],
        exit: code,
      });
    }
    if (code === EXIT.beforeAgent && sidecar?.State.Running !== true) {
      throw await sidecarFailure(this.#client, {
        id: this.#id(REF.sidecar),
        proxy: this.#plan.spec.proxy.name,
      });
    }
  }

  async egressEvents(): Promise<readonly EgressEvent[]> {
    const lines = await sidecarLog(this.#client, { id: this.#id(REF.sidecar) });
    return lines.map((line) => this.#plan.spec.proxy.readEvent(line)).filter((event) => event !== undefined);
  }

  #id(ref: string): string {
    return this.#ids.get(ref) ?? "";
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    const ports = { client: this.#client, sleep: this.#host.sleep };
    const leftover = await tearDown(ports, {
      id: this.#plan.runId,
      steps: this.#plan.teardownSteps,
      ids: this.#ids,
    });
    if (leftover !== "") this.#options.onEvent({ kind: "notice", text: leftover });
  }
}
