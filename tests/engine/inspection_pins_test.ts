import assert from "node:assert/strict";
import type { HostRule } from "../../lib/egress/policy.ts";
import type { EgressEvent } from "../../lib/egress/proxy.ts";
import { builtImages, ended, engineRuntimes, eventually, Workbench } from "../support/engine.ts";
import { Follower } from "../support/follower.ts";
import { type InspectedSidecar, startSidecar } from "../support/inspected_sidecar.ts";
import { closedNetwork } from "../support/recorder.ts";
import { startTlsHost, type TlsHost } from "../support/tls_host.ts";
import clients from "../testdata/engine/pinning_clients.sh" with { type: "text" };

const ignore = (await engineRuntimes()).length === 0;

const HOST = "api.sub.test";
const INSPECTED: Pick<HostRule, "private" | "http" | "inspection"> = {
  private: false,
  http: false,
  inspection: { rules: ["GET", "POST"].map((method) => ({ method, path: "/*" })), secret: undefined },
};
const UNTOUCHED = { private: false, http: false };

/** What a client's owner is told to do. */
const ADVICE =
  `; for one that pins its own, list ${HOST} in egress.allowlist without allow and inject, which judges and injects nothing there`;

const CLIENTS = [
  ...["1.3", "1.2"].flatMap((version) =>
    ["curl", "curl-key", "openssl", "node", "node-key", "python", "python-key"].map((one) =>
      `${one}-${version}`
    )
  ),
  "git",
];

interface Scene extends AsyncDisposable {
  readonly far: TlsHost;
  readonly sidecar: InspectedSidecar;
  /** What all clients trust, and the bottle's authority alone. */
  readonly ca: string;
}

async function setUp(hosts: readonly HostRule[]): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const { agent: image } = await builtImages();
  const network = stack.use(await closedNetwork("203.0.113"));
  const far = stack.use(await startTlsHost({ image, network, names: [HOST, "other.test"] }));
  const sidecar = stack.use(
    await startSidecar({ hosts, ssh: [] }, { network, index: 10, authorities: far.caPem }),
  );
  const { authority } = await sidecar.open([]);
  const all = stack.move();
  return { far, sidecar, ca: authority.pem + far.caPem, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

/** What came of each client, and what the log then tells that has a reason. */
async function ask(
  { far, sidecar, ca }: Scene,
  how: "free" | "pinned",
): Promise<{ readonly came: ReadonlyMap<string, string>; readonly told: readonly EgressEvent[] }> {
  const script = `cat > /tmp/own.pem <<'PEM'\n${far.caPem}PEM\nHOST=${HOST}\nset -- ${how}\n${clients}`;
  const said = await sidecar.shell(script, ca);
  const lines = said.trimEnd().split("\n").map((line) => line.split(" "));
  const told = (await sidecar.events()).filter(({ reason }) => reason !== "");
  return { came: new Map(lines.map(([client = "", came = ""]) => [client, came])), told };
}

function all(came: string): ReadonlyMap<string, string> {
  return new Map(CLIENTS.map((client) => [client, came]));
}

Deno.test({
  name: "of each client that pins its host the log names the entry to change, of none that does not",
  ignore,
  async fn(): Promise<void> {
    // One that a wildcard stands for: the entry that is asked for is a further one, and counts before it.
    await using scene = await setUp([{ host: "*.sub.test", ...INSPECTED }, {
      host: "other.test",
      ...INSPECTED,
    }]);

    const free = await ask(scene, "free");
    assert.deepEqual([free.came, free.told], [all("answered"), []]);

    const pinned = await ask(scene, "pinned");
    assert.deepEqual(pinned.came, all("failed"));
    assert.deepEqual(
      pinned.told.map(({ host, port, reason }) => [host, port, reason.slice(reason.indexOf("; "))]),
      CLIENTS.map(() => [HOST, 443, ADVICE]),
    );
    const verdicts = new Map(CLIENTS.map((client, index) => [client, pinned.told[index]?.verdict]));
    // What a client says in TLS is told as a refusal; git says nothing, nor does who looks at the key alone.
    for (const client of ["curl-1.3", "curl-1.2", "openssl-1.3", "openssl-1.2", "python-1.3", "python-1.2"]) {
      assert.equal(verdicts.get(client), "refused", client);
    }
    for (const client of ["git", "curl-key-1.3", "curl-key-1.2"]) {
      assert.equal(verdicts.get(client), "closed", client);
    }
  },
});

Deno.test({
  name: "a client that pins its host reaches it once the host has the entry that the log has asked for",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp([
      { host: "*.sub.test", ...INSPECTED },
      { host: HOST, ...UNTOUCHED },
      { host: "other.test", ...INSPECTED },
    ]);

    const { came, told } = await ask(scene, "pinned");

    assert.deepEqual([came, told], [all("answered"), []]);
  },
});

/** Opens a connection that it does not need. */
const UNNEEDED = `
cat > /tmp/open.mjs <<'PROGRAM'
import http from "node:http"; import tls from "node:tls";
const proxy = new URL(process.env.HTTPS_PROXY);
http.request({ host: proxy.hostname, port: proxy.port, method: "CONNECT", path: "${HOST}:443" }).on("connect", (_, socket) => {
  const secure = tls.connect({ socket, servername: "${HOST}" }, () => setTimeout(() => secure.end(), 500));
}).end();
PROGRAM
node /tmp/open.mjs
`;

Deno.test({
  name: "a connection that is opened and not needed is told as closed, never as refused",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp([{ host: HOST, ...INSPECTED }]);

    await scene.sidecar.shell(UNNEEDED, scene.ca);

    const told = await eventually("it is told", async () => {
      const events = await scene.sidecar.events();
      return events.length > 0 ? events : undefined;
    });
    assert.deepEqual(told.map(({ verdict, host, reason }) => [verdict, host, reason]), [
      [
        "closed",
        HOST,
        `without a request: not needed, or the client did not accept the bottle's certificate${ADVICE}`,
      ],
    ]);
  },
});

const GIVEN_UP = 40;

Deno.test({
  name: "of a client that gives its request up the log tells the request, and nothing of certificates",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp([{ host: HOST, ...INSPECTED }]);

    // Its end and its request are told by two programs at the same moment.
    await scene.sidecar.shell(
      `for number in $(seq ${GIVEN_UP}); do
         curl -s --max-time 0.6 "https://${HOST}/stream?events=9" >/dev/null &
         sleep 0.05
       done; wait; sleep 1`,
      scene.ca,
    );

    const events = await scene.sidecar.events();
    assert.deepEqual(
      events.map(({ verdict, request, reason }) => [verdict, request, reason]),
      Array.from({ length: GIVEN_UP }, () => ["allowed", "GET /stream", ""]),
    );
  },
});

/** One client that says what it does not accept, and one that goes without a word. */
const PINNING = `
some=$(ls /usr/share/ca-certificates/mozilla/*.crt | head -n 1)
curl -s https://api.test/
curl -s --cacert "$some" --capath /nowhere https://api.test/
curl -s --pinnedpubkey sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= https://api.test/
sleep 1234
`;

Deno.test({
  name: "logs tells of clients that pin their host, also as it goes on and as JSON",
  ignore,
  async fn(): Promise<void> {
    const { agent: image } = await builtImages();
    await using host = await startTlsHost({ image, names: ["api.test"] });
    await using bench = await Workbench.create();
    await bench.manifest({
      bottle: {
        egress: {
          defaults: false,
          allowlist: [{ host: "api.test", allow: ["GET /*"] }],
          private: ["api.test"],
          networks: [host.network],
        },
        image: { ca: await bench.file("ca.pem", host.caPem) },
      },
      agent: { command: ["sh", "-c", PINNING] },
    });
    const child = bench.launch(["--runtime", "runc"]);
    const logs = async (...flags: readonly string[]): Promise<string> =>
      (await ended(bench.spawn(["logs", bench.agent, ...flags]))).stdout;
    await eventually("the first has asked", async () => (await logs()).includes("GET /") || undefined);
    const follower = bench.spawn(["logs", bench.agent, "--follow"]);
    const followed = new Follower(follower.stdout);
    // Nothing follows that would make it certain.
    await followed.shows(/ closed {3}api/);
    const texts = [await logs(), await logs("--blocked"), await logs("--json")];
    child.kill("SIGTERM");
    const { stderr } = await ended(child);
    await Promise.all([followed.end(), follower.stderr.cancel(), follower.status]);
    const [text = "", blocked = "", json = ""] = texts;

    const advice =
      "; for one that pins its own, list api.test in egress.allowlist without allow and inject, which judges and injects nothing there";
    const refused = `the client did not accept the bottle's certificate${advice}`;
    const closed =
      `without a request: not needed, or the client did not accept the bottle's certificate${advice}`;
    const lines = (text: string): readonly string[] =>
      text.trimEnd().split("\n").map((line) => line.replace(/^\S+Z {2}/, ""));
    assert.deepEqual(lines(text).slice(1), [
      `refused  api.test:443  ${refused}`,
      `closed   api.test:443  ${closed}`,
    ]);
    assert.deepEqual(lines(blocked), [`refused  api.test:443  ${refused}`]);
    assert.deepEqual(
      json.trimEnd().split("\n").map((line) => JSON.parse(line)).map((
        { verdict, reason, times },
      ) => [verdict, reason, times]),
      [["allowed", "", 1], ["refused", refused, 1], ["closed", closed, 1]],
    );
    assert.ok(lines(followed.text).includes(`closed   api.test:443  ${closed}`), followed.text);
    assert.doesNotMatch(stderr, /without a request/);
    assert.deepEqual(await bench.leftovers(), []);
  },
});
