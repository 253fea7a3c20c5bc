import assert from "node:assert/strict";
import fc from "fast-check";
import { composePlan, type DockerBottlePlan, type PlanInputs } from "../../../lib/backend/docker/plan.ts";
import { executedArguments, printedArguments, type Step } from "../../../lib/bottle/invocation.ts";
import { planJson, stepsText } from "../../../lib/bottle/render.ts";
import type { BottleSpec } from "../../../lib/bottle/spec.ts";
import type { EgressProxy } from "../../../lib/egress/proxy.ts";
import type { EnvSource } from "../../../lib/manifest/model.ts";
import { inspectedSpec } from "../../support/inspection.ts";
import { TEST_PROXY, testInputs, testSpec, testSshEntry, testSshKey } from "../../support/plan_inputs.ts";

/** A bottle under gVisor on a newer engine, on a terminal, with everything that changes a step. */
const ATTACHED: PlanInputs = testInputs({
  spec: testSpec({
    mode: "attached",
    command: ["claude", "--dangerously-skip-permissions"],
    prompt: "",
    networks: ["intra"],
    ca: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
    resources: { cpus: 1.5, memory: 1_073_741_824, pids: 512, disk: undefined },
    policy: {
      hosts: [{ host: "api.anthropic.com", private: false, http: false }],
      ssh: [{ host: "git.example.com", port: 443, private: false }],
    },
  }),
  engine: {
    major: 28,
    runtimes: ["runc", "runsc"],
    memory: 8 * 1024 ** 3,
    swapLimit: true,
  },
  runtime: "runsc",
  images: {
    agent: {
      name: "claude-bottle:aaaaaaaaaaaa",
      id: undefined,
      build: {
        role: "agent",
        dockerfile: "FROM x\n",
        base: "debian:trixie-slim",
        pull: true,
        ca: "",
        version: "1.2.3",
        fresh: false,
      },
    },
    sidecar: { name: "claude-bottle-squid:bbbbbbbbbbbb", id: "sha256:b22", build: undefined },
  },
  attempt: 2,
  joined: new Map([["intra", "0123456789abcdef"]]),
  globalArguments: ["--context", "box"],
});

/** Steps as a golden file holds them: the files' bytes are tested where the files are made. */
function readable(plan: DockerBottlePlan): unknown {
  const steps = (list: readonly Step[]): unknown =>
    list.map(({ id, after, creates, slow, invocation }) => ({
      id,
      after,
      ...(creates === undefined ? {} : { creates }),
      ...(slow === undefined ? {} : { slow }),
      argv: [invocation.program, ...printedArguments(invocation)],
      ...(invocation.input === undefined ? {} : { stdin: stdinOf(invocation.input) }),
      why: invocation.why,
    }));
  return {
    container: plan.containerName,
    notices: plan.notices,
    steps: steps(plan.steps),
    agentSteps: steps(plan.agentSteps),
    teardownSteps: steps(plan.teardownSteps),
  };
}

function stdinOf(input: NonNullable<Step["invocation"]["input"]>): unknown {
  return input.kind !== "tar" ? input : {
    kind: input.kind,
    files: input.files.map(({ path, mode, uid, gid }) => `${mode.toString(8)} ${uid}:${gid} ${path}`),
  };
}

async function golden(name: string): Promise<unknown> {
  return JSON.parse(await Deno.readTextFile(new URL(`../../testdata/plans/${name}.json`, import.meta.url)));
}

Deno.test("composePlan() decides every word of a headless bottle under runc", async () => {
  assert.deepEqual(readable(composePlan(testInputs())), await golden("headless_runc"));
});

Deno.test("composePlan() decides every word of an attached bottle under gVisor that builds its image first", async () => {
  assert.deepEqual(readable(composePlan(ATTACHED)), await golden("attached_runsc"));
});

Deno.test("composePlan() decides every word of a bottle with ssh keys", async () => {
  const bound = testSshKey();
  const loose = testSshKey({
    path: "/home/somebody/.ssh/box",
    entries: [testSshEntry({ host: "box", hostname: "10.0.0.7", knownHostKeys: [], unpinned: true })],
  });
  const inputs = testInputs({
    spec: testSpec({ env: new Map(), ssh: [...bound.entries, ...loose.entries] }),
    sshKeys: [bound, loose],
    images: {
      ...testInputs().images,
      agent: { name: "example.org/agent:1", id: "sha256:a11", build: undefined },
    },
  });
  const plan = composePlan(inputs);
  assert.deepEqual(readable(plan), await golden("ssh_runc"));
  assert.doesNotMatch(JSON.stringify([planJson(plan), plan]) + stepsText(plan), /the key's own text/);
  assert.match(
    stepsText(plan),
    /# stdin: keys of \/home\/somebody\/.ssh\/gitea \/home\/somebody\/.ssh\/box$/m,
  );
});

const WORKSPACE: PlanInputs = testInputs({
  spec: testSpec({
    workspace: { directory: "/srv/project", exclude: [] },
    workdir: "/home/node/workspace",
  }),
  workspace: {
    directory: "/srv/project",
    entries: [{ path: "", mode: 0o755, modified: 1, content: { kind: "directory" } }],
    files: 12,
    bytes: 34_000_000,
    notices: ["workspace: mind this"],
  },
});

Deno.test("composePlan() decides every word of a bottle with a workspace", async () => {
  assert.deepEqual(readable(composePlan(WORKSPACE)), await golden("workspace_runc"));
});

Deno.test("composePlan() decides every word of a bottle with inspected hosts, and holds no secret", async () => {
  const plan = composePlan(testInputs({ spec: inspectedSpec({ ssh: [] }) }));
  assert.deepEqual(readable(plan), await golden("inspected_runc"));
});

Deno.test("composePlan() cuts short only the copy of a large workspace, and waits for that of a small one", () => {
  const slow = (bytes: number): readonly string[] =>
    composePlan({ ...WORKSPACE, workspace: WORKSPACE.workspace && { ...WORKSPACE.workspace, bytes } })
      .steps.filter(({ slow }) => slow).map(({ id }) => id);
  assert.deepEqual(slow(34_000_000), ["workspace-files", "workspace-record"]);
  assert.deepEqual(slow(1000), []);
});

Deno.test("composePlan() gives an agent at most the memory that the engine has", () => {
  const memory = (engine: number, asked?: number): number =>
    composePlan(testInputs({
      engine: { ...testInputs().engine, memory: engine },
      spec: testSpec({ resources: { ...testSpec().resources, memory: asked } }),
    })).expected.memory;
  assert.equal(memory(8 * 1024 ** 3), 4_294_967_296);
  assert.equal(memory(1_000_000_000), 1_000_000_000);
  assert.equal(memory(0), 4_294_967_296);
  assert.equal(memory(1_000_000_000, 2_000_000_000), 2_000_000_000);
});

Deno.test("composePlan() says in words how the agent is bounded", () => {
  const limits = (resources: Partial<BottleSpec["resources"]>, memory = 8 * 1024 ** 3): string =>
    composePlan(testInputs({
      engine: { ...testInputs().engine, memory },
      spec: testSpec({ resources: { ...testSpec().resources, ...resources } }),
    })).limits;
  assert.equal(limits({}), "4 GiB memory, 2048 processes, 20 GiB disk");
  assert.equal(limits({}, 1_000_000_000), "0.93 GiB memory, 2048 processes, 20 GiB disk");
  assert.equal(
    limits({ cpus: 1.5, memory: 536_870_912, pids: 100, disk: 209_715_200 }),
    "0.5 GiB memory, 100 processes, 1.5 cpus, 200 MiB disk",
  );
});

Deno.test("composePlan() gives the sidecar its place: its own address and its egress network's range", () => {
  const places: unknown[] = [];
  const proxy: EgressProxy = {
    ...TEST_PROXY,
    program: (policy, place) => {
      places.push(place);
      return TEST_PROXY.program(policy, place);
    },
  };
  composePlan(testInputs({ spec: testSpec({ proxy }) }));
  assert.deepEqual(places, [{ listen: "10.213.0.2", egressSubnet: "10.213.0.16/28" }]);
});

Deno.test("composePlan() notes what a person should know: of the spec, the proxy and the engine, in this order", () => {
  const spec = testSpec({
    env: new Map([["ANTHROPIC_BASE_URL", { kind: "literal", value: "https://intra.example" }]]),
    forwardOauthToken: true,
    policy: { hosts: [], ssh: [{ host: "git.example.com", port: 443, private: false }] },
  });
  const engine = { ...testInputs().engine, swapLimit: false };
  assert.deepEqual(composePlan(testInputs({ spec, engine })).notices, [
    "env sets ANTHROPIC_BASE_URL: your Claude token goes to that host",
    "git.example.com:443 is not checked",
    "the engine cannot bound swap: what the agent holds may reach its disk",
  ]);
  assert.deepEqual(composePlan(testInputs()).notices, []);
});

Deno.test("composePlan() names the agent container as pinned, whatever the attempt", () => {
  const plan = composePlan(testInputs({ pinnedName: "mine", attempt: 3 }));
  assert.equal(plan.containerName, "mine");
  assert.ok(stepsText(plan).includes("--name mine "));
});

Deno.test("composePlan() sends the prompt, the wrapper and extra authorities with owner and mode", () => {
  const files = ({ steps }: DockerBottlePlan): readonly string[] => {
    const input = steps.find(({ id }) => id === "agent-files")?.invocation.input;
    assert.ok(input?.kind === "tar");
    return input.files.map(({ path, mode, uid, gid }) => `${mode.toString(8)} ${uid}:${gid} ${path}`);
  };
  const plain = files(composePlan(testInputs({ user: { uid: 1234, gid: 56 } })));
  assert.ok(plain.includes("755 0:0 usr/local/bin/claude-bottle-exec"));
  assert.ok(plain.includes("600 1234:56 home/node/.claude-bottle-prompt.txt"));
  assert.equal(plain.some((line) => line.endsWith("/ca.pem")), false);
  assert.ok(files(composePlan(ATTACHED)).includes("644 0:0 usr/local/share/claude-bottle/ca.pem"));
  for (const line of plain) assert.doesNotMatch(line, /\/$| \//, "a relative path of a regular file");
});

Deno.test("composePlan() sends the skills with everything else and tells what they leave out", () => {
  const plan = composePlan(testInputs({
    spec: testSpec({ skills: ["s"], skillsDir: "/opt/skills" }),
    skills: [{
      name: "s",
      path: "/srv/s",
      entries: [
        { path: "", mode: 0o755, kind: "directory" },
        { path: "a", mode: 0o600, kind: "bytes", bytes: Uint8Array.of(1) },
      ],
      skipped: ["pipe"],
    }],
  }));
  const input = plan.steps.find(({ id }) => id === "agent-files")?.invocation.input;
  assert.ok(input?.kind === "tar");
  assert.deepEqual(input.files.slice(-2), [
    { path: "opt/skills/s", mode: 0o755, uid: 47291, gid: 47291, kind: "directory" },
    { path: "opt/skills/s/a", mode: 0o600, uid: 47291, gid: 47291, kind: "bytes", bytes: Uint8Array.of(1) },
  ]);
  assert.deepEqual(plan.skills, [{ name: "s", path: "/srv/s" }]);
  assert.deepEqual(plan.notices, ["skill s: no regular file, left out: pipe"]);
});

/** Manifests and engines of every kind that a plan depends on. */
const name = fc.constantFrom("A", "LD_PRELOAD", "DOCKER_HOST", "PATH", "TOKEN", "_x9");
const source: fc.Arbitrary<EnvSource> = fc.oneof(
  fc.record({ kind: fc.constant("literal" as const), value: fc.string() }),
  fc.record({ kind: fc.constant("host" as const), variable: fc.constantFrom("GH_PAT", "OTHER") }),
  fc.record({ kind: fc.constant("prompt" as const), text: fc.string() }),
);
const inputs: fc.Arbitrary<PlanInputs> = fc.record({
  base: fc.constantFrom(testInputs(), ATTACHED),
  mode: fc.constantFrom("attached" as const, "headless" as const),
  env: fc.array(fc.tuple(name, source)),
  joined: fc.uniqueArray(fc.constantFrom("n1", "n2", "n3")),
  agentBuilt: fc.boolean(),
  sidecarBuilt: fc.boolean(),
  pull: fc.boolean(),
  major: fc.constantFrom(20, 27, 28, 29),
}).map((drawn) => {
  const image = (role: "agent" | "sidecar", built: boolean): PlanInputs["images"]["agent"] => ({
    name: `${role}:tag`,
    id: built ? `sha256:${role}` : undefined,
    build: { role, dockerfile: "", base: "b", pull: drawn.pull, ca: "", version: "1", fresh: false },
  });
  const env = new Map(drawn.env);
  return {
    ...drawn.base,
    spec: { ...drawn.base.spec, mode: drawn.mode, env, networks: drawn.joined },
    envNames: ["HOME", ...env.keys()],
    joined: new Map(drawn.joined.map((network) => [network, `id-of-${network}`])),
    images: { agent: image("agent", drawn.agentBuilt), sidecar: image("sidecar", drawn.sidecarBuilt) },
    engine: { ...drawn.base.engine, major: drawn.major },
  };
});

/** All that a step stands behind, directly or not. */
function ancestors(steps: readonly Step[], step: Step): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (ids: readonly string[]): void => {
    for (const id of ids) {
      if (found.has(id)) continue;
      found.add(id);
      visit(steps.find((other) => other.id === id)?.after ?? []);
    }
  };
  visit(step.after);
  return found;
}

Deno.test("composePlan() orders steps so that every ref is known before it is used, whatever the inputs", () => {
  fc.assert(fc.property(inputs, (drawn) => {
    const { steps } = composePlan(drawn);
    const ids = steps.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    const known = new Set<string>([
      ...(drawn.images.agent.id === undefined ? [] : ["agent-image"]),
      ...(drawn.images.sidecar.id === undefined ? [] : ["sidecar-image"]),
      ...[...drawn.joined].map((_, index) => `joined-${index + 1}`),
    ]);
    steps.forEach((step, index) => {
      for (const id of step.after) assert.ok(ids.slice(0, index).includes(id), `${step.id} after ${id}`);
      const before = ancestors(steps, step);
      const made = steps.filter(({ id }) => before.has(id)).map(({ creates }) => creates);
      for (const argument of step.invocation.args) {
        if (typeof argument === "string") continue;
        assert.ok(known.has(argument.ref) || made.includes(argument.ref), `${step.id} uses ${argument.ref}`);
      }
    });
  }));
});

Deno.test("composePlan() lets agent and teardown steps use nothing but what the steps made", () => {
  fc.assert(fc.property(inputs, (drawn) => {
    const { steps, agentSteps, teardownSteps } = composePlan(drawn);
    const made = new Map(
      steps.flatMap(({ creates }) => creates === undefined ? [] : [[creates, "id"] as const]),
    );
    for (const { invocation } of [...agentSteps, ...teardownSteps]) executedArguments(invocation, made);
  }));
});

/** The words behind each `--env` of a step. */
function variables(step: Step): readonly string[] {
  const words = printedArguments(step.invocation);
  return words.filter((_, index) => ["--env", "-e", "--env-file"].includes(words[index - 1] ?? ""));
}

Deno.test("composePlan() puts every proxy variable in both cases on both containers, and no other variable", () => {
  fc.assert(fc.property(inputs, (drawn) => {
    const plan = composePlan(drawn);
    const names = ["ALL_PROXY", "FTP_PROXY", "HTTPS_PROXY", "HTTP_PROXY"];
    const lower = names.map((word) => word.toLowerCase());
    const values = (proxy: string, noProxy: string): readonly string[] =>
      [
        ...[...names, ...lower].map((word) => `${word}=${proxy}`),
        `NO_PROXY=${noProxy}`,
        `no_proxy=${noProxy}`,
      ].sort();
    const all = [...plan.steps, ...plan.agentSteps, ...plan.teardownSteps];
    const [agent, sidecar, ...more] = all.filter((step) => variables(step).length > 0);
    assert.equal(agent?.id, "agent-create");
    assert.equal(sidecar?.id, "sidecar-create");
    assert.deepEqual(more, []);
    assert.deepEqual([...variables(agent)].sort(), values("http://10.213.0.2:8888", "localhost,127.0.0.1"));
    assert.deepEqual([...variables(sidecar)].sort(), values("", ""));
  }));
});

Deno.test("composePlan() gives no value of a variable to any argv or file, and prints none", () => {
  const secret = fc.uuid();
  const entry = fc.tuple(name, secret).map(([key, value]) =>
    [key, { kind: "literal", value } satisfies EnvSource] as const
  );
  fc.assert(fc.property(inputs, fc.array(entry, { minLength: 1 }), (drawn, entries) => {
    const spec = { ...drawn.spec, env: new Map<string, EnvSource>(entries) };
    const plan = composePlan({ ...drawn, spec });
    const all = [...plan.steps, ...plan.agentSteps, ...plan.teardownSteps];
    const seen = JSON.stringify([all, planJson(plan), stepsText(plan)]);
    for (const [, { value }] of entries) assert.equal(seen.includes(value), false);
  }));
});
