import { EXIT, Failure } from "../../errors.ts";
import { agentEnded } from "./agent_end.ts";
import type { InspectedContainer, InspectedNetwork, InspectedObject } from "./inspected.ts";
import type { DockerBottlePlan } from "./plan.ts";
import { REF } from "./refs.ts";
import { rangeText } from "./addresses.ts";
import { isSteering } from "./images.ts";
import {
  CPU_SHARES,
  DNS,
  DNS_OPTIONS,
  GATEWAY_MODE,
  isIsolating,
  LOG,
  sidecarHost,
  sidecarTmpfs,
  ULIMITS,
} from "./arguments.ts";
import { type Difference, differing, unaskedDifferences } from "./differences.ts";

/**
 * Compares what the engine says it made with what was asked: an engine that ignores a protection in silence is
 * worse than one that refuses it. `objects` are the elements of one `docker inspect` of both containers and both
 * networks.
 *
 * @throws Failure `protection-missing` naming each difference, `object-gone`, `sidecar-ended`,
 * `agent-ended`
 */
export function verifyBottle(
  plan: DockerBottlePlan,
  objects: readonly InspectedObject[],
  ids: ReadonlyMap<string, string>,
): void {
  const found = new Map(objects.map((object) => [object.Id, object]));
  const agent = found.get(ids.get(REF.agent) ?? "");
  const sidecar = found.get(ids.get(REF.sidecar) ?? "");
  const internal = found.get(ids.get(REF.internal) ?? "");
  const egress = found.get(ids.get(REF.egress) ?? "");
  if (!isContainer(agent) || !isContainer(sidecar) || !isNetwork(internal) || !isNetwork(egress)) {
    throw new Failure("object-gone", "A part of the bottle was removed while it started", {
      exit: EXIT.beforeAgent,
    });
  }
  // Its own log says more than any comparison.
  if (!sidecar.State.Running) {
    throw new Failure("sidecar-ended", "The sidecar ended as soon as it started", { exit: EXIT.beforeAgent });
  }
  if (!agent.State.Running) throw agentEnded();
  const differences = [
    ...agentDifferences(plan, agent, ids),
    ...sidecarDifferences(plan, sidecar, ids),
    ...bridgeDifferences(plan, internal, egress),
  ];
  if (differences.length === 0) return;
  throw new Failure(
    "protection-missing",
    "The engine did not do all that was asked, so the agent was not run",
    {
      problems: differences.map(({ what, asked, found }) => ({
        message: `${what}: asked ${asked}, found ${found}`,
      })),
      hints: ["Use another engine with `--context`; `docker version` shows which one this is"],
      exit: EXIT.beforeAgent,
    },
  );
}

function isContainer(object: InspectedObject | undefined): object is InspectedContainer {
  return object !== undefined && "HostConfig" in object;
}

function isNetwork(object: InspectedObject | undefined): object is InspectedNetwork {
  return object !== undefined && "IPAM" in object;
}

function agentDifferences(
  plan: DockerBottlePlan,
  agent: InspectedContainer,
  ids: ReadonlyMap<string, string>,
): readonly Difference[] {
  const { expected, inputs } = plan;
  const { HostConfig: host } = agent;
  return [
    ...commonDifferences(agent, {
      whose: "agent",
      image: ids.get(REF.agentImage),
      memory: expected.memory,
      swapLimit: inputs.engine.swapLimit,
      pids: expected.pids,
      env: expected.agentEnv,
      networks: new Map([[ids.get(REF.internal) ?? "", expected.agentAddress]]),
    }),
    ...differing("agent user", "0:0", agent.Config.User ?? ""),
    ...differing("agent health check", "", healthCheckOf(agent)),
    ...differing("agent runtime", inputs.runtime, host.Runtime ?? ""),
    ...differing("agent init", "true", String(host.Init ?? false)),
    ...differing("agent dns", DNS, (host.Dns ?? []).join(" ")),
    ...differing("agent dns options", DNS_OPTIONS.join(" "), (host.DnsOptions ?? []).join(" ")),
    ...differing("agent hosts", sidecarHost(expected.sidecarAddress), (host.ExtraHosts ?? []).join(" ")),
    ...differing("agent tmpfs", expected.agentTmpfs.join(" "), tmpfsOf(agent)),
    ...differing("agent cpus", String(inputs.spec.resources.cpus ?? 0), String((host.NanoCpus ?? 0) / 1e9)),
    ...differing("agent mounts", inputs.workspace && `volume ${inputs.spec.workdir}` || "", mountsOf(agent)),
    ...differing("agent workspace", plan.workspace?.volume ?? "", workspaceOf(agent)),
    ...(inputs.sshKeys.length === 0
      ? []
      : differing("agent image's variables that steer programs", "", steeringVariables(agent))),
  ];
}

function sidecarDifferences(
  plan: DockerBottlePlan,
  sidecar: InspectedContainer,
  ids: ReadonlyMap<string, string>,
): readonly Difference[] {
  const { inputs } = plan;
  const { sidecarProgram: program, sidecarAddress, sidecarEnv } = plan.expected;
  const networks = new Map<string, string | undefined>([
    [ids.get(REF.internal) ?? "", sidecarAddress],
    [ids.get(REF.egress) ?? "", undefined],
  ]);
  for (const id of plan.inputs.joined.values()) networks.set(id, undefined);
  return [
    ...commonDifferences(sidecar, {
      whose: "sidecar",
      image: ids.get(REF.sidecarImage),
      memory: program.memoryMiB * 1024 ** 2,
      swapLimit: inputs.engine.swapLimit,
      pids: program.pids,
      env: sidecarEnv,
      networks,
    }),
    ...differing(
      "sidecar runtime",
      inputs.engine.runtimes.includes("runc") ? "runc" : "",
      runtimeOf(sidecar, inputs),
    ),
    ...differing("sidecar user", `${program.uid}:${program.gid}`, sidecar.Config.User ?? ""),
    ...differing("sidecar tmpfs", sidecarTmpfs(program).toSorted().join(" "), tmpfsOf(sidecar)),
    ...differing("sidecar read-only root", "true", String(sidecar.HostConfig.ReadonlyRootfs ?? false)),
    ...differing("sidecar mounts", "volume /config", mountsOf(sidecar)),
  ];
}

interface Common {
  readonly whose: keyof typeof CPU_SHARES;
  readonly image: string | undefined;
  readonly memory: number;
  /** An engine that says it cannot bound swap is no liar; the plan says so before. */
  readonly swapLimit: boolean;
  readonly pids: number;
  readonly env: Readonly<Record<string, string>>;
  /** Addresses by network id; `undefined` for any address. */
  readonly networks: ReadonlyMap<string, string | undefined>;
}

function commonDifferences(container: InspectedContainer, common: Common): readonly Difference[] {
  const { HostConfig: host } = container;
  const { whose } = common;
  return [
    ...differing(`${whose} image`, common.image ?? "", container.Image),
    ...differing(
      `${whose} dropped capabilities`,
      "ALL",
      (host.CapDrop ?? []).join(" ").replace(/^CAP_ALL$/, "ALL"),
    ),
    ...differing(`${whose} added capabilities`, "", (host.CapAdd ?? []).join(" ")),
    ...differing(
      `${whose} security options`,
      "no-new-privileges",
      (host.SecurityOpt ?? []).map((option) => option.replace(/[:=]true$/, "")).join(" "),
    ),
    ...unaskedDifferences(whose, host),
    ...differing(`${whose} ipc`, "private", host.IpcMode ?? ""),
    ...differing(`${whose} restart policy`, "no", host.RestartPolicy?.Name ?? ""),
    ...differing(`${whose} limits`, ULIMITS.join(" "), ulimitsOf(container)),
    ...differing(`${whose} log`, `${LOG.driver} ${LOG.files} of ${LOG.size}`, logOf(container)),
    // An engine that weighs nothing leaves 0: a courtesy, not a protection.
    ...differing(
      `${whose} cpu shares`,
      String(CPU_SHARES[whose]),
      String(host.CpuShares || CPU_SHARES[whose]),
    ),
    ...differing(`${whose} memory`, String(common.memory), String(host.Memory ?? 0)),
    ...(common.swapLimit
      ? differing(`${whose} memory and swap`, String(common.memory), String(host.MemorySwap ?? 0))
      : []),
    ...differing(`${whose} pids`, String(common.pids), String(host.PidsLimit ?? 0)),
    ...environmentDifferences(container, common),
    ...networkDifferences(container, common),
  ];
}

/** The client adds proxy variables of its own configuration, with their credentials, wherever one is not set. */
function environmentDifferences(container: InspectedContainer, common: Common): readonly Difference[] {
  const found = new Map<string, string>();
  for (const entry of container.Config.Env ?? []) {
    const equals = entry.indexOf("=");
    found.set(entry.slice(0, equals), entry.slice(equals + 1));
  }
  return Object.entries(common.env).flatMap(([name, asked]) =>
    // The value found may be a credential: it is not repeated.
    found.get(name) === asked
      ? []
      : [{ what: `${common.whose} ${name}`, asked: `"${asked}"`, found: "another value" }]
  );
}

function networkDifferences(container: InspectedContainer, common: Common): readonly Difference[] {
  const found = new Map(
    Object.values(container.NetworkSettings.Networks ?? {}).map((
      network,
    ) => [network.NetworkID, network.IPAddress]),
  );
  const asked = [...common.networks.keys()].sort().map((id) => id.slice(0, 12)).join(" ");
  const have = [...found.keys()].sort().map((id) => id.slice(0, 12)).join(" ");
  return [
    ...differing(`${common.whose} networks`, asked, have),
    ...[...common.networks].flatMap(([id, address]) =>
      address === undefined ? [] : differing(`${common.whose} address`, address, found.get(id) ?? "")
    ),
  ];
}

/** A container that was told to have none says so, or says nothing. */
function healthCheckOf({ Config }: InspectedContainer): string {
  const [kind = "NONE"] = Config.Healthcheck?.Test ?? [];
  return kind === "NONE" ? "" : kind;
}

function steeringVariables({ Config }: InspectedContainer): string {
  return (Config.Env ?? []).map((entry) => entry.replace(/=.*$/s, "")).filter(isSteering).join(" ");
}

function mountsOf(container: InspectedContainer): string {
  return (container.Mounts ?? []).filter(({ Type }) => Type !== "tmpfs")
    .map(({ Type, Destination }) => `${Type} ${Destination}`).join(" ");
}

function workspaceOf(container: InspectedContainer): string {
  return (container.Mounts ?? []).filter(({ Type }) => Type === "volume").map(({ Name }) => Name ?? "").join(
    " ",
  );
}

function tmpfsOf(container: InspectedContainer): string {
  return Object.entries(container.HostConfig.Tmpfs ?? {}).map(([path, options]) => `${path}:${options}`)
    .sort()
    .join(" ");
}

function ulimitsOf(container: InspectedContainer): string {
  return (container.HostConfig.Ulimits ?? []).map(({ Name, Soft, Hard }) => `${Name}=${Soft}:${Hard}`).sort()
    .join(" ");
}

function logOf(container: InspectedContainer): string {
  const { Type = "", Config } = container.HostConfig.LogConfig ?? {};
  return `${Type} ${Config?.["max-file"] ?? "any number"} of ${Config?.["max-size"] ?? "any size"}`.trim();
}

/** Nothing to compare where the engine does not list the runtime that it uses by default. */
function runtimeOf(container: InspectedContainer, inputs: DockerBottlePlan["inputs"]): string {
  return inputs.engine.runtimes.includes("runc") ? container.HostConfig.Runtime ?? "" : "";
}

function bridgeDifferences(
  plan: DockerBottlePlan,
  internal: InspectedNetwork,
  egress: InspectedNetwork,
): readonly Difference[] {
  const { subnets, engine } = plan.inputs;
  return [
    ...differing("internal network is internal", "true", String(internal.Internal ?? false)),
    ...differing(
      "internal network without a host address",
      "true",
      internal.Options?.["com.docker.network.bridge.inhibit_ipv4"] ?? "",
    ),
    ...(isIsolating(engine.major)
      ? differing("internal network gateway", "isolated", internal.Options?.[GATEWAY_MODE] ?? "")
      : []),
    ...differing("internal network subnet", rangeText(subnets.internal), subnetOf(internal)),
    ...differing("internal network IPv6", "false", String(internal.EnableIPv6 ?? false)),
    ...differing(
      "egress network talk",
      "false",
      egress.Options?.["com.docker.network.bridge.enable_icc"] ?? "",
    ),
    ...differing("egress network subnet", rangeText(subnets.egress), subnetOf(egress)),
    ...differing("egress network IPv6", "false", String(egress.EnableIPv6 ?? false)),
  ];
}

function subnetOf(network: InspectedNetwork): string {
  return network.IPAM?.Config?.[0]?.Subnet ?? "";
}
