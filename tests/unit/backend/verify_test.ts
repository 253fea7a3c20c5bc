import assert from "node:assert/strict";
import { DockerBottleBackend } from "../../../lib/backend/docker/backend.ts";
import { composePlan, type DockerBottlePlan, type PlanInputs } from "../../../lib/backend/docker/plan.ts";
import type { InspectedObject } from "../../../lib/backend/docker/inspected.ts";
import { verifyBottle } from "../../../lib/backend/docker/verify.ts";
import { Failure } from "../../../lib/errors.ts";
import { fakeHost } from "../../support/fake_host.ts";
import { testInputs, testSpec, testSshKey } from "../../support/plan_inputs.ts";
import { accountOf, MemoryEngine } from "./memory_engine.ts";

type Json = { [key: string]: Json } & { [index: number]: Json };

interface Bottle {
  readonly plan: DockerBottlePlan;
  readonly ids: ReadonlyMap<string, string>;
  /** The engine's account, by role; fresh, to be changed by a test. */
  readonly account: Readonly<Record<"agent" | "sidecar" | "internal" | "egress", Json>>;
}

const ROLES = ["agent", "sidecar", "internal", "egress"] as const;

/** A bottle as an engine made it that does all it is asked. */
async function made(more: Partial<PlanInputs> = {}): Promise<Bottle> {
  const engine = new MemoryEngine();
  const host = fakeHost({ processes: engine.processes });
  const plan = composePlan(testInputs({
    spec: testSpec({ networks: ["intra"] }),
    joined: new Map([["intra", "joined-network-id"]]),
    ...more,
  }));
  const onEvent = (): void => {};
  await new DockerBottleBackend({ host, context: undefined, onEvent }).launch(plan, {
    signal: host.interrupts.signal,
    onEvent,
    env: new Map(),
  });
  const account = (role: string): Json => JSON.parse(JSON.stringify(accountOf(engine.made(role))));
  return {
    plan,
    ids: new Map([
      ["agent-image", "sha256:a11"],
      ["sidecar-image", "sha256:b22"],
      ...ROLES.map((role) => [role, engine.made(role).id] as const),
    ]),
    account: {
      agent: account("agent"),
      sidecar: account("sidecar"),
      internal: account("internal"),
      egress: account("egress"),
    },
  };
}

function verify({ plan, ids, account }: Bottle): void {
  verifyBottle(plan, Object.values(account) as unknown as InspectedObject[], ids);
}

function problems(bottle: Bottle): readonly string[] {
  try {
    verify(bottle);
  } catch (error) {
    assert.ok(error instanceof Failure, String(error));
    assert.equal(error.code, "protection-missing");
    assert.equal(error.exit, 125);
    assert.equal(error.message, "The engine did not do all that was asked, so the agent was not run");
    return error.problems.map(({ message }) => message);
  }
  return [];
}

Deno.test("verifyBottle() passes what an engine made that does all it is asked", async () => {
  verify(await made());
});

Deno.test("verifyBottle() takes the spellings of other engines for the same protection", async () => {
  const bottle = await made();
  for (const { HostConfig } of [bottle.account.agent, bottle.account.sidecar]) {
    Object.assign(HostConfig ?? {}, {
      CapDrop: ["CAP_ALL"],
      SecurityOpt: ["no-new-privileges:true"],
      CapAdd: [],
      Binds: [],
      Devices: null,
      PortBindings: null,
    });
  }
  bottle.account.agent["Mounts"] = [{ Type: "tmpfs", Destination: "/run/env" }] as unknown as Json;
  verify(bottle);
});

Deno.test("verifyBottle() takes a container without a health check for one, and none that is run", async () => {
  const bottle = await made();
  const config = bottle.account.agent["Config"] as unknown as Record<string, unknown>;
  for (const check of [null, {}, { Test: null }, { Test: [] }, { Test: ["NONE"] }]) {
    config["Healthcheck"] = check;
    verify(bottle);
  }
  config["Healthcheck"] = { Test: ["CMD-SHELL", "secret"] };
  assert.deepEqual(problems(bottle), ["agent health check: asked none, found CMD-SHELL"]);
});

type Role = keyof Bottle["account"];

/** One deviation each: what is changed, and how it is reported. */
const DEVIATIONS: readonly {
  readonly role: Role;
  /** Keys down to what is changed. */
  readonly path: readonly string[];
  readonly value: unknown;
  readonly problem: string;
}[] = [
  ...(["agent", "sidecar"] as const).flatMap((role) => {
    const host = (key: string, value: unknown, problem: string) => ({
      role,
      path: ["HostConfig", key],
      value,
      problem: `${role} ${problem}`,
    });
    return [
      host("CapDrop", null, "dropped capabilities: asked ALL, found none"),
      host("CapDrop", ["NET_RAW"], "dropped capabilities: asked ALL, found NET_RAW"),
      host("CapAdd", ["NET_ADMIN"], "added capabilities: asked none, found NET_ADMIN"),
      host("SecurityOpt", null, "security options: asked no-new-privileges, found none"),
      host(
        "SecurityOpt",
        ["no-new-privileges=false"],
        "security options: asked no-new-privileges, found no-new-privileges=false",
      ),
      host(
        "SecurityOpt",
        ["no-new-privileges", "seccomp=unconfined"],
        "security options: asked no-new-privileges, found no-new-privileges seccomp=unconfined",
      ),
      host("Privileged", true, "privileged: asked false, found true"),
      host("Binds", ["/:/host"], "binds: asked none, found /:/host"),
      host("Devices", [{}], "devices: asked 0, found 1"),
      host("PortBindings", { "80/tcp": [] }, "published ports: asked none, found 80/tcp"),
      host("PidMode", "host", "pid namespace: asked none, found host"),
      host("IpcMode", "shareable", "ipc: asked private, found shareable"),
      host("VolumesFrom", ["other"], "volumes of others: asked none, found other"),
      host("DeviceRequests", [{}], "devices: asked 0, found 1"),
      host("DeviceCgroupRules", ["b *:* rwm"], "device rules: asked none, found b *:* rwm"),
      host("PublishAllPorts", true, "publishes all ports: asked false, found true"),
      host("GroupAdd", ["docker"], "added groups: asked none, found docker"),
      host("UTSMode", "host", "host name namespace: asked none, found host"),
      host("UsernsMode", "host", "user namespace: asked none, found host"),
      host("CgroupParent", "/", "control group: asked none, found /"),
      host("Sysctls", { "kernel.x": "1" }, "kernel settings: asked none, found kernel.x"),
      host("OomKillDisable", true, "spared when memory runs out: asked false, found true"),
      host("CpuShares", 4096, `cpu shares: asked ${role === "agent" ? 512 : 2048}, found 4096`),
      host("RestartPolicy", { Name: "always" }, "restart policy: asked no, found always"),
      host("Ulimits", null, "limits: asked core=0:0 nofile=16384:16384, found none"),
      host(
        "LogConfig",
        { Type: "json-file", Config: {} },
        "log: asked local 2 of 10m, found json-file any number of any size",
      ),
      host(
        "LogConfig",
        { Type: "local", Config: { "max-size": "10m" } },
        "log: asked local 2 of 10m, found local any number of 10m",
      ),
      host("PidsLimit", null, `pids: asked ${role === "agent" ? 2048 : 64}, found 0`),
      host("Memory", 0, `memory: asked ${role === "agent" ? 4294967296 : 268435456}, found 0`),
      host("MemorySwap", -1, `memory and swap: asked ${role === "agent" ? 4294967296 : 268435456}, found -1`),
      {
        role,
        path: ["Image"],
        value: "sha256:other",
        problem: `${role} image: asked sha256:${role === "agent" ? "a11" : "b22"}, found sha256:other`,
      },
    ];
  }),
  { role: "agent", path: ["Config", "User"], value: "", problem: "agent user: asked 0:0, found none" },
  {
    role: "agent",
    path: ["HostConfig", "Runtime"],
    value: "runsc",
    problem: "agent runtime: asked runc, found runsc",
  },
  { role: "agent", path: ["HostConfig", "Dns"], value: [], problem: "agent dns: asked 0.0.0.0, found none" },
  {
    role: "agent",
    path: ["HostConfig", "DnsOptions"],
    value: ["timeout:1"],
    problem: "agent dns options: asked timeout:1 attempts:1, found timeout:1",
  },
  {
    role: "agent",
    path: ["HostConfig", "ExtraHosts"],
    value: ["sidecar:10.213.0.2", "api.anthropic.com:203.0.113.1"],
    problem: "agent hosts: asked sidecar:10.213.0.2, found sidecar:10.213.0.2 api.anthropic.com:203.0.113.1",
  },
  {
    role: "agent",
    path: ["HostConfig", "Init"],
    value: null,
    problem: "agent init: asked true, found false",
  },
  {
    role: "agent",
    path: ["HostConfig", "Tmpfs"],
    value: null,
    problem:
      "agent tmpfs: asked /run/env:uid=47291,gid=47291,mode=0700,size=4m,noexec,nosuid,nodev, found none",
  },
  {
    role: "agent",
    path: ["HostConfig", "Tmpfs"],
    value: { "/run/env": "mode=0777" },
    problem:
      "agent tmpfs: asked /run/env:uid=47291,gid=47291,mode=0700,size=4m,noexec,nosuid,nodev, found /run/env:mode=0777",
  },
  {
    role: "agent",
    path: ["HostConfig", "NanoCpus"],
    value: 1e9,
    problem: "agent cpus: asked 0, found 1",
  },
  {
    role: "sidecar",
    path: ["HostConfig", "Runtime"],
    value: "crun",
    problem: "sidecar runtime: asked runc, found crun",
  },
  {
    role: "agent",
    path: ["Mounts"],
    value: [{ Type: "volume", Destination: "/data" }],
    problem: "agent mounts: asked none, found volume /data",
  },
  {
    role: "sidecar",
    path: ["Config", "User"],
    value: "0:0",
    problem: "sidecar user: asked 13:14, found 0:0",
  },
  {
    role: "sidecar",
    path: ["HostConfig", "ReadonlyRootfs"],
    value: false,
    problem: "sidecar read-only root: asked true, found false",
  },
  {
    role: "sidecar",
    path: ["Mounts"],
    value: [{ Type: "bind", Destination: "/config" }],
    problem: "sidecar mounts: asked volume /config, found bind /config",
  },
  {
    role: "internal",
    path: ["Internal"],
    value: false,
    problem: "internal network is internal: asked true, found false",
  },
  {
    role: "internal",
    path: ["Options"],
    value: null,
    problem: "internal network without a host address: asked true, found none",
  },
  {
    role: "internal",
    path: ["IPAM", "Config"],
    value: [{ Subnet: "172.18.0.0/16" }],
    problem: "internal network subnet: asked 10.213.0.0/28, found 172.18.0.0/16",
  },
  {
    role: "internal",
    path: ["EnableIPv6"],
    value: true,
    problem: "internal network IPv6: asked false, found true",
  },
  { role: "egress", path: ["Options"], value: {}, problem: "egress network talk: asked false, found none" },
  {
    role: "egress",
    path: ["IPAM", "Config"],
    value: null,
    problem: "egress network subnet: asked 10.213.0.16/28, found none",
  },
  {
    role: "egress",
    path: ["EnableIPv6"],
    value: true,
    problem: "egress network IPv6: asked false, found true",
  },
];

function change(account: Json, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path;
  assert.ok(key !== undefined && key in account, `the account has ${path.join(".")}`);
  const inner = account[key];
  if (rest.length === 0 || inner === undefined) account[key] = value as Json;
  else change(inner, rest, value);
}

for (const { role, path, value, problem } of DEVIATIONS) {
  Deno.test(`verifyBottle() reports ${problem}`, async () => {
    const bottle = await made();
    change(bottle.account[role], path, value);
    assert.deepEqual(problems(bottle), [problem]);
  });
}

Deno.test("verifyBottle() wants a bridge without its host of the engines that have such, and of no other", async () => {
  const option = "com.docker.network.bridge.gateway_mode_ipv4";
  const { engine } = testInputs();
  const bottle = await made({ engine: { ...engine, major: 28 } });
  verify(bottle);
  const options = bottle.account.internal["Options"] as unknown as Record<string, string>;
  for (const found of ["nat", undefined]) {
    if (found === undefined) delete options[option];
    else options[option] = found;
    assert.deepEqual(problems(bottle), [
      `internal network gateway: asked isolated, found ${found ?? "none"}`,
    ]);
  }
  const older = await made({ engine: { ...engine, major: 27 } });
  assert.equal(option in (older.account.internal["Options"] ?? {}), false);
  verify(older);
});

Deno.test("verifyBottle() takes an engine that weighs no processors, which is no protection", async () => {
  const bottle = await made();
  for (const role of ["agent", "sidecar"] as const) {
    change(bottle.account[role], ["HostConfig", "CpuShares"], 0);
  }
  verify(bottle);
});

Deno.test("verifyBottle() does not ask for bounded swap of an engine that said it has none, but for all else", async () => {
  const bottle = await made();
  const { inputs } = bottle.plan;
  const unbounded = { ...bottle.plan, inputs: { ...inputs, engine: { ...inputs.engine, swapLimit: false } } };
  for (const role of ["agent", "sidecar"] as const) {
    const host = bottle.account[role]["HostConfig"] as Record<string, unknown>;
    host["MemorySwap"] = -1;
  }
  assert.deepEqual(problems(bottle), [
    "agent memory and swap: asked 4294967296, found -1",
    "sidecar memory and swap: asked 268435456, found -1",
  ]);
  assert.deepEqual(problems({ ...bottle, plan: unbounded }), []);
  (bottle.account.agent["HostConfig"] as Record<string, unknown>)["Memory"] = 0;
  assert.deepEqual(problems({ ...bottle, plan: unbounded }), ["agent memory: asked 4294967296, found 0"]);
});

Deno.test("verifyBottle() reports a variable that the client filled in, and not its value", async () => {
  for (const role of ["agent", "sidecar"] as const) {
    for (const name of ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "no_proxy"]) {
      const bottle = await made();
      const env = (bottle.account[role]["Config"]?.["Env"] ?? []) as unknown as string[];
      const index = env.findIndex((entry) => entry.startsWith(`${name}=`));
      env[index] = `${name}=http://user:company-password@proxy`;
      const [problem, ...more] = problems(bottle);
      assert.match(problem ?? "", new RegExp(`^${role} ${name}: asked ".*", found another value$`));
      assert.deepEqual(more, []);
    }
  }
});

Deno.test("verifyBottle() reports a network that is missing, one too many, and another address", async () => {
  const networks = (bottle: Bottle, role: Role): Json => {
    const found = bottle.account[role]["NetworkSettings"]?.["Networks"];
    assert.ok(found !== undefined);
    return found;
  };
  const extra = await made();
  networks(extra, "agent")["bridge"] = {
    NetworkID: "b".repeat(64),
    IPAddress: "172.17.0.2",
  } as unknown as Json;
  assert.deepEqual(problems(extra), ["agent networks: asked 111111111111, found 111111111111 bbbbbbbbbbbb"]);
  const joined = await made();
  delete networks(joined, "sidecar")["network-2"];
  assert.equal(problems(joined).length, 1);
  assert.match(problems(joined)[0] ?? "", /^sidecar networks: asked .*joined-netwo, found /);
  for (const role of ["agent", "sidecar"] as const) {
    const moved = await made();
    for (const network of Object.values(networks(moved, role))) {
      if (network["NetworkID"] as unknown === `${"1".repeat(60)}0001`) {
        network["IPAddress"] = "10.213.0.9" as unknown as Json;
      }
    }
    const address = role === "agent" ? "10.213.0.3" : "10.213.0.2";
    assert.deepEqual(problems(moved), [`${role} address: asked ${address}, found 10.213.0.9`]);
  }
});

Deno.test("verifyBottle() reports a workspace that is missing, elsewhere, or another volume", async () => {
  const workspace = { directory: "/p", entries: [], files: 0, bytes: 0, notices: [] };
  const spec = testSpec({ workspace: { directory: "/p", exclude: [] }, workdir: "/home/node/workspace" });
  const bottle = await made({ spec, workspace, joined: new Map() });
  const Name = bottle.plan.workspace?.volume;
  verify(bottle);
  const mounts = [
    [],
    [{ Type: "volume", Destination: "/elsewhere", Name }],
    [{ Type: "bind", Destination: "/home/node/workspace" }],
    [{ Type: "volume", Destination: "/home/node/workspace", Name: "another" }],
  ];
  for (const value of mounts) {
    change(bottle.account.agent, ["Mounts"], value);
    assert.match(problems(bottle)[0] ?? "", /^agent (mounts|workspace): asked /);
  }
});

Deno.test("verifyBottle() reports everything that differs, not only the first", async () => {
  const bottle = await made();
  change(bottle.account.agent, ["HostConfig", "Privileged"], true);
  change(bottle.account.egress, ["EnableIPv6"], true);
  assert.deepEqual(problems(bottle), [
    "agent privileged: asked false, found true",
    "egress network IPv6: asked false, found true",
  ]);
});

Deno.test("verifyBottle() says first of all that the sidecar has ended", async () => {
  const bottle = await made();
  change(bottle.account.sidecar, ["State", "Running"], false);
  change(bottle.account.agent, ["HostConfig", "Privileged"], true);
  assert.throws(() => verify(bottle), { code: "sidecar-ended", exit: 125 });
});

Deno.test("verifyBottle() says that the agent's container has ended, and does not blame the engine for it", async () => {
  const bottle = await made();
  change(bottle.account.agent, ["State", "Running"], false);
  assert.throws(() => verify(bottle), { code: "agent-ended", exit: 125 });
});

Deno.test("verifyBottle() fails when any part is not in the engine's answer", async () => {
  for (const role of ROLES) {
    const bottle = await made();
    const account = { ...bottle.account, [role]: { Id: "other" } as unknown as Json };
    assert.throws(() => verify({ ...bottle, account }), { code: "object-gone", exit: 125 });
  }
});

Deno.test("verifyBottle() wants the tmpfs of a bottle's ssh-agent, and no variable that steers root's programs", async () => {
  const key = testSshKey();
  const ssh = { spec: testSpec({ networks: ["intra"], ssh: key.entries }), sshKeys: [key] };
  const whole = await made(ssh);
  verify(whole);
  const asked = "asked /run/claude-bottle:uid=0,gid=0,mode=0755,size=1m,noexec,nosuid,nodev " +
    "/run/env:uid=47291,gid=47291,mode=0700,size=4m,noexec,nosuid,nodev";

  const without = await made(ssh);
  const mounts: Record<string, unknown> = without.account.agent["HostConfig"]?.["Tmpfs"] ?? {};
  delete mounts["/run/claude-bottle"];
  assert.deepEqual(problems(without), [
    `agent tmpfs: ${asked}, found /run/env:uid=47291,gid=47291,mode=0700,size=4m,noexec,nosuid,nodev`,
  ]);

  const steered = ["LD_PRELOAD=/home/node/x.so", "PYTHON_VERSION=3.13", "PERL5LIB=/tmp", "ENV="];
  for (const bottle of [await made(ssh), await made()]) {
    (bottle.account.agent["Config"]?.["Env"] as unknown as string[]).push(...steered);
    const isSsh = bottle.plan.inputs.sshKeys.length > 0;
    assert.deepEqual(
      problems(bottle),
      isSsh ? ["agent image's variables that steer programs: asked none, found LD_PRELOAD PERL5LIB ENV"] : [],
    );
  }
});
