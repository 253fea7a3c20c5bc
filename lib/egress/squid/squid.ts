import inspect from "../../assets/squid_inspect.pl" with { type: "text" };
import openProgram from "../../assets/squid_open.pl" with { type: "text" };
import sniCheck from "../../assets/squid_sni_check.pl" with { type: "text" };
import supervisor from "../../assets/squid_supervisor.pl" with { type: "text" };
import { type EgressPolicy, inspects } from "../policy.ts";
import type { EgressProxy, SidecarPlace, SidecarProgram } from "../proxy.ts";
import { backConfiguration, frontConfiguration } from "./configuration.ts";
import { covers } from "../hosts.ts";
import { INSPECTION_TMPFS, inspectionRules } from "./inspection.ts";
import { squidPages } from "./pages.ts";
import { SquidReader } from "./reader.ts";
import { CAUSES, INSPECTION_CAUSES, refusalPages } from "./refusals.ts";

/** The user `proxy` of Debian, whom the squid packages know. */
const PROXY_ID = 13;

/** Squid from Debian's packages: ports pinned, TLS only to the host it names. */
export const squid: EgressProxy = {
  name: "squid",
  inspects: true,
  limits,
  program,
  reloadSignal: "HUP",
  reader: () => new SquidReader(),
};

function limits(policy: EgressPolicy): readonly string[] {
  return policy.ssh
    .filter((entry) => entry.port === 443 && policy.hosts.some((rule) => covers(rule.host, entry.host)))
    .map((entry) => `${entry.host}:443 is an ssh entry, so what its TLS names is not checked`);
}

function program(policy: EgressPolicy, place: SidecarPlace): SidecarProgram {
  const plain: SidecarProgram = {
    uid: PROXY_ID,
    gid: PROXY_ID,
    command: ["perl", "/config/supervisor.pl"],
    files: [
      { path: "supervisor.pl", mode: 0o644, text: supervisor },
      { path: "sni.pl", mode: 0o644, text: sniCheck },
      { path: "front.conf", mode: 0o644, text: frontConfiguration(policy, place) },
      { path: "back.conf", mode: 0o644, text: backConfiguration(policy, place) },
      ...refusalPages(CAUSES),
      ...squidPages(),
    ],
    tmpfs: [],
    memoryMiB: 256,
    pids: 64,
  };
  return !inspects(policy) ? plain : {
    ...plain,
    files: [
      ...plain.files,
      { path: "inspect.pl", mode: 0o644, text: inspect },
      { path: "open.pl", mode: 0o644, text: openProgram },
      { path: "inspection", mode: 0o644, text: inspectionRules(policy) },
      { path: "authorities.pem", mode: 0o644, text: place.authorities ?? "" },
      ...refusalPages(INSPECTION_CAUSES),
    ],
    tmpfs: [INSPECTION_TMPFS],
    open: ["perl", "/config/open.pl"],
  };
}
