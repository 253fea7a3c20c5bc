import type { BottleAddresses } from "../bottle/backend.ts";
import type { Canary } from "../bottle/canary.ts";
import type { World } from "../isolation/attempt.ts";

/** The probe's agent and its bottle. */
export const PROBE_AGENT = "probe";

/** Where its manifest seems to be. */
export const PROBE_MANIFEST = "/claude-bottle-probe/claude-bottle.json";

/** What the attempts name. All but `other` and `domain` are granted in one way or another. */
const NAMES = {
  allowed: "allowed.probe.test",
  ALLOWED: "ALLOWED.PROBE.TEST",
  allowed2: "allowed2.probe.test",
  wildcard: "wild.probe.test",
  sshHost: "git.probe.test",
  sshHost2: "git2.probe.test",
  httpHost: "http.probe.test",
  privateName: "private.probe.test",
  other: "other.probe.test",
  loopback: "127.0.0.1",
  domain: "leak.test",
} as const;

/**
 * What the canary answers to: also what only looks like an allowed name, so that nothing is stopped by its absence.
 * Its address is a public one, so that nothing but the allowlist stops a name that is not on it.
 */
export const CANARY_NAMES = {
  names: [
    ...[NAMES.allowed, NAMES.allowed2, `any.${NAMES.wildcard}`, NAMES.sshHost, NAMES.sshHost2],
    ...[NAMES.httpHost, NAMES.other],
    ...[`evil${NAMES.allowed}`, `sub.${NAMES.allowed}`, `${NAMES.allowed}.${NAMES.domain}`],
  ],
  privateNames: [NAMES.privateName],
} as const;

/** Ports that are granted, and ports that are not. Its name server is on 53. */
export const CANARY_PORTS = {
  tcpPorts: [22, 25, 80, 443, 2222, 8080, 8443],
  udpPorts: [443],
} as const;

/** What a host's firewall lets through if anything: there it answers, and elsewhere it refuses. */
const HOST_PORT = "22";

/** Granted on the sidecar's loopback, where nobody listens to it. */
const LOOPBACK_PORT = 9;

/** An invented one: no ssh is run. */
const HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

/** What the probe's bottle is granted. */
export function probeManifest({ networks }: Canary): unknown {
  const ssh = [
    { Host: NAMES.sshHost, Port: 22 },
    { Host: NAMES.sshHost2, Port: 2222 },
    { Host: "loopback", Hostname: NAMES.loopback, Port: LOOPBACK_PORT },
  ];
  return {
    bottles: {
      [PROBE_AGENT]: {
        // No key is read: only what ssh may reach is asked for.
        ssh: ssh.map((entry) => ({ ...entry, IdentityFile: "/nowhere", KnownHostKey: HOST_KEY })),
        egress: {
          defaults: false,
          allowlist: [
            ...[NAMES.allowed, NAMES.allowed2, `*.${NAMES.wildcard}`, NAMES.privateName],
            { host: NAMES.httpHost, http: true },
          ],
          networks,
        },
      },
    },
    agents: { [PROBE_AGENT]: { bottle: PROBE_AGENT } },
  };
}

/** What the attempts may name here; what is missing takes hosts that are there in tests alone. */
export function probeWorld(canary: Canary, bottle: BottleAddresses): World {
  const { address, privateAddress, hostAddress } = canary;
  const number = address.split(".").reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return {
    ...NAMES,
    canary: privateAddress,
    // Raw packets need no canary: they must not even be sent.
    canaryInside: bottle.sidecar,
    public: address,
    publicDecimal: String(number),
    publicHex: `0x${number.toString(16)}`,
    sidecar: bottle.sidecar,
    sidecarName: bottle.sidecarName,
    gateway: bottle.gateway,
    egressGateway: bottle.egressGateway,
    bridge: hostAddress,
    hostPort: HOST_PORT,
    loopbackPort: String(LOOPBACK_PORT),
  };
}
