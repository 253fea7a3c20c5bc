import type {
  AgentOutcome,
  Bottle,
  BottleAddresses,
  CapturedOutcome,
  LaunchOptions,
} from "../../bottle/backend.ts";
import { literalValues } from "../../bottle/env.ts";
import type { Placeholders } from "../../bottle/injected.ts";
import { wholeConnections } from "../../egress/connections.ts";
import { readEvents } from "../../egress/log_reader.ts";
import { executedArguments } from "../../bottle/invocation.ts";
import { type KeptWorkspace, keptWorkspaceLines } from "../../bottle/workspace.ts";
import type { Redactor } from "../../bottle/redactor.ts";
import type { EgressEvent } from "../../egress/proxy.ts";
import type { Host } from "../../host/host.ts";
import type { HeldProcess } from "../../host/processes.ts";
import { addressIn } from "./addresses.ts";
import { attackProbe } from "./attack_probe.ts";
import type { DockerClient } from "./client.ts";
import {
  captureCommand,
  type CommandPlace,
  type CommandPorts,
  endCommand,
  newEnvToken,
  type PlacedCommand,
  runCommand,
} from "./command.ts";
import { EgressFollower } from "./egress_follower.ts";
import { type Ender, openEnder } from "./ender.ts";
import type { DockerBottlePlan } from "./plan.ts";
import { agentEnvironment, environmentAtLaunch, environmentNames, withoutSecrets } from "./provision/env.ts";
import type { Reaper } from "./reaper.ts";
import { REF, refsOf } from "./refs.ts";
import { sidecarLog } from "./sidecar_log.ts";
import { commandSteps, stepMaker } from "./steps.ts";
import { tearDown } from "./teardown.ts";
import { isStillKept, isUnchanged, keptWorkspace, workspaceChanges } from "./workspace_end.ts";
import { COMPARE_WORKSPACE, REMOVE_WORKSPACE } from "./workspace_steps.ts";

/** A bottle on a docker engine that was launched here. */
export class DockerBottle implements Bottle {
  readonly #plan: DockerBottlePlan;
  readonly #ids: ReadonlyMap<string, string>;
  readonly #host: Host;
  readonly #client: DockerClient;
  readonly #options: LaunchOptions;
  readonly #redactor: Redactor;
  readonly #placeholders: Placeholders;
  readonly #reaper: Reaper;
  readonly #held: readonly HeldProcess[];
  #disposed: Promise<void> | undefined;
  #follower: EgressFollower | undefined;
  #agentRan = false;
  /** From here on its workspace may hold what is nowhere else. */
  #mayHaveRun = false;

  constructor(parts: {
    readonly plan: DockerBottlePlan;
    readonly ids: ReadonlyMap<string, string>;
    readonly host: Host;
    readonly client: DockerClient;
    readonly options: LaunchOptions;
    readonly redactor: Redactor;
    /** Those that count, and that its agent is given. */
    readonly placeholders: Placeholders;
    readonly reaper: Reaper;
    /** What goes on beside us until the bottle is removed. */
    readonly held: readonly HeldProcess[];
  }) {
    this.#plan = parts.plan;
    this.#ids = parts.ids;
    this.#host = parts.host;
    this.#client = parts.client;
    this.#options = parts.options;
    this.#redactor = parts.redactor;
    this.#placeholders = parts.placeholders;
    this.#reaper = parts.reaper;
    this.#held = parts.held;
  }

  get name(): string {
    return this.#plan.containerName;
  }

  get agentRan(): boolean {
    return this.#agentRan;
  }

  async attach(): Promise<AgentOutcome> {
    const command = this.#planned();
    await using _ender = await this.#ender(command);
    await this.#letRun();
    const sidecar = { id: this.#id(REF.sidecar), proxy: this.#plan.spec.proxy };
    this.#follower = new EgressFollower(sidecar, { ...this.#ports, host: this.#host });
    let ended: Promise<boolean> | undefined;
    const end = (): Promise<boolean> => ended ??= endCommand(this.#place, command.envToken, this.#ports);
    // Otherwise the teardown ends it.
    const endAll = this.#plan.spec.lifetime === "detached" ? end : undefined;
    try {
      const { code, began } = await this.#redactor.guard(() =>
        runCommand(this.#place, command, this.#ports, endAll)
      );
      this.#agentRan = began;
      return { code };
    } catch (error) {
      this.#follower.giveUp();
      if (endAll !== undefined) this.#agentRan = await endAll();
      throw error;
    }
  }

  async ready(): Promise<void> {
    await this.#redactor.guard(() => captureCommand(this.#place, this.#planned(), this.#ports));
    // From here on no process owns it.
    await this.#reaper.dismiss();
  }

  /** Where no reaper will end a command, since the bottle is to stay. */
  async #ender({ envToken }: PlacedCommand): Promise<Ender | undefined> {
    if (this.#plan.spec.lifetime !== "detached") return undefined;
    return await openEnder({ ...this.#ports, host: this.#host }, { place: this.#place, envToken });
  }

  /** Before anything runs in it that may make what is nowhere else. */
  async #letRun(): Promise<void> {
    this.#mayHaveRun = true;
    if (this.#plan.spec.lifetime === "detached") await this.#reaper.dismiss();
    else await this.#reaper.keepWorkspace();
  }

  async capture(command: readonly string[]): Promise<CapturedOutcome> {
    await this.#letRun();
    const { environment } = this.#host;
    const { inputs, expected } = this.#plan;
    const spec = { ...withoutSecrets(this.#plan.spec), mode: "headless" } as const;
    const envToken = newEnvToken(this.#host);
    const steps = commandSteps({
      agent: { ref: REF.agent, name: this.name },
      user: inputs.user,
      sidecarAddress: expected.sidecarAddress,
      workdir: this.#plan.spec.workdir,
      command,
      mode: "headless",
      envNames: environmentNames(spec, environment),
      envToken,
    }, stepMaker(this.#client.globalArguments));
    const env = agentEnvironment(spec, { environment, resolved: literalValues(spec.env) });
    const placed = { steps, env, envToken };
    return await this.#redactor.guard(() => captureCommand(this.#place, placed, this.#ports));
  }

  /** What the plan says is run once the bottle is there. */
  #planned(): PlacedCommand {
    const { environment } = this.#host;
    const { spec, agentSteps, inputs } = this.#plan;
    const sources = { environment, resolved: this.#options.env, placeholders: this.#placeholders };
    return {
      steps: agentSteps,
      env: agentEnvironment(environmentAtLaunch(spec), sources),
      envToken: inputs.envToken,
    };
  }

  get #place(): CommandPlace {
    const { spec, inputs, watchSteps, bounds } = this.#plan;
    const stays = spec.lifetime === "detached" ? this.name : undefined;
    const watch = { steps: watchSteps, limit: bounds.disk, stays };
    return { ids: this.#ids, user: inputs.user, proxy: spec.proxy.name, watch };
  }

  get #ports(): CommandPorts {
    const { signal, onEvent } = this.#options;
    return { host: this.#host, client: this.#client, signal, onEvent };
  }

  async egressEvents(): Promise<readonly EgressEvent[]> {
    const followed = await this.#follower?.end();
    if (followed !== undefined) return followed;
    const lines = await sidecarLog(this.#client, { id: this.#id(REF.sidecar) });
    return wholeConnections(readEvents(this.#plan.spec.proxy.reader(), lines));
  }

  inspection(): Promise<string> {
    const args = ["container", "inspect", this.#id(REF.agent), this.#id(REF.sidecar)];
    return this.#client.run({ what: "inspecting the bottle", args });
  }

  get addresses(): BottleAddresses {
    const { inputs, expected } = this.#plan;
    return {
      sidecar: expected.sidecarAddress,
      sidecarName: refsOf(inputs).sidecar.name,
      gateway: addressIn(inputs.subnets.internal, 1),
      egressGateway: addressIn(inputs.subnets.egress, 1),
    };
  }

  probe(attempts: readonly string[]): Promise<string> {
    const { signal } = this.#options;
    const place = { container: this.#id(REF.agent), user: this.#plan.inputs.user };
    return attackProbe(this.#client, { ...place, attempts, signal });
  }

  async killSidecar(): Promise<void> {
    const { signal } = this.#options;
    const args = ["container", "kill", this.#id(REF.sidecar)];
    await this.#client.run({ what: "killing the sidecar", args, signal, deadline: "change" });
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
    const kept = await this.#workspaceToKeep();
    const leftover = await tearDown(ports, {
      id: this.#plan.runId,
      steps: this.#plan.teardownSteps.filter(({ id }) =>
        id !== COMPARE_WORKSPACE && (kept === undefined || id !== REMOVE_WORKSPACE)
      ),
      ids: this.#ids,
      keepWorkspace: kept !== undefined,
    });
    onEvent({ kind: "finished", id: "teardown" });
    // Those of removed containers end by themselves, but when the engine says so.
    for (const process of this.#held) process.kill();
    await Promise.all(this.#held.map(({ ended }) => ended));
    // What could not be removed the reaper tries again, once we are gone.
    if (leftover === "") await this.#reaper.dismiss();
    else onEvent({ kind: "notice", text: leftover });
    // `stop` in another window has told of it, or removed it.
    if (kept === undefined || !await isStillKept(kept, ports)) return;
    for (const text of keptWorkspaceLines(kept)) onEvent({ kind: "notice", text });
  }

  /** The workspace when something in it is new, or nobody can tell. */
  async #workspaceToKeep(): Promise<KeptWorkspace | undefined> {
    const { workspace, image, teardownSteps } = this.#plan;
    const step = teardownSteps.find(({ id }) => id === COMPARE_WORKSPACE);
    if (!this.#mayHaveRun || workspace === undefined || step === undefined) return undefined;
    const changes = await workspaceChanges(
      this.#client,
      executedArguments(step.invocation, this.#ids).slice(this.#client.globalArguments.length),
    );
    if (isUnchanged(changes)) return undefined;
    return keptWorkspace(this.#client, { volume: workspace.volume, image, changes });
  }
}
