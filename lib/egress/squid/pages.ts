import type { ConfigFile } from "../proxy.ts";
import { serverFault } from "./inside.ts";
import { MOST_HEADERS } from "./settings.ts";

const UNREADABLE =
  "refused a request that cannot be read in one way only (its first line, its version or its headers)";
const CUT = "lost the connection to %H:%p before all of its answer had come";

/**
 * What squid says by itself, where no rule refuses: by its names of the pages. `%H` and `%p` are host and port, `%E` what
 * the system says, `%D` the text of {@link errorDetails}.
 */
const PAGES: Readonly<Record<string, string>> = {
  ERR_SECURE_CONNECT_FAIL: "cannot reach %H:%p, and has sent nothing to it: %D",
  ERR_CONNECT_FAIL: "cannot reach %H:%p: nothing answers there (%E)",
  ERR_CANNOT_FORWARD: "cannot reach %H:%p: nothing answers there (%E)",
  ERR_DNS_FAIL: "cannot reach %H:%p: the host is allowed, but its name does not resolve",
  ERR_READ_TIMEOUT: "cannot go on: %H:%p has not answered for too long",
  ERR_LIFETIME_EXP: "cannot go on: the connection to %H:%p has been open for too long",
  ERR_READ_ERROR: CUT,
  ERR_WRITE_ERROR: CUT,
  ERR_ZERO_SIZE_OBJECT: "got no answer: %H:%p ended the connection without one",
  ERR_INVALID_RESP: "cannot read what %H:%p has answered: it is not HTTP",
  ERR_ONLY_IF_CACHED_MISS:
    "keeps nothing of %H:%p, so that there is no answer to `Cache-Control: only-if-cached`",
  ERR_TOO_BIG: `refused a request with more than ${MOST_HEADERS} of headers`,
  ERR_INVALID_REQ: UNREADABLE,
  ERR_INVALID_URL: UNREADABLE,
  ERR_PROTOCOL_UNKNOWN: UNREADABLE,
  ERR_UNSUP_HTTPVERSION: UNREADABLE,
  ERR_UNSUP_REQ: UNREADABLE,
  ERR_SHUTTING_DOWN: "is ending",
};

/** The others, for what no rule lets happen: squid complains of each that it does not find. */
const OTHER_PAGES = [
  ...[
    "ACCESS_DENIED",
    "CACHE_ACCESS_DENIED",
    "CACHE_MGR_ACCESS_DENIED",
    "FORWARDING_DENIED",
    "CONFLICT_HOST",
  ],
  ...["NO_RELAY", "SOCKET_FAILURE", "URN_RESOLVE", "PRECONDITION_FAILED", "DIR_LISTING", "GATEWAY_FAILURE"],
  ...[
    "ESI",
    "ICAP_FAILURE",
    "FTP_DISABLED",
    "FTP_FAILURE",
    "FTP_FORBIDDEN",
    "FTP_NOT_FOUND",
    "FTP_UNAVAILABLE",
  ],
  ...["FTP_PUT_CREATED", "FTP_PUT_ERROR", "FTP_PUT_MODIFIED"],
].map((name) => `ERR_${name}`);

/** Squid's name of a failure that it says nothing more of here: most often it has verified in vain. */
const ANY_FAILURE = "SQUID_TLS_ERR_CONNECT";

/** Squid's names of what else can be wrong with a server's TLS. */
const SERVER_ERRORS = [
  "SQUID_X509_V_ERR_DOMAIN_MISMATCH",
  "SQUID_X509_V_ERR_CERT_CHANGE",
  ...[
    "CERT_HAS_EXPIRED",
    "CERT_NOT_YET_VALID",
    "CERT_UNTRUSTED",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "UNABLE_TO_GET_ISSUER_CERT",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    "SUBJECT_ISSUER_MISMATCH",
    "AKID_ISSUER_SERIAL_MISMATCH",
  ].map((name) => `X509_V_ERR_${name}`),
];

/** The pages as files of `/config`, where squid looks for its own. */
export function squidPages(): readonly ConfigFile[] {
  const file = (path: string, text: string): ConfigFile => ({ path, mode: 0o644, text });
  return [
    ...Object.entries(PAGES).map(([name, page]) => file(name, `claude-bottle ${page}\n`)),
    ...OTHER_PAGES.map((name) => file(name, "claude-bottle cannot do this for %H:%p (%c, %E)\n")),
    file("error-details.txt", errorDetails()),
  ];
}

/** In squid's form: the same words that an event has. */
function errorDetails(): string {
  const details: readonly (readonly [string, string])[] = [
    [ANY_FAILURE, `TLS with the server failed, or ${serverFault("UNTRUSTED")}`],
    ...SERVER_ERRORS.map((name) => [name, serverFault(name)] as const),
  ];
  return details.map(([name, detail]) => `name: ${name}\ndetail: "${detail}"\ndescr: "${name}"\n\n`).join("");
}
