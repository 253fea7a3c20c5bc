import { isAddress } from "../hosts.ts";
import { EXIT, Failure } from "../../errors.ts";
import { lineReader } from "../log_reader.ts";
import { type EgressPolicy, inspects } from "../policy.ts";
import { type EgressProxy, PROXY_PORT, type SidecarPlace, type SidecarProgram } from "../proxy.ts";
import { configuration, LARGEST_ANSWER_MIB } from "./configuration.ts";
import { readEvent } from "./events.ts";

/** No user of any system: pipelock needs none. */
const NOBODY_ID = 65_532;

/** Pipelock 2.3.0: hosts by name, and what leaves in plain sight is searched for secrets. */
export const pipelock: EgressProxy = {
  name: "pipelock",
  inspects: false,
  limits,
  program,
  reloadSignal: "HUP",
  reader: () => lineReader(readEvent),
};

function limits(policy: EgressPolicy): readonly string[] {
  const rules = [...policy.hosts, ...policy.ssh];
  if (rules.length === 0) return [];
  const privates = [
    ...new Set(rules.filter((rule) => rule.private && !isAddress(rule.host)).map(({ host }) => host)),
  ].sort();
  const http = policy.hosts.filter((rule) => rule.http).map(({ host }) => host);
  return [
    "pipelock pins names, not ports: allowed hosts can be reached on any port, also with plain HTTP and other " +
    "protocols, and TLS that names no host passes",
    ...(http.length === 0 ? [] : [
      `${
        http.join(", ")
      }: over plain HTTP pipelock ends what comes at ${LARGEST_ANSWER_MIB} MiB without an error, ` +
      "and refuses to send more than 5; squid does neither",
    ]),
    ...(privates.length === 0 ? [] : [
      `${privates.join(", ")}: private, so pipelock lets the name resolve to any address, ` +
      "a metadata service's and the sidecar's own included",
    ]),
  ];
}

/** @throws Failure for inspected hosts: it would let through more than is granted, and nothing would be injected */
function program(policy: EgressPolicy, place: SidecarPlace): SidecarProgram {
  if (inspects(policy)) {
    throw new Failure("egress-inspection", "pipelock cannot inspect hosts", {
      hints: ["Name the proxy that can: egress: { proxy: squid }"],
      exit: EXIT.usage,
    });
  }
  return {
    uid: NOBODY_ID,
    gid: NOBODY_ID,
    command: ["run", "--config", "/config/pipelock.yaml", "--listen", `${place.listen}:${PROXY_PORT}`],
    files: [{ path: "pipelock.yaml", mode: 0o644, text: configuration(policy, place) }],
    tmpfs: [],
    memoryMiB: 512,
    pids: 64,
  };
}
