import assert from "node:assert/strict";
import type { EgressPolicy } from "../../lib/egress/policy.ts";
import type { SidecarProgram } from "../../lib/egress/proxy.ts";
import { builtImages, docker, engineRuntimes } from "../support/engine.ts";
import {
  type FarSide,
  type InspectedSidecar,
  startFarSide,
  startSidecar,
  withoutJudge,
} from "../support/inspected_sidecar.ts";
import { closedNetwork, startRecorder } from "../support/recorder.ts";

const ignore = (await engineRuntimes()).length === 0;

const POLICY: EgressPolicy = {
  hosts: [{
    host: "api.test",
    private: false,
    http: false,
    inspection: { rules: undefined, secret: { env: "TOKEN", form: { kind: "bearer" } } },
  }],
  ssh: [],
};
const REQUEST = {
  host: "api.test",
  raw: "GET /a HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer placeholder\r\nConnection: close\r\n\r\n",
};

Deno.test({
  name: "a sidecar lets nothing through until it is opened, and takes another secret over at once",
  ignore,
  async fn(): Promise<void> {
    await using stack = new AsyncDisposableStack();
    const network = stack.use(await closedNetwork("203.0.113"));
    const far = stack.use(await startFarSide(network, { aliases: ["api.test"] }));
    const sidecar = stack.use(
      await startSidecar(POLICY, { network, index: 10, authorities: far.authority }),
    );
    const status = async (ca: string): Promise<string> =>
      (await sidecar.say([REQUEST], ca))[0]?.split("\r\n")[0] ?? "";

    assert.match(await status(far.authority), /^failed/);
    const { authority, placeholders } = await sidecar.open([]);
    assert.deepEqual([...placeholders], []);
    assert.match(await status(authority.pem), / 503 /);
    assert.equal((await sidecar.events()).at(-1)?.reason, "no secret yet");
    assert.equal(await far.recorded(), "");

    const first = await sidecar.open([{ env: "TOKEN", placeholder: "placeholder", secret: "first-secret" }]);
    assert.equal(first.authority.pem, authority.pem);
    assert.match(await status(authority.pem), / 200 /);
    const second = await sidecar.open([{
      env: "TOKEN",
      placeholder: "another-one",
      secret: "second-secret",
    }]);
    assert.deepEqual([...second.placeholders], [["TOKEN", "placeholder"]]);
    assert.match(await status(authority.pem), / 200 /);
    const seen = [...(await far.recorded()).matchAll(/authorization: (.*)\r/gi)].map(([, value]) => value);
    assert.deepEqual(seen, ["Bearer first-secret", "Bearer second-secret"]);

    for (const bad of ["line\nend", "", "a b"]) {
      await assert.rejects(
        sidecar.open([{ env: "TOKEN", placeholder: "placeholder", secret: bad }]),
        /cannot stand/,
      );
    }
    await assert.rejects(
      sidecar.open([{ env: "OTHER", placeholder: "placeholder", secret: "x" }]),
      /no inspected host/,
    );
    assert.doesNotMatch(await docker("container", "logs", sidecar.id), /-secret|placeholder|another-one/);
  },
});

/** How often a sidecar that does not listen is asked again, a second apart. */
const TRIES = 5;

/** Asks before the sidecar is opened, for as long as nothing listens, and before it has its secret; what the answers begin with. */
async function askEarly(sidecar: InspectedSidecar, far: FarSide): Promise<readonly string[]> {
  const ask = async (path: string, ca: string): Promise<string> => {
    const raw = REQUEST.raw.replace("/a", path);
    return (await sidecar.say([{ ...REQUEST, raw }], ca))[0]?.split("\r\n")[0] ?? "";
  };
  let first = "";
  for (let tries = 0; tries < TRIES && !first.startsWith("HTTP"); tries++) {
    if (tries > 0) await new Promise((resolve) => setTimeout(resolve, 1000));
    first = await ask("/before-rules", far.authority);
  }
  const { authority } = await sidecar.open([]);
  return [first, await ask("/before-secret", authority.pem + far.authority)];
}

/** Begins without waiting for what is to open it, and lets TLS through as it is. */
function hasty(program: SidecarProgram): SidecarProgram {
  const changes: Readonly<Record<string, (text: string) => string>> = {
    "supervisor.pl": (text) => text.replace("if (-e '/run/inspection')", "if (0)"),
    "back.conf": (text) =>
      text.replace(/tls-cert=.*/, "tls-cert=/etc/squid/dummy.pem generate-host-certificates=off")
        .replace(/^sslcrtd_.*\n/gm, "").replace("ssl_bump peek step1", "ssl_bump splice all"),
  };
  const files = program.files.map((file) => ({
    ...file,
    text: changes[file.path]?.(file.text) ?? file.text,
  }));
  return { ...program, files };
}

Deno.test({
  name:
    "requests before the rules, and before the secret, arrive nowhere; without what stops them they arrive",
  ignore,
  async fn(): Promise<void> {
    const rows = [
      { change: (program: SidecarProgram) => program, said: [/^failed/, / 503 /], arrived: [] },
      { change: hasty, said: [/ 200 /, / 200 /], arrived: ["/before-rules", "/before-secret"] },
      { change: withoutJudge, said: [/^failed/, / 200 /], arrived: ["/before-secret"] },
    ];
    for (const { change, said, arrived } of rows) {
      await using stack = new AsyncDisposableStack();
      const network = stack.use(await closedNetwork("203.0.113"));
      const far = stack.use(await startFarSide(network, { aliases: ["api.test"] }));
      const sidecar = stack.use(
        await startSidecar(POLICY, { network, index: 10, authorities: far.authority, change }),
      );

      const answers = await askEarly(sidecar, far);

      for (const [index, expected] of said.entries()) assert.match(answers[index] ?? "", expected);
      const paths = [...(await far.recorded()).matchAll(/^GET (\S+) /gm)].map(([, path]) => path);
      assert.deepEqual(paths, arrived);
    }
  },
});

/** Signs a certificate with the sidecar's key, which no bottle can reach, and has it verified. */
const SIGN = `cd /run/inspection && exec 2>&1
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /O=x -keyout leaf.key -out leaf.csr
echo "subjectAltName=$NAME" > leaf.cnf
openssl x509 -req -in leaf.csr -CA authority.pem -CAkey authority.pem -days 1 -extfile leaf.cnf -out leaf.pem
openssl verify -CAfile certificate.pem leaf.pem`;

Deno.test({
  name: "the bottle's authority vouches for no name that is not inspected, and for no address",
  ignore,
  async fn(): Promise<void> {
    await using stack = new AsyncDisposableStack();
    const network = stack.use(await closedNetwork("203.0.113"));
    const sidecar = stack.use(await startSidecar(POLICY, { network, index: 10 }));
    await sidecar.open([]);
    const verdict = async (name: string): Promise<string> =>
      await docker("exec", "--env", `NAME=${name}`, sidecar.id, "sh", "-c", `${SIGN}; true`);

    for (const name of ["DNS:api.test", "DNS:below.api.test"]) {
      assert.match(await verdict(name), /^leaf\.pem: OK$/m, name);
    }
    for (const name of ["DNS:other.test", "DNS:*.test", "DNS:api.test.example"]) {
      assert.match(await verdict(name), /permitted subtree violation/, name);
    }
    assert.match(await verdict("IP:10.0.0.1"), /excluded subtree violation/);
  },
});

Deno.test({
  name: "a server of an authority that nobody named gets nothing, and the log says why",
  ignore,
  async fn(): Promise<void> {
    await using stack = new AsyncDisposableStack();
    const network = stack.use(await closedNetwork("203.0.113"));
    const far = stack.use(await startFarSide(network, { aliases: ["api.test"] }));
    const sidecar = stack.use(await startSidecar(POLICY, { network, index: 10 }));
    const { authority } = await sidecar.open([{
      env: "TOKEN",
      placeholder: "placeholder",
      secret: "first-secret",
    }]);

    const [answer = ""] = await sidecar.say([REQUEST], authority.pem);

    assert.match(answer, / 503 /);
    assert.equal(await far.recorded(), "");
    assert.match((await sidecar.events()).at(-1)?.reason ?? "", /cannot be verified/);
  },
});

Deno.test({
  name: "an inspected host below a wildcard with plain HTTP is asked nothing over it; its neighbours are",
  ignore,
  async fn(): Promise<void> {
    const [inspected, wildcard] = [
      ...POLICY.hosts.map((rule) => ({ ...rule, host: "api.wild.test" })),
      { host: "*.wild.test", private: false, http: true },
    ];
    assert.ok(inspected !== undefined && wildcard !== undefined);
    await using stack = new AsyncDisposableStack();
    const { agent } = await builtImages();
    const network = stack.use(await closedNetwork("203.0.113"));
    const far = stack.use(
      await startRecorder({
        image: agent,
        network: network.name,
        ip: network.address(2),
        aliases: ["api.wild.test", "deb.wild.test"],
      }),
    );
    const policy = { hosts: [inspected, wildcard], ssh: [] };
    const unruled = (program: SidecarProgram): SidecarProgram => ({
      ...program,
      files: program.files.map((file) => ({ ...file, text: file.text.replaceAll(" !closed", "") })),
    });
    const rows = [[10, "403"], [11, "200"]] as const;
    for (const [index, status] of rows) {
      const change = status === "200" ? { change: unruled } : {};
      const sidecar = stack.use(await startSidecar(policy, { network, index, ...change }));
      await sidecar.open([]);
      // However it is written.
      const spelled = status === "403" ? [["API.wild.test.", status] as const] : [];
      for (
        const [host, expected] of [
          ["deb.wild.test", "200"],
          ["api.wild.test", status],
          ...spelled,
        ] as const
      ) {
        const path = `${host}/${index}`;
        const answer = await docker(
          ...["run", "--rm", "--label", "claude-bottle-test=inspected", "--network", network.name],
          ...["--entrypoint", "curl", agent, "--silent", "--output", "/dev/null", "--retry", "9"],
          ...["--retry-connrefused", "--write-out", "%{http_code}"],
          ...["--proxy", `http://${network.address(index)}:8888`, `http://${path}`],
        );
        assert.equal(answer, expected, path);
        const seen = (await far.texts()).filter((text) => text.startsWith(`GET /${index} `));
        const told = seen.some((text) => text.includes(`\r\nHost: ${host}\r\n`));
        assert.equal(told, expected === "200", path);
      }
    }
  },
});
