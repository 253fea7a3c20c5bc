import type { INSPECTION_CAUSES } from "../../lib/egress/squid/refusals.ts";
import type { RawRequest } from "./inspected_sidecar.ts";

/** The placeholders of `api.test` and `key.test`, and of `git.test`. */
export const PLACEHOLDER = "sk-ant-oat01-placeholder_of_api";
export const OTHER_PLACEHOLDER = "ghp_placeholderOfGit";
/** The hosts that they are sent to; `other.test` alone is not inspected. */
export const NAMES = ["api.test", "git.test", "key.test", "other.test"];

/** What an attack is sent with: its mark is what the far side is searched for. */
export type Attack = (mark: string) => RawRequest;

const BEARER = `Authorization: Bearer ${PLACEHOLDER}`;

function to(host: string, start: string, ...headers: readonly string[]): Attack {
  return (mark) => ({
    host,
    raw: [`${start} HTTP/1.1`, ...headers, `X-Mark: ${mark}`, "Connection: close", "", ""].join("\r\n"),
  });
}

/** To `api.test`, as its rules want it but for what is told. */
function api(start: string, ...headers: readonly string[]): Attack {
  return to("api.test", start, ...(headers.length === 0 ? ["Host: api.test", BEARER] : headers));
}

/** What the rules let through, some of it oddly written. */
export const ALLOWED: Readonly<Record<string, Attack>> = {
  "a listed request": api("GET /v1/models"),
  "anything below a star at the end": api("GET /v1/models/a/b?page=2"),
  "a star between slashes": api("GET /v1/files/one/content"),
  "a listed query": api("GET /repo/info/refs?service=git-upload-pack"),
  "the absolute form of the same target": api("GET https://api.test/v1/models"),
  "a scheme of credentials in lower case": api(
    "GET /v1/models",
    "Host: api.test",
    `authorization: bearer ${PLACEHOLDER}`,
  ),
  "a name with a port": api("GET /v1/models", "Host: api.test:443", BEARER),
  "basic": to(
    "git.test",
    "GET /any",
    "Host: git.test",
    `Authorization: Basic ${btoa(`me:${OTHER_PLACEHOLDER}`)}`,
  ),
  "a subprotocol of a websocket": to(
    "key.test",
    "GET /socket",
    ...["Host: key.test", `X-My-Key: ${PLACEHOLDER}`, "Upgrade: websocket", "Connection: Upgrade"],
    "Sec-WebSocket-Protocol: graphql-ws, realtime",
  ),
  "what sounds like a key and is none": api(
    "GET /v1/models",
    ...["Host: api.test", BEARER, "Idempotency-Key: a", "Sec-WebSocket-Key: a", "X-CSRF-Token: a"],
  ),
  "a header of its own": to("key.test", "GET /any", "Host: key.test", `x-my-key: ${PLACEHOLDER}`),
};

type ByCause = Partial<Record<keyof typeof INSPECTION_CAUSES, Readonly<Record<string, Attack>>>>;

/** Attacks by the cause that each is refused for. */
export const REFUSED: Readonly<ByCause> = {
  rule: {
    "another path": api("GET /v1/files"),
    "another method": api("POST /v1/models", "Host: api.test", BEARER, "Content-Length: 0"),
    "a method nobody lists": api("DELETE /v1/models"),
    "a star that would span slashes": api("GET /v1/files/one/two/content"),
    "another query": api("GET /repo/info/refs?service=git-receive-pack"),
    "no query": api("GET /repo/info/refs"),
    "two values for one parameter": api(
      "GET /repo/info/refs?service=git-upload-pack&service=git-receive-pack",
    ),
    "squid's manager": api("GET /squid-internal-mgr/info"),
    "squid's own files": api("GET /squid-internal-static/icons/SN.png"),
    "a request in a body of two lengths": (mark) => ({
      host: "api.test",
      raw:
        `GET /v1/models HTTP/1.1\r\nHost: api.test\r\n${BEARER}\r\nContent-Length: 200\r\nTransfer-Encoding: chunked\r\n\r\n` +
        `0\r\n\r\nGET /v1/files HTTP/1.1\r\nHost: api.test\r\n${BEARER}\r\nX-Mark: ${mark}\r\n\r\n`,
    }),
  },
  path: {
    "a slash more": api("GET //v1/models"),
    "a slash more in between": api("GET /v1//models"),
    "a dot segment": api("GET /v1/models/./x"),
    "two dots": api("GET /v1/models/../files"),
    "two dots, encoded": api("GET /v1/models/%2e%2e/files"),
    "two dots, half encoded": api("GET /v1/models/.%2E/files"),
    "two dots and a parameter": api("GET /v1/models/..;/files"),
    "an encoded slash": api("GET /v1/models%2f..%2ffiles"),
    "an encoded backslash": api("GET /v1/models/..%5cfiles"),
    "a backslash": api("GET /v1/models/..\\files"),
    "an encoded NUL": api("GET /v1/models%00.txt"),
    "an encoded line end": api("GET /v1/models%0d%0aX-A:b"),
    "encoded twice": api("GET /v1/models/%252e%252e/files"),
    "an overlong encoding": api("GET /v1/models/%c0%ae%c0%ae/files"),
    "wide dots": api("GET /v1/models/%EF%BC%8E%EF%BC%8E/files"),
    "two dots as one sign": api("GET /v1/models/%E2%80%A5/files"),
    "two dots and an encoded question": api("GET /v1/models/..%3F/files"),
  },
  method: {
    "TRACE, which would tell the secret": api("TRACE /v1/models"),
  },
  override: {
    "another method in a header": api(
      "GET /v1/models",
      "Host: api.test",
      BEARER,
      "X-HTTP-Method-Override: DELETE",
    ),
    "another method in a header with underscores": api(
      "GET /v1/models",
      ...["Host: api.test", BEARER, "X_HTTP_Method_Override: DELETE"],
    ),
    "another method in the query": api("GET /v1/models?_method=DELETE"),
    "another method in the query, as Google's servers read it": api("GET /v1/models?$httpMethod=DELETE"),
    "a copy of something else": api(
      "GET /v1/models",
      "Host: api.test",
      BEARER,
      "X-Amz-Copy-Source: /v1/files",
    ),
    "another path in a header": api("GET /v1/models", "Host: api.test", BEARER, "X-Original-URL: /v1/files"),
    "another path in another header": api(
      "GET /v1/models",
      "Host: api.test",
      BEARER,
      "x-rewrite-url: /v1/files",
    ),
    "another host in a header": api(
      "GET /v1/models",
      "Host: api.test",
      BEARER,
      "X-Forwarded-Host: other.test",
    ),
  },
  "other_target": {
    "another host by name": api("GET /v1/models", "Host: other.test", BEARER),
    "another inspected host by name": to(
      "api.test",
      "GET /any",
      "Host: key.test",
      `x-my-key: ${PLACEHOLDER}`,
    ),
    "another host by URL": api("GET https://other.test/v1/models", "Host: other.test", BEARER),
    "another port by URL": api("GET https://api.test:8443/v1/models"),
    "another scheme by URL": api("GET http://api.test/v1/models"),
    "two hosts, another first": api("GET /v1/models", "Host: other.test", "Host: api.test", BEARER),
    "a tunnel in the tunnel": api("CONNECT api.test:443"),
  },
  malformed: {
    "a fragment": api("GET /v1/models#/../files"),
    "a user in the URL": api("GET https://me:of-somebody@api.test/v1/models"),
    "no host at all": api("GET /v1/models", BEARER),
  },
  "no_placeholder": {
    "no placeholder": api("GET /v1/models", "Host: api.test"),
  },
  "foreign_credential": {
    "a key of somebody else": api(
      "GET /v1/models",
      "Host: api.test",
      "Authorization: Bearer sk-ant-oat01-of-somebody",
    ),
    "another scheme": api(
      "GET /v1/models",
      "Host: api.test",
      `Authorization: Basic ${btoa(`me:${PLACEHOLDER}`)}`,
    ),
    "the placeholder and more": api("GET /v1/models", "Host: api.test", `${BEARER}x`),
    "the placeholder in other case": api("GET /v1/models", "Host: api.test", BEARER.toUpperCase()),
    "the placeholder of another host": api(
      "GET /v1/models",
      "Host: api.test",
      `Authorization: Bearer ${OTHER_PLACEHOLDER}`,
    ),
    "a foreign key first": api(
      "GET /v1/models",
      "Host: api.test",
      "Authorization: Bearer of-somebody",
      BEARER,
    ),
  },
  "other_credential": {
    "a foreign key in another header": api(
      "GET /v1/models",
      "Host: api.test",
      BEARER,
      "X-Api-Key: of-somebody",
    ),
    "the same in other case": api("GET /v1/models", "Host: api.test", BEARER, "x-API-key: of-somebody"),
    "the same with underscores": api("GET /v1/models", "Host: api.test", BEARER, "X_Api-Key: of-somebody"),
    "the placeholder's header with underscores": to(
      "key.test",
      "GET /any",
      ...["Host: key.test", `X-My-Key: ${PLACEHOLDER}`, "X_My_Key: of-somebody"],
    ),
    "a key of a service in its own header": api(
      "GET /v1/models",
      ...["Host: api.test", BEARER, "DD-API-KEY: of-somebody"],
    ),
    "a key as the subprotocol of a websocket": to(
      "key.test",
      "GET /socket",
      ...["Host: key.test", `X-My-Key: ${PLACEHOLDER}`, "Upgrade: websocket", "Connection: Upgrade"],
      "Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.of-somebody",
    ),
    "a cookie": api("GET /v1/models", "Host: api.test", BEARER, "Cookie: session=of-somebody"),
  },
  "query_credential": {
    "a key among the headers in the query": api("GET /v1/models?$httpHeaders=X-Api-Key%3Aof-somebody"),
    "a key in a list in the query": api("GET /v1/models?api.key[]=of-somebody"),
    "a key in the query in one word": api("GET /v1/models?accessToken=of-somebody"),
    "a key in the query behind a sign": api("GET /v1/models?$key=of-somebody"),
    "a key in the query": api("GET /v1/models?api_key=of-somebody"),
    "a key in the query, its name encoded": api("GET /v1/models?api%5Fkey=of-somebody"),
    "the placeholder in the query": api(`GET /v1/models?x=${PLACEHOLDER}`),
  },
};

/** Not let through to the judge, and told by what their TLS names. */
export const CUT: Readonly<Record<string, Attack>> = {
  "TLS to another name": (mark) => ({ ...api("GET /v1/models")(mark), sni: "other.test" }),
};

/** What is no HTTP to squid, which answers it by itself. */
export const NO_REQUEST: Readonly<Record<string, Attack>> = {
  "a space in the path": api("GET /v1/models /../files"),
  "a space before the colon": api("GET /v1/models", "Host: api.test", BEARER, "X-Api-Key : of-somebody"),
  "two lengths": api("GET /v1/models", "Host: api.test", BEARER, "Content-Length: 5", "Content-Length: 6"),
  "a transfer coding of no one": api(
    "GET /v1/models",
    "Host: api.test",
    BEARER,
    "Transfer-Encoding: xchunked",
  ),
  "headers without end": api("GET /v1/models", "Host: api.test", BEARER, `X-Long: ${"a".repeat(70_000)}`),
};
