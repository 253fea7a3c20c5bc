import { checkedName } from "../checked.ts";
import { EXIT, Failure } from "../../errors.ts";
import { covers } from "../hosts.ts";
import type { EgressPolicy, HostRule, InjectedSecret, InjectionForm, RequestRule } from "../policy.ts";
import type { SidecarTmpfs } from "../proxy.ts";
import { INSPECTION_CAUSES, pageName } from "./refusals.ts";
import { squidNames } from "./names.ts";
import {
  CREDENTIAL_HEADERS,
  CREDENTIAL_QUERIES,
  LENGTHS,
  OVERRIDES,
  spellings,
  SUBPROTOCOL,
} from "./reviewed_names.ts";

/** Where authority, certificates and secrets are: in memory, for the sidecar's user alone. */
export const INSPECTION_TMPFS: SidecarTmpfs = { path: "/run/inspection", sizeMiB: 16, mode: 0o700 };

/** A host whose TLS is opened. */
type Inspected = HostRule & Required<Pick<HostRule, "inspection">>;

/** The policy's inspected hosts. */
export function inspectedHosts(policy: EgressPolicy): readonly Inspected[] {
  return policy.hosts.flatMap((rule) =>
    rule.inspection === undefined ? [] : [{ ...rule, inspection: rule.inspection }]
  );
}

/** Inspected hosts below a wildcard that is asked over plain HTTP, where nobody would judge what they are asked. */
export function closedToHttp(policy: EgressPolicy): readonly HostRule[] {
  const http = policy.hosts.filter((rule) => rule.http);
  return inspectedHosts(policy).filter(({ host }) => http.some((rule) => covers(rule.host, host)));
}

/** The rules as lines of words, as `squid_inspect.pl` and `squid_open.pl` read them. */
export function inspectionRules(policy: EgressPolicy): string {
  const hosts = inspectedHosts(policy);
  const credentials = credentialHeaders(hosts);
  return [
    ...credentials.map((name) => `header ${name}`),
    `subprotocol ${SUBPROTOCOL}`,
    ...OVERRIDES.map((name) => `override ${name}`),
    ...CREDENTIAL_QUERIES.map((name) => `query ${name}`),
    ...hosts.flatMap(({ host, inspection: { rules, secret } }) => [
      `host ${inspectedName(host)}`,
      ...(rules ?? []).map(ruleLine),
      ...(secret === undefined ? [] : [secretLine(secret, credentials)]),
    ]),
    "",
  ].join("\n");
}

/** The back's port: certificates for inspected hosts come from the bottle's own authority. */
export function openingPort(port: number): readonly string[] {
  const place = INSPECTION_TMPFS.path;
  return [
    `http_port 127.0.0.1:${port} ssl-bump tls-cert=${place}/authority.pem generate-host-certificates=on` +
    " dynamic_cert_mem_cache_size=1MB",
    `sslcrtd_program /usr/lib/squid/security_file_certgen -s ${place}/db -M 4MB`,
    "sslcrtd_children 2 startup=1 idle=1",
    "# For the host that was asked for alone, whatever else the server's own certificate names: the authority's constraints.",
    ...["setCommonName", "setValidAfter", "setValidBefore"].map((change) =>
      `sslproxy_cert_adapt ${change} all`
    ),
    "# What is wrong with a server is told in words, which a client that distrusts us could not read.",
    "sslproxy_cert_sign signTrusted all",
    "sslproxy_cert_error deny all",
    "uri_whitespace deny",
    "http_upgrade_request_protocols websocket allow all",
    "http_upgrade_request_protocols OTHER deny all",
  ];
}

/** The lines of `http_access` for requests inside an opened tunnel, with what they need; others are not their matter. */
export function insideRules(policy: EgressPolicy): readonly string[] {
  const hosts = inspectedHosts(policy);
  const privates = hosts.filter((rule) => rule.private);
  return [
    "# What is asked inside an opened tunnel is judged by a program, from what squid has understood and will send.",
    externalProgram(policy, { name: "judge", startup: 1, command: "/config/inspect.pl" }),
    "acl judged external judge",
    "acl has_login urllogin .",
    "acl said_none note why_ none",
    ...Object.entries(INSPECTION_CAUSES).flatMap(([cause, { status }]) => [
      `acl said_${cause} note why_ ${cause}`,
      `deny_info ${status}:${pageName(cause)} said_${cause}`,
    ]),
    "acl why_unjudged annotate_transaction why=unjudged",
    `deny_info 503:${pageName("unjudged")} why_unjudged`,
    "acl why_malformed annotate_transaction why=malformed",
    `deny_info 403:${pageName("malformed")} why_malformed`,
    ...[...OVERRIDES.flatMap(spellings), ...LENGTHS].flatMap((name, index) => [
      `acl override${index} req_header ${name} .`,
      `acl overrides any-of override${index}`,
    ]),
    "acl why_override annotate_transaction why=override",
    `deny_info 403:${pageName("override")} why_override`,
    ...squidNames(privates).map((name) => `acl inside_private dstdomain -n ${name}`),
    "http_access deny in_tunnel has_login why_malformed",
    "http_access deny in_tunnel !judged why_unjudged",
    "http_access deny in_tunnel overrides why_override",
    ...Object.keys(INSPECTION_CAUSES).map((cause) => `http_access deny in_tunnel said_${cause}`),
    "http_access deny in_tunnel !said_none why_unjudged",
    "http_access deny in_tunnel !resolved why_unresolved",
    "http_access deny in_tunnel never why_never",
    `http_access deny in_tunnel private${privates.length > 0 ? " !inside_private" : ""} why_private`,
    "http_access allow in_tunnel said_none",
  ];
}

/**
 * What plain HTTP carries of placeholders is told, where the bottle has any. It is asked where a program that cannot
 * tell keeps nothing from passing: squid would have another one rewrite URLs, which it is never let to.
 */
export function watching(policy: EgressPolicy): readonly string[] {
  const hasSecrets = inspectedHosts(policy).some(({ inspection }) => inspection.secret !== undefined);
  if (!hasSecrets || !policy.hosts.some(({ http }) => http)) return [];
  return [
    externalProgram(policy, { name: "watch", startup: 0, command: "/config/inspect.pl watch" }),
    "acl watched external watch",
    "url_rewrite_program /bin/false",
    "url_rewrite_children 1 startup=0 idle=1",
    "url_rewrite_access deny plain watched",
    "url_rewrite_access deny all",
    "",
  ];
}

/** What `squid_inspect.pl` reads of each request. */
function externalProgram(
  policy: EgressPolicy,
  { name, startup, command }: { readonly name: string; readonly startup: number; readonly command: string },
): string {
  const headers = [...credentialHeaders(inspectedHosts(policy)), SUBPROTOCOL];
  return `external_acl_type ${name} ttl=0 negative_ttl=0 cache=0 concurrency=64 children-max=4` +
    ` children-startup=${startup} children-idle=1 queue-size=8192` +
    " %#>rm %#>rs %#ssl::>sni %#>rd %>rP %#>rp %#{Host}>h" +
    `${headers.map((header) => ` %#{${header}}>h`).join("")} /usr/bin/perl ${command}`;
}

/** What leaves: the header that the judge has named, with what it has given for it, and no other credential beside it. */
export function injections(policy: EgressPolicy): readonly string[] {
  const hosts = inspectedHosts(policy);
  const headers = credentialHeaders(hosts);
  const injected = headers.filter((name) =>
    hosts.some(({ inspection }) => headerOf(inspection.secret) === lower(name))
  );
  if (injected.length === 0) return [];
  const numbers = injected.map((name) => headers.indexOf(name));
  return [
    ...numbers.flatMap((
      number,
    ) => [`acl injects_${number} note in_${number}_`, `acl injects any-of injects_${number}`]),
    ...headers.map((name) => `request_header_access ${name} deny injects`),
    "# A cookie that a client keeps would be a second credential of its next request.",
    ...["Set-Cookie", "Set-Cookie2"].map((name) => `reply_header_access ${name} deny injects`),
    ...numbers.map((number) =>
      `request_header_add ${headers[number]} "%'{in_${number}_}note" injects_${number}`
    ),
  ];
}

/**
 * The lines of `ssl_bump` between looking at the name and letting the rest through: the most specific entry counts, so
 * an exact name goes before every wildcard, and one that matches is decided by its own lines.
 */
export function openingTunnels(
  policy: EgressPolicy,
): {
  readonly acls: readonly string[];
  readonly lines: readonly string[];
  /** The acls that together stand for what passes never untouched. */
  readonly never: readonly string[];
} {
  const ranks = [...new Set(policy.hosts.map(rank))].toSorted((a, b) => a - b);
  const last = Math.max(...inspectedHosts(policy).map(rank));
  const groups = ranks.filter((one) => one <= last).flatMap((one, index) => {
    const members = policy.hosts.filter((rule) => rank(rule) === one);
    return [
      {
        name: `opened${index}`,
        action: "bump",
        members: members.filter((rule) => rule.inspection !== undefined),
      },
      {
        name: `untouched${index}`,
        action: "splice",
        members: one === last ? [] : members.filter((rule) => rule.inspection === undefined),
      },
    ];
  }).filter(({ members }) => members.length > 0);
  return {
    acls: groups.flatMap(({ name, members }) =>
      squidNames(members).map((host) => `acl ${name} dstdomain -n ${host}`)
    ),
    lines: groups.flatMap((
      { name, action },
    ) => [`ssl_bump ${action} ${name} same_name`, `ssl_bump terminate ${name}`]),
    never: groups.flatMap(({ name, action }, index) => {
      const before = groups.slice(0, index).filter((group) => group.action === "splice");
      return action === "bump" ? [[...before.map((group) => `!${group.name}`), name].join(" ")] : [];
    }),
  };
}

/** The smaller, the more specific: 0 for an exact name, then wildcards by how little they leave open. */
function rank({ host }: HostRule): number {
  return host.startsWith("*.") ? 1000 - host.split(".").length : 0;
}

function credentialHeaders(hosts: readonly Inspected[]): readonly string[] {
  const own = hosts.flatMap(({ inspection: { secret } }) =>
    secret?.form.kind === "header" ? spellings(checkedHeader(secret.form.name)) : []
  );
  return distinct([...CREDENTIAL_HEADERS.flatMap(spellings), ...own]);
}

/** The first of those that are one header. */
function distinct(names: readonly string[]): readonly string[] {
  return [...new Map(names.toReversed().map((name) => [lower(name), name])).values()].toReversed();
}

/** The header that a secret leaves in, in lower case. */
function headerOf(secret: InjectedSecret | undefined): string | undefined {
  if (secret === undefined) return undefined;
  return lower(secret.form.kind === "header" ? secret.form.name : "Authorization");
}

function secretLine(secret: InjectedSecret, headers: readonly string[]): string {
  const { env, form } = secret;
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,254}$/.test(env)) throw unenforceable("variable", env);
  const number = headers.findIndex((name) => lower(name) === headerOf(secret));
  const user = form.kind === "basic" ? ` ${checkedUser(form)}` : "";
  return `secret ${env} ${form.kind} ${number}${user}`;
}

function ruleLine({ method, path }: RequestRule): string {
  if (!/^[A-Z][A-Z0-9_-]{0,31}$/.test(method)) throw unenforceable("method", method);
  if (!/^\/[\x21-\x7e]{0,2000}$/.test(path) || path.includes("#")) throw unenforceable("path", path);
  return `rule ${method} ${path}`;
}

/** Longer names do not fit into a certificate's common name, from which its alternative name is made. */
function inspectedName(host: string): string {
  const name = host.startsWith("*.") ? `*.${checkedName(host.slice(2))}` : checkedName(host);
  if (name.length > 64) throw unenforceable("inspected host of at most 64 characters", host);
  return name;
}

function checkedHeader(name: string): string {
  const framing =
    /^(host|connection|content-length|transfer-encoding|te|trailer|upgrade|expect|keep-alive)$/i;
  if (!/^[A-Za-z][A-Za-z0-9_-]{0,63}$/.test(name) || framing.test(name)) throw unenforceable("header", name);
  return name;
}

function checkedUser({ user }: Extract<InjectionForm, { readonly kind: "basic" }>): string {
  if (!/^[\x21-\x39\x3b-\x7e]{1,255}$/.test(user)) throw unenforceable("user of `basic`", user);
  return user;
}

function lower(text: string): string {
  return text.toLowerCase();
}

function unenforceable(what: string, text: string): Failure {
  const shown = text.slice(0, 100).replace(/[^\x20-\x7e]/g, "?");
  return new Failure(
    "egress-inspection",
    `Not a ${what} that the sidecar can enforce: ${JSON.stringify(shown)}`,
    {
      exit: EXIT.usage,
    },
  );
}
