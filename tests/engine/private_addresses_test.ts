import assert from "node:assert/strict";
import { addressIn } from "../../lib/backend/docker/addresses.ts";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import type { DockerBottlePlan } from "../../lib/backend/docker/plan.ts";
import type { EgressEvent } from "../../lib/egress/proxy.ts";
import { REASON } from "../../lib/egress/reasons.ts";
import type { ProxyName } from "../../lib/manifest/model.ts";
import { builtImages, docker, engineProxies, engineRuntimes, Workbench } from "../support/engine.ts";
import {
  closedNetwork,
  metadataNetwork,
  type Recorder,
  startRecorder,
  type Zone,
} from "../support/recorder.ts";
import { launchBottle } from "../support/launched_bottle.ts";
import { withConfiguration, withoutLines, withSidecarDns } from "../support/plan_changes.ts";
import clientHello from "../testdata/engine/client_hello.pl" with { type: "text" };

const runtimes = await engineRuntimes();
const proxies = runtimes.includes("runc") ? await engineProxies() : [];

/** Where the names of a zone may lead. */
interface Places {
  /** Of a documentation range, which counts as public. */
  readonly public: string;
  readonly private: string;
  readonly metadata: string;
  /** The sidecar's address on the internal network. */
  readonly sidecar: string;
  /** The host's address on the egress network. */
  readonly gateway: string;
}

/** The answers for each name, one set of A and AAAA records after the other. */
function answers(at: Places): Readonly<Record<string, readonly (readonly string[])[]>> {
  return {
    public: [[at.public]],
    private: [[at.private]],
    metadata: [[at.metadata]],
    loopback: [["127.0.0.1"]],
    zero: [["0.0.0.0"]],
    sidecar: [[at.sidecar]],
    gateway: [[at.gateway]],
    // All answers count, in whatever order.
    mixed: [[at.public, at.private]],
    mixed2: [[at.private, at.public]],
    // Between one look and the next.
    flip: [[at.public], [at.private]],
    flip2: [[at.public], [at.public], [at.private]],
    flip3: [[at.public], [at.public], [at.public], [at.private]],
    meta: [[at.public], [at.metadata]],
    alternating: Array.from({ length: 40 }, (_, turn) => [turn % 2 === 0 ? at.public : at.private]),
    // After squid's own memory of an answer, while TLS is awaited, and from one request to the next.
    late: [[at.public], [at.public], [at.private]],
    later: [[at.public], [at.public], [at.public], [at.private]],
    // An address that is private whichever way it is written.
    mapped: [[at.public, `::ffff:${at.private}`]],
    local6: [[at.public, "fe80::1"]],
  };
}

/** Each name twice, since answers are told apart by how often a name was asked for. */
const SCHEMES = { http: 80, https: 443 } as const;

/** What arrives at a forbidden place as soon as nobody looks, `NAME PORT`. */
const FORBIDDEN = [
  ...[
    "private",
    "metadata",
    "loopback",
    "zero",
    "sidecar",
    "gateway",
    "mixed2",
    "flip",
    "meta",
    "alternating",
  ]
    .flatMap(onBothPorts),
  "later 80",
];

function zoneOf(at: Places): Zone {
  const entries = Object.entries(answers(at)).flatMap(([name, turns]) =>
    Object.keys(SCHEMES).flatMap((scheme) => {
      const v6 = turns.map((turn) => turn.filter((address) => address.includes(":")));
      return [
        [`${name}.${scheme}.test A`, turns.map((turn) => turn.filter((address) => !address.includes(":")))],
        ...(v6.some((turn) => turn.length > 0) ? [[`${name}.${scheme}.test AAAA`, v6] as const] : []),
      ] as const;
    })
  );
  return Object.fromEntries(entries);
}

/** Asks for every name, those that change their mind more often; `late` and `later` on both sides of 11 seconds. */
const ASK = `
ask() {
  curl --silent --insecure --output /dev/null --max-time 4 --header 'Connection: close' "$1://$2.$1.test/$2"
}
cat > /tmp/hello.pl <<'PROGRAM'
${clientHello}PROGRAM
perl /tmp/hello.pl "\${HTTP_PROXY#http://}" late.https.test:443 late.https.test 11 &
(ask http later; sleep 11; for again in 1 2 3; do ask http later; done) &
for scheme in http https; do
  for name in public private metadata loopback zero sidecar gateway mixed mixed2 flip flip flip2 flip2 flip3 flip3 \\
    flip3 meta meta mapped local6 alternating alternating alternating alternating alternating alternating; do
    ask $scheme $name
  done &
done
wait
`;

interface Reached {
  /** `NAME PORT` of what arrived at the public address. */
  readonly public: readonly string[];
  /** Of what arrived anywhere else. */
  readonly forbidden: readonly string[];
  readonly events: readonly EgressEvent[];
  readonly notices: readonly string[];
}

/** Launches a bottle that may reach all of the zone, asks for every name of it, and tells where that led. */
async function asked(options: {
  readonly proxy: ProxyName;
  readonly private?: readonly string[];
  readonly change?: (plan: DockerBottlePlan) => DockerBottlePlan;
}): Promise<Reached> {
  const { agent: image } = await builtImages();
  await using stack = new AsyncDisposableStack();
  const networks = [
    stack.use(await closedNetwork("203.0.113")),
    stack.use(await closedNetwork("10.213.239")),
    stack.use(await metadataNetwork()),
  ] as const;
  const [open, closed, metadata] = networks;
  // The sidecar, which comes first, takes the lowest ones.
  const dnsAddress = open.address(13);
  const bench = stack.use(await Workbench.create());
  await bench.manifest({
    bottle: {
      egress: {
        defaults: false,
        allowlist: [{ host: "*.http.test", http: true }, "*.https.test"],
        private: options.private ?? [],
        networks: networks.map(({ name }) => name),
      },
    },
    agent: { command: ["sleep", "1234"] },
  });
  const launched = stack.use(
    await launchBottle(bench, {
      proxy: options.proxy,
      runtime: "runc",
      change: (plan) => withSidecarDns(options.change?.(plan) ?? plan, dnsAddress),
    }),
  );
  const { inputs, expected } = launched.plan;
  const at: Places = {
    public: open.address(12),
    private: closed.address(12),
    metadata: metadata.address(14),
    sidecar: expected.sidecarAddress,
    gateway: addressIn(inputs.subnets.egress, 1),
  };
  const filters = [`label=${LABEL.agent}=${bench.agent}`, `label=${LABEL.role}=sidecar`];
  const sidecar = await docker("ps", "--quiet", ...filters.flatMap((filter) => ["--filter", filter]));
  const start = async (place: Omit<Parameters<typeof startRecorder>[0], "image">): Promise<Recorder> =>
    stack.use(await startRecorder({ image, ports: [80, 443], ...place }));
  const [, ...recorders] = await Promise.all([
    start({ network: open.name, ip: dnsAddress, ports: [], zone: zoneOf(at) }),
    start({ network: open.name, ip: at.public }),
    start({ network: closed.name, ip: at.private }),
    start({ network: metadata.name, ip: at.metadata }),
    start({ network: `container:${sidecar}`, listen: "127.0.0.1" }),
    start({ network: `container:${sidecar}`, listen: at.sidecar }),
    start({ network: "host", listen: at.gateway }),
  ]);

  await launched.run(ASK);

  const [reached = [], ...elsewhere] = await Promise.all(recorders.map(arrivals));
  return {
    public: reached,
    forbidden: elsewhere.flat().toSorted(),
    events: await launched.bottle.egressEvents(),
    notices: launched.plan.notices,
  };
}

/** `NAME PORT` of each that arrived, once. A name stands in a Host header, or in the clear in TLS. */
async function arrivals(recorder: Recorder): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const one of await recorder.recorded()) {
    if (one.kind !== "bytes") continue;
    const name = /([a-z0-9]+)\.https?\.test/.exec(one.text)?.[1] ?? "?";
    found.add(`${name} ${one.port}`);
  }
  return [...found].toSorted();
}

function onBothPorts(name: string): readonly string[] {
  return Object.values(SCHEMES).map((port) => `${name} ${port}`);
}

for (const proxy of ["squid", "pipelock"] as const) {
  Deno.test({
    name:
      `no allowed name leads to a private, loopback, link-local or metadata address, the sidecar or the host, ` +
      `whenever its answer changes (${proxy})`,
    ignore: !proxies.includes(proxy),
    async fn(): Promise<void> {
      const { forbidden, events, ...reached } = await asked({ proxy });

      assert.deepEqual(forbidden, []);
      for (const one of [...onBothPorts("public"), "later 80"]) assert.ok(reached.public.includes(one), one);
      const reason = (host: string): string | undefined =>
        events.find((event) => event.verdict === "refused" && event.host === host)?.reason;
      assert.equal(reason("private.http.test"), REASON.private);
      assert.equal(reason("private.https.test"), REASON.private);
      assert.equal(reason("metadata.http.test"), REASON.never);
      assert.equal(reason("loopback.https.test"), REASON.never);
    },
  });

  Deno.test({
    name: `the same names lead there once the sidecar no longer looks at addresses (${proxy})`,
    ignore: !proxies.includes(proxy),
    async fn(): Promise<void> {
      const change = proxy === "squid"
        ? withoutLines(/^http_access deny (never|private) /)
        : (plan: DockerBottlePlan): DockerBottlePlan =>
          withConfiguration(plan, (text) => text.replace(/"internal": \[[^\]]*\]/, '"internal": []'));

      const { forbidden } = await asked({ proxy, change });

      // Pipelock connects before it has seen any TLS, so that nothing can come late.
      const live = [...FORBIDDEN, ...(proxy === "squid" ? ["late 443"] : [])];
      assert.deepEqual(live.filter((one) => !forbidden.includes(one)), []);
    },
  });
}

for (const proxy of ["squid", "pipelock"] as const) {
  Deno.test({
    name:
      `a name of egress.private leads to a private address and, with squid, to no other of them (${proxy})`,
    ignore: !proxies.includes(proxy),
    async fn(): Promise<void> {
      const granted = ["private", "metadata", "loopback", "sidecar", "gateway"]
        .flatMap((name) => Object.keys(SCHEMES).map((scheme) => `${name}.${scheme}.test`));

      const { forbidden, notices } = await asked({ proxy, private: granted });

      const limit = notices.find((notice) => notice.includes("lets the name resolve to any address"));
      if (proxy === "squid") {
        assert.deepEqual(forbidden, ["private 443", "private 80"]);
        assert.equal(limit, undefined);
      } else {
        // What the preflight says of pipelock is so.
        assert.ok(
          ["private 443", "private 80", "metadata 80", "loopback 80"].every((one) => forbidden.includes(one)),
        );
        assert.ok(!forbidden.some((one) => /^(mixed|flip|zero|meta) /.test(one)), forbidden.join(", "));
        assert.match(
          limit ?? "",
          /metadata\.http\.test.*a metadata service's and the sidecar's own included/,
        );
      }
    },
  });
}
