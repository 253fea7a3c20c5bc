import type { EgressEvent } from "../proxy.ts";
import type { Transaction } from "./events.ts";
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
export function openingFailure(error: string, detail: string): string | undefined {
  if (error === "ERR_SECURE_ACCEPT_FAIL") {
    return "the client did not accept the bottle's certificate; for one that pins its own, list the host without allow and inject";
  }
  if (error !== UPSTREAM_FAILED) return undefined;
  return SERVER_FAULTS.find(([pattern]) => pattern.test(detail))?.[1] ?? "TLS with the server failed";
}
