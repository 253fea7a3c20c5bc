/*
 * Section 5 of the CIS Docker Benchmark 1.6.0: its 26 automated items, judged from what the engine says of a container
 * and from what the kernel says of the processes in it. Titles and rules are in our words; where an item leaves room, the
 * stricter reading counts.
 */

/** What the kernel says of one process; its `Name`, `Pid`, `Uid`, `CapEff`, `CapBnd`, `NoNewPrivs` and `Seccomp`. */
export type ProcessStatus = Readonly<Record<string, string>>;

/** The part of `docker container inspect` that is judged. */
export interface InspectedForCis {
  readonly AppArmorProfile?: string;
  readonly ProcessLabel?: string;
  readonly State?: { readonly Health?: unknown };
  readonly Config?: { readonly Healthcheck?: { readonly Test?: readonly string[] | null } | null };
  readonly HostConfig: {
    readonly Runtime?: string;
    readonly CapAdd?: readonly string[] | null;
    readonly SecurityOpt?: readonly string[] | null;
    readonly Privileged?: boolean;
    readonly NetworkMode?: string;
    readonly PidMode?: string;
    readonly IpcMode?: string;
    readonly UTSMode?: string;
    readonly UsernsMode?: string;
    readonly CgroupParent?: string;
    readonly Memory?: number;
    readonly CpuShares?: number;
    readonly PidsLimit?: number | null;
    readonly ReadonlyRootfs?: boolean;
    readonly RestartPolicy?: { readonly Name?: string; readonly MaximumRetryCount?: number } | null;
    readonly PortBindings?:
      | Readonly<Record<string, readonly { readonly HostIp?: string; readonly HostPort?: string }[] | null>>
      | null;
  };
  readonly Mounts?:
    | readonly { readonly Type: string; readonly Source?: string; readonly Propagation?: string }[]
    | null;
}

/** Everything that one container is judged by. */
export interface Evidence {
  readonly container: InspectedForCis;
  /** Of all that run in it, its first one too. */
  readonly processes: readonly ProcessStatus[];
  /** The engine's `Swarm.LocalNodeState`. */
  readonly swarm: string;
}

/** One item. */
export interface Check {
  readonly id: string;
  /** What must be so. */
  readonly title: string;
  /** What is wrong, in words; nothing when all is well. */
  judge(evidence: Evidence): string | undefined;
}

/** Host folders that nobody else should see. */
const SENSITIVE = ["/", "/boot", "/dev", "/etc", "/lib", "/proc", "/sys", "/usr"];

const NO_CAPABILITIES = /^0+$/;

export const CIS_CHECKS: readonly Check[] = [
  {
    id: "5.1",
    title: "the engine is in no swarm",
    judge: ({ swarm }) => swarm === "inactive" ? undefined : swarm,
  },
  {
    id: "5.2",
    title: "an AppArmor profile holds it",
    judge: ({ container: { AppArmorProfile: profile = "" } }) =>
      profile === "" || profile === "unconfined" ? profile || "no profile" : undefined,
  },
  {
    id: "5.3",
    title: "an SELinux label holds it",
    judge: ({ container }) => (container.ProcessLabel ?? "") === "" ? "no label" : undefined,
  },
  {
    id: "5.4",
    title: "no capabilities",
    judge: ({ container, processes }) => {
      const added = container.HostConfig.CapAdd ?? [];
      const bounds = [...new Set(processes.map(({ CapBnd = "unknown" }) => CapBnd))];
      if (added.length > 0) return `added ${added.join(" ")}`;
      return bounds.every((bound) => NO_CAPABILITIES.test(bound))
        ? undefined
        : `bounded by ${bounds.join(" ")}`;
    },
  },
  { id: "5.5", title: "not privileged", judge: ({ container }) => said(container.HostConfig.Privileged) },
  {
    id: "5.6",
    title: "no sensitive folder of the host",
    judge: ({ container }) => {
      const sources = bindSources(container).filter((source) => SENSITIVE.includes(source));
      return sources.length === 0 ? undefined : sources.join(" ");
    },
  },
  {
    id: "5.7",
    title: "no ssh server in it",
    judge: ({ processes }) => processes.some(({ Name }) => Name === "sshd") ? "sshd runs" : undefined,
  },
  {
    id: "5.8",
    title: "no privileged port of the host",
    judge: ({ container }) => {
      const ports = published(container).map(({ port }) => port).filter((port) => port > 0 && port < 1024);
      return ports.length === 0 ? undefined : `port ${ports.join(" ")}`;
    },
  },
  {
    id: "5.10",
    title: "a network of its own",
    judge: ({ container }) => isHost(container.HostConfig.NetworkMode),
  },
  {
    id: "5.11",
    title: "memory is bounded",
    judge: ({ container }) => (container.HostConfig.Memory ?? 0) > 0 ? undefined : "no bound",
  },
  {
    id: "5.12",
    title: "its processor weight is chosen",
    judge: ({ container: { HostConfig: { CpuShares: shares = 0 } } }) =>
      shares === 0 || shares === 1024 ? `weight ${shares}, the default` : undefined,
  },
  {
    id: "5.13",
    title: "its root is read-only",
    judge: ({ container }) => container.HostConfig.ReadonlyRootfs === true ? undefined : "it can be written",
  },
  {
    id: "5.14",
    title: "no port on all of the host's addresses",
    judge: ({ container }) => {
      const wild = published(container).filter(({ address }) => ["", "0.0.0.0", "::"].includes(address));
      return wild.length === 0 ? undefined : `port ${wild.map(({ port }) => port).join(" ")}`;
    },
  },
  {
    id: "5.15",
    title: "restarted five times at most",
    judge: ({ container: { HostConfig: { RestartPolicy: policy } } }) => {
      const { Name: name = "no", MaximumRetryCount: most = 0 } = policy ?? {};
      const isBounded = ["no", ""].includes(name) || (name === "on-failure" && most > 0 && most <= 5);
      return isBounded ? undefined : `${name}, ${most || "any number of"} times`;
    },
  },
  {
    id: "5.16",
    title: "processes of its own",
    judge: ({ container }) => isHost(container.HostConfig.PidMode),
  },
  {
    id: "5.17",
    title: "shared memory of its own",
    judge: ({ container }) => isHost(container.HostConfig.IpcMode),
  },
  {
    id: "5.20",
    title: "no mount is shared back",
    judge: ({ container }) => {
      const modes = (container.Mounts ?? []).map(({ Propagation = "" }) => Propagation);
      return modes.some((mode) => mode === "shared" || mode === "rshared")
        ? modes.join(" ").trim()
        : undefined;
    },
  },
  {
    id: "5.21",
    title: "a host name of its own",
    judge: ({ container }) => isHost(container.HostConfig.UTSMode),
  },
  {
    id: "5.22",
    title: "system calls are filtered",
    judge: ({ container, processes }) => {
      if (options(container).includes("seccomp=unconfined")) return "seccomp=unconfined";
      // gVisor is a kernel of its own: it filters its own calls to the host, and reports nothing inside.
      if (container.HostConfig.Runtime === "runsc") return undefined;
      const modes = [...new Set(processes.map(({ Seccomp = "unknown" }) => Seccomp))];
      return modes.every((mode) => mode === "2") ? undefined : `mode ${modes.join(" ")}`;
    },
  },
  {
    id: "5.23",
    title: "no privileged process came in later",
    judge: ({ processes }) => {
      const bound = BigInt(`0x${processes.find(({ Pid }) => Pid === "1")?.["CapBnd"] ?? "0"}`);
      const more = processes.filter(({ CapEff = "0" }) => (BigInt(`0x${CapEff}`) & ~bound) !== 0n);
      return more.length === 0
        ? undefined
        : more.map(({ Name, CapEff }) => `${Name} has ${CapEff}`).join(", ");
    },
  },
  {
    id: "5.25",
    title: "the engine's own control group",
    judge: ({ container }) => container.HostConfig.CgroupParent || undefined,
  },
  {
    id: "5.26",
    title: "no new privileges",
    judge: ({ container, processes }) => {
      if (!options(container).some((option) => /^no-new-privileges([:=]true)?$/.test(option))) {
        return "not asked";
      }
      const without = processes.filter(({ NoNewPrivs }) => NoNewPrivs !== "1").map(({ Name = "" }) => Name);
      return without.length === 0 ? undefined : `not for ${without.join(" ")}`;
    },
  },
  {
    id: "5.27",
    title: "the engine checks its health",
    judge: ({ container }) => {
      const [kind = "NONE"] = container.Config?.Healthcheck?.Test ?? [];
      return kind === "NONE" ? "no check" : undefined;
    },
  },
  {
    id: "5.29",
    title: "the number of processes is bounded",
    judge: ({ container }) => (container.HostConfig.PidsLimit ?? 0) > 0 ? undefined : "no bound",
  },
  {
    id: "5.31",
    title: "the engine's user namespace, not the host's",
    judge: ({ container }) => isHost(container.HostConfig.UsernsMode),
  },
  {
    id: "5.32",
    title: "no socket of an engine",
    judge: ({ container }) => {
      const sockets = bindSources(container).filter((source) =>
        /\/(docker|containerd|podman|crio)\.sock$/.test(source)
      );
      return sockets.length === 0 ? undefined : sockets.join(" ");
    },
  },
];

/** A check that a bottle does not pass, and why that is right. */
export interface Exception {
  readonly id: string;
  readonly whose: readonly ("agent" | "sidecar")[];
  readonly reason: string;
  /** Of what the engine says of itself: it excuses only where the engine has no such thing. */
  readonly unlessEngineHas?: string;
}

export const CIS_EXCEPTIONS: readonly Exception[] = [
  {
    id: "5.2",
    whose: ["agent", "sidecar"],
    unlessEngineHas: "apparmor",
    reason: "the engine's host has no AppArmor; where it has, the engine's own profile is left on",
  },
  {
    id: "5.3",
    whose: ["agent", "sidecar"],
    unlessEngineHas: "selinux",
    reason: "the engine's host has no SELinux; where it has, the engine's own label is left on",
  },
  {
    id: "5.13",
    whose: ["agent"],
    reason: "an agent builds and installs things: its layer goes with the bottle, and it owns no system file",
  },
  {
    id: "5.27",
    whose: ["agent", "sidecar"],
    reason:
      "nothing would act on the answer: every command first connects to the sidecar, and without it reaches " +
      "nothing; in the agent container an image's check would run as root",
  },
];

/** What came of one check of one container. */
export interface Verdict {
  readonly check: Check;
  readonly outcome: "passed" | "excepted" | "failed";
  /** What is wrong, and for an exception its reason. */
  readonly note: string;
}

/** All checks of one container of a bottle. `engineHas` are the engine's security options, `name=…`. */
export function judgeContainer(
  evidence: Evidence,
  { whose, engineHas }: { readonly whose: "agent" | "sidecar"; readonly engineHas: readonly string[] },
): readonly Verdict[] {
  return CIS_CHECKS.map((check) => {
    const wrong = check.judge(evidence);
    if (wrong === undefined) return { check, outcome: "passed", note: "" };
    const exception = CIS_EXCEPTIONS.find(({ id, whose: whom, unlessEngineHas }) =>
      id === check.id && whom.includes(whose) &&
      !engineHas.some((option) => option.split(",").includes(`name=${unlessEngineHas}`))
    );
    return exception === undefined
      ? { check, outcome: "failed", note: wrong }
      : { check, outcome: "excepted", note: `${wrong}: ${exception.reason}` };
  });
}

function said(flag: boolean | undefined): string | undefined {
  return flag === true ? "it is" : undefined;
}

function isHost(mode: string | undefined): string | undefined {
  return mode === "host" ? "the host's" : undefined;
}

function options({ HostConfig }: InspectedForCis): readonly string[] {
  return HostConfig.SecurityOpt ?? [];
}

function bindSources({ Mounts }: InspectedForCis): readonly string[] {
  return (Mounts ?? []).filter(({ Type }) => Type === "bind").map(({ Source = "" }) => Source);
}

function published(
  { HostConfig }: InspectedForCis,
): readonly { readonly address: string; readonly port: number }[] {
  return Object.values(HostConfig.PortBindings ?? {}).flatMap((bindings) => bindings ?? [])
    .map(({ HostIp = "", HostPort = "" }) => ({ address: HostIp, port: Number(HostPort) }));
}
