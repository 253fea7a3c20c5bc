import assert from "node:assert/strict";
import { credentialFingerprint, startScriptedApi } from "../../scripts/scripted_api.ts";
import { builtImages, ended, engineRuntimes, eventually, hasProgram, Workbench } from "../support/engine.ts";
import { testImage } from "../support/hostile_image.ts";
import { startTlsHost, type TlsHost } from "../support/tls_host.ts";
import { onTerminal, TmuxTerminal } from "../support/tmux.ts";

const runtimes = await engineRuntimes();
const tmuxIsThere = await hasProgram("tmux");

const REAL_KEY = `sk-ant-api03-${crypto.randomUUID()}`;
const REAL_PASSWORD = `password-${crypto.randomUUID()}`;
const REAL = { REAL_KEY, REAL_PASSWORD };

/** A bottle whose hosts are all the one that is given: one with a key, one with a password, one left alone. */
async function bottleOf(
  host: TlsHost,
  bench: Workbench,
): Promise<{ readonly egress: object; readonly image: object }> {
  const key = { env: "API_KEY", secret: "${REAL_KEY}", as: "bearer" };
  const password = { env: "GIT_PASSWORD", secret: "${REAL_PASSWORD}", as: "basic:me" };
  return {
    egress: {
      defaults: false,
      allowlist: [
        { host: "api.test", allow: ["GET /one", "GET /two", "GET /stream"], inject: key },
        { host: "git.test", inject: password },
        "plain.test",
      ],
      private: ["api.test", "git.test", "plain.test"],
      networks: [host.network],
    },
    image: { ca: await bench.file("ca.pem", host.caPem) },
  };
}

async function farSide(): Promise<TlsHost> {
  const { agent } = await builtImages();
  return await startTlsHost({ image: agent, names: ["api.test", "git.test", "plain.test"] });
}

/** Node.js knows no proxy by itself. */
const NODE = `
const http = require("node:http"), tls = require("node:tls"), proxy = new URL(process.env.HTTPS_PROXY);
const connect = { host: proxy.hostname, port: proxy.port, method: "CONNECT", path: "api.test:443" };
http.request(connect).on("connect", (_, socket) => {
  const secure = tls.connect({ socket, servername: "api.test" }, () => secure.write(
    "GET /two HTTP/1.1\\r\\nHost: api.test\\r\\nConnection: close\\r\\nAuthorization: Bearer " + process.env.API_KEY + "\\r\\n\\r\\n"));
  secure.on("data", (data) => process.stdout.write(data)).on("error", (error) => console.log(error.message));
}).end();
`;

const PYTHON = `
import os, urllib.request
headers = {"Authorization": "Bearer " + os.environ["API_KEY"]}
print(urllib.request.urlopen(urllib.request.Request("https://api.test/two", headers=headers)).read().decode())
`;

/** Each line of its output says of one tool what came of it. */
const AGENT = `
echo "key: $API_KEY"; echo "password: $GIT_PASSWORD"
curl -sS -H "Authorization: Bearer $API_KEY" https://api.test/one | sed 's/^/curl: /'
node --eval "$NODE" | grep -aE 'asked|certificate' | sed 's/^/node: /'
python3 -c "$PYTHON" 2>&1 | grep . | tail -n 1 | sed 's/^/python: /'
cd /tmp && git clone --quiet https://git.test/git/app.git && git -C app log --format='git: %s'
git -C app -c user.name=a -c user.email=a@b.test commit --quiet --allow-empty -m second && git -C app push --quiet && echo "git: pushed"
curl -sS -o /dev/null -w 'foreign: %{http_code}\\n' -H 'Authorization: Bearer sk-ant-api03-somebody-elses' https://api.test/one
curl -sS -o /dev/null -w 'other path: %{http_code}\\n' -H "Authorization: Bearer $API_KEY" https://api.test/v1/files
curl -sS https://plain.test/open | sed 's/^/plain: /'
curl -sS https://api.test/one | sed 's/^/told: /'
curl -sS -H "Authorization: Bearer $API_KEY" 'https://api.test/v1/files?a=b' | sed 's/^/told: /'
curl -sS https://git.test/git/app.git | sed 's/^/told: /'
for host in api.test plain.test; do
  curl -sSv -o /dev/null https://$host/ 2>&1 | sed -n "s/^\\* *issuer: /$host issuer: /p"
done
`;

for (const runtime of ["runc", "runsc"]) {
  Deno.test({
    name: `a bottle that holds placeholders reaches its hosts with the real secrets (${runtime})`,
    ignore: !runtimes.includes(runtime),
    async fn(): Promise<void> {
      await using host = await farSide();
      await using bench = await Workbench.create();
      const env = { NODE, PYTHON };
      await bench.manifest({
        bottle: { ...await bottleOf(host, bench), env },
        agent: { command: ["bash", "-c", AGENT] },
      });

      const { code, stdout, stderr } = await bench.start(["--runtime", runtime, "-v"], REAL);

      assert.equal(code, 0, stderr);
      for (
        const line of [
          /^key: sk-ant-api03-[a-z0-9-]{36}$/m,
          /^password: [A-Za-z0-9]{45}$/m,
          /^curl: you asked for \/one$/m,
          /^node: you asked for \/two$/m,
          /^python: you asked for \/two$/m,
          /^git: first$/m,
          /^git: pushed$/m,
          /^foreign: 403$/m,
          /^other path: 403$/m,
          /^plain: you asked for \/open$/m,
          /^told: .* refused GET to api\.test: it must carry .* \(Authorization: Bearer \$API_KEY\)$/m,
          /^told: .* refused GET \/v1\/files to api\.test: it is not among the requests/m,
          /^told: .* asks for the credential of git\.test: .* \(user me with password \$GIT_PASSWORD\)$/m,
          /^api.test issuer: .*CN=claude-bottle/m,
          /^plain.test issuer: CN=far side$/m,
        ]
      ) assert.match(stdout, line, stdout + stderr);
      const requests = await host.requests();
      const told = (path: RegExp): readonly unknown[] =>
        requests.filter((request) => path.test(request.path)).map(({ headers }) => headers["authorization"]);
      const bearer = await credentialFingerprint(`Bearer ${REAL_KEY}`);
      assert.deepEqual(told(/^\/(one|two|v1)/), [bearer, bearer, bearer]);
      const basic = await credentialFingerprint(`Basic ${btoa(`me:${REAL_PASSWORD}`)}`);
      assert.deepEqual(new Set(told(/git-(upload|receive)-pack$/)), new Set([basic]));
      assert.ok(![stdout, stderr].join().includes(REAL_KEY));
      assert.ok(![stdout, stderr].join().includes(REAL_PASSWORD));
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}

Deno.test({
  name:
    "a bottle that stays is given secrets by attach and exec --secrets, and others while a stream goes on",
  ignore: !runtimes.includes("runc"),
  async fn(): Promise<void> {
    await using host = await farSide();
    await using bench = await Workbench.create();
    await bench.manifest({ bottle: await bottleOf(host, bench), agent: { command: ["sh", "-c", ASK] } });
    const run = async (words: readonly string[], env: Readonly<Record<string, string>>) =>
      await ended(
        bench.spawn([...words.slice(0, 2), "--manifest", bench.manifestFile, ...words.slice(2)], env),
      );

    // Nothing is asked of the host that only an agent needs.
    const left = await bench.start(["--detach", "--runtime", "runc"]);
    assert.equal(left.code, 0, left.stderr);
    const bare = await run(["exec", bench.agent, "--", "sh", "-c", ASK], {});
    assert.deepEqual([bare.code, bare.stdout], [0, "placeholder: \nstatus: 503\n"], bare.stderr);
    const unset = await run(["exec", bench.agent, "--secrets", "--", "true"], {});
    assert.match(unset.stderr, /does not set .*API_KEY \(from REAL_KEY\)/);
    assert.deepEqual(await host.requests(), []);

    const first = await run(["exec", bench.agent, "--secrets", "--", "sh", "-c", ASK], REAL);
    const placeholder = /^placeholder: (\S+)$/m.exec(first.stdout)?.[1];
    assert.ok(placeholder !== undefined, first.stderr);
    assert.match(first.stdout, /^status: 200$/m);

    const streaming = bench.spawn(
      ["exec", bench.agent, "--manifest", bench.manifestFile, "--secrets", "--", "sh", "-c", STREAM],
      REAL,
    );
    const streamed = ended(streaming);
    await eventually(
      "the stream goes on",
      async () => (await host.requests()).some(({ path }) => path.startsWith("/stream")) || undefined,
    );
    const other = { REAL_KEY: `sk-ant-api03-${crypto.randomUUID()}`, REAL_PASSWORD };
    const renewed = await run(["secrets", bench.agent, "--refresh"], other);
    assert.deepEqual(
      [renewed.code, renewed.stdout],
      [0, "renewed API_KEY\nrenewed GIT_PASSWORD\n"],
      renewed.stderr,
    );
    const { stdout } = await streamed;
    assert.equal(stdout.match(/^data: /gm)?.length, 12, stdout);
    // What asked with the same placeholder before and after.
    assert.match(stdout, /^then: 200$/m);
    const attached = await run(["attach", bench.agent], other);
    assert.match(attached.stdout, new RegExp(`^placeholder: ${placeholder}$`, "m"), attached.stderr);

    const seen = (await host.requests()).map(({ path, headers }) => [path, headers["authorization"]]);
    const before = await credentialFingerprint(`Bearer ${REAL_KEY}`);
    const after = await credentialFingerprint(`Bearer ${other.REAL_KEY}`);
    assert.deepEqual(seen, [
      ["/one", before],
      ["/stream?events=12", before],
      ["/two", after],
      ["/one", after],
    ]);
    const stopped = await ended(bench.spawn(["stop", bench.agent]));
    assert.equal(stopped.code, 0, stopped.stderr);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

const ASK = 'echo "placeholder: $API_KEY"; ' +
  `curl -sS -o /dev/null -w 'status: %{http_code}\\n' -H "Authorization: Bearer $API_KEY" https://api.test/one`;
const STREAM = `curl -sSN -H "Authorization: Bearer $API_KEY" 'https://api.test/stream?events=12'; ` +
  `curl -sS -o /dev/null -w 'then: %{http_code}\\n' -H "Authorization: Bearer $API_KEY" https://api.test/two`;

Deno.test({
  name:
    "an image without a bundle, a folder of authorities or openssl trusts the bottle's authority all the same",
  ignore: !runtimes.includes("runc"),
  async fn(): Promise<void> {
    const { agent } = await builtImages();
    const remove = "RUN rm -rf /etc/ssl/certs /usr/bin/openssl";
    await using bare = await testImage([`FROM ${agent}`, "USER 0:0", remove, "USER 47291:47291"]);
    await using host = await farSide();
    await using bench = await Workbench.create();
    const script =
      "ls -d /etc/ssl/certs; grep -c BEGIN $SSL_CERT_FILE $NODE_EXTRA_CA_CERTS; printenv API_KEY";
    await bench.manifest({
      bottle: await bottleOf(host, bench),
      agent: { command: ["sh", "-c", script] },
    });
    const image = { CLAUDE_BOTTLE_IMAGE: bare.name };
    const { stdout, stderr } = await bench.start(["--runtime", "runc"], { ...REAL, ...image });
    // The company's, and its own.
    assert.match(stdout, /^\/run\/env\/ca-bundle\.pem:2\n\/usr\/\S+\/ca\.pem:2\nsk-ant-/m, stderr);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "a secret that is asked at the launch goes to the sidecar alone",
  ignore: !runtimes.includes("runc") || !tmuxIsThere,
  async fn(): Promise<void> {
    await using host = await farSide();
    await using bench = await Workbench.create();
    const { egress, ...rest } = await bottleOf(host, bench);
    const inject = { env: "API_KEY", secret: "?the key", as: "bearer" };
    const allowlist = [{ host: "api.test", allow: ["GET /one"], inject }, "git.test", "plain.test"];
    await bench.manifest({
      bottle: { ...rest, egress: { ...egress, allowlist } },
      agent: { command: ["sh", "-c", ASK] },
    });
    await using terminal = new TmuxTerminal();

    const words = ["start", bench.agent, "--manifest", bench.manifestFile, "--yes", "--runtime", "runc"];
    await terminal.run(onTerminal(bench, words));
    await terminal.shows(/the key\):/);
    await terminal.type(REAL_KEY);
    await terminal.press("Enter");
    const shown = await terminal.shows(/ended with 0[\s\S]*settled/);

    assert.match(shown, /placeholder: sk-ant-api03-\S+\s+status: 200/);
    assert.ok(!shown.includes(REAL_KEY));
    const seen = (await host.requests()).map(({ headers }) => headers["authorization"]);
    assert.deepEqual(seen, [await credentialFingerprint(`Bearer ${REAL_KEY}`)]);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

for (const runtime of ["runc", "runsc"]) {
  Deno.test({
    name: `Claude Code answers with a placeholder for its token, which the API never sees (${runtime})`,
    ignore: !runtimes.includes(runtime),
    async fn(): Promise<void> {
      const { agent: image } = await builtImages();
      await using bench = await Workbench.create();
      await using api = await startScriptedApi({ image, host: "api.test", answer: "An answer from afar" });
      const env = "CLAUDE_CODE_OAUTH_TOKEN";
      const inject = { env, secret: "${CLAUDE_BOTTLE_OAUTH_TOKEN}", as: "bearer" };
      await bench.manifest({
        bottle: {
          env: { ANTHROPIC_BASE_URL: "https://api.test" },
          egress: {
            defaults: false,
            allowlist: [{ host: "api.test", allow: ["POST /v1/messages"], inject }],
            private: ["api.test"],
            networks: [api.network],
          },
          image: { ca: await bench.file("ca.pem", api.caPem) },
        },
        agent: { prompt: "You are a test." },
      });
      const token = `sk-ant-oat01-${crypto.randomUUID()}`;
      // Claude Code hands its token to none of its tools.
      const prompt = `run: cat /proc/[0-9]*/environ | tr '\\0' '\\n' | grep ^${env}= | sort -u`;

      const { code, stdout, stderr } = await bench.start(["--runtime", runtime, "--prompt", prompt], {
        CLAUDE_BOTTLE_OAUTH_TOKEN: token,
      });

      assert.equal(code, 0, stderr);
      // What the tool printed is the answer.
      const [held = ""] = /sk-ant-oat01-[a-z0-9-]+/.exec(stdout) ?? [];
      assert.equal(held.length, token.length, stdout);
      assert.notEqual(held, token);
      const messages = (await api.requests()).filter(({ path }) => path.startsWith("/v1/messages"));
      assert.ok(messages.length >= 2);
      const fingerprint = await credentialFingerprint(token);
      assert.deepEqual(new Set(messages.map(({ authorization }) => authorization)), new Set([fingerprint]));
      assert.match(stderr, /env +: ANTHROPIC_BASE_URL, CLAUDE_CODE_OAUTH_TOKEN \(placeholder\)$/m);
      assert.doesNotMatch(stderr, /refused/);
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}
