import type { Argument, Step } from "../../bottle/invocation.ts";
import type { Workspace } from "../../bottle/workspace.ts";
import { dirname } from "../../host/paths.ts";
import { labelArguments } from "./arguments.ts";
import { LABEL } from "./labels.ts";
import type { PlanInputs } from "./plan.ts";
import { WORKSPACE_RECORD } from "./provision/files.ts";
import type { Names } from "./refs.ts";
import type { StepMaker } from "./steps.ts";

/** The step whose answer decides whether {@link REMOVE_WORKSPACE} is taken. */
export const COMPARE_WORKSPACE = "workspace-compare";
export const REMOVE_WORKSPACE = "remove-workspace";

/** What takes about half a second. */
const SLOW_BYTES = 20_000_000;
const SLOW_ENTRIES = 2000;

/** A workspace of a bottle that exists or is planned. */
export interface WorkspaceRun {
  readonly agent: Argument;
  readonly user: { readonly uid: number; readonly gid: number };
  /** Where it stands in the bottle. */
  readonly directory: string;
}

/** Runs the program that remembers and compares a workspace, as the agent's user. */
export function workspaceProgramArguments(
  mode: "record" | "compare",
  { agent, user, directory }: WorkspaceRun,
): readonly Argument[] {
  return [
    "container",
    "exec",
    "--user",
    `${user.uid}:${user.gid}`,
    agent,
    "/usr/bin/perl",
    WORKSPACE_RECORD,
    mode,
    directory,
    `${dirname(directory)}/.claude-bottle-workspace`,
  ];
}

/** The steps of a workspace by their place among the agent container's; none without a workspace. */
export interface WorkspaceSteps {
  readonly beforeCreate: readonly Step[];
  readonly beforeStart: readonly Step[];
  readonly afterStart: readonly Step[];
}

/** The volume, what is copied into it, and the record of that. */
export function workspaceSteps(inputs: PlanInputs, names: Names, step: StepMaker): WorkspaceSteps {
  const { workspace, spec, user } = inputs;
  if (workspace === undefined) return { beforeCreate: [], beforeStart: [], afterStart: [] };
  const { directory, files, bytes } = workspace;
  const slow = isSlow(workspace) ? { slow: true } as const : {};
  const label = ["--label", `${LABEL.workspaceImage}=${inputs.images.agent.name}`];
  return {
    beforeCreate: [step("workspace-volume", {
      args: ["volume", "create", ...labelArguments(inputs.run, "workspace"), ...label, names.workspace],
      why: "holds the agent's work, and outlives the bottle while it is nowhere else",
    })],
    beforeStart: [{
      ...step("workspace-files", {
        after: ["agent-create"],
        // Into the folder above: an engine leaves the owner of the folder that it unpacks in as it is.
        args: ["container", "cp", "-", { ...names.agent, suffix: `:${dirname(spec.workdir)}` }],
        input: { kind: "workspace", directory, files, bytes },
        why: "a copy of the directory: the agent never touches yours",
      }),
      ...slow,
    }],
    afterStart: [{
      ...step("workspace-record", {
        after: ["agent-start"],
        args: workspaceProgramArguments("record", { agent: names.agent, user, directory: spec.workdir }),
        why: "remembers what was copied, to tell later what the agent made",
      }),
      ...slow,
    }],
  };
}

/** Whether copying it is worth telling, and must be possible to cut short. */
function isSlow({ entries, bytes }: Workspace): boolean {
  return bytes > SLOW_BYTES || entries.length > SLOW_ENTRIES ||
    entries.some(({ rawPath }) => rawPath !== undefined);
}

/** The steps around the end of a bottle with a workspace. */
export function workspaceTeardown(
  { workspace, spec, user }: PlanInputs,
  names: Names,
  step: StepMaker,
): { readonly before: readonly Step[]; readonly after: readonly Step[] } {
  if (workspace === undefined) return { before: [], after: [] };
  const run = { agent: names.agent, user, directory: spec.workdir };
  return {
    before: [step(COMPARE_WORKSPACE, {
      args: workspaceProgramArguments("compare", run),
      why: "what the agent made and is nowhere else",
    })],
    after: [step(REMOVE_WORKSPACE, {
      after: ["remove-containers"],
      args: ["volume", "rm", names.workspace],
      why: "only when nothing in it is new",
    })],
  };
}
