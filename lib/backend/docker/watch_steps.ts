import diskWatch from "../../assets/disk_watch.pl" with { type: "text" };
import type { Argument, Ref, Step } from "../../bottle/invocation.ts";
import { csvField, proxyEnvironment } from "./arguments.ts";
import type { InspectedContainer } from "./inspected.ts";
import { LABEL, labelsOf } from "./labels.ts";
import type { PlanInputs } from "./plan.ts";
import { type Names, REF } from "./refs.ts";
import type { StepMaker } from "./steps.ts";

/** The role of a container that watches a bottle's disk. */
const WATCHER_ROLE = "watcher";

/** What its program is called where it is printed. */
const PROGRAM = "disk_watch.pl";

/** A bottle whose disk is watched. */
export interface WatchedBottle {
  readonly agent: Ref;
  /** What the watcher is made from. */
  readonly image: Argument;
  /** Whether that is an image of ours: no other's programs are given a capability. */
  readonly isOurImage: boolean;
  readonly user: { readonly uid: number; readonly gid: number };
  readonly isGvisor: boolean;
  /** Its workspace's volume and where that stands. */
  readonly workspace: { readonly volume: string; readonly directory: string } | undefined;
  /** The labels of the agent container. */
  readonly labels: Readonly<Record<string, string>>;
  /** Drawn anew for each command: several may be watched in one bottle. */
  readonly token: string;
}

/** A bottle that is planned. */
export function plannedWatch(inputs: PlanInputs, names: Names): WatchedBottle {
  return {
    agent: names.agent,
    ...watcherImage(inputs, names),
    user: inputs.user,
    isGvisor: inputs.runtime === "runsc",
    workspace: inputs.workspace && { volume: names.workspace, directory: inputs.spec.workdir },
    labels: labelsOf(inputs.run, "agent"),
    token: inputs.envToken,
  };
}

/** Squid's image is always ours; that of the agent unless the user names one; pipelock's has nothing to count with. */
function watcherImage(
  { spec, images }: PlanInputs,
  names: Names,
): Pick<WatchedBottle, "image" | "isOurImage"> {
  if (spec.proxy.name === "squid") return { image: names.sidecarImage, isOurImage: true };
  return { image: names.agentImage, isOurImage: images.agent.build !== undefined };
}

/** What a person should know of how it is watched, a line each. */
export function watchNotices(inputs: PlanInputs): readonly string[] {
  if (inputs.spec.proxy.name === "squid" || inputs.images.agent.build !== undefined) return [];
  return [
    `${inputs.images.agent.name} is not built by claude-bottle: what the agent hides in closed folders and deleted ` +
    "files does not count towards its disk",
  ];
}

/** A bottle that is there, as the engine tells of its agent container. */
export function foundWatch(
  agent: InspectedContainer,
  { name, user, workdir, token, image, isOurImage }:
    & Pick<
      WatchedBottle,
      "user" | "token" | "image" | "isOurImage"
    >
    & {
      readonly name: string;
      readonly workdir: string;
    },
): WatchedBottle {
  const mount = agent.Mounts?.find(({ Type, Destination }) => Type === "volume" && Destination === workdir);
  return {
    agent: { ref: REF.agent, name },
    image,
    isOurImage,
    user,
    isGvisor: agent.HostConfig.Runtime === "runsc",
    workspace: mount?.Name === undefined ? undefined : { volume: mount.Name, directory: workdir },
    labels: agent.Config.Labels ?? {},
    token,
  };
}

/**
 * The programs that measure what a bottle takes. With runc one container beside it sees all of that: it shares the
 * bottle's processes and may look where the agent does not let others look, and it has no network and nothing to write.
 * gVisor keeps the container's root file system in one file that only its sandbox can read, and says how full it is;
 * there only the workspace is measured from beside.
 */
export function diskWatchSteps(bottle: WatchedBottle, step: StepMaker): readonly Step[] {
  const { agent, user, workspace } = bottle;
  const input = { kind: "program", name: PROGRAM, text: diskWatch } as const;
  if (!bottle.isGvisor) {
    const place = [
      ...["--runtime", "runc", "--pid", { ...agent, prefix: "container:" }],
      // To read what processes have open.
      ...(bottle.isOurImage ? ["--cap-add", "SYS_PTRACE"] : []),
    ];
    const words = [
      "bottle",
      String(user.uid),
      String(user.gid),
      ...(workspace === undefined ? [] : [workspace.directory]),
    ];
    return [step("watch-disk", {
      args: watcherArguments(bottle, { place, words }),
      input,
      why: "measures what the bottle takes",
    })];
  }
  return [
    step("watch-disk", {
      args: ["container", "exec", "--interactive", "--user", "0:0", agent, "/usr/bin/perl", "-", "sandbox"],
      input,
      why: "measures what the sandbox takes",
    }),
    ...(workspace === undefined ? [] : [step("watch-workspace", {
      args: watcherArguments(bottle, {
        place: ["--mount", volumeMount(workspace.volume)],
        words: ["volume"],
      }),
      input,
      why: "measures what the workspace takes",
    })]),
  ];
}

function volumeMount(volume: string): string {
  return ["type=volume", `src=${volume}`, "dst=/workspace", "readonly", "volume-nocopy"].map(csvField).join(
    ",",
  );
}

function watcherArguments(
  { agent, image, isOurImage, labels, token }: WatchedBottle,
  { place, words }: { readonly place: readonly Argument[]; readonly words: readonly string[] },
): readonly Argument[] {
  const marks = { ...ours(labels), [LABEL.role]: WATCHER_ROLE };
  return [
    ...["container", "run", "--rm", "--interactive", "--name", `${agent.name}-${token}-watcher`],
    ...place,
    ...["--network", "none", "--ipc", "private", "--user", "0:0", "--read-only"],
    ...["--cap-drop", "ALL", "--security-opt", "no-new-privileges"],
    // Folders may be closed to everybody but their owner.
    ...(isOurImage ? ["--cap-add", "DAC_READ_SEARCH"] : []),
    ...["--pids-limit", "16", "--memory", "256m", "--memory-swap", "256m", "--ulimit", "core=0:0"],
    ...["--restart", "no", "--pull", "never", "--no-healthcheck", "--log-driver", "none"],
    ...Object.entries(proxyEnvironment("", "")).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
    ...Object.entries(marks).flatMap(([key, value]) => ["--label", `${key}=${value}`]),
    ...["--entrypoint", "/usr/bin/perl", image, "-", ...words],
  ];
}

/** The image's labels are its own. */
function ours(labels: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const runs: readonly string[] = [
    LABEL.run,
    LABEL.agent,
    LABEL.bottle,
    LABEL.manifest,
    LABEL.version,
    LABEL.owner,
  ];
  return Object.fromEntries(Object.entries(labels).filter(([key]) => runs.includes(key)));
}
