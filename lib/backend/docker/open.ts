import type { ActiveBottle } from "../../bottle/active.ts";
import type { AgentOutcome, BottleCommand, OpenBottle } from "../../bottle/backend.ts";
import type { ResolvedEnv } from "../../bottle/env.ts";
import type { Placeholders } from "../../bottle/injected.ts";
import { DEFAULT_DISK } from "../../bottle/disk_limit.ts";
import type { OnEvent } from "../../bottle/events.ts";
import { wholeConnections } from "../../egress/connections.ts";
import { readEvents } from "../../egress/log_reader.ts";
import type { EgressPolicy } from "../../egress/policy.ts";
import type { EgressEvent } from "../../egress/proxy.ts";
import { Redactor } from "../../bottle/redactor.ts";
import { EXIT, Failure, oneLine } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { type BottleAccount, bottleAccount } from "./account.ts";
import type { DockerClient } from "./client.ts";
import { type CommandPlace, type CommandPorts, endCommand, newEnvToken, runCommand } from "./command.ts";
import { EgressFollower } from "./egress_follower.ts";
import { openEnder } from "./ender.ts";
import { findImages, inspected } from "./engine.ts";
import { engineFailure } from "./failures.ts";
import { imageRecipes } from "./images.ts";
import { injectSecrets } from "./inject.ts";
import type { InspectedContainer } from "./inspected.ts";
import { GONE } from "./objects.ts";
import { agentEnvironment, type EnvironmentSpec, handedOver } from "./provision/env.ts";
import { CA_FILE } from "./provision/files.ts";
import { REF } from "./refs.ts";
import { proxyOf, sidecarFailure, sidecarLog } from "./sidecar_log.ts";
import { commandSteps, stepMaker } from "./steps.ts";
import { diskWatchSteps, foundWatch, type WatchedBottle } from "./watch_steps.ts";

interface OpenPorts {
  /** Bytes that the bottle may take; the backend's own limit when the manifest names none. */
  readonly disk: number | undefined;
  readonly policy: EgressPolicy;
  readonly host: Host;
  readonly client: DockerClient;
  readonly signal: AbortSignal;
  readonly onEvent: OnEvent;
}

/** Asks the engine, once, how a bottle is. @throws Failure `bottle-stopped`, `sidecar-failed`, `bottle-unreadable` */
export async function openBottle(bottle: ActiveBottle, ports: OpenPorts): Promise<OpenBottle> {
  const what = "asking how the bottle is";
  const ids = [bottle.id, ...(bottle.sidecar === undefined ? [] : [bottle.sidecar])];
  const args = ["container", "inspect", ...ids];
  const outcome = await ports.client.outcome({ what, args, signal: ports.signal });
  if (outcome.code !== 0 && !GONE.test(outcome.stderr)) throw engineFailure(what, outcome);
  const found = inspected<InspectedContainer>(what, outcome.stdout);
  const agent = found.find(({ Id }) => Id === bottle.id);
  if (agent?.State.Running !== true) throw notRunning(bottle);
  const sidecar = found.find(({ Id }) => Id === bottle.sidecar);
  if (sidecar === undefined) throw sidecarMissing(bottle);
  if (!sidecar.State.Running) {
    throw await sidecarFailure(ports.client, { id: sidecar.Id, proxy: bottle.proxy ?? "unknown" });
  }
  return new DockerOpenBottle(bottle, {
    ports,
    sidecar: sidecar.Id,
    agent,
    watcher: await watcherImage(bottle, { agent, sidecar, ports }),
    ...bottleAccount(bottle, { agent, sidecar }),
  });
}

interface OpenParts extends BottleAccount {
  readonly ports: OpenPorts;
  readonly sidecar: string;
  /** The engine's account of the agent container. */
  readonly agent: InspectedContainer;
  readonly watcher: WatcherImage;
}

type WatcherImage = Pick<WatchedBottle, "image" | "isOurImage">;

/** As a launch chooses it. The agent's image is ours only when it is the very one that would be built now. */
async function watcherImage(
  bottle: ActiveBottle,
  { agent, sidecar, ports }: {
    readonly agent: InspectedContainer;
    readonly sidecar: InspectedContainer;
    readonly ports: OpenPorts;
  },
): Promise<WatcherImage> {
  if (bottle.proxy === "squid") return { image: sidecar.Image, isOurImage: true };
  const { client, host, signal } = ports;
  const { name } = (await imageRecipes(host.environment)).agent;
  const found = await findImages(client, { names: [name], signal });
  return { image: agent.Image, isOurImage: found.get(name)?.id === agent.Image };
}

function notRunning(bottle: ActiveBottle): Failure {
  const name = oneLine(bottle.name);
  return new Failure("bottle-stopped", `${name} does not run any more`, {
    hints: [`\`claude-bottle stop ${name}\` removes what is left of it; then start it again`],
    exit: EXIT.beforeAgent,
  });
}

function sidecarMissing(bottle: ActiveBottle): Failure {
  const name = oneLine(bottle.name);
  return new Failure(
    "sidecar-missing",
    `The sidecar of ${name} is gone, so nothing in it can reach a network`,
    {
      hints: [`Stop it and start again: claude-bottle stop ${name}`],
      exit: EXIT.beforeAgent,
    },
  );
}

/** A bottle on a docker engine that some launch left running. */
class DockerOpenBottle implements OpenBottle {
  readonly name: string;
  readonly home: string;
  readonly workdir: string;
  readonly #bottle: ActiveBottle;
  readonly #parts: OpenParts;
  #follower: EgressFollower | undefined;

  constructor(bottle: ActiveBottle, parts: OpenParts) {
    this.name = bottle.name;
    this.home = parts.home;
    this.workdir = parts.workdir;
    this.#bottle = bottle;
    this.#parts = parts;
  }

  async inject(secrets: ResolvedEnv): Promise<Placeholders> {
    const { ports, sidecar, sidecarAddress: listen } = this.#parts;
    const place = { name: this.name, sidecar, proxy: proxyOf(this.#bottle), listen };
    return await injectSecrets(place, secrets, ports);
  }

  async run(
    { command, mode, env: resolved, forwardOauthToken, placeholders = new Map() }: BottleCommand,
  ): Promise<AgentOutcome> {
    const { ports, user, sidecarAddress, workdir, home, hasSsh } = this.#parts;
    const { environment } = ports.host;
    // Whether it was given extra authorities only the wrapper sees: it leaves out what names none.
    const ssh = { length: hasSsh ? 1 : 0 };
    const { policy } = ports;
    const none = new Map();
    const spec: EnvironmentSpec = {
      ...{ home, ca: CA_FILE, policy, ssh, mode, forwardOauthToken },
      ...{ env: none, injected: none },
    };
    const env = agentEnvironment(spec, { environment, resolved, placeholders });
    const envToken = newEnvToken(ports.host);
    const agent = { ref: REF.agent, name: this.name };
    const envNames = [...env.keys()];
    const steps = commandSteps(
      { agent, user, sidecarAddress, workdir, command, mode, envNames, envToken },
      stepMaker(ports.client.globalArguments),
    );
    const place = this.#place(envToken);
    let ended: Promise<boolean> | undefined;
    const end = (): Promise<boolean> => ended ??= endCommand(place, envToken, this.#ports);
    const redactor = new Redactor(handedOver({ resolved, forwardOauthToken }, environment));
    await using _ender = await openEnder(ports, { place, envToken });
    try {
      const { code } = await redactor.guard(() =>
        runCommand(place, { steps, env, envToken }, {
          ...ports,
          onEvent: redactor.listener(ports.onEvent),
        }, end)
      );
      return { code };
    } catch (error) {
      this.#follower?.giveUp();
      await end();
      throw error;
    }
  }

  async watchEgress(): Promise<() => Promise<readonly EgressEvent[]>> {
    const before = await this.#events(LOG_TAIL);
    const after = before.at(-1)?.time ?? 0;
    const { sidecar: id, ports } = this.#parts;
    const proxy = proxyOf(this.#bottle);
    const follower = proxy && new EgressFollower({ id, proxy, tail: LOG_TAIL, after }, ports);
    this.#follower = follower;
    return async () => await follower?.end() ?? (await this.#events()).filter(({ time }) => time > after);
  }

  async #events(tail?: number): Promise<readonly EgressEvent[]> {
    const proxy = proxyOf(this.#bottle);
    const { sidecar: id, ports } = this.#parts;
    const lines = await sidecarLog(ports.client, { id, ...(tail === undefined ? {} : { tail }) });
    return proxy === undefined ? [] : wholeConnections(readEvents(proxy.reader(), lines));
  }

  #place(token: string): CommandPlace {
    const { sidecar, user, agent, workdir, watcher, ports } = this.#parts;
    const { name } = this;
    const ids = new Map([[REF.agent, this.#bottle.id], [REF.sidecar, sidecar]]);
    const watched = foundWatch(agent, { ...watcher, name, user, workdir, token });
    const watch = {
      steps: diskWatchSteps(watched, stepMaker(ports.client.globalArguments)),
      limit: ports.disk ?? DEFAULT_DISK,
      stays: oneLine(name),
    };
    return { ids, user, proxy: this.#bottle.proxy ?? "unknown", watch };
  }

  get #ports(): CommandPorts {
    return this.#parts.ports;
  }
}

/** Lines of the log in which its last event is looked for: not each one is an event. */
const LOG_TAIL = 100;
