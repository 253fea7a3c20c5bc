import assert from "node:assert/strict";
import { rangeText } from "../../../lib/backend/docker/addresses.ts";
import { DockerClient } from "../../../lib/backend/docker/client.ts";
import { imageRecipes } from "../../../lib/backend/docker/images.ts";
import type { DockerBottlePlan } from "../../../lib/backend/docker/plan.ts";
import { preparePlan } from "../../../lib/backend/docker/prepare.ts";
import type { BottleSpec } from "../../../lib/bottle/spec.ts";
import type { EnvSource } from "../../../lib/manifest/model.ts";
import { environmentOf, type FakeHost, fakeHost } from "../../support/fake_host.ts";
import { TEST_PROXY, testSpec } from "../../support/plan_inputs.ts";
import { programMissing } from "../../support/scripted_processes.ts";
import { LINUX } from "./memory_engine.ts";

const BASE_ENV = { PATH: "/usr/bin", HOME: "/home/somebody", GH_PAT: "host-secret-17" };
const RECIPES = await imageRecipes(environmentOf({}));

interface Machine {
  readonly env?: Readonly<Record<string, string>>;
  readonly runtimes?: readonly string[];
  /** Names of containers that exist. */
  readonly taken?: readonly string[];
  /** Subnets of the engine's networks. */
  readonly networks?: readonly string[];
  /** `docker image inspect` answers by name. */
  readonly images?: Readonly<Record<string, unknown>>;
}

function machine(
  { env = {}, runtimes = ["runc", "runsc"], taken = [], networks = [], images = {} }: Machine = {},
): FakeHost {
  const host = fakeHost({ env: { ...BASE_ENV, ...env } });
  const info = {
    ServerVersion: "20.10.24",
    Runtimes: Object.fromEntries(runtimes.map((name) => [name, {}])),
    MemTotal: 8_589_934_592,
    SwapLimit: true,
  };
  host.processes
    .on(/^sh /, { stdout: LINUX })
    .on(/^docker info /, { stdout: JSON.stringify(info) })
    .on(/^docker network ls /, { stdout: networks.map((_, index) => `"${index}"\n`).join("") })
    .on(/^docker network inspect \d/, {
      stdout: JSON.stringify(networks.map((Subnet) => ({ IPAM: { Config: [{ Subnet }] } }))),
    })
    .on(/^docker ps /, { stdout: taken.map((name) => `${JSON.stringify(name)}\n`).join("") })
    .on(/^docker image inspect /, (call) => {
      const name = call.args.at(-1) ?? "";
      return Object.hasOwn(images, name)
        ? { stdout: JSON.stringify([images[name]]) }
        : { code: 1, stdout: "[]\n", stderr: `Error response from daemon: No such image: ${name}\n` };
    });
  return host;
}

function prepare(host: FakeHost, changes: Partial<BottleSpec> = {}): Promise<DockerBottlePlan> {
  const client = new DockerClient({ ...host, context: undefined, onEvent: () => {} });
  return preparePlan(testSpec(changes), { host, client, onEvent: () => {}, signal: host.interrupts.signal });
}

const OURS = {
  Id: "sha256:1",
  Config: { User: "47291:47291", Labels: { "claude-bottle.agent-uid": "47291" } },
};

Deno.test("preparePlan() decides everything and asks the engine only what it is and has", async () => {
  const host = machine({ images: { [RECIPES.agent.name]: OURS, "debian:trixie-slim": { Id: "sha256:2" } } });
  const plan = await prepare(host);
  assert.equal(plan.containerName, "claude-bottle-code-reviewer");
  assert.equal(plan.runtime, "runsc");
  assert.equal(plan.image, RECIPES.agent.name);
  // The first 13 of the bytes 0, 1, 2, …; subnets and the token take the following ones.
  assert.equal(plan.runId, "abcdefghijklm");
  assert.equal(plan.inputs.envToken, "vwxyz234567ab");
  assert.deepEqual(plan.inputs.user, { uid: 47291, gid: 47291 });
  assert.equal(
    plan.inputs.run.owner,
    "435cdbd557a00db7/f0e1d2c3-0000-4000-8000-000000000001/pid:4026531836/1000/4242/987654",
  );
  assert.deepEqual(plan.inputs.taken, [{ first: 0xc0a80100, prefix: 24 }]);
  assert.deepEqual(plan.inputs.images.agent.id, "sha256:1");
  // Only the sidecar's image is missing, and its base is there.
  assert.deepEqual(plan.steps.map(({ id }) => id).slice(0, 3), [
    "sidecar-build",
    "sidecar-image",
    "internal-network",
  ]);
  assert.deepEqual([...host.processes.lines].filter((line) => line.startsWith("docker")).sort(), [
    `docker image inspect ${RECIPES.sidecar.name}`,
    `docker image inspect ${RECIPES.agent.name}`,
    "docker image inspect debian:trixie-slim",
    "docker info --format {{json .}}",
    "docker network ls --no-trunc --format {{json .ID}}",
    "docker ps --all --filter name=^/?claude-bottle-code-reviewer --format {{json .Names}}",
  ]);
});

Deno.test("preparePlan() plans to pull the base and build both images where nothing is there", async () => {
  const plan = await prepare(machine());
  assert.deepEqual(plan.steps.slice(0, 5).map(({ id, after }) => [id, after]), [
    ["base-image", []],
    ["agent-build", ["base-image"]],
    ["agent-image", ["agent-build"]],
    ["sidecar-build", ["base-image"]],
    ["sidecar-image", ["sidecar-build"]],
  ]);
  assert.deepEqual(plan.inputs.user, { uid: 47291, gid: 47291 });
});

Deno.test("preparePlan() takes pipelock's image as it is, or plans to pull it", async () => {
  const pipelock = { ...TEST_PROXY, name: "pipelock" } as const;
  const image = "ghcr.io/luckypipewrench/pipelock:2.3.0";
  const images = { [RECIPES.agent.name]: OURS, "debian:trixie-slim": { Id: "sha256:2" } };
  const there = await prepare(machine({ images: { ...images, [image]: { Id: "sha256:3" } } }), {
    proxy: pipelock,
  });
  assert.equal(there.inputs.images.sidecar.id, "sha256:3");
  assert.equal(there.steps[0]?.id, "internal-network");

  const missing = await prepare(machine({ images }), { proxy: pipelock });
  assert.deepEqual(
    missing.steps.slice(0, 2).map(({ id, after, invocation }) => [id, after, invocation.args]),
    [
      ["sidecar-pull", [], ["image", "pull", image]],
      ["sidecar-image", ["sidecar-pull"], ["image", "inspect", "--format", "{{.Id}}", image]],
    ],
  );
  assert.deepEqual(missing.steps.find(({ id }) => id === "sidecar-create")?.after, [
    "egress-network",
    "sidecar-image",
  ]);

  const named = machine({ images, env: { CLAUDE_BOTTLE_PIPELOCK_IMAGE: "mirror.example/pipelock:2.3.0" } });
  const other = await prepare(named, { proxy: pipelock });
  assert.equal(other.inputs.images.sidecar.name, "mirror.example/pipelock:2.3.0");
  await assert.rejects(
    prepare(machine({ env: { CLAUDE_BOTTLE_PIPELOCK_IMAGE: "--help" } }), { proxy: pipelock }),
    {
      code: "image-invalid",
      exit: 2,
    },
  );
});

Deno.test("preparePlan() gives the next free suffix, and fails after -99", async () => {
  const stem = "claude-bottle-code-reviewer";
  assert.equal((await prepare(machine({ taken: [`${stem}-2`] }))).containerName, stem);
  assert.equal((await prepare(machine({ taken: [stem, `${stem}-3`] }))).containerName, `${stem}-2`);
  const upTo98 = [stem, ...Array.from({ length: 97 }, (_, index) => `${stem}-${index + 2}`)];
  assert.equal((await prepare(machine({ taken: upTo98 }))).containerName, `${stem}-99`);
  await assert.rejects(prepare(machine({ taken: [...upTo98, `${stem}-99`] })), {
    code: "name-taken",
    message:
      "could not find a free container name after claude-bottle-code-reviewer-99; clean up old containers with 'docker rm -f <name>'",
  });
});

Deno.test("preparePlan() uses a pinned name or fails in the seed's words", async () => {
  const env = { CLAUDE_BOTTLE_CONTAINER: "mine.1" };
  assert.equal((await prepare(machine({ env, taken: ["mine.10", "minex1"] }))).containerName, "mine.1");
  await assert.rejects(prepare(machine({ env, taken: ["mine.1"] })), {
    code: "name-taken",
    message:
      "container 'mine.1' already exists (pinned via CLAUDE_BOTTLE_CONTAINER). Remove it with 'docker rm -f mine.1' or unset the override.",
  });
  for (const name of ["-x", "a b", "a/b", "x", "a\n"]) {
    await assert.rejects(prepare(machine({ env: { CLAUDE_BOTTLE_CONTAINER: name } })), {
      code: "name-invalid",
      exit: 2,
    });
  }
});

Deno.test("preparePlan() takes gVisor when it is there and only then, unless a runtime is named", async () => {
  assert.equal((await prepare(machine())).runtime, "runsc");
  assert.equal((await prepare(machine({ runtimes: ["runc"] }))).runtime, "runc");
  assert.equal((await prepare(machine(), { runtime: "runc" })).runtime, "runc");
  assert.equal((await prepare(machine(), { runtime: "runsc" })).runtime, "runsc");
});

Deno.test("preparePlan() never runs a bottle under another runtime than the one named", async () => {
  await assert.rejects(prepare(machine({ runtimes: ["runc", "nvidia"] }), { runtime: "runsc" }), {
    code: "runtime-missing",
    exit: 125,
    message: "The engine does not have the runtime runsc",
    hints: ["It has: runc, nvidia", "Install gVisor, or use `runtime: auto`"],
  });
});

Deno.test("preparePlan() uses CLAUDE_BOTTLE_IMAGE as it is, with its own agent user", async () => {
  const env = { CLAUDE_BOTTLE_IMAGE: "my-agent:latest" };
  const images = { "my-agent:latest": { Id: "sha256:9", Config: { User: "1234" } } };
  const plan = await prepare(machine({ env, images }));
  assert.equal(plan.image, "my-agent:latest");
  assert.deepEqual(plan.inputs.images.agent, { name: "my-agent:latest", id: "sha256:9", build: undefined });
  assert.deepEqual(plan.inputs.user, { uid: 1234, gid: 1234 });
  assert.equal(plan.steps.some(({ id }) => id === "agent-build"), false);
});

Deno.test("preparePlan() refuses a CLAUDE_BOTTLE_IMAGE that is missing, nameless or without a numeric user", async () => {
  const env = { CLAUDE_BOTTLE_IMAGE: "my-agent:latest" };
  await assert.rejects(prepare(machine({ env })), {
    code: "image-missing",
    exit: 125,
    message: "The engine has no image my-agent:latest, which CLAUDE_BOTTLE_IMAGE names",
    hints: ["`docker pull my-agent:latest` or build it: it is used as it is", "Or unset CLAUDE_BOTTLE_IMAGE"],
  });
  const images = { "my-agent:latest": { Id: "sha256:9", Config: { User: "node" } } };
  await assert.rejects(prepare(machine({ env, images })), {
    code: "image-user-unknown",
    message: 'my-agent:latest does not say which uid the agent has: USER is "node"',
  });
  await assert.rejects(prepare(machine({ env: { CLAUDE_BOTTLE_IMAGE: "--help" } })), {
    code: "image-invalid",
    exit: 2,
  });
});

Deno.test("preparePlan() names every missing host variable before it asks the engine anything", async () => {
  const host = machine();
  const spec = {
    env: new Map<string, EnvSource>([
      ["A", { kind: "host", variable: "NOT_THERE" }],
      ["B", { kind: "host", variable: "GH_PAT" }],
      ["C", { kind: "host", variable: "NOR_THIS" }],
    ]),
  };
  await assert.rejects(prepare(host, spec), {
    code: "env-unset",
    message:
      "The host does not set what the bottle's env takes from it: A (from NOT_THERE), C (from NOR_THIS)",
  });
  assert.deepEqual(host.processes.calls, []);
});

Deno.test("preparePlan() joins existing networks by id and names the one that is not there", async () => {
  const host = machine();
  const intra = { Name: "intra", Id: "n1d", Driver: "bridge", Internal: false, Labels: {} };
  host.processes.on(/network inspect intra$/, { stdout: JSON.stringify([intra]) });
  const plan = await prepare(host, { networks: ["intra"] });
  assert.deepEqual([...plan.inputs.joined], [["intra", "n1d"]]);
  host.processes.on(/network inspect gone$/, { code: 1, stderr: "Error: No such network: gone\n" });
  await assert.rejects(prepare(host, { networks: ["intra", "gone"] }), {
    code: "network-missing",
    message: "The network 'gone' of egress.networks does not exist",
  });
});

Deno.test("preparePlan() says that there is no docker CLI", async () => {
  const host = machine();
  host.processes.on(/^docker /, programMissing("docker"));
  await assert.rejects(prepare(host), { code: "docker-missing", exit: 125 });
});

Deno.test("preparePlan() takes subnets from CLAUDE_BOTTLE_SUBNETS and refuses what is no range", async () => {
  const plan = await prepare(machine({ env: { CLAUDE_BOTTLE_SUBNETS: "10.99.0.0/24" } }));
  for (const { first } of [plan.inputs.subnets.internal, plan.inputs.subnets.egress]) {
    assert.equal(Math.floor(first / 256), 0x0a6300);
  }
  await assert.rejects(prepare(machine({ env: { CLAUDE_BOTTLE_SUBNETS: "10.99.0.0" } })), {
    code: "subnets-invalid",
  });
});

Deno.test("preparePlan() stops when it is interrupted", async () => {
  const host = machine();
  host.interrupts.raise("SIGTERM");
  await assert.rejects(prepare(host), { name: "Interrupted", by: "SIGTERM" });
  assert.deepEqual(host.processes.calls, []);
});

Deno.test("preparePlan() of a detached bottle has no process for owner", async () => {
  for (const startsAgent of [true, false]) {
    const plan = await prepare(machine(), { lifetime: "detached", startsAgent });
    assert.equal(plan.inputs.run.owner, "detached");
    const labels = plan.steps.flatMap(({ invocation }) => invocation.args)
      .filter((word) => typeof word === "string" && word.includes("claude-bottle.owner="));
    assert.equal(labels.length, 5);
    assert.ok(labels.every((word) => String(word).includes("claude-bottle.owner=detached")));
  }
});

Deno.test("preparePlan() needs no host variable where no agent is started, and plans none of its secrets", async () => {
  const host = { ...machine(), environment: environmentOf({ PATH: "/usr/bin", TERM: "xterm" }) };
  const plan = await prepare(host, { lifetime: "detached", startsAgent: false, forwardOauthToken: true });
  assert.deepEqual(plan.agentSteps.map(({ id }) => id), ["ready"]);
  const [step] = plan.agentSteps;
  assert.equal(step?.invocation.args.at(-1), "/bin/true");
  assert.ok(step?.invocation.input?.kind === "environment");
  const { names } = step.invocation.input;
  assert.ok(names.includes("GIT_AUTHOR_NAME"));
  for (const secret of ["GITHUB_TOKEN", "GITEA_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "TERM"]) {
    assert.ok(!names.includes(secret), secret);
  }
  await assert.rejects(
    prepare(host, { lifetime: "detached", startsAgent: true }),
    { code: "env-unset" },
  );
});

Deno.test("preparePlan() takes subnets that neither the host routes nor a network of the engine has", async () => {
  const env = { CLAUDE_BOTTLE_SUBNETS: "10.50.0.0/26" };
  const networks = ["172.17.0.0/16", "10.50.0.20/28", "fd00::/64"];
  const plan = await prepare(machine({ env, networks }));
  assert.deepEqual(plan.inputs.taken.map(rangeText), ["192.168.1.0/24", "172.17.0.0/16", "10.50.0.16/28"]);
  const { internal, egress } = plan.inputs.subnets;
  for (const subnet of [internal, egress]) {
    assert.match(rangeText(subnet), /^10\.50\.0\.(0|32|48)\/28$/);
  }
  assert.notEqual(rangeText(internal), rangeText(egress));
  await assert.rejects(prepare(machine({ env, networks: [...networks, "10.50.0.32/27"] })), {
    code: "subnets-exhausted",
    message: "1 of 4 subnets of 10.50.0.0/26 are free; a bottle takes 2",
  });
});

Deno.test("preparePlan() does not take a network that went meanwhile for a failure, but all else", async () => {
  const gone = machine({ networks: ["10.213.0.0/28"] });
  gone.processes.on(/^docker network inspect /, {
    code: 1,
    stdout: '[{"IPAM":{"Driver":"null","Config":null}},{"IPAM":null}]',
    stderr: "Error response from daemon: network 0 not found\n",
  });
  assert.deepEqual((await prepare(gone)).inputs.taken.map(rangeText), ["192.168.1.0/24"]);
  const broken = machine({ networks: ["10.213.0.0/28"] });
  broken.processes.on(/^docker network inspect /, {
    code: 1,
    stdout: "[]",
    stderr: "Error: something broke\n",
  });
  await assert.rejects(prepare(broken), {
    code: "engine-failed",
    message: "The engine failed at listing the networks: something broke",
  });
  const foreign = machine();
  foreign.processes.on(/^docker network ls /, { stdout: '"--help"\n' });
  await assert.rejects(prepare(foreign), {
    message: "The engine's answer could not be read at listing the networks",
  });
});
