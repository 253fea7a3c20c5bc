import assert from "node:assert/strict";
import type { DockerBottlePlan } from "../../lib/backend/docker/plan.ts";
import { builtImages, engineRuntimes, hasProgram, Workbench } from "../support/engine.ts";
import { closedNetwork, type Recorder, startRecorder } from "../support/recorder.ts";
import { makeKey } from "../support/ssh_host.ts";
import { launchBottle } from "../support/launched_bottle.ts";
import { withConfiguration } from "../support/plan_changes.ts";
import clientHello from "../testdata/engine/client_hello.pl" with { type: "text" };
import rawRequests from "../testdata/engine/raw_requests.pl" with { type: "text" };

const runtimes = await engineRuntimes();
const ignore = runtimes.length === 0 || !await hasProgram("ssh-keygen");

const HOSTS = ["api", "git", "tunnel", "other"] as const;
const PORTS = [22, 443, 2222];

/** A tunnel to `HOST:PORT`, and what is said in it: a line of text, or a TLS greeting to a name. */
interface Tunnel {
  readonly to: string;
  readonly tls?: string;
}

/** What the manifest grants: TLS to `api`, and two ssh entries, one of them on the port of TLS. */
const GRANTED: readonly Tunnel[] = [
  { to: "api.test:443", tls: "api.test" },
  { to: "git.test:2222" },
  { to: "tunnel.test:443" },
];

const REFUSED: readonly Tunnel[] = [
  // An ssh entry's host on other ports, and other hosts on its port.
  { to: "git.test:22" },
  { to: "git.test:443" },
  { to: "git.test:443", tls: "git.test" },
  { to: "tunnel.test:22" },
  { to: "tunnel.test:2222" },
  { to: "api.test:22" },
  { to: "api.test:2222" },
  { to: "other.test:2222" },
  { to: "other.test:443", tls: "other.test" },
  // The ssh entry on 443 leaves others' TLS judged.
  { to: "api.test:443" },
  { to: "api.test:443", tls: "other.test" },
  { to: "api.test:443", tls: "tunnel.test" },
];

/** Opens every tunnel from a bottle; `HOST:PORT SAID` of what arrived, `SAID` being `text` or the name in TLS. */
async function arrived(
  change?: (plan: DockerBottlePlan) => DockerBottlePlan,
): Promise<readonly string[]> {
  const { agent: image } = await builtImages();
  await using stack = new AsyncDisposableStack();
  const network = stack.use(await closedNetwork("203.0.113"));
  const recorders: Recorder[] = [];
  for (const name of HOSTS) {
    const aliases = [`${name}.test`];
    recorders.push(stack.use(await startRecorder({ image, network: network.name, aliases, ports: PORTS })));
  }
  const bench = stack.use(await Workbench.create());
  const key = await makeKey(bench.folder, { name: "key" });
  const entry = { IdentityFile: key.path, KnownHostKey: key.publicKey };
  await bench.manifest({
    bottle: {
      egress: { defaults: false, allowlist: ["api.test"], networks: [network.name] },
      ssh: [{ Host: "git.test", Port: 2222, ...entry }, { Host: "tunnel.test", Port: 443, ...entry }],
    },
    agent: { command: ["sleep", "1234"] },
  });
  const launched = stack.use(
    await launchBottle(bench, {
      proxy: "squid",
      runtime: "runc",
      ...(change === undefined ? {} : { change }),
    }),
  );
  const all = [...GRANTED, ...REFUSED];
  await launched.run(`
    proxy=\${HTTP_PROXY#http://}
    cat > /tmp/raw.pl <<'PROGRAM'\n${rawRequests}PROGRAM
    cat > /tmp/hello.pl <<'PROGRAM'\n${clientHello}PROGRAM
    ${
    all.filter(({ tls }) => tls !== undefined).map(({ to, tls }) =>
      `perl /tmp/hello.pl "$proxy" ${to} ${tls} 0 &`
    )
      .join("\n")
  }
    perl /tmp/raw.pl "$proxy" <<'REQUESTS'\n${
    all.filter(({ tls }) => tls === undefined)
      .map(({ to }) => `CONNECT ${to} HTTP/1.1\\r\\nHost: ${to}\\r\\n\\r\\n\tsaid\\r\\n\\r\\n\n`).join("")
  }REQUESTS
    wait`);
  const found = await Promise.all(
    recorders.map(async (recorder, index) =>
      (await recorder.recorded()).flatMap((one) => {
        if (one.kind !== "bytes") return [];
        const said = one.text.startsWith("said") ? "text" : /[a-z]+\.test/.exec(one.text)?.[0];
        return [`${HOSTS[index]}.test:${one.port} ${said}`];
      })
    ),
  );
  return found.flat().toSorted();
}

function expected(tunnels: readonly Tunnel[]): readonly string[] {
  return tunnels.map(({ to, tls }) => `${to} ${tls ?? "text"}`).toSorted();
}

Deno.test({
  name: "an ssh entry opens its own host and port, and changes nothing for others",
  ignore,
  async fn(): Promise<void> {
    assert.deepEqual(await arrived(), expected(GRANTED));
  },
});

Deno.test({
  name: "every refused tunnel arrives once the sidecar refuses nothing",
  ignore,
  async fn(): Promise<void> {
    const found = await arrived((plan) =>
      withConfiguration(
        plan,
        (text) =>
          text.replace("http_access deny in_tunnel", "http_access allow all\n$&")
            .replace("ssl_bump peek step1", "ssl_bump splice all"),
      )
    );

    assert.deepEqual(found, expected([...GRANTED, ...REFUSED]));
  },
});
