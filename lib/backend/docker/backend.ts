import type {
  Bottle,
  BottleBackend,
  BuildOptions,
  BuiltImage,
  EngineIdentity,
  LaunchOptions,
  OpenBottle,
} from "../../bottle/backend.ts";
import type { ActiveBottle } from "../../bottle/active.ts";
import type { Canary, CanaryOptions } from "../../bottle/canary.ts";
import type { BottleCleanupPlan, CleanupOutcome, SweepOutcome } from "../../bottle/cleanup.ts";
import type { DemoHosts, DemoHostsOptions } from "../../bottle/demo_hosts.ts";
import type { Finding } from "../../bottle/diagnosis.ts";
import type { OnEvent } from "../../bottle/events.ts";
import type { BottlePlan } from "../../bottle/plan.ts";
import { Redactor } from "../../bottle/redactor.ts";
import type { BottleSpec } from "../../bottle/spec.ts";
import type { KeptWorkspace } from "../../bottle/workspace.ts";
import { EXIT, Failure } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { HeldProcess } from "../../host/processes.ts";
import { listActive, stopBottle } from "./active.ts";
import { DockerBottle } from "./bottle.ts";
import { buildImages } from "./build.ts";
import { openCanary } from "./canary.ts";
import { cleanup, type DockerBottleCleanupPlan, isDockerCleanupPlan, prepareCleanup } from "./cleanup.ts";
import { DockerClient } from "./client.ts";
import { contextName } from "./context_name.ts";
import type { Deadlines } from "./deadlines.ts";
import { launchDetails } from "./details.ts";
import { openDemoHosts } from "./demo_hosts.ts";
import { diagnose } from "./diagnosis/diagnose.ts";
import { engineIdentity } from "./diagnosis/identity.ts";
import { inspected } from "./engine.ts";
import { type ExecuteOptions, executeSteps } from "./execute.ts";
import { hasEnded, InspectionLaunch } from "./inspection_launch.ts";
import { OPEN_SIDECAR } from "./inspection_steps.ts";
import { composePlan, type DockerBottlePlan, type PlanInputs } from "./plan.ts";
import { openBottle } from "./open.ts";
import { agentEnvironment, environmentAtLaunch, secretsOf } from "./provision/env.ts";
import { REF } from "./refs.ts";
import { openReaper, removeReaped } from "./reaper.ts";
import { preparePlan } from "./prepare.ts";
import { Races } from "./races.ts";
import { readEgressLog, sidecarFailure } from "./sidecar_log.ts";
import { SshLaunch } from "./ssh_launch.ts";
import { HOST_KEYS, LOAD_KEYS } from "./ssh_steps.ts";
import { launchStdin } from "./stdin.ts";
import { sweep } from "./sweep.ts";
import type { InspectedObject } from "./inspected.ts";
import { verifyBottle } from "./verify.ts";

/** Bottles on a docker engine, through its CLI. */
export class DockerBottleBackend implements BottleBackend {
  readonly name = "docker";
  readonly #host: Host;
  readonly #client: DockerClient;
  readonly #onEvent: OnEvent;
  readonly #context: string | undefined;

  constructor(
    options: {
      readonly host: Host;
      readonly context: string | undefined;
      readonly onEvent: OnEvent;
      /** Those of the client unless told. */
      readonly deadlines?: Deadlines;
    },
  ) {
    this.#host = options.host;
    this.#onEvent = options.onEvent;
    this.#context = options.context;
    this.#client = new DockerClient({ ...options, ...options.host });
  }

  prepare(spec: BottleSpec, signal: AbortSignal): Promise<DockerBottlePlan> {
    return preparePlan(spec, { host: this.#host, client: this.#client, onEvent: this.#onEvent, signal });
  }

  async launch(plan: BottlePlan, options: LaunchOptions): Promise<Bottle> {
    if (!isDockerPlan(plan)) throw new TypeError("A plan of another backend");
    const redactor = new Redactor(secretsOf(plan, { ...options, environment: this.#host.environment }));
    const onEvent = redactor.listener(options.onEvent);
    return await redactor.guard(() => this.#launch(plan, { options: { ...options, onEvent }, redactor }));
  }

  async #launch(
    plan: DockerBottlePlan,
    { options, redactor }: { readonly options: LaunchOptions; readonly redactor: Redactor },
  ): Promise<Bottle> {
    const races = new Races({ host: this.#host, client: this.#client, ...options });
    for (let current = plan;;) {
      const ids = knownIds(current.inputs);
      try {
        return await this.#launchOnce(current, { options, ids, redactor, races });
      } catch (error) {
        current = composePlan(await races.elsewhere(withImages(current.inputs, ids), error));
      }
    }
  }

  /** One attempt; whatever it created is gone when it throws. */
  async #launchOnce(
    plan: DockerBottlePlan,
    { options, ids, redactor, races }: {
      readonly options: LaunchOptions;
      readonly ids: Map<string, string>;
      readonly redactor: Redactor;
      readonly races: Races;
    },
  ): Promise<Bottle> {
    for (const text of launchDetails(plan)) options.onEvent({ kind: "detail", text });
    const inspection = this.#inspection(plan, options);
    const reaper = await openReaper({ host: this.#host, client: this.#client }, plan.runId);
    const held: HeldProcess[] = [];
    const ssh = new SshLaunch(plan.inputs, { ...options, onSecret: (secret) => redactor.add([secret]) });
    try {
      const how: ExecuteOptions = {
        ...options,
        ...judging(plan, { ids, ssh, inspection }),
        client: this.#client,
        ids,
        done: new Set(),
        onHeld: (process) => held.push(process),
        stdin: launchStdin(plan.inputs, {
          host: this.#host,
          onEvent: options.onEvent,
          keys: () => ssh.keyFrames(),
          secrets: () => inspection.frames(),
          authority: () => inspection.authority(),
        }),
      };
      const named = await races.underFreeName(plan, ({ steps }) => executeSteps(steps, how));
      const made = { plan: named, ids, reaper, held, placeholders: inspection.placeholders() };
      return new DockerBottle({ ...made, host: this.#host, client: this.#client, options, redactor });
    } catch (error) {
      const told = await this.#told(error, { plan, ids });
      // The agent did not run: nothing in its workspace is new.
      const leftover = await removeReaped({ ...this.#host, client: this.#client }, {
        run: plan.runId,
        reaper,
      });
      for (const process of held) process.kill();
      if (leftover !== "") options.onEvent({ kind: "notice", text: leftover });
      throw told;
    }
  }

  /** What its sidecar is given: where no agent is started yet, no secret. */
  #inspection({ spec }: DockerBottlePlan, { env, injected }: LaunchOptions): InspectionLaunch {
    const { environment } = this.#host;
    return new InspectionLaunch({
      injected: spec.startsAgent ? injected : undefined,
      policy: spec.policy,
      env: agentEnvironment(environmentAtLaunch(spec), { environment, resolved: env }),
    }, this.#host);
  }

  /** The error to throw for `error`: of a sidecar that died, one with its last words, read while it is still there. */
  async #told(
    error: unknown,
    { plan, ids }: { readonly plan: DockerBottlePlan; readonly ids: ReadonlyMap<string, string> },
  ): Promise<unknown> {
    if (!(error instanceof Failure) || error.code !== "sidecar-ended") return error;
    return await sidecarFailure(this.#client, {
      id: ids.get(REF.sidecar) ?? "",
      proxy: plan.spec.proxy.name,
    });
  }

  open(
    bottle: ActiveBottle,
    options: Parameters<BottleBackend["open"]>[1],
  ): Promise<OpenBottle> {
    return openBottle(bottle, { ...options, host: this.#host, client: this.#client });
  }

  listActive(
    { signal, stopped = false }: { readonly signal: AbortSignal; readonly stopped?: boolean },
  ): Promise<readonly ActiveBottle[]> {
    return listActive({ host: this.#host, client: this.#client }, { signal, stopped });
  }

  stop(bottle: ActiveBottle): Promise<KeptWorkspace | undefined> {
    return stopBottle({ host: this.#host, client: this.#client }, bottle);
  }

  egressLog(bottle: ActiveBottle, options: Parameters<BottleBackend["egressLog"]>[1]): Promise<void> {
    const ports = { host: this.#host, client: this.#client, onEvent: this.#onEvent };
    return readEgressLog(bottle, { ...options, ...ports });
  }

  prepareCleanup(
    options: { readonly all: boolean; readonly signal: AbortSignal },
  ): Promise<DockerBottleCleanupPlan> {
    return prepareCleanup({ host: this.#host, client: this.#client }, options);
  }

  async cleanup(plan: BottleCleanupPlan, signal: AbortSignal): Promise<CleanupOutcome> {
    if (!isDockerCleanupPlan(plan)) throw new TypeError("A plan of another backend");
    return await cleanup(plan, {
      ...this.#host,
      client: this.#client,
      onEvent: this.#onEvent,
      signal,
    });
  }

  sweep({ signal, onEvent }: Parameters<BottleBackend["sweep"]>[0]): Promise<SweepOutcome> {
    // A client of its own: others speak of their calls while this one may not.
    const client = new DockerClient({ ...this.#host, context: this.#context, onEvent });
    return sweep({ host: this.#host, client }, { signal });
  }

  openDemoHosts(options: DemoHostsOptions): Promise<DemoHosts> {
    return openDemoHosts({ host: this.#host, client: this.#client }, options);
  }

  openCanary(options: CanaryOptions): Promise<Canary> {
    return openCanary({ host: this.#host, client: this.#client }, options);
  }

  contextName(): Promise<string> {
    return contextName(this.#host, this.#context);
  }

  identify({ signal }: { readonly signal: AbortSignal }): Promise<EngineIdentity> {
    return engineIdentity(this.#client, signal);
  }

  diagnose({ signal }: { readonly signal: AbortSignal }): Promise<readonly Finding[]> {
    return diagnose({ host: this.#host, client: this.#client, onEvent: this.#onEvent, signal });
  }

  build(options: BuildOptions): Promise<readonly BuiltImage[]> {
    return buildImages({ host: this.#host, client: this.#client }, options);
  }
}

function isDockerPlan(plan: BottlePlan): plan is DockerBottlePlan {
  return "inputs" in plan && "expected" in plan;
}

/** What becomes of the steps' answers, and of those that failed. */
function judging(
  plan: DockerBottlePlan,
  { ids, ssh, inspection }: {
    readonly ids: ReadonlyMap<string, string>;
    readonly ssh: SshLaunch;
    readonly inspection: InspectionLaunch;
  },
): Required<Pick<ExecuteOptions, "judge" | "again">> {
  return {
    judge: async ({ id }, stdout) => {
      if (id === HOST_KEYS) await ssh.learn(stdout);
      if (id === OPEN_SIDECAR) inspection.learn(stdout);
      if (id !== "verify") return;
      const objects = inspected<InspectedObject>("comparing the bottle with the plan", stdout);
      verifyBottle(plan, objects, ids);
    },
    again: ({ id }, outcome) => {
      if (id === OPEN_SIDECAR && hasEnded(outcome)) throw sidecarEnded();
      return id === LOAD_KEYS && ssh.isTriedAgain(outcome);
    },
  };
}

/** Stands for what its log says, which is read before it is removed. */
function sidecarEnded(): Failure {
  return new Failure("sidecar-ended", "The sidecar ended before it let anything through", {
    exit: EXIT.beforeAgent,
  });
}

/** Ids that are known before anything is created. */
function knownIds(inputs: PlanInputs): Map<string, string> {
  const ids = new Map<string, string>();
  const { agent, sidecar } = inputs.images;
  if (agent.id !== undefined) ids.set(REF.agentImage, agent.id);
  if (sidecar.id !== undefined) ids.set(REF.sidecarImage, sidecar.id);
  [...inputs.joined.values()].forEach((id, index) => ids.set(`joined-${index + 1}`, id));
  return ids;
}

/** The same decisions with the images that an attempt built, so that the next one does not build them again. */
function withImages(inputs: PlanInputs, ids: ReadonlyMap<string, string>): PlanInputs {
  const { agent, sidecar } = inputs.images;
  return {
    ...inputs,
    images: {
      agent: { ...agent, id: ids.get(REF.agentImage) ?? agent.id },
      sidecar: { ...sidecar, id: ids.get(REF.sidecarImage) ?? sidecar.id },
    },
  };
}
