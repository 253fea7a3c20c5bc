import assert from "node:assert/strict";
import type { DockerBottlePlan } from "../../lib/backend/docker/plan.ts";
import type { ProxyName, RuntimeChoice } from "../../lib/manifest/model.ts";
import { builtImages, docker, ended, engineProxies, engineRuntimes, Workbench } from "../support/engine.ts";
import { type ClosedNetwork, closedNetwork, type Recorder, startRecorder } from "../support/recorder.ts";
import { ATTEMPTS, get, hidden } from "../support/plain_http_attempts.ts";
import { launchBottle } from "../support/launched_bottle.ts";
import { withConfiguration } from "../support/plan_changes.ts";
import rawRequests from "../testdata/engine/raw_requests.pl" with { type: "text" };

const runtimes = await engineRuntimes();
const proxies = runtimes.length === 0 ? [] : await engineProxies();

/** A range for documentation: an address in it counts as public, and no machine has one. */
const PUBLIC = "203.0.113";

/** A network with a host that has plain HTTP (`deb.test`, `a.wild.test`) and others that have not. */
interface Hosts extends AsyncDisposable {
  readonly network: ClosedNetwork;
  readonly granted: Recorder;
  readonly others: Recorder;
}

async function startHosts(image: string): Promise<Hosts> {
  await using started = new AsyncDisposableStack();
  const network = started.use(await closedNetwork(PUBLIC));
  const place = { image, network: network.name, ports: [80, 443, 8080] };
  const granted = started.use(
    await startRecorder({ ...place, ip: network.address(2), aliases: ["deb.test", "a.wild.test"] }),
  );
  const others = started.use(
    await startRecorder({ ...place, ip: network.address(3), aliases: ["tls.test", "evil.test"] }),
  );
  const kept = started.move();
  return { network, granted, others, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

/** A bottle that may reach `deb.test` and what is below `wild.test` over plain HTTP as well, and `tls.test`. */
async function describeBottle(bench: Workbench, network: ClosedNetwork): Promise<void> {
  await bench.manifest({
    bottle: {
      egress: {
        defaults: false,
        allowlist: [{ host: "deb.test", http: true }, { host: "*.wild.test", http: true }, "tls.test"],
        networks: [network.name],
      },
    },
    agent: { command: ["sleep", "1234"] },
  });
}

const GET = "curl --silent --max-time 8 --write-out ' %{http_code} %{content_type}\\n'";
const UPLOAD = 5000;

/** One row of `logs --json`: verdict, host, port, reason, bytes. */
type Row = readonly unknown[];

async function logged(bench: Workbench): Promise<readonly Row[]> {
  const { code, stdout, stderr } = await ended(bench.spawn(["logs", bench.agent, "--json"]));
  assert.equal(code, 0, stderr);
  return stdout.trim().split("\n").map((line) => JSON.parse(line))
    .map(({ verdict, host, port, reason, bytes }) => [verdict, host, port, reason, bytes]);
}

for (
  const { proxy, runtime } of [
    { proxy: "squid", runtime: "runc" },
    { proxy: "squid", runtime: "runsc" },
  ] as const
) {
  Deno.test({
    name:
      `plain HTTP reaches a host that has it, with answers as they are, and not its neighbour (${runtime})`,
    ignore: !runtimes.includes(runtime) || !proxies.includes(proxy),
    async fn(): Promise<void> {
      const { agent } = await builtImages();
      await using hosts = await startHosts(agent);
      await using bench = await Workbench.create();
      await describeBottle(bench, hosts.network);
      await using launched = await launchBottle(bench, { proxy, runtime });

      const stdout = await launched.run(`
        ${GET} http://deb.test/x
        ${GET} http://deb.test/x
        ${GET} --header 'If-None-Match: "same"' http://deb.test/x
        ${GET} http://a.wild.test/y
        head -c ${UPLOAD} /dev/zero | ${GET} --data-binary @- http://deb.test/up
        ${GET} http://tls.test/x
        ${GET} http://deb.test:8080/
        ${GET} --request PROPFIND http://deb.test/x`);

      assert.deepEqual(stdout.split("\n"), [
        // Nothing is kept: each is answered anew, though the host says that it may be kept for an hour.
        ...["1", "2", "3", "4", "5"].flatMap((answer) => [`answer ${answer}`, " 200 application/x-recorded"]),
        "claude-bottle refused GET to tls.test:80: plain HTTP leaves this bottle only as GET, POST and the like, to port " +
        "80 of hosts that the manifest lists with http: true",
        " 403 text/plain; charset=utf-8",
        "claude-bottle refused GET to deb.test:8080: plain HTTP leaves this bottle only as GET, POST and the like, to port " +
        "80 of hosts that the manifest lists with http: true",
        " 403 text/plain; charset=utf-8",
        "claude-bottle refused PROPFIND to deb.test:80: plain HTTP leaves this bottle only as GET, POST and the like, to " +
        "port 80 of hosts that the manifest lists with http: true",
        " 403 text/plain; charset=utf-8",
        "",
      ]);
      const arrived = (await hosts.granted.texts()).filter((text) => /^[A-Z]+ \//.test(text));
      assert.deepEqual(arrived.map((text) => /^(\S+ \S+) .*?\r\nHost: (\S+)/s.exec(text)?.slice(1)), [
        ["GET /x", "deb.test"],
        ["GET /x", "deb.test"],
        ["GET /x", "deb.test"],
        ["GET /y", "a.wild.test"],
        ["POST /up", "deb.test"],
      ]);
      assert.deepEqual(await hosts.others.recorded(), []);
      const rows = await logged(bench);
      assert.deepEqual(rows.map((row) => row.slice(0, 4)), [
        ["allowed", "deb.test", 80, ""],
        ["allowed", "a.wild.test", 80, ""],
        ["allowed", "deb.test", 80, ""],
        ["refused", "tls.test", 80, "plain HTTP"],
        ["refused", "deb.test", 8080, "plain HTTP"],
        ["refused", "deb.test", 80, "plain HTTP"],
      ]);
      const bytes = rows.map((row) => Number(row.at(-1) ?? -1));
      assert.ok(bytes[2] !== undefined && bytes[2] > UPLOAD && bytes[2] < UPLOAD + 1000, `${bytes}`);
    },
  });
}

Deno.test({
  name: "with pipelock plain HTTP reaches every allowed host, as the preflight says, and no other (runc)",
  ignore: !proxies.includes("pipelock") || !runtimes.includes("runc"),
  async fn(): Promise<void> {
    const { agent } = await builtImages();
    await using hosts = await startHosts(agent);
    await using bench = await Workbench.create();
    await describeBottle(bench, hosts.network);
    await using launched = await launchBottle(bench, { proxy: "pipelock", runtime: "runc" });

    await launched.run(`
      ${GET} --header 'Host: evil.test' http://deb.test/x
      ${GET} http://tls.test/y
      ${GET} http://evil.test/z`);

    assert.match(launched.plan.notices.join("\n"), /can be reached on any port, also with plain HTTP/);
    const requests = async (recorder: Recorder): Promise<readonly string[]> =>
      (await recorder.texts()).map((text) => text.split("\r\n").slice(0, 2).join(" "));
    assert.deepEqual(await requests(hosts.granted), ["GET /x HTTP/1.1 Host: deb.test"]);
    assert.deepEqual(await requests(hosts.others), ["GET /y HTTP/1.1 Host: tls.test"]);
    assert.deepEqual((await logged(bench)).map((row) => row.slice(0, 4)), [
      ["allowed", "deb.test", 80, ""],
      ["allowed", "tls.test", 80, ""],
      ["refused", "evil.test", 80, "not an allowed host"],
    ]);
  },
});

/** Sends all attempts from a bottle whose sidecar runs what `change` makes of its configuration. */
async function attempted(
  hosts: Hosts,
  options: {
    readonly runtime: RuntimeChoice;
    readonly proxy: ProxyName;
    readonly change?: (plan: DockerBottlePlan) => DockerBottlePlan;
  },
): Promise<void> {
  await using bench = await Workbench.create();
  await describeBottle(bench, hosts.network);
  await using launched = await launchBottle(bench, options);
  const lines = ATTEMPTS.map(({ parts }) => parts.join("\t"));
  await launched.run(
    `cat > /tmp/raw.pl <<'PROGRAM'\n${rawRequests}PROGRAM\n` +
      `perl /tmp/raw.pl "\${HTTP_PROXY#http://}" <<'REQUESTS'\n${lines.join("\n")}\nREQUESTS\n`,
  );
}

/** `PATH HOST` of what was taken for a request, on one port of a recorder. */
function requestsIn(texts: readonly string[]): readonly string[] {
  return texts.flatMap((text) =>
    [...text.matchAll(/^(?:GET|POST|TRACE|PURGE) (\S+) HTTP.*?\r\n(?:(?!Host:)[^\r]*\r\n)*Host: ([^\r]*)/gm)]
      .map(([, path, host]) => `${path} ${host}`)
  );
}

for (const runtime of ["runc", "runsc"] as const) {
  Deno.test({
    name: `no spelling, header, pipeline or tunnel of plain HTTP reaches another host or port (${runtime})`,
    ignore: !runtimes.includes(runtime),
    async fn(): Promise<void> {
      const { agent } = await builtImages();
      await using hosts = await startHosts(agent);

      await attempted(hosts, { proxy: "squid", runtime });

      const whole = "GET http://evil.test/whole-cl-in HTTP/1.1\r\nHost: evil.test\r\n\r\n";
      const texts = (await hosts.granted.texts()).map((text) => text.replace(whole, "")).filter(Boolean);
      assert.deepEqual(
        requestsIn(texts).toSorted(),
        ATTEMPTS.flatMap(({ arrives = [] }) => arrives).map((path) => `${path} deb.test`).toSorted(),
      );
      assert.deepEqual(
        (await hosts.granted.recorded()).filter((one) => one.kind !== "query" && one.port !== 80),
        [],
      );
      assert.deepEqual(await hosts.others.recorded(), []);
    },
  });
}

Deno.test({
  name: "the same requests reach other hosts and ports once the sidecar refuses nothing",
  ignore: !runtimes.includes("runc"),
  async fn(): Promise<void> {
    const { agent } = await builtImages();
    await using hosts = await startHosts(agent);

    await attempted(hosts, {
      proxy: "squid",
      runtime: "runc",
      change: (plan) =>
        withConfiguration(
          plan,
          (text) =>
            text.replace("http_access deny in_tunnel", "http_access allow all\n$&")
              .replace("ssl_bump peek step1", "ssl_bump splice all"),
        ),
    });

    const elsewhere = await Promise.all([
      hosts.others.texts(80),
      hosts.granted.texts(443),
      hosts.granted.texts(8080),
      hosts.granted.texts(80),
    ]);
    const paths = new Set(requestsIn(elsewhere.flat()).map((request) => request.split(" ")[0]));
    const live = ATTEMPTS.flatMap(({ live = [] }) => live);
    assert.deepEqual(live.filter((path) => !paths.has(path)), []);
    assert.ok(live.length >= 15, `only ${live.length} attempts are shown to be live`);
  },
});

Deno.test({
  name: "a server that is asked directly sees the other name and the hidden request",
  ignore: runtimes.length === 0,
  async fn(): Promise<void> {
    const { agent } = await builtImages();
    await using hosts = await startHosts(agent);
    const requests = [
      ...get("/front", "Host: evil.test"),
      ...hidden("two-cl", "Content-Length: 0\\r\\nContent-Length: 62"),
    ];
    await docker(
      ...["run", "--rm", "--label", "claude-bottle-test=recorder", "--network", hosts.network.name],
      ...["--entrypoint", "bash", agent, "-c"],
      `perl -e "$0" deb.test:80 <<'REQUESTS'\n${requests.join("\n")}\nREQUESTS\n`,
      rawRequests,
    );

    assert.deepEqual(requestsIn(await hosts.granted.texts()).toSorted(), [
      "/front evil.test",
      "http://deb.test/two-cl deb.test",
      "http://evil.test/two-cl-in evil.test",
    ]);
  },
});
