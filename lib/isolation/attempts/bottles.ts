import { type Attempt, CANARY } from "../attempt.ts";
import { connect } from "./requests.ts";

/** A neighbour listens as any server that an agent starts; its sidecar lets it reach the same hosts. */
export const BOTTLES: readonly Attempt[] = [
  {
    id: "bottle-tcp",
    group: "bottles",
    title: "a server of another bottle's agent, by TCP",
    acts: [{ kind: "tcp", host: "{neighbour}", port: "{neighbourPort}", sends: ["{mark}"] }],
    witness: CANARY,
    stoppedBy: ["own-networks"],
  },
  {
    id: "bottle-udp",
    group: "bottles",
    title: "a server of another bottle's agent, by UDP",
    acts: [{ kind: "udp", host: "{neighbour}", port: "{neighbourPort}", data: "{mark}" }],
    witness: CANARY,
    stoppedBy: ["own-networks"],
  },
  {
    id: "bottle-by-name",
    group: "bottles",
    title: "another bottle by its name",
    acts: [{ kind: "tcp", host: "{neighbourName}", port: "{neighbourPort}", sends: ["{mark}"] }],
    witness: CANARY,
    stoppedBy: ["own-networks"],
  },
  {
    id: "bottle-sidecar",
    group: "bottles",
    title: "another bottle's sidecar, on its internal network",
    acts: [{
      kind: "tcp",
      host: "{neighbourSidecar}",
      port: "8888",
      sends: ["CONNECT {allowed}:443 HTTP/1.1\r\nHost: {allowed}:443\r\n\r\n", { hello: "{allowed}" }],
    }],
    witness: CANARY,
    stoppedBy: ["own-networks"],
  },
  {
    id: "bottle-sidecar-outside",
    group: "bottles",
    title: "another bottle's sidecar, on its egress network",
    acts: [{
      kind: "tcp",
      host: "{neighbourSidecarOutside}",
      port: "8888",
      sends: ["CONNECT {allowed}:443 HTTP/1.1\r\nHost: {allowed}:443\r\n\r\n", { hello: "{allowed}" }],
    }],
    witness: CANARY,
    stoppedBy: ["listens-inside", "one-network"],
  },
  {
    id: "bottle-by-sidecar",
    group: "bottles",
    title: "another bottle's agent, asked of one's own sidecar",
    acts: [connect("{neighbour}:{neighbourPort}", "{mark}")],
    witness: CANARY,
    stoppedBy: ["own-networks", "proxy-hosts", "proxy-ports", "proxy-tls", "proxy-private"],
  },
];
