/** The part of `docker container inspect` that a plan is compared with. */
export interface InspectedContainer {
  readonly Id: string;
  readonly Image: string;
  readonly State: { readonly Running: boolean; readonly OOMKilled?: boolean; readonly ExitCode?: number };
  readonly Config: {
    readonly Env?: readonly string[] | null;
    readonly User?: string;
    readonly WorkingDir?: string;
    readonly Labels?: Readonly<Record<string, string>> | null;
    readonly Healthcheck?: { readonly Test?: readonly string[] | null } | null;
  };
  readonly HostConfig: {
    readonly CapDrop?: readonly string[] | null;
    readonly CapAdd?: readonly string[] | null;
    readonly SecurityOpt?: readonly string[] | null;
    readonly Privileged?: boolean;
    readonly Binds?: readonly string[] | null;
    readonly Devices?: readonly unknown[] | null;
    readonly PortBindings?: Readonly<Record<string, unknown>> | null;
    readonly NetworkMode?: string;
    readonly PidMode?: string;
    readonly IpcMode?: string;
    readonly UsernsMode?: string;
    readonly Runtime?: string;
    readonly Memory?: number;
    readonly MemorySwap?: number;
    readonly PidsLimit?: number | null;
    readonly ReadonlyRootfs?: boolean;
    readonly Dns?: readonly string[] | null;
    readonly DnsOptions?: readonly string[] | null;
    readonly ExtraHosts?: readonly string[] | null;
    /** The mounts that were asked for. */
    readonly Mounts?:
      | readonly {
        readonly VolumeOptions?: { readonly Labels?: Readonly<Record<string, string>> | null } | null;
      }[]
      | null;
    readonly Init?: boolean | null;
    readonly CpuShares?: number;
    readonly DeviceRequests?: readonly unknown[] | null;
    readonly DeviceCgroupRules?: readonly string[] | null;
    readonly VolumesFrom?: readonly string[] | null;
    readonly GroupAdd?: readonly string[] | null;
    readonly PublishAllPorts?: boolean;
    readonly OomKillDisable?: boolean | null;
    readonly UTSMode?: string;
    readonly CgroupParent?: string;
    readonly Sysctls?: Readonly<Record<string, string>> | null;
    readonly Tmpfs?: Readonly<Record<string, string>> | null;
    readonly Ulimits?:
      | readonly { readonly Name: string; readonly Hard: number; readonly Soft: number }[]
      | null;
    readonly RestartPolicy?: { readonly Name?: string } | null;
    readonly LogConfig?:
      | { readonly Type?: string; readonly Config?: Readonly<Record<string, string>> | null }
      | null;
    readonly NanoCpus?: number;
  };
  readonly Mounts?:
    | readonly { readonly Type: string; readonly Destination: string; readonly Name?: string }[]
    | null;
  readonly NetworkSettings: {
    readonly Networks?:
      | Readonly<Record<string, { readonly NetworkID: string; readonly IPAddress?: string }>>
      | null;
  };
}

/** The part of `docker network inspect` that a plan is compared with. */
export interface InspectedNetwork {
  readonly Id: string;
  readonly Internal?: boolean;
  readonly EnableIPv6?: boolean;
  readonly Options?: Readonly<Record<string, string>> | null;
  readonly IPAM?: { readonly Config?: readonly { readonly Subnet?: string }[] | null } | null;
}

/** An element of `docker inspect`. */
export type InspectedObject = InspectedContainer | InspectedNetwork;
