import type { EgressEvent } from "../proxy.ts";
import type { Transaction } from "./events.ts";
import { MOST_HEADERS } from "./settings.ts";
import { INSPECTION_CAUSES, reasonOf } from "./refusals.ts";

/** The judge's word for a request that it lets through. */
const PASSES = "none";
/** What only asks a client for its placeholder, and is asked again with it, is no refusal. */
const ASKS = "login";

/** Squid's word for a server whose TLS it does not accept. */
const UPSTREAM_FAILED = "ERR_SECURE_CONNECT_FAIL";

/** Why an inspected host's tunnel could not be opened, by what squid says is wrong with the server's certificate. */
const SERVER_FAULTS: readonly (readonly [RegExp, string])[] = [
  [/DOMAIN_MISMATCH/, "the server's certificate is for another name"],
  [/EXPIRED/, "the server's certificate has expired"],
  [/NOT_YET_VALID/, "the server's certificate is not valid yet"],
  // A failed verification that squid says nothing more of looks like the last.
  [
    /SELF_SIGNED|ISSUER|UNTRUSTED|UNABLE_TO_VERIFY|^SQUID_TLS_ERR_CONNECT\+TLS_IO_ERR=1$/,
    "the server's certificate cannot be verified; image.ca names further authorities",
  ],
];

/** Squid's words for what it could not read, and what an event says of it. */
const UNREADABLE: ReadonlyMap<string, string> = new Map([
  ["ERR_TOO_BIG", `a request with more than ${MOST_HEADERS} of headers`],
  ...["INVALID_REQ", "INVALID_URL", "PROTOCOL_UNKNOWN", "UNSUP_HTTPVERSION", "UNSUP_REQ"].map((word) =>
    [`ERR_${word}`, INSPECTION_CAUSES.malformed.reason] as const
  ),
]);

/** Whether a line tells of a request inside an opened tunnel, not of the tunnel. */
export function isInside({ by, method, said, error }: Transaction): boolean {
  return by === "back" && (said !== "-" || (method !== "CONNECT" && error === UPSTREAM_FAILED));
}

/** The event of such a request; `undefined` when another line has told of it. */
export function insideEvent(transaction: Transaction): EgressEvent | undefined {
  const { time, sni, asked, said, bytes, host } = transaction;
  // The host that its connection is to: what the request claims to ask is the bottle's word.
  const event = {
    time,
    host: sni === "-" ? host : sni,
    port: 443,
    ...(asked === "-" ? {} : { request: asked }),
    ...heldIn(transaction),
  };
  const reason = refusalInside(transaction);
  if (reason !== undefined) return { ...event, verdict: "refused", reason, bytes: undefined };
  return said === PASSES ? { ...event, verdict: "allowed", reason: "", bytes } : undefined;
}

/** What an event has of the placeholders in a request. */
export function heldIn({ held }: Pick<Transaction, "held">): Pick<EgressEvent, "placeholders"> {
  return held.length === 0 ? {} : { placeholders: held };
}

function refusalInside({ why, said, host, sni, error }: Transaction): string | undefined {
  if (why !== "-") return reasonOf(why);
  if (said === "-") {
    // Squid itself refuses a `Host` that the server's certificate does not name; what else failed the tunnel's line tells.
    const isOther = host !== sni && error === UPSTREAM_FAILED;
    return isOther ? `${INSPECTION_CAUSES.other_target.reason}: ${host}` : undefined;
  }
  return said === PASSES || said === ASKS ? undefined : reasonOf(said);
}

/** Why an inspected host's tunnel could not be opened; `undefined` when it was. */
export function openingFailure(
  { host, error, detail }: Pick<Transaction, "host" | "error" | "detail">,
): string | undefined {
  if (error === "ERR_SECURE_ACCEPT_FAIL") {
    return `the client did not accept the bottle's certificate; ${forPinned(host)}`;
  }
  return error === UPSTREAM_FAILED ? serverFault(detail) : undefined;
}

/** What is wrong with a server's TLS, by the names of squid's errors. */
export function serverFault(detail: string): string {
  return SERVER_FAULTS.find(([pattern]) => pattern.test(detail))?.[1] ?? "TLS with the server failed";
}

/**
 * A tunnel that was opened and ended without a request. Clients open some that they do not need, so that it is no
 * refusal; but one that compares the certificate with its own pin, or git, says nothing else before it goes.
 */
export function unasked({ host, port, time }: Pick<EgressEvent, "host" | "port" | "time">): EgressEvent {
  const reason = "without a request: not needed, or the client did not accept the bottle's certificate";
  return { time, verdict: "closed", host, port, reason: `${reason}; ${forPinned(host)}`, bytes: undefined };
}

/** An exact entry counts before a wildcard, so that this is right for either. */
function forPinned(host: string): string {
  return `for one that pins its own, list ${host} in egress.allowlist without allow and inject, which judges and injects nothing there`;
}

/** The event of a request that squid could not read: it tells no host, which is that of its tunnel. */
export function unreadable(
  { error, time }: Pick<Transaction, "error" | "time">,
  { host, port }: Pick<EgressEvent, "host" | "port">,
): EgressEvent | undefined {
  const reason = UNREADABLE.get(error);
  return reason === undefined
    ? undefined
    : { time, verdict: "refused", host, port, reason, bytes: undefined };
}
