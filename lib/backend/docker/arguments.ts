import type { Argument } from "../../bottle/invocation.ts";
import type { SidecarProgram } from "../../egress/proxy.ts";
import { labelsOf, type RunLabels } from "./labels.ts";
import { SSH_DIRECTORY, SSH_TMPFS_OPTIONS } from "./provision/ssh.ts";

/** `--label` for each label of an object. */
export function labelArguments(run: RunLabels, role: string): readonly string[] {
  return Object.entries(labelsOf(run, role)).flatMap(([key, value]) => ["--label", `${key}=${value}`]);
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
    "--internal",
    "--ipv6=false",
    "--subnet",
    options.subnet,
    // `--internal` alone leaves the host reachable through the bridge's own address: without one there is none.
    "--opt",
    "com.docker.network.bridge.inhibit_ipv4=true",
    // The same from engine 28 on, by name; older engines accept the option and ignore it.
    ...(options.engineMajor >= 28 ? ["--opt", "com.docker.network.bridge.gateway_mode_ipv4=isolated"] : []),
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

function hardening(options: ContainerOptions, role: string): readonly Argument[] {
  return [
    "container",
    "create",
    "--name",
    options.name,
    ...(options.runtime === undefined ? [] : ["--runtime", options.runtime]),
    "--network",
    options.network,
    "--cap-drop",
    "ALL",
    // setuid programs gain nothing.
    "--security-opt",
    "no-new-privileges",
    "--ipc",
    "private",
    "--pids-limit",
    String(options.pids),
    // Equal values: no swap, where secrets would reach a disk.
    "--memory",
    String(options.memory),
    "--memory-swap",
    String(options.memory),
    ...ULIMITS.flatMap((limit) => ["--ulimit", limit]),
    "--restart",
    "no",
    "--pull",
    "never",
    "--log-driver",
    "local",
    "--log-opt",
    "max-size=10m",
    "--log-opt",
    "max-file=2",
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
  },
): readonly Argument[] {
  return [
    ...hardening(options, "agent"),
    ...(options.cpus === undefined ? [] : ["--cpus", String(options.cpus)]),
    "--ip",
    options.address,
    "--user",
    "0:0",
    "--init",
    // It would be run as root, whenever the engine likes, and may be a file that the agent can write.
    "--no-healthcheck",
    // An upstream of nobody: the engine's resolver would otherwise forward any name from the host's side.
    "--dns",
    "0.0.0.0",
    "--dns-opt",
    "timeout:1",
    "--dns-opt",
    "attempts:1",
    "--add-host",
    `sidecar:${options.sidecarAddress}`,
    ...options.tmpfs.flatMap((mount) => ["--tmpfs", mount]),
    ...(options.workspace === undefined ? [] : ["--mount", workspaceMount(options.workspace)]),
    "--workdir",
    options.home,
    // By its path: the image's PATH may begin where files of the user's or the agent's stand.
    "--entrypoint",
    "/bin/sleep",
    options.image,
    "infinity",
  ];
}

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
  const owner = `uid=${program.uid},gid=${program.gid}`;
  return [
    ...hardening(options, "sidecar"),
    "--user",
    `${program.uid}:${program.gid}`,
    "--read-only",
    // An image's own check may ask where nothing listens; the agent's wrapper asks where it matters.
    "--no-healthcheck",
    ...program.tmpfs.flatMap(({ path, sizeMiB, mode }) => [
      "--tmpfs",
      `${path}:${owner},mode=${mode.toString(8).padStart(4, "0")},size=${sizeMiB}m,noexec,nosuid,nodev`,
    ]),
    "--mount",
    ["type=volume", "dst=/config", ...volumeLabels(options.run)].map(csvField).join(","),
    options.image,
    ...program.command,
  ];
}

/** `volume-label` settings of an anonymous volume. */
function volumeLabels(run: RunLabels): readonly string[] {
  return Object.entries(labelsOf(run, "config")).map(([key, value]) => `volume-label=${key}=${value}`);
}

/** `--mount` is read as one record of CSV. */
function csvField(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
