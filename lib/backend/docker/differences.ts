import type { InspectedContainer } from "./inspected.ts";

/** One thing that was asked and how the engine's account of it differs. */
export interface Difference {
  readonly what: string;
  readonly asked: string;
  readonly found: string;
}

/** Nothing when both are the same. */
export function differing(what: string, asked: string, found: string): readonly Difference[] {
  return asked === found ? [] : [{ what, asked: asked || "none", found: found || "none" }];
}

/** What no bottle asks for, and each of which opens one to its host or to others. */
export function unaskedDifferences(
  whose: string,
  host: InspectedContainer["HostConfig"],
): readonly Difference[] {
  const devices = [...host.Devices ?? [], ...host.DeviceRequests ?? []];
  return [
    ...differing(`${whose} privileged`, "false", String(host.Privileged ?? false)),
    ...differing(`${whose} binds`, "", (host.Binds ?? []).join(" ")),
    ...differing(`${whose} volumes of others`, "", (host.VolumesFrom ?? []).join(" ")),
    ...differing(`${whose} devices`, "0", String(devices.length)),
    ...differing(`${whose} device rules`, "", (host.DeviceCgroupRules ?? []).join(" ")),
    ...differing(`${whose} published ports`, "", Object.keys(host.PortBindings ?? {}).join(" ")),
    ...differing(`${whose} publishes all ports`, "false", String(host.PublishAllPorts ?? false)),
    ...differing(`${whose} added groups`, "", (host.GroupAdd ?? []).join(" ")),
    ...differing(`${whose} pid namespace`, "", host.PidMode ?? ""),
    ...differing(`${whose} host name namespace`, "", host.UTSMode ?? ""),
    ...differing(`${whose} user namespace`, "", host.UsernsMode ?? ""),
    ...differing(`${whose} control group`, "", host.CgroupParent ?? ""),
    ...differing(`${whose} kernel settings`, "", Object.keys(host.Sysctls ?? {}).join(" ")),
    ...differing(`${whose} spared when memory runs out`, "false", String(host.OomKillDisable ?? false)),
  ];
}
