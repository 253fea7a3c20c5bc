import type { CommandMode } from "../../bottle/backend.ts";
import type { Argument, Invocation, Step, TarFile } from "../../bottle/invocation.ts";
import { PROXY_PORT, type SidecarProgram } from "../../egress/proxy.ts";
import { rangeText } from "./addresses.ts";
import {
  agentContainerArguments,
  egressNetworkArguments,
  ENV_DIRECTORY,
  internalNetworkArguments,
  sidecarContainerArguments,
} from "./arguments.ts";
import type { Expected, PlanInputs } from "./plan.ts";
import { AGENT_EXEC, agentFiles } from "./provision/files.ts";
import { provisionSkills } from "./provision/skills.ts";
import { provisionSsh } from "./provision/ssh.ts";
import { provisionSystemGit } from "./provision/system_git.ts";
import { type Names, REF } from "./refs.ts";
import { workspaceSteps, workspaceTeardown } from "./workspace_steps.ts";

/** Keys that nobody types: docker's own, Ctrl-P Ctrl-Q, swallows Ctrl-P and would leave a running agent behind. */
const DETACH_KEYS = "ctrl-@,ctrl-^,ctrl-@";

/** What differs between steps. */
export interface StepParts {
  readonly after?: readonly string[];
  readonly args: readonly Argument[];
  readonly input?: Invocation["input"];
  readonly creates?: string;
  readonly failure?: string;
  readonly held?: true;
  readonly why: string;
}

/** Makes a step of this launch. */
export type StepMaker = (id: string, parts: StepParts) => Step;

/** Steps that all talk to the same engine. */
export function stepMaker(globalArguments: readonly string[]): StepMaker {
  return (id, { after = [], args, input, creates, failure, held, why }) => ({
    id,
    after,
    ...(creates === undefined ? {} : { creates }),
    ...(failure === undefined ? {} : { failure }),
    ...(held === undefined ? {} : { held }),
    invocation: {
      program: "docker",
      args: [...globalArguments, ...args],
      ...(input === undefined ? {} : { input }),
      why,
    },
  });
}

/** Both networks. */
export function networkSteps(
  { engine, subnets, run }: PlanInputs,
  names: Names,
  step: StepMaker,
): readonly Step[] {
  return [
    step("internal-network", {
      args: internalNetworkArguments({
        name: names.internal.name,
        subnet: rangeText(subnets.internal),
        engineMajor: engine.major,
        run,
      }),
      creates: REF.internal,
      why: "joins agent and sidecar, leads nowhere",
    }),
    step("egress-network", {
      args: egressNetworkArguments({ name: names.egress.name, subnet: rangeText(subnets.egress), run }),
      creates: REF.egress,
      why: "the sidecar's way out",
    }),
  ];
}

/** What the steps of a container need besides the inputs. */
export interface ContainerStepOptions {
  readonly names: Names;
  readonly expected: Expected;
  readonly step: StepMaker;
  /** Whether its image is built by an earlier step. */
  readonly built: boolean;
}

/** The agent container, up to its sleeping PID 1. */
export function agentContainerSteps(inputs: PlanInputs, options: ContainerStepOptions): readonly Step[] {
  const { names, expected, step } = options;
  const { spec, user } = inputs;
  // In the seed's words.
  const failure = `docker run failed for container '${names.agent.name}'`;
  const workspace = workspaceSteps(inputs, names, step);
  // One that no process owns has nobody to hold it.
  const held = spec.lifetime === "session";
  return [
    ...workspace.beforeCreate,
    step("agent-create", {
      after: [
        "internal-network",
        ...workspace.beforeCreate.map(({ id }) => id),
        ...(options.built ? ["agent-image"] : []),
      ],
      args: agentContainerArguments({
        name: names.agent.name,
        runtime: inputs.runtime,
        network: names.internal,
        address: expected.agentAddress,
        sidecarAddress: expected.sidecarAddress,
        memory: expected.memory,
        pids: expected.pids,
        cpus: spec.resources.cpus,
        tmpfs: expected.agentTmpfs,
        env: expected.agentEnv,
        home: spec.home,
        image: names.agentImage,
        workspace: inputs.workspace && { volume: names.workspace, directory: spec.workdir },
        held,
        run: inputs.run,
      }),
      creates: REF.agent,
      failure,
      why: "the bottle itself, no secret in it",
    }),
    step("agent-files", {
      after: ["agent-create"],
      args: ["container", "cp", "-", { ...names.agent, suffix: ":/" }],
      input: {
        kind: "tar",
        files: [
          ...agentFiles(spec, user),
          ...provisionSkills(inputs.skills, { directory: spec.skillsDir, user }),
          ...provisionSsh(spec.ssh, {
            keys: inputs.sshKeys,
            place: { home: spec.home, user, sidecarAddress: expected.sidecarAddress },
          }),
          ...provisionSystemGit(inputs.sshKeys, spec.policy),
        ],
      },
      why: "prompt, settings and the wrapper enter before it starts",
    }),
    ...workspace.beforeStart,
    step("agent-start", {
      after: ["agent-files", ...workspace.beforeStart.map(({ id }) => id)],
      args: ["container", "start", ...(held ? ["--attach", "--interactive"] : []), names.agent],
      ...(held ? { held: true } : {}),
      failure,
      why: held ? "its stdin is held open: the bottle ends with us" : "PID 1 sleeps",
    }),
    ...workspace.afterStart,
  ];
}

/** The sidecar, up to its listening. */
export function sidecarSteps(inputs: PlanInputs, options: ContainerStepOptions): readonly Step[] {
  const { names, expected, step } = options;
  const { sidecarProgram: program } = expected;
  const joins = [...inputs.joined.entries()].map(([name, id], index) =>
    step(`sidecar-join-${index + 1}`, {
      after: ["sidecar-create"],
      args: ["network", "connect", { ref: `joined-${index + 1}`, name }, names.sidecar],
      why: `egress.networks: ${id.slice(0, 12)}`,
    })
  );
  return [
    step("sidecar-create", {
      after: ["egress-network", ...(options.built ? ["sidecar-image"] : [])],
      args: sidecarContainerArguments({
        name: names.sidecar.name,
        runtime: inputs.engine.runtimes.includes("runc") ? "runc" : undefined,
        network: names.egress,
        memory: program.memoryMiB * 1024 ** 2,
        pids: program.pids,
        env: expected.sidecarEnv,
        program,
        image: names.sidecarImage,
        run: inputs.run,
      }),
      creates: REF.sidecar,
      why: `${inputs.spec.proxy.name}, the only way out`,
    }),
    step("sidecar-config", {
      after: ["sidecar-create"],
      args: ["container", "cp", "-", { ...names.sidecar, suffix: ":/config" }],
      input: { kind: "tar", files: program.files.map(rootOwned) },
      why: "the allowlist, as the proxy reads it",
    }),
    step("sidecar-connect", {
      after: ["sidecar-create", "internal-network"],
      args: ["network", "connect", "--ip", expected.sidecarAddress, names.internal, names.sidecar],
      why: "listens on the internal network only",
    }),
    ...joins,
    step("sidecar-start", {
      after: ["sidecar-config", "sidecar-connect", ...joins.map(({ id }) => id)],
      args: ["container", "start", names.sidecar],
      why: "the bottle's egress begins",
    }),
  ];
}

function rootOwned({ path, mode, text }: SidecarProgram["files"][number]): TarFile {
  return { path, mode, uid: 0, gid: 0, text };
}

/** One command that is run in a bottle as the agent's user. */
export interface CommandRun {
  readonly agent: Argument;
  readonly user: { readonly uid: number; readonly gid: number };
  readonly sidecarAddress: string;
  readonly workdir: string;
  readonly command: readonly string[];
  readonly mode: CommandMode;
  /** Names of the variables of its process. */
  readonly envNames: readonly string[];
  /** Names the file that its environment waits in. */
  readonly envToken: string;
}

/** What a bottle that is only made ready runs: once it ends, the sidecar has answered. */
const READY_COMMAND: readonly string[] = ["/bin/true"];

/** The agent's run; of a bottle that is only made ready, the proof that it is. */
export function agentSteps(
  { spec, user, envNames, envToken }: PlanInputs,
  { names, expected, step }: Omit<ContainerStepOptions, "built">,
): readonly Step[] {
  const { command, mode, workdir } = spec;
  const { sidecarAddress } = expected;
  const run = { agent: names.agent, user, sidecarAddress, workdir, command, mode, envNames, envToken };
  if (spec.startsAgent) return commandSteps(run, step);
  return commandSteps({ ...run, command: READY_COMMAND, mode: "headless" }, step).map((only) => ({
    ...only,
    id: "ready",
    invocation: { ...only.invocation, why: "no agent yet: ready once the sidecar answers" },
  }));
}

/** The run of one command: its environment over stdin, then itself. */
export function commandSteps(run: CommandRun, step: StepMaker): readonly Step[] {
  const { agent, envToken } = run;
  const asAgent = ["--user", `${run.user.uid}:${run.user.gid}`];
  const wrapper = ["/usr/bin/perl", AGENT_EXEC];
  const words = [envToken, run.sidecarAddress, String(PROXY_PORT), run.workdir, ...run.command];
  const input = { kind: "environment", names: run.envNames } as const;
  if (run.mode === "headless") {
    return [step("agent", {
      args: ["container", "exec", "--interactive", ...asAgent, agent, ...wrapper, "headless", ...words],
      input,
      why: "the agent, its environment over stdin",
    })];
  }
  return [
    step("agent-env", {
      args: ["container", "exec", "--interactive", ...asAgent, agent, ...wrapper, "put", envToken],
      input,
      why: `its environment, into the tmpfs ${ENV_DIRECTORY}`,
    }),
    step("agent", {
      after: ["agent-env"],
      args: [
        "container",
        "exec",
        "--interactive",
        ...(run.mode === "attached" ? ["--tty", "--detach-keys", DETACH_KEYS] : []),
        ...asAgent,
        agent,
        ...wrapper,
        "attached",
        ...words,
      ],
      why: run.mode === "attached" ? "the agent, on your terminal" : "the command, with your stdin",
    }),
  ];
}

/** The end of everything. */
export function teardownSteps(inputs: PlanInputs, names: Names, step: StepMaker): readonly Step[] {
  const workspace = workspaceTeardown(inputs, names, step);
  return [
    ...workspace.before,
    step("remove-containers", {
      args: ["container", "rm", "--force", "--volumes", names.agent, names.sidecar],
      why: "the agent ends with its container",
    }),
    step("remove-networks", {
      after: ["remove-containers"],
      args: ["network", "rm", names.internal, names.egress],
      why: "nothing is left",
    }),
    ...workspace.after,
  ];
}
