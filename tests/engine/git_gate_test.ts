import assert from "node:assert/strict";
import { credentialFingerprint } from "../../scripts/scripted_api.ts";
import { expansionOf, type Use } from "../../lib/manifest/ready_made/services.ts";
import { builtImages, engineRuntimes, Workbench } from "../support/engine.ts";
import { startTlsHost } from "../support/tls_host.ts";

const ignore = !(await engineRuntimes()).includes("runc");

/** One repository is listed there, with a token that pushes to it. */
const LISTED = "git.example.com";
/** Every repository can be read there, and none pushed to; who asks has credentials of their own. */
const PUBLIC = "public.example.com";
/** The same server, whose TLS is left alone. */
const OPEN = "open.example.com";

/** Each line of its output says what came of one thing. */
const AGENT = `
export GIT_TERMINAL_PROMPT=0 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b.test GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b.test
say() { "\${@:2}" > /tmp/said 2>&1 && echo "$1: done" || { echo "$1: failed"; grep -a . /tmp/said | sed "s/^/$1 said: /"; }; }
cd /tmp
say clone git clone https://${LISTED}/git/app.git
say second git clone https://${LISTED}/git/app.git second
git -C app commit --quiet --allow-empty -m pushed
say push git -C app push
say fetch git -C second fetch
git -C second log -1 --format='fetched: %s' origin/HEAD
say other-clone git clone https://${LISTED}/git/other.git
say other-push git -C app push --force https://${LISTED}/git/other.git HEAD
say dots-push git -C app push --force https://${LISTED}/git/app.git/../other.git HEAD
say public-clone git clone https://me:own@${PUBLIC}/git/other.git public
git -C public commit --quiet --allow-empty -m public
say public-push git -C public push
say open-push git -C public push https://me:own@${OPEN}/git/other.git HEAD
`;

/** Its rules for github.com, and what it injects there. */
function rulesOf(use: Use): object {
  const [{ allow, inject } = { allow: [] }] = expansionOf(use).hosts;
  assert.ok(allow.length > 0);
  if (inject === undefined) return { allow };
  const { env, as, secret } = inject;
  return { allow, inject: { env, as, secret } };
}

Deno.test({
  name: "git clones, fetches and pushes where a repository is listed, and pushes nowhere else",
  ignore,
  async fn(): Promise<void> {
    const { agent: image } = await builtImages();
    const names = [LISTED, PUBLIC, OPEN];
    await using host = await startTlsHost({ image, names });
    await using bench = await Workbench.create();
    await bench.manifest({
      bottle: {
        egress: {
          defaults: false,
          allowlist: [
            {
              host: LISTED,
              ...rulesOf({ github: { repos: ["git/app"], push: true, token: "${REAL_TOKEN}" } }),
            },
            { host: PUBLIC, ...rulesOf({ github: { push: false } }) },
            OPEN,
          ],
          private: names,
          networks: [host.network],
        },
        image: { ca: await bench.file("ca.pem", host.caPem) },
      },
      agent: { command: ["bash", "-c", AGENT] },
    });
    const token = `ghp_${crypto.randomUUID().replaceAll("-", "")}`;

    const { code, stdout, stderr } = await bench.start(["--runtime", "runc"], { REAL_TOKEN: token });

    assert.equal(code, 0, stderr);
    const came = stdout.split("\n").filter((line) => /^[a-z-]+: /.test(line));
    assert.deepEqual(came, [
      "clone: done",
      "second: done",
      "push: done",
      "fetch: done",
      "fetched: pushed",
      "other-clone: failed",
      "other-push: failed",
      "dots-push: failed",
      "public-clone: done",
      "public-push: failed",
      "open-push: done",
    ], stdout + stderr);
    for (const what of ["other-clone", "other-push", "dots-push", "public-push"]) {
      assert.match(stdout, new RegExp(`^${what} said: .*403`, "m"), stdout);
    }
    const asked = (await host.requests()).map(({ method, path, headers }) => ({
      host: headers["host"],
      request: `${method} ${path}`,
      credential: headers["authorization"],
    }));
    const of = (name: string): typeof asked => asked.filter((one) => one.host === name);
    assert.ok(of(LISTED).every(({ request }) => / \/git\/app\.git\//.test(request)), JSON.stringify(asked));
    const basic = await credentialFingerprint(`Basic ${btoa(`x-access-token:${token}`)}`);
    assert.deepEqual(new Set(of(LISTED).map(({ credential }) => credential)), new Set([basic]));
    assert.deepEqual(of(PUBLIC).filter(({ request }) => request.includes("receive-pack")), []);
    // What was refused reaches the server where its TLS is left alone.
    assert.ok(of(OPEN).some(({ request }) => request === "POST /git/other.git/git-receive-pack"));
    assert.match(
      stderr,
      /GET \/git\/other\.git\/info\/refs\?service=git-receive-pack of git\.example\.com .*not among the requests/,
    );
    assert.ok(!(stdout + stderr).includes(token));
    assert.deepEqual(await bench.leftovers(), []);
  },
});
