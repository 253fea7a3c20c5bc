import assert from "node:assert/strict";
import type { InspectedContainer } from "../../../lib/backend/docker/inspected.ts";
import { LABEL } from "../../../lib/backend/docker/labels.ts";
import { isMadeByLaunch } from "../../../lib/backend/docker/ours.ts";

const RUN = "abcdefghijklm";

function isOurs(role: string, HostConfig: InspectedContainer["HostConfig"], run = RUN): boolean {
  return isMadeByLaunch({ Config: { Labels: { [LABEL.role]: role, [LABEL.run]: run } }, HostConfig });
}

function mounted(run: string): InspectedContainer["HostConfig"] {
  return { Mounts: [{ VolumeOptions: { Labels: { [LABEL.run]: run } } }] };
}

Deno.test("isMadeByLaunch() knows each container of a launch by either of its marks", () => {
  const tmpfs = { "/run/env": "uid=47291,gid=47291,mode=0700,size=4m,noexec,nosuid,nodev" };
  assert.ok(isOurs("agent", { Tmpfs: tmpfs }));
  assert.ok(isOurs("agent", { ExtraHosts: ["sidecar:10.213.0.2"] }));
  assert.ok(isOurs("sidecar", { CapDrop: ["ALL"] }));
  assert.ok(isOurs("sidecar", { CapDrop: ["CAP_CHOWN", "CAP_KILL"] }));
  assert.ok(isOurs("sidecar", mounted(RUN)));
  assert.ok(isOurs("demo", { CapDrop: ["ALL"] }));
  assert.ok(isOurs("demo", { NetworkMode: `claude-bottle-demo-${RUN}` }));
});

Deno.test("isMadeByLaunch() does not know what merely inherited the labels, however it is confined", () => {
  assert.equal(isMadeByLaunch({ Config: { Labels: { [LABEL.run]: RUN } } }), false);
  for (const role of ["agent", "sidecar", "demo", ""]) {
    assert.equal(isOurs(role, {}), false, role);
    assert.equal(isOurs(role, { CapDrop: null, ExtraHosts: null, Mounts: null, Tmpfs: null }), false, role);
  }
  assert.equal(isOurs("agent", { CapDrop: ["ALL"], Tmpfs: { "/run/env": "size=1m" } }), false);
  assert.equal(isOurs("agent", { ExtraHosts: ["sidecars:10.0.0.1"] }), false);
  assert.equal(isOurs("sidecar", mounted("nopqrstuvwxyz")), false);
  assert.equal(isOurs("sidecar", { Mounts: [{ VolumeOptions: null }, {}] }, ""), false);
  assert.equal(isOurs("demo", { NetworkMode: "bridge" }), false);
  assert.equal(isOurs("demo", { NetworkMode: "a-" }, ""), false);
});
