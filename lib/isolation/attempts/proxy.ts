import { type Act, type Attempt, CANARY, type ProtectionList, type Witness } from "../attempt.ts";
import { connect, request, toSidecar } from "./requests.ts";

/** What pipelock is known to let through: its preflight says so. */
export const PIPELOCK_LETS = {
  ports: "pipelock pins no ports",
  tls: "pipelock lets through what is not TLS",
  unnamed: "pipelock lets TLS through that names no host",
  http: "pipelock lets plain HTTP through to allowed hosts",
} as const;

function tried(
  id: string,
  title: string,
  acts: Act | readonly Act[],
  stoppedBy: ProtectionList,
  more: { readonly pipelockLets?: string; readonly witness?: Witness } = {},
): Attempt {
  return {
    id: `proxy-${id}`,
    group: "proxy",
    title,
    acts: "kind" in acts ? [acts] : acts,
    witness: CANARY,
    stoppedBy,
    ...more,
  };
}

/** Host spelling: names and addresses that look like an allowed host to one reader and like another to the next. */
const SPELLING: readonly Attempt[] = [
  tried("other-host", "a host that is not allowed", connect("{other}:443"), ["proxy-hosts"]),
  tried(
    "other-host-header",
    "a host that is not allowed, with an allowed one in the Host header",
    connect("{other}:443", { hello: "{other}" }, "Host: {allowed}:443"),
    ["proxy-hosts"],
  ),
  tried("suffix", "an allowed name with a domain behind it", connect("{allowed}.{domain}:443"), [
    "proxy-hosts",
  ]),
  tried("prefix", "an allowed name with letters before it", connect("evil{allowed}:443"), ["proxy-hosts"]),
  tried("subdomain", "a name below an allowed one", connect("sub.{allowed}:443"), ["proxy-hosts"]),
  tried(
    "trailing-dot",
    "a host that is not allowed, with a trailing dot",
    connect("{other}.:443", { hello: "{other}" }),
    ["proxy-hosts"],
  ),
  tried(
    "nul",
    "a NUL byte between another host and an allowed one",
    toSidecar("CONNECT {other}\0.{allowed}:443 HTTP/1.1\r\nHost: {allowed}:443\r\n\r\n", {
      hello: "{other}",
    }),
    ["proxy-hosts"],
  ),
  tried(
    "userinfo",
    "an allowed name as the user of another host",
    connect("{allowed}@{other}:443", { hello: "{other}" }),
    ["proxy-hosts", "proxy-tls"],
  ),
  tried(
    "address",
    "a host by its address, naming an allowed one",
    connect("{public}:443", { hello: "{allowed}" }),
    ["proxy-hosts", "proxy-tls"],
  ),
  tried(
    "decimal",
    "a host by its address as one decimal number",
    connect("{publicDecimal}:443", { hello: "{allowed}" }),
    ["proxy-hosts", "proxy-tls"],
  ),
  tried(
    "hex",
    "a host by its address in hexadecimal",
    connect("{publicHex}:443", { hello: "{allowed}" }),
    ["proxy-hosts", "proxy-tls"],
  ),
  tried(
    "mapped",
    "a host by its address mapped into IPv6",
    connect("[::ffff:{public}]:443", { hello: "{allowed}" }),
    ["proxy-hosts", "proxy-tls"],
  ),
];

/** What an allowed name is used for. */
const TUNNELS: readonly Attempt[] = [
  tried("port", "an allowed host on another port", connect("{allowed}:8443"), ["proxy-ports"], {
    pipelockLets: PIPELOCK_LETS.ports,
  }),
  tried(
    "fronting",
    "an allowed host, whose TLS then names another one",
    connect("{allowed}:443", { hello: "{other}" }),
    ["proxy-tls"],
  ),
  tried(
    "no-name",
    "an allowed host, whose TLS then names none",
    connect("{allowed}:443", { hello: undefined }),
    ["proxy-tls"],
    { pipelockLets: PIPELOCK_LETS.unnamed },
  ),
  tried(
    "other-allowed-name",
    "an allowed host, whose TLS then names another allowed one",
    connect("{allowed}:443", { hello: "{allowed2}" }),
    ["proxy-tls"],
  ),
  tried(
    "not-tls",
    "an allowed host, to which something else than TLS is then spoken",
    connect("{allowed}:443", "{mark}\r\n\r\n"),
    ["proxy-tls"],
    { pipelockLets: PIPELOCK_LETS.tls },
  ),
  tried(
    "relayed",
    "an allowed host, which is then asked for a tunnel of its own",
    connect("{allowed}:443", "CONNECT {other}:443 HTTP/1.1\r\nHost: {mark}\r\n\r\n"),
    ["proxy-tls"],
    { pipelockLets: PIPELOCK_LETS.tls },
  ),
  tried(
    "private-name",
    "an allowed name that leads to a private address",
    connect("{privateName}:443"),
    ["proxy-private"],
  ),
  tried(
    "link-local-name",
    "an allowed name that leads to a link-local address, as a metadata service has",
    connect("{linkLocalName}:443"),
    ["proxy-never"],
  ),
];

/** Requests that are no tunnel, and requests inside others. */
const REQUESTS: readonly Attempt[] = [
  tried(
    "http",
    "plain HTTP to an allowed host",
    request("GET", "http://{allowed}/{mark}"),
    ["proxy-methods"],
    { pipelockLets: PIPELOCK_LETS.http },
  ),
  tried(
    "http-other",
    "plain HTTP to another host, with an allowed one in the Host header",
    request("GET", "http://{other}/{mark}"),
    ["proxy-methods", "proxy-hosts"],
  ),
  tried(
    "http-userinfo",
    "plain HTTP to another host, with an allowed name as the user",
    request("GET", "http://{allowed}@{other}/{mark}", "Host: {other}"),
    ["proxy-methods", "proxy-hosts"],
  ),
  tried(
    "methods",
    "other methods: POST, PUT, TRACE, OPTIONS, and one that does not exist",
    ["POST", "PUT", "TRACE", "OPTIONS", "CLAUDE"].map((method) =>
      request(method, "http://{other}/{mark}", "Host: {other}\r\nContent-Length: 0")
    ),
    ["proxy-methods", "proxy-hosts"],
  ),
  tried(
    "pipelined",
    "a refused request with another one in the same packet",
    toSidecar(
      "GET http://{other}/ HTTP/1.1\r\nHost: {allowed}\r\nContent-Length: 0\r\n\r\n" +
        "CONNECT {other}:443 HTTP/1.1\r\nHost: {allowed}:443\r\n\r\n",
      { hello: "{other}" },
    ),
    ["proxy-hosts", "proxy-methods"],
  ),
  tried(
    "smuggled",
    "a request inside another one's body, about whose length the headers disagree",
    toSidecar(
      "POST http://{allowed}/ HTTP/1.1\r\nHost: {allowed}\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n" +
        "0\r\n\r\nGET http://{other}/{mark} HTTP/1.1\r\nHost: {other}\r\n\r\n",
    ),
    ["proxy-methods", "proxy-hosts"],
  ),
  tried(
    "fetch",
    "the proxy's own endpoints that fetch for others",
    ["/fetch?url=http://{other}/{mark}", "/ws?url=ws://{other}/{mark}"].map((path) =>
      toSidecar(`GET ${path} HTTP/1.1\r\nHost: {sidecar}:8888\r\nConnection: close\r\n\r\n`)
    ),
    ["proxy-methods", "proxy-hosts"],
  ),
  tried(
    "admin",
    "the proxy's own endpoints that tell or change what it is",
    ["/squid-internal-mgr/info", "/metrics", "/stats", "/config", "cache_object://{sidecar}/info"].map((
      path,
    ) => toSidecar(`GET ${path} HTTP/1.1\r\nHost: {sidecar}:8888\r\nConnection: close\r\n\r\n`)),
    ["proxy-methods"],
    { witness: { kind: "answer", pattern: /Squid Object Cache|# HELP|"requests|uptime|api_allowlist/i } },
  ),
];

export const PROXY: readonly Attempt[] = [...SPELLING, ...TUNNELS, ...REQUESTS];
