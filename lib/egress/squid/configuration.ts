import { checkedAddress, checkedPort, checkedSshHost } from "../checked.ts";
import { type EgressPolicy, type HostRule, inspects, type SshRule } from "../policy.ts";
import { PROXY_PORT, type SidecarPlace } from "../proxy.ts";
import { NEVER, PRIVATE } from "../ranges.ts";
import { endsOfTunnels, INSIDE_FIELDS, log } from "./log_format.ts";
import {
  closedToHttp,
  injections,
  insideRules,
  openingPort,
  openingTunnels,
  watching,
} from "./inspection.ts";
import { squidNames } from "./names.ts";
import { CAUSES, pageName } from "./refusals.ts";
import { MOST_CONNECTIONS, settings } from "./settings.ts";

/** The port on the sidecar's loopback that the back listens on. */
export const BACK_PORT = 3128;

/**
 * The front's configuration: it listens on the internal address, refuses readably and hands everything that the
 * rules allow to the back.
 */
export function frontConfiguration(policy: EgressPolicy, place: SidecarPlace): string {
  const lines = [
    "# Front: takes the bottle's requests, refuses in words, hands the rest to the back.",
    ...QUIET,
    `http_port ${checkedAddress(place.listen)}:${PROXY_PORT} tcpkeepalive=60,30,4`,
    `cache_peer 127.0.0.1 parent ${BACK_PORT} 0 no-query no-digest no-netdb-exchange default connect-fail-limit=1000000`,
    "never_direct allow all",
    "# A reloading back does not listen for some milliseconds: try again, 50 ms apart, before giving up.",
    "connect_retries 10",
    ...(allowsHttp(policy)
      ? [
        "# On a connection from before its reload the back takes a request for one that it cannot read.",
        "server_persistent_connections off",
      ]
      : []),
    "",
    ...rules(policy, place, { first: [`acl crowd maxconn ${MOST_CONNECTIONS}`, deny("crowd", "crowd")] }),
    "",
    "acl refused note why",
    "# Its refusals are one sentence of plain text; what an allowed host answers keeps its own type.",
    ...(allowsHttp(policy)
      ? [
        OWN_PAGE,
        ...["!plain", "refused", "own_page"].map((own) => `reply_header_access Content-Type deny ${own}`),
      ]
      : ["reply_header_access Content-Type deny all"]),
    PLAIN_TEXT,
    "",
    "# What it hands over is logged by the back, once TLS has been judged.",
    ...log({ by: "front", only: "refused" }),
    ...(inspects(policy) ? endsOfTunnels(policy) : []),
    ...settings(),
  ];
  return lines.join("\n") + "\n";
}

/** The back's configuration: it listens on loopback, judges TLS, opens that of inspected hosts, and dials. */
export function backConfiguration(policy: EgressPolicy, place: SidecarPlace): string {
  checkedAddress(place.listen);
  const ssh = policy.ssh.map((_, index) => `ssh${index}`);
  const opens = inspects(policy);
  const tunnels = opens ? openingTunnels(policy) : { acls: [], lines: [], never: [] };
  const lines = [
    "# Back: the front's only parent; checks what TLS names, resolves, dials.",
    ...QUIET,
    ...(opens ? openingPort(BACK_PORT) : [
      `http_port 127.0.0.1:${BACK_PORT} ssl-bump tls-cert=/etc/squid/dummy.pem generate-host-certificates=off`,
    ]),
    ...(place.authorities !== undefined && opens
      ? ["tls_outgoing_options cafile=/config/authorities.pem"]
      : []),
    "",
    "# A TLS connection passes untouched when it names the host that was asked for; ssh entries are not TLS.",
    "external_acl_type sni ttl=0 negative_ttl=0 cache=0 concurrency=64 children-max=4 children-startup=1" +
    " children-idle=1 queue-size=8192 %#ssl::>sni %#>rd /usr/bin/perl /config/sni.pl",
    "acl same_name external sni",
    ...tunnels.acls,
    "",
    ...rules(policy, place, {
      inside: opens ? insideRules(policy) : [],
      passing: passing(tunnels.never),
    }),
    "",
    "acl step1 at_step SslBump1",
    ...ssh.map((name) => `ssl_bump splice step1 ${name}`),
    "ssl_bump peek step1",
    ...tunnels.lines,
    "ssl_bump splice same_name",
    "ssl_bump terminate all",
    ...ssh.map((name) => `on_unsupported_protocol tunnel ${name}`),
    "on_unsupported_protocol respond all",
    "",
    ...(opens ? [...watching(policy), ...injections(policy)] : []),
    ...(opens || allowsHttp(policy) ? [...ownAnswers(opens), ""] : []),
    // A request that squid cannot read is none to it, but one that a tunnel was opened for.
    ...(opens ? log({ by: "back", more: INSIDE_FIELDS }) : [
      "acl requested has request",
      ...log({ by: "back", only: "requested" }),
    ]),
    ...settings(),
  ];
  return lines.join("\n") + "\n";
}

/**
 * Both processes carry all of this: the back's enforce, the front's explain. Names and ports are judged before
 * any `dst` rule, since a `dst` rule resolves the name and a query can carry data out.
 */
function rules(
  policy: EgressPolicy,
  place: SidecarPlace,
  { first = [], inside = [], passing = [] }: {
    readonly first?: readonly string[];
    readonly inside?: readonly string[];
    readonly passing?: readonly string[];
  },
): readonly string[] {
  const allowed = allowedHosts(policy);
  return [
    "acl connect method CONNECT",
    ...allowed.lines,
    ...Object.entries(CAUSES).flatMap(([cause, { status }]) => [
      `acl why_${cause} annotate_transaction why=${cause}`,
      `deny_info ${status}:${pageName(cause)} why_${cause}`,
    ]),
    "acl in_tunnel connections_encrypted",
    "acl resolved dst all",
    ...[...NEVER, place.listen, place.egressSubnet].map((range) => `acl never dst ${range}`),
    // Squid keeps IPv4 addresses in their IPv6-mapped form, so mapped answers are judged by the IPv4 ranges.
    ...PRIVATE.map((range) => `acl private dst ${range}`),
    "",
    ...first,
    ...inside,
    deny("in_tunnel", "http"),
    deny(allowsHttp(policy) ? "!connect !plain" : "!connect", "http"),
    ...(allowed.known ? [deny("known !allowed", "port"), deny("!allowed", "host")] : [deny("all", "host")]),
    ...passing,
    deny("!resolved", "unresolved"),
    deny("never", "never"),
    deny(allowed.private ? "private !private_allowed" : "private", "private"),
    ...(allowed.known ? ["http_access allow allowed"] : []),
    "http_access deny all",
  ];
}

function deny(condition: string, cause: keyof typeof CAUSES): string {
  return `http_access deny ${condition} why_${cause}`;
}

/**
 * A connection that is to pass untouched is asked for once more, with what its TLS names. What `ssl_bump` could not
 * judge (a program that has died, or has too much to do) squid lets pass, but none of these rules does.
 */
function passing(never: readonly string[]): readonly string[] {
  return [
    "acl named_by_tls at_step SslBump2 SslBump3",
    ...never.map((opened) => `http_access deny named_by_tls ${opened}`),
    "http_access deny named_by_tls !same_name",
  ];
}

function allowsHttp(policy: EgressPolicy): boolean {
  return policy.hosts.some((rule) => rule.http);
}

/**
 * What a package manager sends to a mirror. The port is the URL's, and so is the Host header that leaves: squid
 * writes it anew, whatever the client's says. `https:` and `ftp:` URLs, which squid would fetch itself, are none of it.
 */
function plainHttp(policy: EgressPolicy): readonly string[] {
  const closed = squidNames(closedToHttp(policy));
  return [
    "acl plain_method method GET HEAD POST PUT PATCH DELETE OPTIONS",
    "acl plain_scheme proto HTTP",
    "acl plain_port port 80",
    ...closed.map((name) => `acl closed dstdomain -n ${name}`),
    `acl plain_http all-of plain_method plain_scheme plain_port${closed.length > 0 ? " !closed" : ""}`,
  ];
}

/** One part of the policy as acls: `lines` define them, the rest names those that others are made of. */
interface Grant {
  readonly lines: readonly string[];
  /** A name of the manifest, on whatever port. */
  readonly known: string;
  /** Name, port and protocol. */
  readonly allowed: readonly string[];
  /** The one of `allowed` that is plain HTTP. */
  readonly plain?: string;
  readonly private: boolean;
}

/**
 * The acls `known` (a name of the manifest), `allowed` (name, port and protocol), `private_allowed`, and `plain`
 * (allowed plain HTTP) if there is any.
 */
function allowedHosts(policy: EgressPolicy): {
  readonly lines: readonly string[];
  readonly known: boolean;
  readonly private: boolean;
} {
  const groups: readonly [string, readonly HostRule[]][] = [
    ["hosts", policy.hosts.filter((rule) => !rule.private)],
    ["private_hosts", policy.hosts.filter((rule) => rule.private)],
  ];
  const grants = [
    ...groups.filter(([, members]) => members.length > 0).map(([group, members]) =>
      hostGrant(group, members)
    ),
    ...policy.ssh.map(sshGrant),
  ];
  const unions = {
    known: grants.map(({ known }) => known),
    plain: grants.flatMap(({ plain }) => plain ?? []),
    allowed: grants.flatMap(({ allowed }) => allowed),
    "private_allowed": grants.filter((grant) => grant.private).flatMap(({ allowed }) => allowed),
  };
  return {
    lines: [
      ...(policy.hosts.length > 0 ? ["acl tls_port port 443"] : []),
      ...(allowsHttp(policy) ? plainHttp(policy) : []),
      ...grants.flatMap(({ lines }) => lines),
      ...Object.entries(unions).flatMap(([name, members]) =>
        members.map((member) => `acl ${name} any-of ${member}`)
      ),
    ],
    known: unions.known.length > 0,
    private: unions.private_allowed.length > 0,
  };
}

function hostGrant(group: string, members: readonly HostRule[]): Grant {
  const http = members.filter((rule) => rule.http);
  const tls = {
    lines: [
      ...squidNames(members).map((name) => `acl ${group} dstdomain -n ${name}`),
      `acl tls_${group} all-of connect ${group} tls_port`,
    ],
    known: group,
    allowed: [`tls_${group}`],
    private: members.some((rule) => rule.private),
  };
  if (http.length === 0) return tls;
  return {
    ...tls,
    lines: [
      ...tls.lines,
      ...squidNames(http).map((name) => `acl http_${group} dstdomain -n ${name}`),
      `acl plain_${group} all-of plain_http http_${group}`,
    ],
    allowed: [...tls.allowed, `plain_${group}`],
    plain: `plain_${group}`,
  };
}

/** Host and port in one: another entry's port is not this host's. */
function sshGrant(rule: SshRule, index: number): Grant {
  const name = `ssh${index}`;
  return {
    lines: [
      `acl ${name}_host dstdomain -n ${checkedSshHost(rule.host)}`,
      `acl ${name}_port port ${checkedPort(rule.port)}`,
      `acl ${name} all-of connect ${name}_host ${name}_port`,
    ],
    known: `${name}_host`,
    allowed: [name],
    private: rule.private,
  };
}

/** What squid answers where no rule refuses. A host that has this header in its answer gets its text shown as such. */
const OWN_PAGE = "acl own_page rep_header X-Squid-Error .";

const PLAIN_TEXT = "reply_header_replace Content-Type text/plain; charset=utf-8";

/**
 * What the back answers itself is one sentence of plain text too, where the front does not see to it: inside a tunnel,
 * where a client that has to be asked is asked, and over plain HTTP.
 */
function ownAnswers(opens: boolean): readonly string[] {
  return [
    OWN_PAGE,
    "acl has_why note why",
    ...(opens ? ["acl has_said note why_", "acl refused_inside all-of has_said !said_none"] : []),
    "acl answered_here any-of own_page",
    "acl answered_here any-of has_why",
    ...(opens ? ["acl answered_here any-of refused_inside"] : []),
    "reply_header_access Content-Type deny answered_here",
    PLAIN_TEXT,
    ...(opens ? ['reply_header_add WWW-Authenticate "Basic realm=\\"claude-bottle\\"" said_login'] : []),
  ];
}

const QUIET = ["debug_options ALL,0", "cache_log stdio:/dev/stderr"];
