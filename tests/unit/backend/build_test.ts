import assert from "node:assert/strict";
import { DockerBottleBackend } from "../../../lib/backend/docker/backend.ts";
import { imageRecipes } from "../../../lib/backend/docker/images.ts";
import type { BuiltImage } from "../../../lib/bottle/backend.ts";
import { VERSION } from "../../../lib/version.ts";
import { environmentOf, type FakeHost, fakeHost } from "../../support/fake_host.ts";

const RECIPES = await imageRecipes(environmentOf({}));

/** An engine that has the images named, and builds others in 2 s each. */
function machine(...there: readonly string[]): FakeHost {
  const host = fakeHost();
  const images = new Set(there);
  host.processes
    .on(/^docker image inspect (?!--format)/, (call) => {
      const name = call.args.at(-1) ?? "";
      const missing = { code: 1, stderr: `Error response from daemon: No such image: ${name}\n` };
      return images.has(name) ? { stdout: JSON.stringify([{ Id: `sha256:of-${name}` }]) } : missing;
    })
    .on(/^docker image inspect --format /, (call) => ({ stdout: `${builtId(call.args.at(-1) ?? "")}\n` }))
    .on(/^docker image pull /, {})
    .on(/^docker image build /, async () => {
      await host.sleep(2000);
      return {};
    });
  return host;
}

function build(host: FakeHost, force = false): Promise<readonly BuiltImage[]> {
  const onEvent = (): void => {};
  return new DockerBottleBackend({ host, context: undefined, onEvent })
    .build({ signal: host.interrupts.signal, onEvent, ca: "PEM", force });
}

/** The calls that change something. */
function changes({ processes }: FakeHost): readonly string[] {
  return processes.lines.filter((line) => !line.startsWith("docker image inspect"));
}

/** The id that a built image has: of 64 hex digits, those of its tag first. */
function builtId(name: string): string {
  return `sha256:${(name.split(":")[1] ?? "").padEnd(64, "0")}`;
}

Deno.test("build() builds nothing that is there", async () => {
  const host = machine(RECIPES.agent.name, RECIPES.sidecar.name);
  assert.deepEqual(await build(host), [
    {
      role: "agent",
      name: RECIPES.agent.name,
      id: `sha256:of-${RECIPES.agent.name}`,
      built: false,
      seconds: 0,
    },
    {
      role: "sidecar",
      name: RECIPES.sidecar.name,
      id: `sha256:of-${RECIPES.sidecar.name}`,
      built: false,
      seconds: 0,
    },
  ]);
  assert.deepEqual(changes(host), []);
});

Deno.test("build() builds what is missing on a base that is there, and says how long that took", async () => {
  const host = machine(RECIPES.agent.name, "debian:trixie-slim");
  const [, sidecar] = await build(host);
  const { name } = RECIPES.sidecar;
  assert.deepEqual(sidecar, { role: "sidecar", name, id: builtId(name), built: true, seconds: 2 });
  assert.deepEqual(changes(host), [
    `docker image build --force-rm --build-arg BASE=debian:trixie-slim --label claude-bottle.version=${VERSION} --tag ${name} -`,
  ]);
  const context = host.processes.calls.find(({ line }) => line.includes("image build"))?.input;
  const text = new TextDecoder().decode(context);
  assert.ok(text.startsWith("Dockerfile\0"));
  assert.ok(text.includes("ca.pem\0") && text.includes("PEM"));
});

Deno.test("build() pulls a missing base first, and with force builds afresh what is there", async () => {
  const host = machine(RECIPES.agent.name, RECIPES.sidecar.name);
  assert.deepEqual((await build(host, true)).map(({ built }) => built), [true, true]);
  const [pull, ...builds] = changes(host);
  assert.equal(pull, "docker image pull debian:trixie-slim");
  assert.equal(builds.length, 2);
  for (const line of builds) assert.match(line, /^docker image build --force-rm --no-cache /);
});

Deno.test("build() fails in words when the base cannot be had, and builds nothing", async () => {
  const host = machine();
  const stderr =
    'Error response from daemon: Get "https://registry-1.docker.io/v2/": dial tcp: lookup registry-1.docker.io: no such host\n';
  host.processes.on(/^docker image pull /, { code: 1, stderr });
  await assert.rejects(build(host), { code: "registry-unreachable", exit: 125 });
  assert.equal(changes(host).length, 1);
});
