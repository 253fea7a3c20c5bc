import { type Attempt, CANARY } from "../attempt.ts";
import { connect } from "./requests.ts";

/** The engine's host listens on all its addresses; one of its ports is the canary's. */
export const HOST: readonly Attempt[] = [
  {
    id: "host-gateway-tcp",
    group: "host",
    title: "the host's address on the agent's own network, by TCP",
    acts: [{ kind: "tcp", host: "{gateway}", port: "{hostPort}", sends: ["{mark}"] }],
    witness: CANARY,
    stoppedBy: ["no-host-address"],
  },
  {
    id: "host-gateway-udp",
    group: "host",
    title: "the host's address on the agent's own network, by UDP",
    acts: [{ kind: "udp", host: "{gateway}", port: "{hostUdpPort}", data: "{mark}" }],
    witness: CANARY,
    stoppedBy: ["no-host-address"],
  },
  {
    id: "host-default-bridge",
    group: "host",
    title: "the host's address on the engine's default bridge",
    acts: [{ kind: "tcp", host: "{bridge}", port: "{hostPort}", sends: ["{mark}"] }],
    witness: CANARY,
    stoppedBy: ["internal", "no-host-address"],
  },
  {
    id: "host-own-address",
    group: "host",
    title: "the host's own address",
    acts: [{ kind: "tcp", host: "{hostAddress}", port: "{hostPort}", sends: ["{mark}"] }],
    witness: CANARY,
    stoppedBy: ["internal", "no-host-address"],
  },
  {
    id: "host-egress-gateway",
    group: "host",
    title: "the host's address on the sidecar's egress network",
    acts: [{ kind: "tcp", host: "{egressGateway}", port: "{hostPort}", sends: ["{mark}"] }],
    witness: CANARY,
    stoppedBy: ["internal", "no-host-address"],
  },
  {
    id: "host-by-name",
    group: "host",
    title: "the name that Docker Desktop gives the host",
    acts: [{ kind: "tcp", host: "host.docker.internal", port: "{hostPort}", sends: ["{mark}"] }],
    witness: CANARY,
    stoppedBy: ["internal", "no-host-address"],
  },
  {
    id: "host-by-sidecar",
    group: "host",
    title: "the host's address on the egress network, asked of the sidecar",
    acts: [connect("{egressGateway}:{hostPort}", "{mark}")],
    witness: CANARY,
    stoppedBy: ["proxy-hosts", "proxy-ports", "proxy-tls", "proxy-never", "proxy-private"],
  },
  {
    id: "host-ipv6",
    group: "host",
    title: "the host's link-local IPv6 address on the agent's own network",
    acts: [{ kind: "tcp", host: "{bridge6}%eth0", port: "{hostPort}", sends: ["{mark}"] }],
    witness: CANARY,
    stoppedBy: ["no-ipv6"],
  },
  {
    id: "host-engine-socket",
    group: "host",
    title: "the engine's socket",
    acts: ["/var/run/docker.sock", "/run/containerd/containerd.sock"].map((path) => ({
      kind: "unix" as const,
      path,
      sends: ["GET /{mark} HTTP/1.0\r\n\r\n"],
    })),
    witness: CANARY,
    stoppedBy: ["no-mounts"],
  },
];
