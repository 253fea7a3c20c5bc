import { specNotices } from "../../bottle/notices.ts";
import { DEFAULT_MEMORY, DEFAULT_PIDS } from "../../bottle/default_limits.ts";
import { binaryText, DEFAULT_DISK } from "../../bottle/disk_limit.ts";
import type { BottlePlan, Bounds } from "../../bottle/plan.ts";
import type { BottleSpec } from "../../bottle/spec.ts";
import { type UnknownHost, unknownHostNotices } from "../../bottle/host_keys.ts";
import {
  passphraseNotices,
  plannedSsh,
  signingKeyNotices,
  type SshKey,
  unboundKeyNotices,
} from "../../bottle/ssh_keys.ts";
import type { Workspace } from "../../bottle/workspace.ts";
import { PROXY_PORT, type SidecarProgram } from "../../egress/proxy.ts";
import { addressIn, type Range, rangeText, type Subnets } from "./addresses.ts";
import { agentTmpfs, proxyEnvironment } from "./arguments.ts";
import type { EngineFacts } from "./engine.ts";
import { buildSteps, type ImageChoice } from "./image_steps.ts";
import { inspectionSteps } from "./inspection_steps.ts";
import type { RunLabels } from "./labels.ts";
import { systemGitEnvironment } from "./provision/system_git.ts";
import { type Skill, skillNotices } from "./provision/skills.ts";
import { refsOf } from "./refs.ts";
import { sshAgentSteps } from "./ssh_steps.ts";
import {
  agentContainerSteps,
  agentSteps,
  networkSteps,
  sidecarSteps,
  stepMaker,
  teardownSteps,
} from "./steps.ts";
import { diskWatchSteps, plannedWatch, watchNotices } from "./watch_steps.ts";

/** Everything that decides what a launch does. The plan is a pure function of it, so a retry is a new decision, not a patch. */
export interface PlanInputs {
  readonly spec: BottleSpec;
  readonly engine: EngineFacts;
  readonly runtime: "runc" | "runsc";
  readonly images: { readonly agent: ImageChoice; readonly sidecar: ImageChoice };
  readonly user: { readonly uid: number; readonly gid: number };
  /** 1 for the plain name, 2 … 99 for a suffix. */
  readonly attempt: number;
  readonly pinnedName: string | undefined;
  readonly slug: string;
  readonly subnets: Subnets;
  /** Ids of `spec.networks`, by name. */
  readonly joined: ReadonlyMap<string, string>;
  /** `spec.skills` as they were read. */
  readonly skills: readonly Skill[];
  /** The keys of `spec.ssh`. */
  readonly sshKeys: readonly SshKey[];
  /** Those whose keys the launch learns. */
  readonly unknownHosts: readonly UnknownHost[];
  /** `spec.workspace` as it was found. */
  readonly workspace: Workspace | undefined;
  /** Names of the variables of the agent's process. */
  readonly envNames: readonly string[];
  /** What a person should know of where their values come from, a line each. */
  readonly envNotices: readonly string[];
  /** Names the file that an attached agent's environment waits in. */
  readonly envToken: string;
  /** Words before every docker subcommand. */
  readonly globalArguments: readonly string[];
  readonly run: RunLabels;
  /** What another attempt draws its subnets and labels from. */
  readonly pool: Range;
  readonly taken: readonly Range[];
  readonly owner: string;
}

/** What the launch compares with the engine's own account of the two containers. */
export interface Expected {
  readonly agentAddress: string;
  readonly sidecarAddress: string;
  readonly memory: number;
  readonly pids: number;
  readonly agentTmpfs: readonly string[];
  readonly agentEnv: Readonly<Record<string, string>>;
  readonly sidecarEnv: Readonly<Record<string, string>>;
  readonly sidecarProgram: SidecarProgram;
}

export interface DockerBottlePlan extends BottlePlan {
  readonly inputs: PlanInputs;
  readonly expected: Expected;
}

/** Decides the whole launch. Pure. */
export function composePlan(inputs: PlanInputs): DockerBottlePlan {
  const { spec } = inputs;
  const names = refsOf(inputs);
  const expected = expectedOf(inputs);
  const bounds = boundsOf(spec, expected);
  const step = stepMaker(inputs.globalArguments);
  const builds = buildSteps(inputs.images, inputs.globalArguments);
  return {
    inputs,
    expected,
    spec,
    runId: inputs.run.run,
    containerName: names.agent.name,
    image: inputs.images.agent.name,
    runtime: inputs.runtime,
    skills: inputs.skills.map(({ name, path }) => ({ name, path })),
    ssh: plannedSsh(spec.ssh, inputs.sshKeys),
    workspace: inputs.workspace && {
      directory: inputs.workspace.directory,
      volume: names.workspace,
      files: inputs.workspace.files,
      bytes: inputs.workspace.bytes,
    },
    steps: [
      ...builds,
      ...networkSteps(inputs, names, step),
      ...agentContainerSteps(inputs, {
        names,
        expected,
        step,
        built: builds.some(({ id }) => id === "agent-image"),
      }),
      ...sidecarSteps(inputs, {
        names,
        expected,
        step,
        built: builds.some(({ id }) => id === "sidecar-image"),
      }),
      step("verify", {
        after: ["agent-start", "sidecar-start"],
        args: ["inspect", names.agent, names.sidecar, names.internal, names.egress],
        why: "the engine did all that was asked",
      }),
      ...inspectionSteps(inputs, { names, expected, step }),
      ...sshAgentSteps(inputs, { names, expected, step }),
    ],
    agentSteps: agentSteps(inputs, { names, expected, step }),
    // What only proves that a bottle is ready writes nothing.
    watchSteps: spec.startsAgent ? diskWatchSteps(plannedWatch(inputs, names), step) : [],
    teardownSteps: teardownSteps(inputs, names, step),
    bounds,
    limits: limitsText(bounds),
    notices: [
      ...specNotices(spec),
      ...inputs.envNotices,
      ...spec.proxy.limits(spec.policy),
      ...skillNotices(inputs.skills),
      ...sshNotices(inputs),
      ...(inputs.workspace?.notices ?? []),
      ...watchNotices(inputs),
      ...(inputs.engine.swapLimit
        ? []
        : ["the engine cannot bound swap: what the agent holds may reach its disk"]),
    ],
  };
}

function sshNotices({ sshKeys, unknownHosts, images }: PlanInputs): readonly string[] {
  const isForeign = sshKeys.length > 0 && images.agent.build === undefined;
  return [
    ...unknownHostNotices(unknownHosts),
    ...passphraseNotices(sshKeys),
    ...unboundKeyNotices(sshKeys),
    ...signingKeyNotices(sshKeys),
    ...(isForeign ? [`${images.agent.name} is not built by claude-bottle: this image holds your keys`] : []),
  ];
}

function boundsOf({ resources: { cpus, disk } }: BottleSpec, { memory, pids }: Expected): Bounds {
  return { cpus: cpus ?? null, memory, pids, disk: disk ?? DEFAULT_DISK };
}

function limitsText({ memory, pids, cpus, disk }: Bounds): string {
  const gib = Number((memory / 1024 ** 3).toFixed(2));
  const most = [
    `${gib} GiB memory`,
    `${pids} processes`,
    ...(cpus === null ? [] : [`${cpus} ${cpus === 1 ? "cpu" : "cpus"}`]),
  ];
  return [...most, `${binaryText(disk)} disk`].join(", ");
}

function expectedOf({ spec, engine, subnets, user, sshKeys }: PlanInputs): Expected {
  const sidecarAddress = addressIn(subnets.internal, 2);
  return {
    sidecarAddress,
    agentAddress: addressIn(subnets.internal, 3),
    memory: spec.resources.memory ??
      (engine.memory > 0 ? Math.min(DEFAULT_MEMORY, engine.memory) : DEFAULT_MEMORY),
    pids: spec.resources.pids ?? DEFAULT_PIDS,
    agentTmpfs: agentTmpfs(user, { ssh: sshKeys.length > 0 }),
    agentEnv: {
      ...proxyEnvironment(`http://${sidecarAddress}:${PROXY_PORT}`, "localhost,127.0.0.1"),
      ...systemGitEnvironment(sshKeys, spec.policy),
    },
    sidecarEnv: proxyEnvironment("", ""),
    sidecarProgram: spec.proxy.program(spec.policy, {
      listen: sidecarAddress,
      egressSubnet: rangeText(subnets.egress),
      ...(spec.ca === undefined ? {} : { authorities: spec.ca }),
    }),
  };
}
