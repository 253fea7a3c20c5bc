import assert from "node:assert/strict";
import type { ActiveBottle } from "../../../lib/bottle/active.ts";
import { bottleAccount } from "../../../lib/backend/docker/account.ts";
import type { InspectedContainer } from "../../../lib/backend/docker/inspected.ts";

const BOTTLE: ActiveBottle = {
  name: "claude-bottle-a\u001b",
  id: "a".repeat(64),
  sidecar: "c".repeat(64),
  run: "aaaaaaaaaaaaa",
  agent: "a",
  bottle: "dev",
  manifestFiles: [],
  status: "running",
  since: undefined,
  runtime: "runc",
  proxy: "squid",
  owner: "detached",
};

interface Changes {
  readonly tmpfs?: Readonly<Record<string, string>> | null;
  readonly workingDir?: string;
  readonly mounts?: InspectedContainer["Mounts"];
  readonly networks?: InspectedContainer["NetworkSettings"]["Networks"];
}

function container(id: string, changes: Changes): InspectedContainer {
  return {
    Id: id,
    Image: "sha256:1",
    State: { Running: true },
    Config: { WorkingDir: changes.workingDir ?? "/home/node" },
    HostConfig: {
      Tmpfs: changes.tmpfs === undefined
        ? { "/run/env": "uid=47291,gid=47292,mode=0700,size=4m,noexec,nosuid,nodev" }
        : changes.tmpfs,
    },
    Mounts: changes.mounts ?? [],
    NetworkSettings: {
      Networks: changes.networks ?? { internal: { NetworkID: "1", IPAddress: "10.213.0.3" } },
    },
  };
}

const SIDECAR_NETWORKS = {
  egress: { NetworkID: "2", IPAddress: "172.30.0.2" },
  internal: { NetworkID: "1", IPAddress: "10.213.0.2" },
};

function account(agent: Changes = {}, sidecar: Changes = {}): ReturnType<typeof bottleAccount> {
  return bottleAccount(BOTTLE, {
    agent: container(BOTTLE.id, agent),
    sidecar: container("c".repeat(64), { networks: SIDECAR_NETWORKS, ...sidecar }),
  });
}

Deno.test("bottleAccount() reads user, home and the sidecar's address on the common network", () => {
  assert.deepEqual(account(), {
    user: { uid: 47291, gid: 47292 },
    home: "/home/node",
    workdir: "/home/node",
    sidecarAddress: "10.213.0.2",
    hasSsh: false,
  });
});

Deno.test("bottleAccount() knows a bottle with an ssh-agent by its tmpfs", () => {
  const env = { "/run/env": "uid=47291,gid=47292,mode=0700,size=4m,noexec,nosuid,nodev" };
  assert.equal(account({ tmpfs: { ...env, "/run/claude-bottle": "" } }).hasSsh, true);
  assert.equal(account({ tmpfs: { ...env, "/run/other": "" } }).hasSsh, false);
});

Deno.test("bottleAccount() starts in the workspace only where a volume is mounted", () => {
  const at = (Type: string, Destination: string): string =>
    account({ mounts: [{ Type, Destination }] }).workdir;
  assert.equal(at("volume", "/home/node/workspace"), "/home/node/workspace");
  assert.equal(at("bind", "/home/node/workspace"), "/home/node");
  assert.equal(at("volume", "/workspace"), "/home/node");
});

Deno.test("bottleAccount() believes nothing that a launch would not have made", () => {
  const user = "no private /run/env of an agent's user";
  const network = "its agent is not alone with its sidecar on one network";
  const one = { NetworkID: "1", IPAddress: "10.213.0.3" };
  const rows: readonly { readonly agent?: Changes; readonly sidecar?: Changes; readonly what: string }[] = [
    { agent: { tmpfs: null }, what: user },
    { agent: { tmpfs: { "/run/other": "uid=1,gid=1," } }, what: user },
    { agent: { tmpfs: { "/run/env": "uid=0,gid=47291,mode=0700" } }, what: user },
    { agent: { tmpfs: { "/run/env": "uid=47291,gid=0,mode=0700" } }, what: user },
    { agent: { tmpfs: { "/run/env": "uid=4294967295,gid=1,mode=0700" } }, what: user },
    { agent: { tmpfs: { "/run/env": "uid=1 --privileged,gid=1,mode=0700" } }, what: user },
    { agent: { workingDir: "" }, what: "no home of an agent" },
    { agent: { workingDir: "--x" }, what: "no home of an agent" },
    { agent: { workingDir: "/home/../root" }, what: "no home of an agent" },
    { agent: { workingDir: `/${"x".repeat(255)}` }, what: "no home of an agent" },
    { agent: { networks: {} }, what: network },
    { agent: { networks: { internal: one, bridge: { NetworkID: "9" } } }, what: network },
    { agent: { networks: { internal: { NetworkID: "9" } } }, what: network },
    { sidecar: { networks: { internal: { NetworkID: "1", IPAddress: "" } } }, what: network },
    { sidecar: { networks: { internal: { NetworkID: "1", IPAddress: "10.0.0.256" } } }, what: network },
    { sidecar: { networks: { internal: { NetworkID: "1", IPAddress: "-1.0.0.1" } } }, what: network },
  ];
  for (const { agent, sidecar, what } of rows) {
    assert.throws(() => account(agent, sidecar), {
      code: "bottle-unreadable",
      message: `claude-bottle-a· is not as a launch makes it: ${what}`,
      exit: 125,
    });
  }
});
