import assert from "node:assert/strict";
import { credentialFingerprint } from "../../scripts/scripted_api.ts";
import { expansionOf } from "../../lib/manifest/ready_made/services.ts";
import { builtImages, engineRuntimes, Workbench } from "../support/engine.ts";
import { startTlsHost } from "../support/tls_host.ts";
import registryService from "../testdata/engine/registry_service.mjs" with { type: "text" };

const ignore = !(await engineRuntimes()).includes("runc");

const REGISTRY = "registry.example.com";
/** The same registry, whose TLS is left alone. */
const OPEN = "open.example.com";

const AGENT = `
mkdir /tmp/app && cd /tmp/app && echo '{ "name": "mine", "version": "1.0.0" }' > package.json
export npm_config_update_notifier=false npm_config_fund=false
echo '//${REGISTRY}/:_authToken=\${NPM_TOKEN}' > .npmrc
npm install --registry https://${REGISTRY}/ left @acme/right
node -p 'require("left") + ", " + require("@acme/right")' | sed 's/^/installed: /'
npm publish --registry https://${REGISTRY}/ 2>&1 | grep E403 | sed 's/^/inspected: /'
curl -sS -X PUT -H "Authorization: Bearer $NPM_TOKEN" --data '{}' https://${REGISTRY}/mine
echo '//${OPEN}/:_authToken=its-own' > .npmrc
npm publish --registry https://${OPEN}/ 2>&1 | grep -x '+ mine@1.0.0' | sed 's/^/untouched: /'
`;

Deno.test({
  name:
    "npm installs packages through an inspected registry with a token that it does not have, and publishes none",
  ignore,
  async fn(): Promise<void> {
    const { agent: image } = await builtImages();
    await using host = await startTlsHost({ image, names: [REGISTRY, OPEN], further: registryService });
    await using bench = await Workbench.create();
    const [{ allow, inject } = { allow: [] }] = expansionOf({ npm: { token: "${REAL_TOKEN}" } }).hosts;
    assert.ok(allow.length > 0 && inject !== undefined);
    const { env, as, secret } = inject;
    await bench.manifest({
      bottle: {
        egress: {
          defaults: false,
          allowlist: [{ host: REGISTRY, allow, inject: { env, as, secret } }, OPEN],
          private: [REGISTRY, OPEN],
          networks: [host.network],
        },
        image: { ca: await bench.file("ca.pem", host.caPem) },
      },
      agent: { command: ["bash", "-c", AGENT] },
    });
    const token = `npm_${crypto.randomUUID().replaceAll("-", "")}`;

    const { code, stdout, stderr } = await bench.start(["--runtime", "runc"], { REAL_TOKEN: token });

    assert.equal(code, 0, stderr);
    for (
      const line of [
        /^installed: it is left, it is @acme\/right$/m,
        /^inspected: npm (?:ERR!|error) code E403$/m,
        /^claude-bottle refused PUT \/mine to registry\.example\.com: it is not among .*`allow`/m,
        /^untouched: \+ mine@1\.0\.0$/m,
      ]
    ) assert.match(stdout, line, stdout + stderr);
    assert.match(stderr, /PUT \/mine of registry\.example\.com \(2 times\): not among the requests/);
    const requests = await host.requests();
    const asked = requests.filter(({ headers }) => headers["host"] === REGISTRY);
    const fingerprint = await credentialFingerprint(`Bearer ${token}`);
    assert.deepEqual(
      new Set(asked.map(({ headers }) => headers["authorization"])),
      new Set([fingerprint]),
    );
    const paths = asked.map(({ method, path }) => `${method} ${path}`);
    for (
      const path of ["/left", "/@acme%2fright", "/left/-/left-1.0.0.tgz", "/@acme/right/-/right-1.0.0.tgz"]
    ) {
      assert.ok(paths.includes(`GET ${path}`), paths.join("\n"));
    }
    // It reaches the one that is left alone.
    const published = requests.filter(({ method }) => method === "PUT").map(({ headers }) => headers["host"]);
    assert.deepEqual(published, [OPEN]);
    assert.ok(!(stdout + stderr).includes(token));
    assert.deepEqual(await bench.leftovers(), []);
  },
});
