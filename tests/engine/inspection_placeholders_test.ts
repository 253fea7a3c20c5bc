import assert from "node:assert/strict";
import type { EgressPolicy, HostRule, Inspection } from "../../lib/egress/policy.ts";
import type { EgressEvent, SidecarProgram } from "../../lib/egress/proxy.ts";
import { builtImages, docker, ended, engineRuntimes, eventually, Workbench } from "../support/engine.ts";
import { type InspectedSidecar, startFarSide, startSidecar } from "../support/inspected_sidecar.ts";
import { closedNetwork, startRecorder } from "../support/recorder.ts";
import { startTlsHost } from "../support/tls_host.ts";

const runtimes = await engineRuntimes();
const ignore = runtimes.length === 0;

const TOKEN = "ghp_placeholderOfTheToken01";
const KEY = "sk-placeholder_of-the-key0";
const SECRETS = [
  { env: "TOKEN", placeholder: TOKEN, secret: "the-real-token" },
  { env: "KEY", placeholder: KEY, secret: "the-real-key" },
];

/** The first two have secrets of their own, the third none; the last is asked over plain HTTP. */
const NAMES = ["token.test", "key.test", "none.test"];
const PLAIN = "plain.test";

function inspected(host: string, inspection: Inspection): HostRule {
  return { host, private: false, http: false, inspection };
}

const POLICY: EgressPolicy = {
  hosts: [
    inspected("key.test", {
      rules: undefined,
      secret: { env: "KEY", form: { kind: "header", name: "X-My-Key" } },
    }),
    inspected("none.test", { rules: [{ method: "GET", path: "/*" }], secret: undefined }),
    { host: PLAIN, private: false, http: true },
    inspected("token.test", { rules: undefined, secret: { env: "TOKEN", form: { kind: "bearer" } } }),
  ],
  ssh: [],
};

/** What a request carries in its query and headers, and the variables that are told for it. */
interface Carrying {
  readonly query?: string;
  readonly headers?: readonly string[];
  readonly told: readonly string[];
}

const CARRYING: Readonly<Record<string, Carrying>> = {
  "nothing": { told: [] },
  "a key of somebody else": { headers: ["Authorization: Bearer ghp_ofSomebody0000000000000"], told: [] },
  "a bearer": { headers: [`Authorization: Bearer ${TOKEN}`], told: ["TOKEN"] },
  "a password": { headers: [`Authorization: Basic ${btoa(`me:${TOKEN}`)}`], told: ["TOKEN"] },
  "a user": { headers: [`Authorization: basic ${btoa(`${KEY}:x`)}`], told: ["KEY"] },
  "a header of a service": { headers: [`X-Api-Key: ${KEY}`], told: ["KEY"] },
  "a cookie, encoded": { headers: [`Cookie: a=${KEY.replaceAll("-", "%2D")}`], told: ["KEY"] },
  "the query": { query: `?x=${TOKEN}`, told: ["TOKEN"] },
  "the query, encoded": { query: `?x=${TOKEN.replaceAll("_", "%5f")}`, told: ["TOKEN"] },
  "both": { query: `?x=${TOKEN}`, headers: [`X-Api-Key: ${KEY}`], told: ["KEY", "TOKEN"] },
};

/** A sidecar that has both secrets, the bottle's authority, and hosts that record what arrives. */
interface Scene extends AsyncDisposable {
  readonly sidecar: InspectedSidecar;
  readonly ca: string;
  /** Everything that arrived over TLS, and over plain HTTP. */
  readonly seen: () => Promise<string>;
  readonly seenPlain: () => Promise<string>;
}

async function setUp(change: (program: SidecarProgram) => SidecarProgram = (same) => same): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const { agent: image } = await builtImages();
  const network = stack.use(await closedNetwork("203.0.113"));
  const far = stack.use(await startFarSide(network, { aliases: NAMES }));
  const plain = stack.use(
    await startRecorder({ image, network: network.name, ip: network.address(9), aliases: [PLAIN] }),
  );
  const sidecar = stack.use(
    await startSidecar(POLICY, { network, index: 10, authorities: far.authority, change }),
  );
  const ca = (await sidecar.open(SECRETS)).authority.pem;
  const all = stack.move();
  return {
    sidecar,
    ca,
    seen: () => far.recorded(),
    seenPlain: async () => (await plain.texts()).join(""),
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  };
}

/** Has it read its rules anew, as for one host more, for the `round`th time. */
async function reload({ sidecar }: Scene, round = 1): Promise<void> {
  await docker("kill", "--signal", "HUP", sidecar.id);
  await eventually("it has reloaded", async () => {
    const { stderr } = await new Deno.Command("docker", { args: ["logs", sidecar.id] }).output();
    const done = new TextDecoder().decode(stderr).match(/: reloaded$/gm)?.length ?? 0;
    return done >= round || undefined;
  });
}

/** Asks an inspected host for all of it, one path each. */
async function askInside(
  { sidecar, ca }: Scene,
  host: string,
  requests: readonly Carrying[],
): Promise<void> {
  const raw = ({ query = "", headers = [] }: Carrying, index: number): string =>
    [`GET /${index}.${host}${query} HTTP/1.1`, `Host: ${host}`, ...headers, "Connection: close", "", ""]
      .join("\r\n");
  await sidecar.say(requests.map((one, index) => ({ host, raw: raw(one, index) })), ca);
}

/** Asks the host of plain HTTP for all of it, by two methods; the statuses of the answers. */
async function askPlain({ sidecar, ca }: Scene, requests: readonly Carrying[]): Promise<readonly string[]> {
  const lines = requests.flatMap(({ query = "", headers = [] }, index) =>
    ["GET", "PUT"].map((method) =>
      [
        `curl -sS -o /dev/null -w '%{http_code}\\n' --retry 9 --retry-connrefused`,
        `--proxy $HTTPS_PROXY -X ${method}`,
        ...headers.map((header) => `-H '${header}'`),
        `'http://${PLAIN}/${index}.${method}${query}'`,
      ].join(" ")
    )
  );
  return (await sidecar.shell(lines.join("\n"), ca)).trimEnd().split("\n");
}

/** The events of a host by the request's number, which its path begins with. */
function byNumber(events: readonly EgressEvent[], host: string): readonly EgressEvent[] {
  const number = ({ request }: EgressEvent): number => Number(/^GET \/(\d+)\./.exec(request ?? "")?.[1]);
  return events.filter((event) => event.host === host).toSorted((a, b) => number(a) - number(b));
}

Deno.test({
  name: "a placeholder that is sent to another host passes there as anything does, and is told by name",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp();
    await reload(scene);
    const rows = Object.entries(CARRYING);
    const requests = rows.map(([, carrying]) => carrying);
    await askInside(scene, "none.test", requests);
    const statuses = await askPlain(scene, requests);

    const events = await scene.sidecar.events();
    const [seen, seenPlain] = [await scene.seen(), await scene.seenPlain()];
    const [inside, plain] = [byNumber(events, "none.test"), events.filter(({ host }) => host === PLAIN)];
    assert.deepEqual(statuses, rows.flatMap(() => ["200", "200"]));
    assert.deepEqual([inside.length, plain.length], [rows.length, 2 * rows.length]);
    for (const [index, [name, { told, headers = [], query = "" }]] of rows.entries()) {
      for (const event of [inside[index], plain[2 * index], plain[2 * index + 1]]) {
        assert.equal(event?.verdict, "allowed", name);
        assert.deepEqual(event.placeholders ?? [], told, `${name}: ${JSON.stringify(event)}`);
      }
      // As it was sent: nothing is put in its place.
      assert.ok(seen.includes(`GET /${index}.none.test${query} HTTP/1.1`), name);
      assert.ok(seenPlain.includes(`GET /${index}.GET${query} HTTP/1.1`), name);
      for (const header of headers) assert.ok(seen.includes(header) && seenPlain.includes(header), name);
    }
    assert.doesNotMatch(seen + seenPlain, /the-real/);
  },
});

Deno.test({
  name:
    "a request that is refused for another host's placeholder is told with its name, and one without is not",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp();
    const own = `X-My-Key: ${KEY}`;
    const requests: readonly Carrying[] = [
      { headers: [own], told: [] },
      { told: [] },
      { headers: ["X-My-Key: of-somebody"], told: [] },
      { query: `?x=${KEY}`, headers: [own], told: [] },
      { headers: [`X-My-Key: ${TOKEN}`], told: ["TOKEN"] },
      { headers: [own, `Authorization: Basic ${btoa(`me:${TOKEN}`)}`], told: ["TOKEN"] },
      { query: `?x=${TOKEN}`, headers: [own], told: ["TOKEN"] },
    ];
    await askInside(scene, "key.test", requests);

    const events = byNumber(await scene.sidecar.events(), "key.test");
    assert.deepEqual(
      events.map(({ verdict, placeholders = [] }) => ({ verdict, placeholders })),
      requests.map(({ told }, index) => ({
        verdict: index === 0 ? "allowed" : "refused",
        placeholders: told,
      })),
    );
    const seen = await scene.seen();
    assert.equal(seen.match(/^GET /gm)?.length, 1);
    assert.ok(seen.includes("the-real-key") && !seen.includes("laceholder"));
  },
});

/** Squid's word for a program that cannot tell. */
const SPEECHLESS = '$| = 1; while (<STDIN>) { print /\\A(\\d+)/ ? "$1 BH\\n" : "BH\\n" }\n';

Deno.test({
  name: "plain HTTP passes where nobody can look for placeholders in it, and inspected hosts stay inspected",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp((program) => ({
      ...program,
      files: [
        ...program.files.map((file) => ({
          ...file,
          text: file.text.replace("/config/inspect.pl watch", "/config/speechless.pl"),
        })),
        { path: "speechless.pl", mode: 0o644, text: SPEECHLESS },
      ],
    }));
    const requests = Array.from({ length: 4 }, () => ({ query: `?x=${TOKEN}`, told: [] }));

    const statuses = await askPlain(scene, requests);
    await askInside(scene, "token.test", [{ headers: ["Authorization: Bearer of-somebody"], told: [] }]);

    const events = await scene.sidecar.events();
    assert.deepEqual(statuses, Array.from({ length: 8 }, () => "200"));
    assert.deepEqual(
      events.map(({ host, verdict, placeholders }) => [host, verdict, placeholders]),
      [
        ...Array.from({ length: 8 }, () => [PLAIN, "allowed", undefined]),
        ["token.test", "refused", undefined],
      ],
    );
    assert.equal(await scene.seen(), "");
  },
});

Deno.test({
  name: "plain HTTP passes at once after a reload, although it was used before",
  ignore,
  async fn(): Promise<void> {
    await using scene = await setUp();
    const ask = (): Promise<readonly string[]> => askPlain(scene, [{ told: [] }]);
    assert.deepEqual(await ask(), ["200", "200"]);
    for (let round = 1; round <= 3; round++) {
      await reload(scene, round);
      assert.deepEqual(await ask(), ["200", "200"], `after reload ${round}`);
    }
  },
});

/** What an agent does that takes one host for another. */
const MISTAKES = `
curl -sS -o /dev/null -H "Authorization: Bearer $API_KEY" https://api.test/right
curl -sS -o /dev/null -H "Authorization: Bearer $API_KEY" https://none.test/wrong
curl -sS -o /dev/null -u "me:$API_KEY" http://deb.test/wrong
curl -sS -o /dev/null http://deb.test/right
`;

Deno.test({
  name: "logs, and what is said after a run, name the placeholder that an agent sent to another host",
  ignore: !runtimes.includes("runc"),
  async fn(): Promise<void> {
    const { agent: image } = await builtImages();
    await using host = await startTlsHost({ image, names: ["api.test", "none.test"] });
    await using deb = await startRecorder({ image, network: host.network, aliases: ["deb.test"] });
    await using bench = await Workbench.create();
    const inject = { env: "API_KEY", secret: "${REAL_KEY}", as: "bearer" };
    await bench.manifest({
      bottle: {
        egress: {
          defaults: false,
          allowlist: [
            { host: "api.test", allow: ["GET /*"], inject },
            { host: "none.test", allow: ["GET /*"] },
            { host: "deb.test", http: true },
          ],
          private: ["api.test", "none.test", "deb.test"],
          networks: [host.network],
        },
        image: { ca: await bench.file("ca.pem", host.caPem) },
      },
      agent: { command: ["sh", "-c", MISTAKES] },
    });
    const run = async (...words: readonly string[]) =>
      await ended(bench.spawn(words, { REAL_KEY: `sk-${crypto.randomUUID()}` }));

    const left = await bench.start(["--detach", "--runtime", "runc"]);
    assert.equal(left.code, 0, left.stderr);
    const attached = await run("attach", bench.agent, "--manifest", bench.manifestFile);
    const json = await run("logs", bench.agent, "--json");
    const text = await run("logs", bench.agent);

    const events = json.stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(
      events.map(({ verdict, host: name, port, placeholders }) => [verdict, name, port, placeholders]),
      [
        ["allowed", "api.test", 443, undefined],
        ["allowed", "none.test", 443, ["API_KEY"]],
        ["allowed", "deb.test", 80, ["API_KEY"]],
        ["allowed", "deb.test", 80, undefined],
      ],
      attached.stderr,
    );
    assert.match(
      text.stdout,
      / {2}none\.test:443 {2}GET \/wrong {2}carries the placeholder of API_KEY, worth nothing there {2}/,
    );
    assert.equal(text.stdout.match(/carries/g)?.length, 2);
    assert.deepEqual(
      attached.stderr.match(/sent the placeholder .*/g),
      ["none.test", "deb.test:80"].map((to) =>
        `sent the placeholder of API_KEY to ${to}: worth nothing there`
      ),
      attached.stderr,
    );
    assert.equal((await deb.texts()).length, 2);
    assert.equal((await run("stop", bench.agent)).code, 0);
    assert.deepEqual(await bench.leftovers(), []);
  },
});
