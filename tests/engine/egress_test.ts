import assert from "node:assert/strict";
import { startScriptedApi } from "../../scripts/scripted_api.ts";
import {
  builtImages,
  docker,
  ended,
  engineProxies,
  engineRuntimes,
  eventually,
  Workbench,
} from "../support/engine.ts";

const runtimes = await engineRuntimes();
const proxies = await engineProxies();

/** Prints `NAME=RESULT` for each probe: an HTTP status, `refused 403`, or how it failed. */
const PROBES = `
status() {
  name=$1; shift
  out=$(curl --silent --show-error --max-time 8 --output /dev/null --write-out '%{http_code} %{http_connect}' "$@" 2>/dev/null)
  echo "$name=$out"
}
tls() {
  name=$1; shift
  if openssl s_client -brief -proxy "$PROXY" -CAfile "$SSL_CERT_FILE" -verify_return_error -connect "$@" </dev/null >/dev/null 2>&1
  then echo "$name=answered"; else echo "$name=cut"; fi
}
PROXY=\${HTTPS_PROXY#http://}
status listed https://api.test/
status other-host https://other.test/
status other-port https://api.test:8443/
status plain-http http://api.test/
status direct --noproxy '*' --insecure "https://$API_ADDRESS/"
tls own-name api.test:443 -servername api.test
tls other-name api.test:443 -servername other.test
tls no-name api.test:443 -noservername
if getent hosts api.test >/dev/null; then echo dns=resolved; else echo dns=nothing; fi
exit 0
`;

/** What each probe must give from a bottle whose allowlist has `api.test` alone, behind squid. */
const BEHIND_SQUID: Readonly<Record<string, string>> = {
  "listed": "200 200",
  "other-host": "000 403",
  "other-port": "000 403",
  "plain-http": "403 000",
  "direct": "000 000",
  "own-name": "answered",
  "other-name": "cut",
  "no-name": "cut",
  "dns": "nothing",
};

/** Pipelock pins names alone: other ports, plain HTTP and TLS without a name pass, as the preflight says. */
const BEHIND_PIPELOCK: Readonly<Record<string, string>> = {
  ...BEHIND_SQUID,
  "other-port": "200 200",
  "plain-http": "502 000",
  "no-name": "answered",
};

function results(stdout: string): Readonly<Record<string, string>> {
  return Object.fromEntries(stdout.trim().split("\n").map((line) => line.split("=", 2)));
}

for (
  const { proxy, runtime, expected } of [
    { proxy: "squid", runtime: "runc", expected: BEHIND_SQUID },
    { proxy: "squid", runtime: "runsc", expected: BEHIND_SQUID },
    { proxy: "pipelock", runtime: "runc", expected: BEHIND_PIPELOCK },
    { proxy: "pipelock", runtime: "runsc", expected: BEHIND_PIPELOCK },
  ]
) {
  Deno.test({
    name: `a bottle reaches its allowed host and nothing else (${proxy}, ${runtime})`,
    ignore: !runtimes.includes(runtime) || !proxies.includes(proxy),
    async fn(): Promise<void> {
      const images = await builtImages();
      await using bench = await Workbench.create();
      await using api = await startScriptedApi({
        image: images.agent,
        host: "api.test",
        aliases: ["other.test"],
        ports: [443, 8443],
      });
      const ca = await bench.file("ca.pem", api.caPem);
      await bench.manifest({
        bottle: {
          env: { API_ADDRESS: api.address },
          egress: {
            defaults: false,
            allowlist: ["api.test"],
            private: ["api.test"],
            networks: [api.network],
          },
          image: { ca },
          runtime,
        },
        agent: { command: ["bash", "-c", PROBES] },
      });

      const { code, stdout, stderr } = await bench.start(["--proxy", proxy]);

      assert.equal(code, 0, stderr);
      assert.deepEqual(results(stdout), expected);
      assert.match(stderr, /refused other\.test:443/);
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}

Deno.test({
  name: "every refused probe succeeds without a bottle around it",
  ignore: runtimes.length === 0,
  async fn(): Promise<void> {
    const images = await builtImages();
    await using api = await startScriptedApi({
      image: images.agent,
      host: "api.test",
      aliases: ["other.test"],
      ports: [443, 8443],
    });
    const probe = `
      for url in https://api.test/ https://other.test/ https://api.test:8443/ https://${api.address}/; do
        curl --silent --insecure --max-time 8 --output /dev/null --write-out '%{http_code}\\n' "$url"
      done
      getent hosts api.test >/dev/null && echo resolved
      openssl s_client -brief -connect api.test:443 -servername other.test </dev/null 2>&1 | grep -c 'CONNECTION ESTABLISHED'
      openssl s_client -brief -connect api.test:443 -noservername </dev/null 2>&1 | grep -c 'CONNECTION ESTABLISHED'`;
    const stdout = await docker(
      "run",
      "--rm",
      "--label",
      `claude-bottle-test=${api.label}`,
      "--network",
      api.network,
      "--entrypoint",
      "bash",
      images.agent,
      "-c",
      probe,
    );

    assert.deepEqual(stdout.split("\n"), ["200", "200", "200", "200", "resolved", "1", "1"]);
  },
});

Deno.test({
  name: "a name that resolves to a private address is refused unless the manifest says private",
  ignore: runtimes.length === 0,
  async fn(): Promise<void> {
    const images = await builtImages();
    await using bench = await Workbench.create();
    await using api = await startScriptedApi({ image: images.agent, host: "api.test" });
    await bench.manifest({
      bottle: { egress: { defaults: false, allowlist: ["api.test"], networks: [api.network] } },
      agent: {
        command: [
          "curl",
          "--silent",
          "--output",
          "/dev/null",
          "--write-out",
          "%{http_connect}",
          "https://api.test/",
        ],
      },
    });

    const { stdout, stderr } = await bench.start();

    assert.equal(stdout, "403", stderr);
    assert.match(stderr, /refused api\.test:443.*private/);
    assert.deepEqual(await api.requests(), []);
  },
});

Deno.test({
  name: "a bottle joins no other bottle's network, neither by name nor by a part of its id",
  ignore: runtimes.length === 0,
  async fn(): Promise<void> {
    await builtImages();
    await using victim = await Workbench.create();
    await victim.manifest({ agent: { command: ["sleep", "1234"] } });
    const child = victim.launch();
    const filter = [
      "--filter",
      `label=claude-bottle.agent=${victim.agent}`,
      "--filter",
      "label=claude-bottle.role=internal",
    ];
    const [id = "", name = ""] = await eventually("the network is there", async () => {
      const line = await docker("network", "ls", ...filter, "--no-trunc", "--format", "{{.ID}} {{.Name}}");
      return line === "" ? undefined : line.split(" ");
    });
    await using bench = await Workbench.create();

    for (
      const { network, said } of [
        { network: name, said: /cannot be joined: it is part of a bottle/ },
        { network: id, said: /does not exist/ },
        { network: id.slice(0, 6), said: /does not exist/ },
        { network: "bridge", said: undefined },
      ]
    ) {
      await bench.manifest({ bottle: { egress: { networks: [network] } }, agent: { command: ["true"] } });
      const { code, stderr } = await bench.start(["--runtime", "runc"]);
      assert.equal(code, said === undefined ? 0 : 1, stderr);
      if (said !== undefined) assert.match(stderr, said);
    }

    child.kill("SIGTERM");
    await ended(child);
    assert.deepEqual([...await victim.leftovers(), ...await bench.leftovers()], []);
  },
});
