import type { ConfigFile } from "../proxy.ts";
import { REASON } from "../reasons.ts";

/** Why one rule refuses: what the agent is told (`page`), and what an event says (`reason`). */
export interface Cause {
  /** The HTTP status of the refusal. */
  readonly status: number;
  /** One sentence; `%H` and `%p` are squid's host and port. */
  readonly page: string;
  readonly reason: string;
}

/** Each rule's cause; the key is the word squid writes into its log. */
export const CAUSES = {
  http: {
    status: 403,
    page:
      "refused %M to %H:%p: plain HTTP leaves this bottle only as GET, POST and the like, to port 80 of hosts that the manifest lists with http: true",
    reason: "plain HTTP",
  },
  host: {
    status: 403,
    page: "refused %H:%p: the manifest does not list this host in the bottle's egress.allowlist",
    reason: REASON.host,
  },
  port: {
    status: 403,
    page:
      "refused %H:%p: the manifest lists this host, but not this port (allowed hosts: 443, ssh entries: their Port)",
    reason: "not an allowed port of this host",
  },
  unresolved: {
    status: 503,
    page: "cannot reach %H:%p: the host is allowed, but its name does not resolve",
    reason: REASON.unresolved,
  },
  never: {
    status: 403,
    page: "refused %H:%p: its name resolves to a loopback, link-local, metadata or multicast address",
    reason: REASON.never,
  },
  private: {
    status: 403,
    page:
      "refused %H:%p: its name resolves to a private address, and the manifest does not list it in the bottle's egress.private",
    reason: REASON.private,
  },
} as const satisfies Readonly<Record<string, Cause>>;

/** The name squid knows a cause's page by: in the image's folder of pages, `bottle` is a link to `/config`. */
export function pageName(cause: string): string {
  return `bottle/${pageFile(cause)}`;
}

function pageFile(cause: string): string {
  return `refused_${cause}.txt`;
}

/** The pages as files of `/config`. */
export function refusalPages(): readonly ConfigFile[] {
  return Object.entries(CAUSES).map(([cause, { page }]) => ({
    path: pageFile(cause),
    mode: 0o644,
    text: `claude-bottle ${page}\n`,
  }));
}
