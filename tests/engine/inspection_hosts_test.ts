import assert from "node:assert/strict";
import type { HostRule, Inspection } from "../../lib/egress/policy.ts";
import { builtImages, docker, engineRuntimes } from "../support/engine.ts";
import { type InspectedSidecar, startSidecar } from "../support/inspected_sidecar.ts";
import { closedNetwork } from "../support/recorder.ts";
import { FAULTS, startTlsHost, type TlsHost, type TlsHostOptions } from "../support/tls_host.ts";

const ignore = (await engineRuntimes()).length === 0;

const ANYTHING: Inspection = {
  rules: ["GET", "POST"].map((method) => ({ method, path: "/*" })),
  secret: undefined,
};

function inspected(host: string, inspection = ANYTHING): HostRule {
  return { host, private: false, http: false, inspection };
}

function untouched(host: string): HostRule {
  return { host, private: false, http: false };
}

/** A sidecar of those hosts that has been opened, beside a machine that is all of them. */
interface Scene extends AsyncDisposable {
  readonly far: TlsHost;
  readonly sidecar: InspectedSidecar;
  /** The bottle's authority, and the far side's. */
  readonly ca: string;
}

async function setUp(
  hosts: readonly HostRule[],
  options: Pick<TlsHostOptions, "names" | "certified" | "faults">,
): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const { agent: image } = await builtImages();
  const network = stack.use(await closedNetwork("203.0.113"));
  const far = stack.use(await startTlsHost({ image, network, ...options }));
  const sidecar = stack.use(
    await startSidecar({ hosts, ssh: [] }, { network, index: 10, authorities: far.caPem }),
  );
  const secrets = hosts.some(({ inspection }) => inspection?.secret !== undefined)
    ? [{ env: "TOKEN", placeholder: "placeholder", secret: "the-secret" }]
    : [];
  const { authority } = await sidecar.open(secrets);
  const all = stack.move();
  return { far, sidecar, ca: authority.pem + far.caPem, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** Each line names a tool and says what came of it, for the host in `$host`. */
const TOOLS = `
cat > /tmp/ask.mjs <<'PROGRAM'
import http from "node:http"; import tls from "node:tls";
const proxy = new URL(process.env.HTTPS_PROXY), host = process.env.host;
http.request({ host: proxy.hostname, port: proxy.port, method: "CONNECT", path: host + ":443" }).on("connect", (_, socket) => {
  const secure = tls.connect({ socket, servername: host }, () =>
    secure.write("GET /node HTTP/1.1\\r\\nHost: " + host + "\\r\\nConnection: close\\r\\n\\r\\n"));
  secure.on("data", (data) => process.stdout.write(data)).on("error", (error) => console.log(error.message));
}).end();
PROGRAM
for host in api.test a.wild.test; do export host
  curl -sS https://$host/curl 2>&1 | sed "s/^/$host curl: /"
  node /tmp/ask.mjs | grep asked | sed "s/^/$host node: /"
  python3 -c 'import os, urllib.request as r; print(r.urlopen("https://" + os.environ["host"] + "/python").read().decode(), end="")' 2>&1 |
    tail -n 1 | sed "s/^/$host python: /"
  rm -rf /tmp/app; git clone --quiet https://me:password@$host/git/app.git /tmp/app 2>&1; git -C /tmp/app log --format="$host git: %s"
done
`;

Deno.test({
  name: "an inspected host whose certificate names others, or a wildcard, is reached by every tool",
  ignore,
  async fn(): Promise<void> {
    // Nothing of that may stand in what the bottle's own authority signs: it is for the inspected hosts alone.
    const certified = ["foreign.example", "*.cdn.foreign.example", "*.test", "*.wild.test", "api.test"];
    const hosts = [inspected("*.wild.test"), inspected("api.test")];
    await using scene = await setUp(hosts, { names: ["api.test", "a.wild.test"], certified });

    const said = await scene.sidecar.shell(TOOLS, scene.ca);

    assert.deepEqual(
      said.trimEnd().split("\n"),
      ["api.test", "a.wild.test"].flatMap((host) => [
        ...["curl", "node", "python"].map((tool) => `${host} ${tool}: you asked for /${tool}`),
        `${host} git: first`,
      ]),
    );
  },
});

/** Signs with the bottle's key for each of `$names`, and has OpenSSL judge what came of it. */
const SIGN = `
cd /run/inspection
key="-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout signed.key"
for name in $names; do
  openssl req -x509 $key -subj /CN=x -addext "subjectAltName=$name" -CA authority.pem -CAkey authority.pem \\
    -addext basicConstraints=critical,CA:FALSE -out signed.pem 2>/dev/null
  openssl verify -CAfile authority.pem signed.pem 2>&1 | grep -oE 'OK|permitted subtree violation|excluded subtree violation' | head -n 1
done
`;

Deno.test({
  name: "the bottle's authority can sign for the inspected hosts alone, whoever held its key",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp([inspected("*.wild.test"), inspected("api.test")], {
      names: ["api.test"],
    });
    const names = ["DNS:api.test", "DNS:a.wild.test", "DNS:other.test", "DNS:test", "IP:203.0.113.7"];

    const said = await docker(
      ...["exec", "--env", `names=${names.join(" ")}`, scene.sidecar.id, "sh", "-c", SIGN],
    );

    assert.deepEqual(said.split("\n"), [
      ...["OK", "OK"],
      ...["permitted subtree violation", "permitted subtree violation"],
      "excluded subtree violation",
    ]);
  },
});

Deno.test({
  name: "a server whose certificate is wrong gets nothing, and the log says what is wrong with it",
  ignore,
  async fn(): Promise<void> {
    const names = ["right.test", ...Object.keys(FAULTS)];
    await using scene = await setUp(names.toSorted().map((host) => inspected(host)), {
      names,
      faults: FAULTS,
    });

    const codes = await scene.sidecar.shell(
      `for host in ${names.join(" ")}; do curl -sS -o /dev/null -w "%{http_code} " https://$host/; done`,
      scene.ca,
    );

    assert.equal(codes, "200 503 503 503 503 ");
    const told = (await scene.sidecar.events()).flatMap(({ verdict, host, reason }) =>
      verdict === "refused" ? [`${host}: ${reason}`] : []
    );
    assert.deepEqual(told, [
      "expired.test: the server's certificate has expired",
      "early.test: the server's certificate is not valid yet",
      "wrong.test: the server's certificate is for another name",
      "unknown.test: the server's certificate cannot be verified; image.ca names further authorities",
    ]);
    assert.equal((await scene.far.requests()).length, 1);
  },
});

/** Whose certificate each host shows to who asks through the sidecar. */
const ISSUERS = `
proxy=\${HTTPS_PROXY#http://}
for host in $(cat /tmp/hosts); do
  openssl s_client -proxy $proxy -connect $host:443 -servername $host </dev/null 2>/dev/null |
    openssl x509 -noout -issuer | sed "s/^issuer=/$host /; s/O=claude-bottle.*/opened/; s/CN=far side/untouched/"
done
`;

Deno.test({
  name: "the most specific entry decides whether a host's TLS is opened, and no other host's is",
  ignore,
  async fn(): Promise<void> {
    const expected: Readonly<Record<string, string>> = {
      "a.opened.test": "opened",
      "opened.test": "opened",
      "plain.opened.test": "untouched",
      "a.deep.opened.test": "untouched",
      "a.plain.test": "untouched",
      "opened.plain.test": "opened",
      "a.deep.plain.test": "opened",
      "lone.test": "untouched",
    };
    const hosts = [
      ...["*.deep.plain.test", "*.opened.test", "opened.plain.test"].map((host) => inspected(host)),
      ...["*.deep.opened.test", "*.plain.test", "lone.test", "plain.opened.test"].map(untouched),
    ].toSorted((a, b) => a.host < b.host ? -1 : 1);
    const names = Object.keys(expected);
    await using scene = await setUp(hosts, { names });

    const said = await scene.sidecar.shell(`echo ${names.join(" ")} > /tmp/hosts\n${ISSUERS}`, scene.ca);

    assert.deepEqual(Object.fromEntries(said.trimEnd().split("\n").map((line) => line.split(" "))), expected);
  },
});

Deno.test({
  name: "squid answers nothing itself where a host is inspected for its secret alone",
  ignore,
  async fn(): Promise<void> {
    const inspection: Inspection = { rules: undefined, secret: { env: "TOKEN", form: { kind: "bearer" } } };
    await using scene = await setUp([inspected("api.test", inspection)], { names: ["api.test"] });
    const paths = [
      ...["menu", "info", "config", "active_requests", "shutdown"].map((name) =>
        `/squid-internal-mgr/${name}`
      ),
      "/squid-internal-static/icons/silk/bullet_red.png",
      "/squid-internal-periodic/store_digest",
      "/squid-internal-dynamic/netdb",
      "/squid-internal-mgr",
    ];
    const requests = paths.map((path) => ({
      host: "api.test",
      raw:
        `GET ${path} HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer placeholder\r\nConnection: close\r\n\r\n`,
    }));

    const answers = await scene.sidecar.say(requests, scene.ca);

    assert.deepEqual(
      answers.map((answer) =>
        /^HTTP\/1.1 200 [^]*\r\n\r\n[^]*(you asked for \S+)/.exec(answer)?.[1] ?? answer
      ),
      paths.map((path) => `you asked for ${path}`),
    );
    assert.deepEqual((await scene.far.requests()).map(({ path }) => path).toSorted(), paths.toSorted());
  },
});
