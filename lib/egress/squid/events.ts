import { eventBytes, eventText, jsonMembers } from "../log_line.ts";
import type { EgressEvent } from "../proxy.ts";
import { REASON } from "../reasons.ts";
import { heldIn, insideEvent, isInside, openingFailure } from "./inside.ts";
import { INSPECTION_CAUSES, reasonOf } from "./refusals.ts";

/** Longer lines are not ours: squid cuts every field off. */
const LONGEST_LINE = 4096;
/** The last second that a JavaScript date can be. */
const LATEST = 8.64e12;

/** One line of the log format in `configuration.ts`, as far as events need it. */
export interface Transaction {
  readonly by: string;
  readonly time: number;
  readonly tag: string;
  readonly method: string;
  readonly host: string;
  readonly port: number;
  readonly why: string;
  /** The judge's word for a request inside an opened tunnel, and that request. */
  readonly said: string;
  readonly asked: string;
  /** Variables of other hosts' placeholders in that request, or in one of plain HTTP. */
  readonly held: readonly string[];
  /** What squid found wrong with a server's or a client's TLS. */
  readonly detail: string;
  readonly bump: string;
  readonly sni: string;
  readonly error: string;
  /** The front's port on loopback: each open connection has its own. */
  readonly from: string;
  /** In the front's lines: the same of the connection that it went through; `-` where it went through none. */
  readonly to: string;
  readonly bytes: number | undefined;
}

/**
 * What a line says by itself, of one that {@link hasTarget}: the front's refusals, and the back's verdicts.
 *
 * Statuses do not tell: squid answers 200 before it has seen any TLS. The cause that a rule left in the line does,
 * and what squid did with the TLS. A TLS connection is logged when its name was right and again when it ends (or, when
 * the host's address has changed since CONNECT, is refused after all); an ssh connection only when it ends. The line
 * of the end alone has the tunnel's bytes: before, squid has counted nothing but the CONNECT. A request of plain HTTP
 * is logged once, when it has been answered; so is a request inside an opened tunnel (`inside.ts`).
 */
export function transactionEvent(transaction: Transaction): EgressEvent | undefined {
  const { time, host, port, bytes, from: connection } = transaction;
  if (isInside(transaction)) return insideEvent(transaction);
  const reason = refusal(transaction);
  if (reason !== undefined) return { time, verdict: "refused", host, port, reason, bytes: undefined };
  switch (passage(transaction)) {
    case "begun":
      return { time, verdict: "allowed", host, port, reason: "", bytes: undefined, connection };
    case "ended":
      return { time, verdict: "closed", host, port, reason: "", bytes, connection };
    case "whole":
      return { time, verdict: "allowed", host, port, reason: "", ...heldIn(transaction), bytes };
    default:
      return undefined;
  }
}

/** Whether a line names a host and a port: one of what squid could not read names none. */
export function hasTarget({ host, port }: Transaction): boolean {
  return host !== "-" && host !== "" && Number.isInteger(port) && port >= 1 && port <= 65535;
}

function refusal({ by, tag, why, bump, host, sni, error, detail }: Transaction): string | undefined {
  if (why !== "-") return reasonOf(why);
  if (by !== "back") return undefined;
  if (bump === "bump") return openingFailure({ host, error, detail });
  if (bump === "terminate") {
    return sni === "-" ? "TLS that names no host" : `${REASON.otherName}: ${sni}`;
  }
  // Squid would have let it pass for want of a judgement, and was kept from it.
  if (bump === "splice" && tag.startsWith("TCP_DENIED")) return INSPECTION_CAUSES.unjudged.reason;
  if (bump === "peek" && error !== "-" && error !== "ERR_CLIENT_GONE") return "not TLS";
  return undefined;
}

/** What a line tells of a connection that was let through; `undefined` when it was not. */
function passage({ by, tag, method, bump, sni }: Transaction): "begun" | "ended" | "whole" | undefined {
  if (by !== "back") return undefined;
  // Squid keeps nothing, so that whatever it was let through to is a miss; what it answers itself is none.
  if (method !== "CONNECT" && tag.startsWith("TCP_MISS")) return "whole";
  if (bump !== "splice") return undefined;
  if (sni === "-") return "whole";
  return tag.startsWith("TCP_TUNNEL") ? "ended" : "begun";
}

/** What a line says; `undefined` for one that is not of the log's format. Never throws. */
export function transactionOf(line: string): Transaction | undefined {
  if (line.length > LONGEST_LINE || !line.startsWith('{"by":')) return undefined;
  const fields = jsonMembers(line);
  const text = (name: string): string => {
    const value = fields?.get(name);
    return typeof value === "string" ? value : "-";
  };
  const seconds = fields?.get("time");
  if (typeof seconds !== "number" || !(seconds >= 0 && seconds <= LATEST)) return undefined;
  return {
    by: text("by"),
    time: Math.round(seconds * 1000),
    tag: text("tag"),
    method: text("method"),
    host: readable(text("host")),
    port: Number(text("port")),
    why: text("why"),
    said: text("said"),
    asked: readable(text("asked")),
    held: text("held").split(",").filter((name) => /^[A-Za-z_][A-Za-z0-9_]{0,254}$/.test(name)),
    detail: readable(text("detail")),
    bump: text("bump"),
    sni: readable(text("sni")),
    error: text("error"),
    from: eventText(text("from")),
    to: eventText(text("to")),
    bytes: eventBytes(text("bytes")),
  };
}

/** Undoes squid's URL quoting where the result is printable ASCII; nothing else is left in the text. */
function readable(text: string): string {
  const unquoted = text.replace(/%([2-7][0-9A-Fa-f])/g, (quoted, hex: string) => {
    const code = parseInt(hex, 16);
    return code < 0x7f ? String.fromCharCode(code) : quoted;
  });
  return eventText(unquoted);
}
