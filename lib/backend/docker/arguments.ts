import type { Argument } from "../../bottle/invocation.ts";
import type { SidecarProgram } from "../../egress/proxy.ts";
import { labelsOf, type RunLabels } from "./labels.ts";
import { SSH_DIRECTORY, SSH_TMPFS_OPTIONS } from "./provision/ssh.ts";

/** `--label` for each label of an object. */
export function labelArguments(run: RunLabels, role: string): readonly string[] {
  return Object.entries(labelsOf(run, role)).flatMap(([key, value]) => ["--label", `${key}=${value}`]);
}

/** How the bridge of a network meets its host. */
export const GATEWAY_MODE = "com.docker.network.bridge.gateway_mode_ipv4";

/** Whether an engine knows bridges that its host has no part in. */
export function isIsolating(engineMajor: number): boolean {
  return engineMajor >= 28;
}

/** `docker network create` of the network that joins agent and sidecar and leads nowhere. */
export function internalNetworkArguments(
  options: {
    readonly name: string;
    readonly subnet: string;
    readonly engineMajor: number;
    readonly run: RunLabels;
  },
): readonly string[] {
  return [
    "network",
    "create",
    // No route out.
    "--internal",
    // Nor by the other protocol, whatever the engine does for networks of which nothing is said.
    "--ipv6=false",
    "--subnet",
    options.subnet,
    // `--internal` alone leaves the host reachable through the bridge's own address: without one there is none.
    "--opt",
    "com.docker.network.bridge.inhibit_ipv4=true",
    // The same from engine 28 on, by name; older engines accept the option and ignore it.
    ...(isIsolating(options.engineMajor) ? ["--opt", `${GATEWAY_MODE}=isolated`] : []),
    ...labelArguments(options.run, "internal"),
    options.name,
  ];
}

/** `docker network create` of the sidecar's way out. One a bottle, and no talk on it: sidecars do not see each other. */
export function egressNetworkArguments(
  options: { readonly name: string; readonly subnet: string; readonly run: RunLabels },
): readonly string[] {
  return [
    "network",
    "create",
    // The allowlist and the rules about private addresses are read for what a name resolves to: one protocol fewer to get wrong.
    "--ipv6=false",
    "--subnet",
    options.subnet,
    "--opt",
    "com.docker.network.bridge.enable_icc=false",
    ...labelArguments(options.run, "egress"),
    options.name,
  ];
}

/** All spellings of the variables that programs take a proxy from. */
const PROXY_VARIABLES = ["HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY"] as const;

/**
 * The proxy variables of a container, all of them and in both cases: the docker CLI would otherwise fill the
 * missing ones from the user's own configuration, company credentials included.
 */
export function proxyEnvironment(proxy: string, noProxy: string): Readonly<Record<string, string>> {
  const variables: Record<string, string> = {};
  for (const name of PROXY_VARIABLES) {
    variables[name] = proxy;
    variables[name.toLowerCase()] = proxy;
  }
  variables["NO_PROXY"] = noProxy;
  variables["no_proxy"] = noProxy;
  return variables;
}

/**
 * Limits of both containers' processes. A core file would hold the environment. Open files are enough for
 * watchers and compilers, and below what an engine without CAP_SYS_RESOURCE can give.
 */
export const ULIMITS: readonly string[] = ["core=0:0", "nofile=16384:16384"];

/**
 * Each container's weight when processors are scarce; 1024 is what nobody asked for. An agent works unattended, so
 * the machine's other containers go before it; the sidecar does little, and agents wait for it.
 */
export const CPU_SHARES = { agent: 512, sidecar: 2048 } as const;

/** Log lines come from the agent: what it writes takes no more of the host's disk than this. */
export const LOG = { driver: "local", size: "10m", files: "2" } as const;

/** Nobody answers there. */
export const DNS = "0.0.0.0";

/** Tools that ask all the same give up after a second, not after twenty. */
export const DNS_OPTIONS: readonly string[] = ["timeout:1", "attempts:1"];

/** How programs name the sidecar to people; they reach it by its address. */
export function sidecarHost(address: string): string {
  return `sidecar:${address}`;
}

/** What both containers have in common. */
interface ContainerOptions {
  readonly name: string;
  readonly runtime: string | undefined;
  readonly network: Argument;
  readonly memory: number;
  readonly pids: number;
  readonly env: Readonly<Record<string, string>>;
  readonly run: RunLabels;
}

/**
 * What is not among them counts as much: no `--privileged`, `--cap-add`, `--device`, `--volume`, `--publish`, no
 * namespace of the host, and no `--security-opt seccomp=…`, so the engine's own filter of system calls holds.
 */
function hardening(options: ContainerOptions, role: keyof typeof CPU_SHARES): readonly Argument[] {
  return [
    "container",
    "create",
    "--name",
    options.name,
    ...(options.runtime === undefined ? [] : ["--runtime", options.runtime]),
    "--network",
    options.network,
    // Root in the container can do no more than a user: no raw sockets, no changed addresses, no files of others.
    "--cap-drop",
    "ALL",
    // setuid programs gain nothing.
    "--security-opt",
    "no-new-privileges",
    // Its shared memory is its own, and no other container may join it.
    "--ipc",
    "private",
    // A fork bomb ends here, not at the host's limit.
    "--pids-limit",
    String(options.pids),
    "--cpu-shares",
    String(CPU_SHARES[role]),
    // Equal values: no swap, where secrets would reach a disk.
    "--memory",
    String(options.memory),
    "--memory-swap",
    String(options.memory),
    ...ULIMITS.flatMap((limit) => ["--ulimit", limit]),
    // Nothing comes to life again that somebody ended.
    "--restart",
    "no",
    // The image that the plan named, or none.
    "--pull",
    "never",
    "--log-driver",
    LOG.driver,
    "--log-opt",
    `max-size=${LOG.size}`,
    "--log-opt",
    `max-file=${LOG.files}`,
    ...Object.entries(options.env).flatMap(([name, value]) => ["--env", `${name}=${value}`]),
    ...labelArguments(options.run, role),
  ];
}

/** The private tmpfs that an environment passes through. Larger than an environment can be, for the CA bundle beside it. */
export const ENV_DIRECTORY = "/run/env";

/** Its mount options: the agent's alone, and nothing in it can be run. */
export function envTmpfsOptions(user: { readonly uid: number; readonly gid: number }): string {
  return `uid=${user.uid},gid=${user.gid},mode=0700,size=4m,noexec,nosuid,nodev`;
}

/** The tmpfs mounts of the agent container, `PATH:OPTIONS`, in the order of their paths. */
export function agentTmpfs(
  user: { readonly uid: number; readonly gid: number },
  { ssh }: { readonly ssh: boolean },
): readonly string[] {
  return [
    ...(ssh ? [`${SSH_DIRECTORY}:${SSH_TMPFS_OPTIONS}`] : []),
    `${ENV_DIRECTORY}:${envTmpfsOptions(user)}`,
  ];
}

/** `docker container create` of the agent container. PID 1 is root without capabilities, so the agent cannot end it. */
export function agentContainerArguments(
  options: ContainerOptions & {
    readonly address: string;
    readonly sidecarAddress: string;
    readonly cpus: number | undefined;
    readonly tmpfs: readonly string[];
    readonly home: string;
    readonly image: Argument;
    /** The volume of the workspace and where it stands. */
    readonly workspace: { readonly volume: string; readonly directory: string } | undefined;
    /** Whether it ends with the client that holds its stdin. */
    readonly held: boolean;
  },
): readonly Argument[] {
  return [
    ...hardening(options, "agent"),
    ...(options.cpus === undefined ? [] : ["--cpus", String(options.cpus)]),
    "--ip",
    options.address,
    "--user",
    "0:0",
    // Collects what an agent's processes leave, and ends at once when told.
    "--init",
    // It would be run as root, whenever the engine likes, and may be a file that the agent can write.
    "--no-healthcheck",
    // An upstream of nobody: the engine's resolver would otherwise forward any name from the host's side.
    "--dns",
    DNS,
    ...DNS_OPTIONS.flatMap((option) => ["--dns-opt", option]),
    "--add-host",
    sidecarHost(options.sidecarAddress),
    ...options.tmpfs.flatMap((mount) => ["--tmpfs", mount]),
    ...(options.workspace === undefined ? [] : ["--mount", workspaceMount(options.workspace)]),
    "--workdir",
    options.home,
    ...(options.held ? ["--interactive"] : []),
    // By their paths: the image's PATH may begin where files of the user's or the agent's stand.
    "--entrypoint",
    ...(options.held
      ? ["/bin/sh", options.image, "-c", HELD_PROGRAM]
      : ["/bin/sleep", options.image, "infinity"]),
  ];
}

/** What a held container says once it is up. */
export const HELD_WORD = "up";

/** Ends with its stdin: so with us, even where nothing outlives us to remove it. */
const HELD_PROGRAM = `echo ${HELD_WORD}; exec /bin/cat >/dev/null`;

/** What the image has at that place does not mix with the user's files. */
function workspaceMount(
  { volume, directory }: { readonly volume: string; readonly directory: string },
): string {
  return ["type=volume", `src=${volume}`, `dst=${directory}`, "volume-nocopy"].map(csvField).join(",");
}

/** `docker container create` of the sidecar: unprivileged, its root read-only, its configuration in a volume of its own. */
export function sidecarContainerArguments(
  options: ContainerOptions & { readonly program: SidecarProgram; readonly image: Argument },
): readonly Argument[] {
  const { program } = options;
  return [
    ...hardening(options, "sidecar"),
    "--user",
    `${program.uid}:${program.gid}`,
    // Who takes over the proxy finds no file to change.
    "--read-only",
    // An image's own check may ask where nothing listens; the agent's wrapper asks where it matters.
    "--no-healthcheck",
    ...sidecarTmpfs(program).flatMap((mount) => ["--tmpfs", mount]),
    "--mount",
    ["type=volume", "dst=/config", ...volumeLabels(options.run)].map(csvField).join(","),
    options.image,
    ...program.command,
  ];
}

/** `PATH:OPTIONS` of each tmpfs of the sidecar: what it writes is in its memory alone. */
export function sidecarTmpfs({ uid, gid, tmpfs }: SidecarProgram): readonly string[] {
  return tmpfs.map(({ path, sizeMiB, mode }) => {
    const owner = `uid=${uid},gid=${gid},mode=${mode.toString(8).padStart(4, "0")}`;
    return `${path}:${owner},size=${sizeMiB}m,noexec,nosuid,nodev`;
  });
}

/** `volume-label` settings of an anonymous volume. */
function volumeLabels(run: RunLabels): readonly string[] {
  return Object.entries(labelsOf(run, "config")).map(([key, value]) => `volume-label=${key}=${value}`);
}

/** `--mount` is read as one record of CSV. */
export function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
