import type { ConfigFile } from "../proxy.ts";
import { REASON } from "../reasons.ts";
import { MOST_CONNECTIONS } from "./settings.ts";

/** Why one rule refuses: what the agent is told (`page`), and what an event says (`reason`). */
export interface Cause {
  /** The HTTP status of the refusal. */
  readonly status: number;
  /** One sentence; `%H` and `%p` are squid's host and port, `%o` what the judge says with its word. */
  readonly page: string;
  readonly reason: string;
}

/** Each rule's cause; the key is the word squid writes into its log. */
export const CAUSES = {
  crowd: {
    status: 503,
    page:
      `refused %H:%p: this bottle has ${MOST_CONNECTIONS} connections open already, and no more are served at once; try again when some have ended`,
    reason: `more than ${MOST_CONNECTIONS} connections at once`,
  },
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

/** Why the judge of inspected hosts refuses; the key is the word it answers. */
export const INSPECTION_CAUSES = {
  rule: {
    status: 403,
    page:
      "refused %o to %H: it is not among the requests that the manifest allows there (`allow` of the host's entry)",
    reason: "not among the requests that the manifest allows there",
  },
  path: {
    status: 403,
    page:
      "refused %M: write the path plainly, without //, dot segments, encoded dots, slashes or control characters",
    reason: "a path that can be read in more than one way",
  },
  method: {
    status: 403,
    page: "refused %M to %H:%p: no such request is made to an inspected host",
    reason: "a method that no inspected host is asked with",
  },
  other_target: {
    status: 403,
    page: "refused %M: it asks for another host, port or scheme than the connection that it came through",
    reason: "asks for another host than its connection is to",
  },
  override: {
    status: 403,
    page:
      "refused %M to %H:%p: a header or parameter of it asks for another method, path or host (X-HTTP-Method-Override, X-Original-URL, X-Forwarded-Host and the like)",
    reason: "a header or parameter that asks for something else than the request",
  },
  malformed: {
    status: 403,
    page:
      "refused %M to %H:%p: the request cannot be read in one way only (control characters, a fragment, a user in its URL)",
    reason: "a request that cannot be read in one way only",
  },
  no_secret: {
    status: 503,
    page:
      "cannot send this to %H:%p yet: the sidecar has not been given the secret; the bottle's user gives it with: claude-bottle secrets BOTTLE --refresh",
    reason: "no secret yet",
  },
  no_placeholder: {
    status: 403,
    page: "refused %M to %H: it must carry the bottle's placeholder for this host (%o)",
    reason: "without the placeholder of this host",
  },
  foreign_credential: {
    status: 403,
    page:
      "refused %M to %H: its credential is not the bottle's placeholder for this host (%o), and no other passes",
    reason: "a credential that is not the placeholder of this host",
  },
  other_credential: {
    status: 403,
    page:
      "refused %M to %H: it carries a second credential (a cookie, a key in another header); only the placeholder passes (%o)",
    reason: "a second credential beside the placeholder",
  },
  query_credential: {
    status: 403,
    page: "refused %M to %H: a credential stands in its URL; only the placeholder in its header passes (%o)",
    reason: "a credential in the URL",
  },
  login: {
    status: 401,
    page: "asks for the credential of %H: the bottle's placeholder (%o)",
    reason: "without the placeholder of this host",
  },
  unjudged: {
    status: 503,
    page: "cannot judge this request to %H:%p; try it again",
    reason: "the sidecar could not judge it",
  },
} as const satisfies Readonly<Record<string, Cause>>;

/** What an event says of a cause that squid has logged. */
export function reasonOf(word: string): string {
  const causes: readonly (readonly [string, Cause])[] = Object.entries({ ...INSPECTION_CAUSES, ...CAUSES });
  return causes.find(([cause]) => cause === word)?.[1].reason ?? REASON.unknown;
}

/** The name squid knows a cause's page by, and its file in `/config`. */
export function pageName(cause: string): string {
  return `refused_${cause}.txt`;
}

/** The pages as files of `/config`. */
export function refusalPages(causes: Readonly<Record<string, Cause>>): readonly ConfigFile[] {
  return Object.entries(causes).map(([cause, { page }]) => ({
    path: pageName(cause),
    mode: 0o644,
    text: `claude-bottle ${page}\n`,
  }));
}
