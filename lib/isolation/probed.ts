import type { Attempt, Trial, Witness } from "./attempt.ts";
import { connect } from "./attempts/requests.ts";
import { ATTEMPTS } from "./attempts.ts";
import { CONTROLS } from "./controls.ts";
import type { ProtectionId } from "./protections.ts";

/** The lower four bits of a DNS answer's fourth byte: no error, and no such name (RFC 1035 4.1.1). */
const ANSWERED_CODES = [0, 3];

/** Whoever says either has asked, or knows: a server failure is what a resolver says that may ask nobody. */
const NAME_ANSWERED: Witness = {
  kind: "answer",
  pattern: new RegExp(
    `BB[\\x80-\\xff][${
      Array.from({ length: 16 }, (_, high) => ANSWERED_CODES.map((code) => `\\x${high.toString(16)}${code}`))
        .flat().join("")
    }]`,
  ),
};

/** A refused connection is an answer too: whoever sent it was reached. */
const HOST_ANSWERED: Witness = { kind: "outcome", pattern: /^(connected|refused)$/ };

/**
 * Anything but a refusal: the sidecar tried. That it would have looked for TLS next is not seen. Silence may be a
 * firewall's that it waits for.
 */
const SIDECAR_TRIED: Witness = {
  kind: "answer",
  pattern: /^HTTP\/1\.[01] (?!403)/,
  stopped: /^HTTP\/1\.[01] 403/,
};

/** What must not even be sent. */
const SENT: Witness = { kind: "outcome", pattern: /^sent/ };

/**
 * How an attempt is seen on a user's own engine, where it differs from the suite: nobody of ours listens on the
 * engine's host, nor does the engine ask a name server of ours.
 */
const SEEN: Readonly<Record<string, Witness>> = {
  "direct-icmp": { kind: "answer", pattern: /[^]/ },
  "direct-raw": SENT,
  "direct-frame": SENT,
  "host-gateway-tcp": HOST_ANSWERED,
  "host-default-bridge": HOST_ANSWERED,
  "host-egress-gateway": HOST_ANSWERED,
  "host-by-name": HOST_ANSWERED,
  "host-by-sidecar": SIDECAR_TRIED,
  "host-engine-socket": { kind: "outcome", pattern: /connected|refused|denied/i },
  "dns-resolver": { kind: "outcome", pattern: /^resolved|not known|no address/i },
  "dns-embedded-udp": NAME_ANSWERED,
  "dns-embedded-tcp": NAME_ANSWERED,
  "dns-embedded-txt": NAME_ANSWERED,
};

/** An attempt's witness, and what stops it before that one could see it. */
function seenHere({ id, witness, stoppedBy }: Attempt): Pick<Attempt, "witness" | "stoppedBy"> {
  const seen = SEEN[id] ?? witness;
  const [first, ...more] = seen === SIDECAR_TRIED
    ? stoppedBy.filter((one) => one !== "proxy-tls")
    : stoppedBy;
  return { witness: seen, stoppedBy: first === undefined ? stoppedBy : [first, ...more] };
}

/** Attempts and controls that nothing can be seen of without a name server of ours behind the engine's own. */
const UNSEEN: ReadonlySet<string> = new Set(["dns-by-connect", "dns-by-request", "control-curl"]);

/** The one state of a sidecar that is tried here. */
const CLOSED = "closed-killed";

/** Made in the bottle of a user's own engine, as far as its world has what they name. */
export const PROBED: readonly Attempt[] = [
  ...ATTEMPTS.filter(({ id, group }) => group !== "fail-closed" && !UNSEEN.has(id)).map((attempt) => ({
    ...attempt,
    ...seenHere(attempt),
  })),
  {
    id: "direct-ipv6-address",
    group: "direct",
    title: "an IPv6 address besides the loopback's",
    acts: [{ kind: "sh", script: "cat /proc/net/if_inet6" }],
    witness: { kind: "answer", pattern: /^(?!0{31}1 )[0-9a-f]{32} /m },
    stoppedBy: ["no-ipv6"],
  },
  {
    id: "proxy-loopback-address",
    group: "proxy",
    title: "an ssh host whose address is the sidecar's loopback",
    acts: [connect("{loopback}:{loopbackPort}", "{mark}")],
    witness: SIDECAR_TRIED,
    stoppedBy: ["proxy-never"],
  },
];

/** Made by a neighbour of the sidecar's, outside the bottle. */
export const PROBED_OUTSIDE: readonly Attempt[] = [
  {
    id: "sidecar-from-outside",
    group: "bottles",
    title: "the sidecar, from another network that it is in",
    acts: [connect("{allowed}:443")].map((act) => ({ ...act, host: "{sidecarName}" })),
    // A name that does not resolve, or silence, would say nothing of who listens.
    witness: { kind: "outcome", pattern: /^connected$/, stopped: /^refused$/ },
    stoppedBy: ["listens-inside"],
  },
];

/** Made in the bottle once its sidecar was killed. */
export const PROBED_CLOSED: readonly Attempt[] = ATTEMPTS.filter(({ id }) => id === CLOSED);

/** Uses that are granted there. */
export const PROBED_CONTROLS: readonly Trial[] = CONTROLS.filter(({ id }) => !UNSEEN.has(id));

/** What the launch itself compares with the engine's own account of the bottle. */
export const COMPARED_AT_LAUNCH: ReadonlySet<ProtectionId> = new Set([
  "no-capabilities",
  "no-mounts",
  "internal",
  "no-host-address",
  "one-network",
  "no-ipv6",
  "no-dns",
  "own-networks",
]);
