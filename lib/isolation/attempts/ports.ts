import { type Attempt, CANARY, type ProtectionList, type Sent } from "../attempt.ts";
import { PIPELOCK_LETS } from "./proxy.ts";
import { connect } from "./requests.ts";

function tried(
  id: string,
  title: string,
  target: string,
  stoppedBy: ProtectionList,
  more: { readonly pipelockLets?: string; readonly then?: Sent } = {},
): Attempt {
  const { then = "{mark}\r\n\r\n", ...rest } = more;
  return {
    id: `port-${id}`,
    group: "ports",
    title,
    acts: [connect(target, then)],
    witness: CANARY,
    stoppedBy,
    ...rest,
  };
}

const PINS_NONE = { pipelockLets: PIPELOCK_LETS.ports };

/** `{sshHost}` is granted on 22, `{sshHost2}` on 2222. */
export const PORTS: readonly Attempt[] = [
  tried("ssh-other-host", "another host on the port that ssh is granted for", "{other}:22", [
    "proxy-hosts",
    "proxy-tls",
  ]),
  tried("ssh-allowed-host", "an allowed host on the port that ssh is granted for", "{allowed}:22", [
    "proxy-ports",
    "proxy-tls",
  ], PINS_NONE),
  tried(
    "ssh-other-port",
    "an ssh host on another port",
    "{sshHost}:8080",
    ["proxy-ports", "proxy-tls"],
    PINS_NONE,
  ),
  tried("ssh-swapped", "an ssh host on another ssh host's port", "{sshHost}:2222", [
    "proxy-ports",
    "proxy-tls",
  ], PINS_NONE),
  tried("mail", "an allowed host's mail server", "{allowed}:25", ["proxy-ports", "proxy-tls"], PINS_NONE),
  tried(
    "http",
    "a tunnel to an allowed host's plain HTTP",
    "{allowed}:80",
    ["proxy-ports", "proxy-tls"],
    PINS_NONE,
  ),
];
