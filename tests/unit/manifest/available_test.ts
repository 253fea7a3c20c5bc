import assert from "node:assert/strict";
import { Failure } from "../../../lib/errors.ts";
import { refuseUnavailable } from "../../../lib/manifest/available.ts";
import { parseManifest } from "../../../lib/manifest/load.ts";

const YAML = `bottles:
  base: {}
  good:
    env: { A: x, B: "\${B}", C: "?" }
    ssh:
      - { Host: h, IdentityFile: k, KnownHostKey: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReFVvD5obVsALAgJRNarH4TRpNePnAS }
      - { Host: i, IdentityFile: l, unpinned: true, sign: true }
    egress: { proxy: squid, allowlist: [{ host: x.lan, http: true }], private: [x.lan], networks: [n] }
    resources: { cpus: 1, memory: 1g, pids: 100, disk: 1g }
    image: { ca: ~/ca.pem }
    runtime: runsc
  all:
    extends: parent
    env:
      A: { secret: { command: [a] } }
      B: { secret: { file: b } }
    ssh:
      - { Host: h, IdentityFile: k }
      - { Host: i, IdentityFile: k, Port: 2222, unpinned: true, sign: true }
    git: { identity: host }
    egress:
      proxy: squid
      allowlist:
        - { host: a.de, http: true }
        - host: b.de
          allow: [GET /]
          inject: { env: C, secret: "?", as: bearer }
    resources: { disk: 1g }
    image: { dockerfile: d, packages: [git] }
  parent:
    image: { base: b }
agents:
  good: { bottle: good }
  bare: { bottle: base }
  all: { bottle: all, skills: [s] }
`;

async function refusal(agent: string): Promise<readonly string[]> {
  const manifest = await parseManifest([{ path: "m", bytes: new TextEncoder().encode(YAML) }]);
  try {
    refuseUnavailable(manifest, agent);
    return [];
  } catch (error) {
    assert.ok(error instanceof Failure);
    assert.equal(error.exit, 2);
    if (error.code !== "not-available-yet") return [error.code, ...error.hints];
    return error.problems.map(({ message, where }) => `${where?.line}:${where?.column}: ${message}`);
  }
}

Deno.test("refuseUnavailable() lets an agent start that asks for what is there", async () => {
  assert.deepEqual(await refusal("good"), []);
  assert.deepEqual(await refusal("bare"), []);
});

Deno.test("refuseUnavailable() names every single thing that is not there yet", async () => {
  assert.deepEqual(await refusal("all"), [
    "31:20: bottles.all.image.base: another base image is not available yet",
    "29:26: bottles.all.image.dockerfile: a Dockerfile is not available yet",
    "29:29: bottles.all.image.packages: installing packages is not available yet",
  ]);
});

Deno.test("refuseUnavailable() knows the agents there are", async () => {
  assert.deepEqual(await refusal("god"), [
    "agent-unknown",
    "Did you mean `good`?",
    "The agents are good, bare, all",
  ]);
});
