import assert from "node:assert/strict";
import {
  frameEntries,
  type PrintedPlan,
  printedPlan,
  type PrintedStep,
  stepCalls,
  stepsOf,
  tarEntries,
  withNames,
  withoutChance,
} from "../support/normalise.ts";
import type { DockerRecord, FakeSettings } from "../support/fake_docker.ts";
import { HOST_KEY } from "../support/plan_inputs.ts";
import { openSshKey } from "../support/private_keys.ts";
import { Sandbox } from "../support/program.ts";

const MANIFEST = {
  bottles: {
    dev: {
      env: { EDITOR_NAME: "ed", GITHUB_TOKEN: "${GH_PAT}" },
      egress: { allowlist: ["github.com", "*.example.org"], networks: ["app_default"], proxy: "squid" },
      resources: { cpus: 1.5, memory: "512m", pids: 100 },
      ssh: [
        { Host: "gitea", Hostname: "git.example.com", IdentityFile: "~/id", KnownHostKey: HOST_KEY },
        { Host: "box.example", Port: 2222, IdentityFile: "~/box", unpinned: true },
      ],
    },
  },
  agents: { "Code Reviewer": { bottle: "dev", prompt: "You review.\n" } },
};

/** Every address of this range has as many letters, so that configurations of two runs are equally long. */
const ENV = { GH_PAT: "pat-4711", CLAUDE_BOTTLE_SUBNETS: "10.99.100.128/25" };

const NETWORK = "5".repeat(64);

const SETTINGS: FakeSettings = {
  runtimes: ["runsc"],
  networks: { app_default: NETWORK },
  agentSays: ["looks good"],
};

interface BothRuns {
  readonly plan: PrintedPlan;
  readonly dryCalls: readonly DockerRecord[];
  readonly calls: readonly DockerRecord[];
}

/** A dry run and then the real thing, with the same words. */
async function bothRuns(args: readonly string[], settings: FakeSettings = SETTINGS): Promise<BothRuns> {
  await using dry = await Sandbox.create(settings);
  await using real = await Sandbox.create(settings);
  for (const sandbox of [dry, real]) {
    await sandbox.manifest(MANIFEST);
    for (const [index, name] of ["id", "box"].entries()) {
      await Deno.writeTextFile(`${sandbox.folder}/home/${name}`, openSshKey({ point: index }), {
        mode: 0o600,
      });
    }
  }
  const shown = await dry.run(["start", ...args, "--dry-run", "--format", "json"], { env: ENV });
  assert.equal(shown.code, 0, shown.stderr);
  const done = await real.run(["start", ...args, "--yes"], { env: ENV });
  assert.equal(done.code, 0, done.stderr);
  assert.equal(done.stdout, "looks good\n");
  return {
    // Both sandboxes have folders of their own, which only the manifest's label tells.
    plan: printedPlan(shown.stdout.replaceAll(dry.folder, real.folder)),
    dryCalls: await dry.docker.calls(),
    calls: await real.docker.calls(),
  };
}

function sorted(lines: readonly (readonly string[])[]): readonly string[] {
  return lines.map((words) => words.join(" ")).sort();
}

/** Fails unless the calls are exactly the plan's steps, whatever their order. */
function assertSameWords({ plan, calls }: BothRuns): void {
  const printed = stepsOf(plan).map(({ argv }) => argv.slice(1));
  const names = withNames(calls);
  const executed = stepCalls(calls).map((call) => names[calls.indexOf(call)] ?? []);
  assert.deepEqual(sorted(withoutChance(executed)), sorted(withoutChance(printed)));
}

/** Fails unless every step began after the end of those that it comes after. */
function assertOrder({ plan, calls }: BothRuns): void {
  const byKind = new Map(stepCalls(calls).map((call) => [call.kind, call]));
  let compared = 0;
  for (const { id, after } of stepsOf(plan)) {
    for (const earlier of after) {
      const ended = byKind.get(earlier.replace(/-\d+$/, ""))?.ended ?? Infinity;
      const began = byKind.get(id.replace(/-\d+$/, ""))?.began ?? -1;
      assert.ok(ended < began, `${id} began before ${earlier} had ended`);
      compared++;
    }
  }
  assert.ok(compared > 10);
}

function assertSameInput(step: PrintedStep, call: DockerRecord): void {
  if (step.stdin === undefined) {
    assert.equal(call.stdin.length, 0, step.id);
  } else if (step.stdin.kind === "tar") {
    const entries = tarEntries(call.stdin);
    assert.deepEqual(entries.map(({ path }) => path), step.stdin.entries, step.id);
    assert.equal(entries.reduce((sum, { size }) => sum + size, 0), step.stdin.bytes, step.id);
  } else {
    assert.equal(step.stdin.bytes, null);
    if (step.stdin.kind === "keys") {
      assert.deepEqual(step.stdin.entries.map((path) => path.replace(/^.*\//, "")), ["id", "box"]);
      const frames = new TextDecoder().decode(call.stdin);
      assert.ok(frames.includes(openSshKey({ point: 0 })) && frames.includes(openSshKey({ point: 1 })));
      return;
    }
    assert.equal(step.stdin.kind, "environment");
    assert.deepEqual([...frameEntries(call.stdin).keys()], step.stdin.entries, step.id);
  }
}

Deno.test("start does exactly what its dry run printed, in an order that the plan allows", async () => {
  const runs = await bothRuns(["--prompt", "it's fine; $HOME"]);
  assert.deepEqual(stepsOf(runs.plan).map(({ id }) => id), [
    "internal-network",
    "egress-network",
    "agent-create",
    "agent-files",
    "agent-start",
    "sidecar-create",
    "sidecar-config",
    "sidecar-connect",
    "sidecar-join-1",
    "sidecar-start",
    "verify",
    "ssh-agent",
    "agent",
    "remove-containers",
    "remove-networks",
  ]);
  assertSameWords(runs);
  assertOrder(runs);
  for (const step of stepsOf(runs.plan)) {
    const call = runs.calls.find(({ kind }) => kind === step.id.replace(/-\d+$/, ""));
    assert.ok(call !== undefined, step.id);
    assertSameInput(step, call);
  }
});

Deno.test("start builds missing images as its dry run printed", async () => {
  const runs = await bothRuns(["--prompt", "hi"], {
    ...SETTINGS,
    missingImages: ["agent", "sidecar", "other"],
  });
  assert.deepEqual(stepsOf(runs.plan).map(({ id }) => id).slice(0, 5), [
    "base-image",
    "agent-build",
    "agent-image",
    "sidecar-build",
    "sidecar-image",
  ]);
  assertSameWords(runs);
  assertOrder(runs);
});

Deno.test("start with a docker context names it in every call, printed and executed", async () => {
  const runs = await bothRuns(["--prompt", "hi", "--context", "big-machine", "--runtime", "runc"]);
  assertSameWords(runs);
  for (const { args, kind } of [...runs.calls, ...runs.dryCalls]) {
    assert.deepEqual(args.slice(0, 2), ["--context", "big-machine"], kind);
  }
});

Deno.test("start --dry-run makes no docker call but the probes", async () => {
  const { dryCalls } = await bothRuns(["--prompt", "hi"]);
  assert.deepEqual(dryCalls.map(({ kind }) => kind).sort(), [
    "find-agent-image",
    "find-network",
    "find-networks",
    "find-other-image",
    "find-sidecar-image",
    "find-subnets",
    "info",
    "ps",
  ]);
  assert.deepEqual(dryCalls.map(({ stdin }) => stdin.length), dryCalls.map(() => 0));
});
