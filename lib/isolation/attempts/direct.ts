import { type Attempt, CANARY } from "../attempt.ts";

/** Past the sidecar, by everything that IP has. */
export const DIRECT: readonly Attempt[] = [
  {
    id: "direct-tcp",
    group: "direct",
    title: "a TCP connection to a host's address",
    acts: [{ kind: "tcp", host: "{canary}", port: "443", sends: ["{mark}"] }],
    witness: CANARY,
    stoppedBy: ["one-network"],
  },
  {
    id: "direct-udp",
    group: "direct",
    title: "a UDP packet to a host's address",
    acts: [{ kind: "udp", host: "{canary}", port: "443", data: "{mark}" }],
    witness: CANARY,
    stoppedBy: ["one-network"],
  },
  {
    id: "direct-icmp",
    group: "direct",
    title: "an ICMP echo request with data in it",
    acts: [{ kind: "icmp", host: "{canary}", data: "{mark}" }],
    witness: CANARY,
    stoppedBy: ["one-network"],
  },
  {
    id: "direct-ipv6-tcp",
    group: "direct",
    title: "a TCP connection over IPv6",
    acts: [{ kind: "tcp", host: "{canary6}", port: "443", sends: ["{mark}"] }],
    witness: CANARY,
    stoppedBy: ["no-ipv6", "one-network"],
  },
  {
    id: "direct-ipv6-udp",
    group: "direct",
    title: "a UDP packet over IPv6",
    acts: [{ kind: "udp", host: "{canary6}", port: "443", data: "{mark}" }],
    witness: CANARY,
    stoppedBy: ["no-ipv6", "one-network"],
  },
  {
    id: "direct-raw",
    group: "direct",
    title: "an IP packet made by hand",
    acts: [{ kind: "raw", host: "{canaryInside}", data: "{mark}" }],
    witness: CANARY,
    stoppedBy: ["no-capabilities"],
  },
  {
    id: "direct-frame",
    group: "direct",
    title: "an Ethernet frame made by hand, to all on the wire",
    acts: [{ kind: "frame", data: "{mark}" }],
    witness: CANARY,
    stoppedBy: ["no-capabilities"],
  },
  {
    id: "direct-source-route",
    group: "direct",
    title: "a TCP connection routed through the sidecar by an IP option",
    acts: [{ kind: "tcp", via: "{sidecar}", host: "{canary}", port: "443", sends: ["{mark}"] }],
    witness: CANARY,
    stoppedBy: ["no-capabilities", "internal"],
  },
];
