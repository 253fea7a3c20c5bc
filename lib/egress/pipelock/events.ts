import { isAddress } from "../hosts.ts";
import { eventBytes, eventText, jsonMembers } from "../log_line.ts";
import type { EgressEvent } from "../proxy.ts";
import { isWithin, NEVER } from "../ranges.ts";
import { REASON } from "../reasons.ts";

/** A URL of the bottle may stand in a line twice; pipelock reads no longer ones than these. */
const LONGEST_LINE = 65_536;
/** Pipelock leaves out names in which it saw a secret. */
const WITHHELD: Target = { host: "(name withheld)", port: 0 };
const SECRET = "looks like a secret";

/** Where a line's connection went; port 0 when the line does not say. */
interface Target {
  readonly host: string;
  readonly port: number;
}

type Members = ReadonlyMap<string, unknown>;

/**
 * What a line of pipelock's log says. Never throws.
 *
 * A tunnel is allowed once its first bytes were judged; plain HTTP and the proxy's own `/fetch` when they were
 * answered. A host that was let through but could not be reached counts as refused, with that reason.
 */
export function readEvent(line: string): EgressEvent | undefined {
  if (line.length > LONGEST_LINE || !line.startsWith('{"level":')) return undefined;
  const members = jsonMembers(line);
  if (members === undefined || members.get("component") !== "pipelock") return undefined;
  const time = Date.parse(text(members, "time"));
  const verdict = judge(members);
  const target = verdict === undefined ? undefined : targetOf(members);
  if (verdict === undefined || target === undefined || !(time >= 0)) return undefined;
  if (typeof verdict === "object") {
    return { time, verdict: "refused", ...target, reason: verdict.reason, bytes: undefined };
  }
  const passed = { time, verdict, ...target, reason: "", bytes: bytesOf(members) };
  const request = text(members, "request_id");
  return isTunnel(members) && request !== "" ? { ...passed, connection: eventText(request) } : passed;
}

function isTunnel(members: Members): boolean {
  return text(members, "event").startsWith("tunnel_");
}

/** Those of a tunnel but for its first message; of other requests those of the answer's body. */
function bytesOf(members: Members): number | undefined {
  return eventBytes(members.get("total_bytes") ?? members.get("size_bytes"));
}

/** `undefined` for what says nothing about egress, or nothing yet. */
function judge(members: Members): "allowed" | "closed" | { readonly reason: string } | undefined {
  switch (text(members, "event")) {
    case "tunnel_close":
      return "closed";
    case "tunnel_open":
    case "forward_http":
    case "allowed":
      return "allowed";
    case "blocked":
      return { reason: blocked(text(members, "scanner"), text(members, "reason")) };
    case "sni_mismatch":
      return { reason: misnamed(text(members, "category"), text(members, "sni_host")) };
    case "body_dlp":
    case "header_dlp":
      return text(members, "action") === "block" ? { reason: `${SECRET}: ${patterns(members)}` } : undefined;
    case "error":
      return { reason: failed(text(members, "error")) };
    default:
      return undefined;
  }
}

/** Only names of patterns are passed on: other reasons may quote what the bottle sent. */
function blocked(scanner: string, reason: string): string {
  switch (scanner) {
    case "allowlist":
      return reason.startsWith("redirect blocked")
        ? "its answer leads to a host that is not allowed"
        : REASON.host;
    case "ssrf":
    case "core_ssrf":
      return reason.includes("DNS resolution error") ? REASON.unresolved : forbiddenAddress(reason);
    case "dlp":
    case "core_dlp": {
      const pattern = /DLP match: ([A-Za-z0-9 ./-]{1,60}) \(/.exec(reason)?.[1];
      return pattern === undefined ? SECRET : `${SECRET}: ${pattern}`;
    }
    case "body_dlp":
      return reason.includes("max_body_bytes") ? "plain HTTP with more than 5 MB" : SECRET;
    case "entropy":
    case "subdomain_entropy":
      return `${SECRET}: random-looking text`;
    case "ratelimit":
      return "too many connections in a minute";
    default:
      return /^[a-z0-9_]{1,40}$/.test(scanner)
        ? `${REASON.unknown}: ${scanner.replaceAll("_", " ")}`
        : REASON.unknown;
  }
}

function forbiddenAddress(reason: string): string {
  const address = /internal IP ([0-9.]+)/.exec(reason)?.[1] ?? "";
  return isAddress(address) && isWithin(address, NEVER) ? REASON.never : REASON.private;
}

function misnamed(category: string, sni: string): string {
  switch (category) {
    case "mismatch":
      return `${REASON.otherName}: ${eventText(sni)}`;
    case "timeout":
      return "nothing was sent in the first seconds";
    case "malformed_tls":
      return "malformed TLS";
    default:
      return REASON.unknown;
  }
}

function failed(error: string): string {
  if (error.includes("internal IP")) return forbiddenAddress(error);
  if (error.includes("DNS lookup") || error.includes("no such host")) return REASON.unresolved;
  if (error.includes("connection refused")) return "could not be reached: connection refused";
  if (error.includes("certificate")) return "could not be reached: its certificate is not trusted";
  return "could not be reached";
}

function patterns(members: Members): string {
  const names = members.get("patterns");
  const known = Array.isArray(names) ? names.filter((name) => typeof name === "string") : [];
  return eventText(known.join(", ")) || "unknown pattern";
}

function targetOf(members: Members): Target | undefined {
  const host = text(members, "connect_host");
  if (host !== "") return { host: hostName(host), port: 0 };
  const target = text(members, "target");
  if (target === "[redacted-url]") return WITHHELD;
  if (target !== "") return hostAndPort(target);
  const url = URL.parse(text(members, "url"));
  if (url === null || url.hostname === "") return undefined;
  const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
  return { host: hostName(url.hostname), port };
}

function hostAndPort(target: string): Target | undefined {
  const [, host = "", digits = ""] = /^(.+):(\d{1,5})$/s.exec(target) ?? [];
  const port = Number(digits);
  return host === "" || port < 1 || port > 65_535 ? undefined : { host: hostName(host), port };
}

function hostName(host: string): string {
  return eventText(host.toLowerCase().replace(/\.$/, ""));
}

function text(members: Members, name: string): string {
  const value = members.get(name);
  return typeof value === "string" ? value : "";
}
