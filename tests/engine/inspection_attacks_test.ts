import assert from "node:assert/strict";
import type { EgressPolicy, HostRule } from "../../lib/egress/policy.ts";
import type { EgressEvent, SidecarProgram } from "../../lib/egress/proxy.ts";
import { engineRuntimes } from "../support/engine.ts";
import { type RawRequest, startFarSide, startSidecar } from "../support/inspected_sidecar.ts";
import { closedNetwork } from "../support/recorder.ts";

const ignore = (await engineRuntimes()).length === 0;

const PLACEHOLDER = "sk-ant-oat01-placeholder_of_api";
const OTHER_PLACEHOLDER = "ghp_placeholderOfGit";
const SECRET = "sk-ant-oat01-the-real_one";
const NAMES = ["api.test", "git.test", "key.test", "other.test"];

/** What an attack is sent with: its mark is what the far side is searched for. */
type Attack = (mark: string) => RawRequest;

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

const ALLOWED: Readonly<Record<string, Attack>> = {
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

const REFUSED: Readonly<Record<string, Attack>> = {
  "another path": api("GET /v1/files"),
  "another method": api("POST /v1/models", "Host: api.test", BEARER, "Content-Length: 0"),
  "a method nobody lists": api("DELETE /v1/models"),
  "TRACE, which would tell the secret": api("TRACE /v1/models"),
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
  "a fragment": api("GET /v1/models#/../files"),
  "a space in the path": api("GET /v1/models /../files"),
  "a star that would span slashes": api("GET /v1/files/one/two/content"),
  "another query": api("GET /repo/info/refs?service=git-receive-pack"),
  "no query": api("GET /repo/info/refs"),
  "two values for one parameter": api("GET /repo/info/refs?service=git-upload-pack&service=git-receive-pack"),
  "squid's manager": api("GET /squid-internal-mgr/info"),
  "squid's own files": api("GET /squid-internal-static/icons/SN.png"),
  "no placeholder": api("GET /v1/models", "Host: api.test"),
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
  "a foreign key first": api("GET /v1/models", "Host: api.test", "Authorization: Bearer of-somebody", BEARER),
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
  "a key among the headers in the query": api("GET /v1/models?$httpHeaders=X-Api-Key%3Aof-somebody"),
  "a key in a list in the query": api("GET /v1/models?api.key[]=of-somebody"),
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
  "another path in a header": api("GET /v1/models", "Host: api.test", BEARER, "X-Original-URL: /v1/files"),
  "another path in another header": api(
    "GET /v1/models",
    "Host: api.test",
    BEARER,
    "x-rewrite-url: /v1/files",
  ),
  "another host in a header": api("GET /v1/models", "Host: api.test", BEARER, "X-Forwarded-Host: other.test"),
  "wide dots": api("GET /v1/models/%EF%BC%8E%EF%BC%8E/files"),
  "two dots as one sign": api("GET /v1/models/%E2%80%A5/files"),
  "two dots and an encoded question": api("GET /v1/models/..%3F/files"),
  "a space before the colon": api("GET /v1/models", "Host: api.test", BEARER, "X-Api-Key : of-somebody"),
  "a cookie": api("GET /v1/models", "Host: api.test", BEARER, "Cookie: session=of-somebody"),
  "a key in the query": api("GET /v1/models?api_key=of-somebody"),
  "a key in the query, its name encoded": api("GET /v1/models?api%5Fkey=of-somebody"),
  "the placeholder in the query": api(`GET /v1/models?x=${PLACEHOLDER}`),
  "a user in the URL": api("GET https://me:of-somebody@api.test/v1/models"),
  "another host by name": api("GET /v1/models", "Host: other.test", BEARER),
  "another inspected host by name": to("api.test", "GET /any", "Host: key.test", `x-my-key: ${PLACEHOLDER}`),
  "another host by URL": api("GET https://other.test/v1/models", "Host: other.test", BEARER),
  "another port by URL": api("GET https://api.test:8443/v1/models"),
  "another scheme by URL": api("GET http://api.test/v1/models"),
  "two hosts, another first": api("GET /v1/models", "Host: other.test", "Host: api.test", BEARER),
  "no host at all": api("GET /v1/models", BEARER),
  "two lengths": api("GET /v1/models", "Host: api.test", BEARER, "Content-Length: 5", "Content-Length: 6"),
  "a request in a body of two lengths": (mark) => ({
    host: "api.test",
    raw:
      `GET /v1/models HTTP/1.1\r\nHost: api.test\r\n${BEARER}\r\nContent-Length: 200\r\nTransfer-Encoding: chunked\r\n\r\n` +
      `0\r\n\r\nGET /v1/files HTTP/1.1\r\nHost: api.test\r\n${BEARER}\r\nX-Mark: ${mark}\r\n\r\n`,
  }),
  "a transfer coding of no one": api(
    "GET /v1/models",
    "Host: api.test",
    BEARER,
    "Transfer-Encoding: xchunked",
  ),
  "headers without end": api("GET /v1/models", "Host: api.test", BEARER, `X-Long: ${"a".repeat(70_000)}`),
  "TLS to another name": (mark) => ({ ...api("GET /v1/models")(mark), sni: "other.test" }),
  "a tunnel in the tunnel": api("CONNECT api.test:443"),
};

const FORMS = {
  "api.test": { env: "API_TOKEN", form: { kind: "bearer" } },
  "git.test": { env: "GIT_TOKEN", form: { kind: "basic", user: "me" } },
  "key.test": { env: "API_TOKEN", form: { kind: "header", name: "X-My-Key" } },
} as const;

function policy(isInspected: boolean): EgressPolicy {
  const plain = NAMES.map((host): HostRule => ({ host, private: false, http: false }));
  if (!isInspected) return { hosts: plain, ssh: [] };
  const rules = ["/v1/models*", "/v1/files/*/content", "/repo/info/refs?service=git-upload-pack"];
  const inspections = Object.entries(FORMS).map(([host, secret]): HostRule => ({
    host,
    private: false,
    http: false,
    inspection: {
      rules: host === "api.test" ? rules.map((path) => ({ method: "GET", path })) : undefined,
      secret,
    },
  }));
  return { hosts: plain.map((rule) => inspections.find(({ host }) => host === rule.host) ?? rule), ssh: [] };
}

const ATTACKS = Object.entries({ ...ALLOWED, ...REFUSED });

const COUNT = Object.keys(REFUSED).length;

/** Lets all TLS through untouched, whatever it names. */
function blind(program: SidecarProgram): SidecarProgram {
  const rule = "ssl_bump peek step1";
  const files = program.files.map((file) => ({
    ...file,
    text: file.text.replace(rule, "ssl_bump splice all"),
  }));
  assert.notDeepEqual(files, program.files);
  return { ...program, files };
}

/** Says all of it; which of it arrived, and what the far side saw. */
async function arrived(
  isInspected: boolean,
): Promise<{
  readonly names: readonly string[];
  readonly seen: string;
  readonly refused: readonly EgressEvent[];
  /** Answers with a cookie, which a client might send back. */
  readonly cookies: number;
}> {
  await using stack = new AsyncDisposableStack();
  const network = stack.use(await closedNetwork("203.0.113"));
  const names = [...NAMES, "*.foreign.example", "foreign.org"];
  const far = stack.use(await startFarSide(network, { aliases: NAMES, names }));
  const sidecar = stack.use(
    await startSidecar(policy(isInspected), {
      network,
      index: 10,
      authorities: far.authority,
      ...(isInspected ? {} : { change: blind }),
    }),
  );
  const ca = !isInspected ? far.authority : (await sidecar.open([
    { env: "API_TOKEN", placeholder: PLACEHOLDER, secret: SECRET },
    { env: "GIT_TOKEN", placeholder: OTHER_PLACEHOLDER, secret: "git-secret" },
  ])).authority.pem;
  const requests = ATTACKS.map(([, attack], index) => attack(`mark-${index};`));
  const answers = await sidecar.say(requests, ca);
  assert.equal(answers.length, requests.length);
  const seen = await far.recorded();
  const refused = (await sidecar.events()).filter(({ verdict }) => verdict === "refused");
  return {
    names: ATTACKS.flatMap(([name], index) => seen.includes(`mark-${index};`) ? [name] : []),
    seen,
    refused,
    cookies: answers.filter((answer) => /^set-cookie:/im.test(answer)).length,
  };
}

Deno.test({
  name:
    `an inspected host gets what its rules allow, with the secret: ${COUNT} of ${COUNT} attacks are refused`,
  ignore,
  async fn(): Promise<void> {
    const { names, seen, refused, cookies } = await arrived(true);
    assert.equal(cookies, 0);
    assert.deepEqual(names, Object.keys(ALLOWED));
    assert.equal(seen.split(SECRET).length - 1 >= Object.keys(ALLOWED).length - 1, true);
    assert.equal(seen.includes(btoa("me:git-secret")), true);
    for (const never of [PLACEHOLDER, OTHER_PLACEHOLDER, "of-somebody", btoa(`me:${OTHER_PLACEHOLDER}`)]) {
      assert.equal(seen.includes(never), false, never);
    }
    assert.ok(COUNT >= 30 && refused.length >= 30, `${refused.length} of ${COUNT} were told`);
    // Of all queries only the one that tells a push from a fetch.
    const queries = refused.flatMap(({ request }) => request?.includes("?") ? [request] : []);
    assert.deepEqual(queries, ["GET /repo/info/refs?service=git-receive-pack"]);
  },
});

Deno.test({
  name: `${COUNT} of ${COUNT} attacks arrive once the sidecar inspects nothing`,
  ignore,
  async fn(): Promise<void> {
    const { names, cookies } = await arrived(false);
    assert.ok(cookies >= names.length, `${cookies} cookies`);
    assert.deepEqual(names, ATTACKS.map(([name]) => name));
  },
});
