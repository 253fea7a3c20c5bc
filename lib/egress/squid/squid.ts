import sniCheck from "../../assets/squid_sni_check.pl" with { type: "text" };
import supervisor from "../../assets/squid_supervisor.pl" with { type: "text" };
import type { EgressPolicy } from "../policy.ts";
import type { EgressProxy, SidecarPlace, SidecarProgram } from "../proxy.ts";
import { backConfiguration, frontConfiguration } from "./configuration.ts";
import { readEvent } from "./events.ts";
import { covers } from "../hosts.ts";
import { refusalPages } from "./refusals.ts";

/** The user `proxy` of Debian, whom the squid packages know. */
const PROXY_ID = 13;

/** Squid from Debian's packages: ports pinned, TLS only to the host it names. */
export const squid: EgressProxy = {
  name: "squid",
  inspects: true,
  limits,
  program,
  reloadSignal: "HUP",
  readEvent,
};

function limits(policy: EgressPolicy): readonly string[] {
  return policy.ssh
    .filter((entry) => entry.port === 443 && policy.hosts.some((rule) => covers(rule.host, entry.host)))
    .map((entry) => `${entry.host}:443 is an ssh entry, so what its TLS names is not checked`);
}

function program(policy: EgressPolicy, place: SidecarPlace): SidecarProgram {
  return {
    uid: PROXY_ID,
    gid: PROXY_ID,
    command: ["perl", "/config/supervisor.pl"],
    files: [
      { path: "supervisor.pl", mode: 0o644, text: supervisor },
      { path: "sni.pl", mode: 0o644, text: sniCheck },
      { path: "front.conf", mode: 0o644, text: frontConfiguration(policy, place) },
      { path: "back.conf", mode: 0o644, text: backConfiguration(policy, place) },
      ...refusalPages(),
    ],
    tmpfs: [],
    memoryMiB: 256,
    pids: 64,
  };
}
