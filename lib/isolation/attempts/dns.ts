import { type Attempt, CANARY } from "../attempt.ts";
import { connect, request } from "./requests.ts";

/** A name with data in it is a message to whoever answers for its domain. */
const NAME = "{mark}.{domain}";

export const DNS: readonly Attempt[] = [
  {
    id: "dns-resolver",
    group: "dns",
    title: "the system's resolver",
    acts: [{ kind: "resolve", name: NAME }],
    witness: CANARY,
    stoppedBy: ["no-dns"],
  },
  {
    id: "dns-embedded-udp",
    group: "dns",
    title: "the engine's name server, by UDP",
    acts: [{ kind: "query", server: "127.0.0.11", over: "udp", name: NAME, type: "A" }],
    witness: CANARY,
    stoppedBy: ["no-dns"],
  },
  {
    id: "dns-embedded-tcp",
    group: "dns",
    title: "the engine's name server, by TCP",
    acts: [{ kind: "query", server: "127.0.0.11", over: "tcp", name: NAME, type: "A" }],
    witness: CANARY,
    stoppedBy: ["no-dns"],
  },
  {
    id: "dns-embedded-txt",
    group: "dns",
    title: "the engine's name server, for a TXT record",
    acts: [{ kind: "query", server: "127.0.0.11", over: "udp", name: NAME, type: "TXT" }],
    witness: CANARY,
    stoppedBy: ["no-dns"],
  },
  {
    id: "dns-direct-udp",
    group: "dns",
    title: "a name server elsewhere, by UDP",
    acts: [{ kind: "query", server: "{canary}", over: "udp", name: NAME, type: "A" }],
    witness: CANARY,
    stoppedBy: ["one-network"],
  },
  {
    id: "dns-direct-tcp",
    group: "dns",
    title: "a name server elsewhere, by TCP",
    acts: [{ kind: "query", server: "{canary}", over: "tcp", name: NAME, type: "A" }],
    witness: CANARY,
    stoppedBy: ["one-network"],
  },
  {
    id: "dns-gateway",
    group: "dns",
    title: "a name server on the host",
    acts: [
      { kind: "query", server: "{gateway}", port: "{hostUdpPort}", over: "udp", name: NAME, type: "A" },
    ],
    witness: CANARY,
    stoppedBy: ["no-host-address"],
  },
  {
    id: "dns-by-connect",
    group: "dns",
    title: "a tunnel through the sidecar to a name that is not allowed, so that it asks for it",
    acts: [connect(`${NAME}:443`)],
    witness: CANARY,
    stoppedBy: ["proxy-hosts"],
  },
  {
    id: "dns-by-request",
    group: "dns",
    title: "a plain request through the sidecar for such a name",
    acts: [request("GET", `http://${NAME}/`, `Host: ${NAME}`)],
    witness: CANARY,
    stoppedBy: ["proxy-methods", "proxy-hosts"],
  },
  {
    id: "dns-tunnel",
    group: "dns",
    title: "a tunnel through the sidecar to a name server",
    acts: [connect("{other}:53", "{mark}")],
    witness: CANARY,
    stoppedBy: ["proxy-hosts", "proxy-ports", "proxy-tls"],
  },
];
