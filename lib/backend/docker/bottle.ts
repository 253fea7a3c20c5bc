import type { AgentOutcome, Bottle, LaunchOptions } from "../../bottle/backend.ts";
import { executedArguments, type Step } from "../../bottle/invocation.ts";
import { wholeConnections } from "../../egress/connections.ts";
import type { EgressEvent } from "../../egress/proxy.ts";
import type { Host } from "../../host/host.ts";
import { explainEnd } from "./agent_end.ts";
import type { DockerClient } from "./client.ts";
import { environmentFrames } from "./frames.ts";
import type { DockerBottlePlan } from "./plan.ts";
import { REF } from "./refs.ts";
import { agentEnvironment } from "./provision/env.ts";
import { sidecarLog } from "./sidecar_log.ts";
import { tearDown } from "./teardown.ts";

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

  /** @throws Failure as {@link explainEnd} */
  async #explain(code: number): Promise<void> {
    const { spec, inputs } = this.#plan;
    const ports = { client: this.#client, onEvent: this.#options.onEvent, sleep: this.#host.sleep };
    await explainEnd({
      code,
      agentId: this.#id(REF.agent),
      sidecarId: this.#id(REF.sidecar),
      proxy: spec.proxy.name,
      user: `${inputs.user.uid}:${inputs.user.gid}`,
      envToken: inputs.envToken,
    }, ports);
  }

  async egressEvents(): Promise<readonly EgressEvent[]> {
    const lines = await sidecarLog(this.#client, { id: this.#id(REF.sidecar) });
    const events = lines.map((line) => this.#plan.spec.proxy.readEvent(line));
    return wholeConnections(events.filter((event) => event !== undefined));
  }

  inspection(): Promise<string> {
    const args = ["container", "inspect", this.#id(REF.agent), this.#id(REF.sidecar)];
    return this.#client.run({ what: "inspecting the bottle", args });
  }

  #id(ref: string): string {
    return this.#ids.get(ref) ?? "";
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#disposed ??= this.#dispose();
    return this.#disposed;
  }

  async #dispose(): Promise<void> {
    const { onEvent } = this.#options;
    onEvent({ kind: "started", id: "teardown", title: "removing the bottle", slow: false });
    const ports = { ...this.#host, client: this.#client };
    const leftover = await tearDown(ports, {
      id: this.#plan.runId,
      steps: this.#plan.teardownSteps,
      ids: this.#ids,
    });
    onEvent({ kind: "finished", id: "teardown" });
    if (leftover !== "") onEvent({ kind: "notice", text: leftover });
  }
}
