import assert from "node:assert/strict";
import { credentialFingerprint } from "../../scripts/scripted_api.ts";
import { builtImages, engineRuntimes, Workbench } from "../support/engine.ts";
import { testImage } from "../support/hostile_image.ts";
import { startTlsHost } from "../support/tls_host.ts";
import languagesService from "../testdata/engine/languages_service.mjs" with { type: "text" };

const ignore = !(await engineRuntimes()).includes("runc");

const INSTALL = "apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes" +
  " --no-install-recommends cargo golang-go python3-pip && rm -rf /var/lib/apt/lists/*";

/** What each tool takes from a registry whose credentials it has as placeholders: one line a tool, and its own when it fails. */
const AGENT = `
mkdir -p /tmp/rust/src /tmp/go && cd /tmp/rust && touch src/lib.rs
printf '[package]\\nname = "mine"\\nversion = "0.1.0"\\nedition = "2021"\\n[dependencies]\\nhello = { version = "1", registry = "mine" }\\n' > Cargo.toml
export CARGO_REGISTRIES_MINE_INDEX=sparse+https://cargo.test/cargo/ CARGO_REGISTRY_GLOBAL_CREDENTIAL_PROVIDERS=cargo:token
cargo fetch && ls ~/.cargo/registry/cache/*/hello-1.0.0.crate | sed 's,.*/,cargo: ,'
CARGO_HOME=/tmp/foreign CARGO_REGISTRIES_MINE_TOKEN=of-somebody cargo fetch 2>&1 | sed -n 's/^ *claude-bottle/foreign:/p'
cd /tmp/go && umask 077 && echo "machine go.test login me password $GO_PASSWORD" > ~/.netrc
export GOPROXY=https://go.test/go GOSUMDB=off
go mod init mine.test/app 2>/dev/null && go get go.test/hello@v1.0.0 2>&1 | sed 's/^/go: /'
pip download --quiet --no-deps --disable-pip-version-check --dest /tmp --index-url "https://me:$PIP_PASSWORD@pip.test/simple/" hello &&
ls /tmp/hello*.whl | sed 's,.*/,pip: ,'
echo "held: $CARGO_REGISTRIES_MINE_TOKEN $GO_PASSWORD $PIP_PASSWORD"
`;

Deno.test({
  name: "cargo, Go and pip fetch with secrets that they do not have: of a command, a file and a variable",
  ignore,
  async fn(): Promise<void> {
    const { agent: image } = await builtImages();
    await using tools = await testImage([`FROM ${image}`, "USER 0:0", `RUN ${INSTALL}`, "USER 47291:47291"], {
      network: "default",
    });
    const names = ["cargo.test", "go.test", "pip.test"];
    await using host = await startTlsHost({ image, names, further: languagesService });
    await using bench = await Workbench.create();
    const secrets = Object.fromEntries(names.map((name) => [name, crypto.randomUUID()]));
    const [cargo = "", go = "", pip = ""] = Object.values(secrets);
    const sources = {
      cargo: { command: ["printf", "%s\\n", cargo] },
      go: { file: await bench.file("password", go) },
    };
    await bench.manifest({
      bottle: {
        egress: {
          defaults: false,
          allowlist: [
            {
              host: "cargo.test",
              allow: ["GET /cargo/*"],
              inject: {
                env: "CARGO_REGISTRIES_MINE_TOKEN",
                as: "header:Authorization",
                secret: sources.cargo,
              },
            },
            {
              host: "go.test",
              allow: ["GET /go/*"],
              inject: { env: "GO_PASSWORD", as: "basic:me", secret: sources.go },
            },
            {
              host: "pip.test",
              allow: ["GET /simple/*", "GET /files/*"],
              inject: { env: "PIP_PASSWORD", as: "basic:me", secret: "${REAL_PASSWORD}" },
            },
          ],
          private: names,
          networks: [host.network],
        },
        image: { ca: await bench.file("ca.pem", host.caPem) },
      },
      agent: { command: ["bash", "-c", AGENT] },
    });

    const { code, stdout, stderr } = await bench.start(["--runtime", "runc"], {
      REAL_PASSWORD: pip,
      CLAUDE_BOTTLE_IMAGE: tools.name,
    });

    assert.equal(code, 0, stderr);
    for (
      const line of [
        /^cargo: hello-1\.0\.0\.crate$/m,
        /^foreign: refused GET to cargo\.test: its credential is not the bottle's placeholder/m,
        /^go: go: added go\.test\/hello v1\.0\.0$/m,
        /^pip: hello-1\.0\.0-py3-none-any\.whl$/m,
        /^held: \S{36} \S{36} \S{36}$/m,
      ]
    ) assert.match(stdout, line, stdout + stderr);
    const requests = await host.requests();
    const told = (name: string): unknown =>
      new Set(
        requests.filter(({ headers }) => headers["host"] === name).map(({ headers }) =>
          headers["authorization"]
        ),
      );
    assert.deepEqual(told("cargo.test"), new Set([await credentialFingerprint(cargo)]));
    assert.deepEqual(told("go.test"), new Set([await credentialFingerprint(`Basic ${btoa(`me:${go}`)}`)]));
    assert.deepEqual(told("pip.test"), new Set([await credentialFingerprint(`Basic ${btoa(`me:${pip}`)}`)]));
    for (const secret of [cargo, go, pip]) assert.ok(!`${stdout}${stderr}`.includes(secret));
    assert.match(stderr, /refused GET \/cargo\/config\.json of cargo\.test: a credential that is not/);
    assert.deepEqual(await bench.leftovers(), []);
  },
});
