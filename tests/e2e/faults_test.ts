import assert from "node:assert/strict";
import type { Fault } from "../support/fake_docker.ts";
import { Sandbox } from "../support/program.ts";

/** Calls of `prepare`: nothing exists yet. */
const PROBES: Readonly<Record<string, string>> = {
  "info": "asking the engine what it is",
  "find-agent-image": "looking for the images",
  "find-sidecar-image": "looking for the images",
  "find-other-image": "looking for the images",
  "ps": "listing the containers",
  "find-networks": "listing the networks",
  "find-subnets": "listing the networks",
};

/** Steps of the launch, which the message names. */
const STEPS: Readonly<Record<string, string>> = {
  "internal-network": "creating the internal network",
  "egress-network": "creating the egress network",
  "agent-create": "creating the agent container",
  "agent-files": "copying files into the agent container",
  "agent-start": "starting the agent container",
  "sidecar-create": "creating the sidecar",
  "sidecar-config": "copying the sidecar's configuration",
  "sidecar-connect": "joining the sidecar to the internal network",
  "sidecar-start": "starting the sidecar",
  "verify": "comparing the bottle with the plan",
};

/** A stack trace, in Deno's words. */
const STACK = /\bat (async )?(file|ext):|^ +at .*:\d+:\d+|Uncaught|This is a bug/m;

/** Runs a headless launch with one fault; what it said is checked, the rest is returned. */
async function failedLaunch(kind: string, fault: Fault): Promise<{
  readonly message: string;
  readonly kinds: readonly string[];
}> {
  // A container of another name, so that `ps` has something to say.
  await using sandbox = await Sandbox.create({
    containers: ["claude-bottle-claude-of-somebody"],
    agentSays: ["hello"],
    faults: [{ kind, nth: 1, fault }],
  });
  const { code, signal, stdout, stderr } = await sandbox.run(["start", "--prompt", "hi"]);
  const what = `${kind} with ${fault}: ${stderr}`;
  assert.equal(signal, null, what);
  assert.equal(code, 125, what);
  assert.equal(stdout, "", what);
  assert.doesNotMatch(stderr, STACK, what);
  const errors = stderr.split("\n").filter((line) => line.startsWith("error: "));
  assert.equal(errors.length, 1, what);
  const kinds = await sandbox.docker.kinds();
  assert.ok(!kinds.includes("agent"), `${what}\nthe agent ran`);
  assert.deepEqual(await sandbox.docker.objects(), [], what);
  assert.deepEqual(await sandbox.temporaryFiles(), [], what);
  return { message: errors[0] ?? "", kinds };
}

/** The faults of a call that answers with something the program reads. */
const ANSWER_FAULTS: readonly Fault[] = ["empty", "bad-json", "truncated"];

for (const [kind, words] of Object.entries(PROBES)) {
  Deno.test(`start ends with a sentence when ${kind} fails, having created nothing`, async () => {
    // No container and no network is an answer as well.
    const isList = kind === "ps" || kind === "find-networks";
    const faults = ANSWER_FAULTS.filter((fault) => !isList || fault !== "empty");
    await Promise.all((["exit1", "exit125", ...faults] as const).map(async (fault) => {
      const { message, kinds } = await failedLaunch(kind, fault);
      assert.ok(message.includes(words), message);
      assert.ok(!kinds.some((made) => Object.hasOwn(STEPS, made)), kinds.join(" "));
    }));
  });
}

for (const [kind, named] of Object.entries(STEPS)) {
  Deno.test(`start ends with a sentence and removes everything when ${kind} fails`, async () => {
    const answers = /-network$|-create$|^verify$/.test(kind) ? ANSWER_FAULTS : [];
    await Promise.all((["exit1", "exit125", ...answers] as const).map(async (fault) => {
      const { message, kinds } = await failedLaunch(kind, fault);
      // What the engine will not run is told in the seed's words.
      const isSeeds = fault.startsWith("exit") && (kind === "agent-create" || kind === "agent-start");
      const words = isSeeds ? "docker run failed for container 'claude-bottle-claude': " : named;
      assert.ok(message.includes(words), `${fault}: ${message}`);
      assert.equal(message.includes("injected fault"), fault.startsWith("exit"), message);
      for (const listing of ["list-containers", "list-networks", "list-volumes"]) {
        assert.ok(kinds.includes(listing), `${listing} after ${kind} with ${fault}`);
      }
    }));
  });
}

Deno.test("start ends with a sentence when a build step fails, having begun nothing after it", async () => {
  for (const kind of ["base-image", "agent-build", "sidecar-build", "agent-image"]) {
    await using sandbox = await Sandbox.create({
      missingImages: ["agent", "sidecar", "other"],
      faults: [{ kind, nth: 1, fault: "exit1" }],
    });
    const { code, stdout, stderr } = await sandbox.run(["start", "--prompt", "hi"]);
    assert.equal(code, 125, stderr);
    assert.equal(stdout, "");
    assert.match(stderr, /^error: The engine failed at .*: injected fault$/m);
    assert.doesNotMatch(stderr, STACK);
    assert.ok(!(await sandbox.docker.kinds()).includes("agent"));
    assert.deepEqual(await sandbox.docker.objects(), []);
  }
});

Deno.test("start keeps the agent's code and output when the sidecar's log cannot be read", async () => {
  await using sandbox = await Sandbox.create({
    agentSays: ["hello"],
    agentCode: 7,
    faults: [{ kind: "logs", nth: 1, fault: "exit1" }],
  });
  const { code, stdout, stderr } = await sandbox.run(["start", "--prompt", "hi"]);
  assert.deepEqual([code, stdout], [7, "hello\n"], stderr);
  assert.deepEqual(await sandbox.docker.objects(), []);
});

for (const kind of ["remove-containers", "remove-networks"]) {
  Deno.test(`start removes by label what ${kind} left, and keeps the agent's code`, async () => {
    await using sandbox = await Sandbox.create({
      agentSays: ["hello"],
      agentCode: 7,
      faults: [{ kind, nth: 1, fault: "exit1" }],
    });
    const { code, stdout, stderr } = await sandbox.run(["start", "--prompt", "hi"]);
    assert.deepEqual([code, stdout], [7, "hello\n"], stderr);
    assert.ok((await sandbox.docker.kinds()).includes("list-containers"));
    assert.deepEqual(await sandbox.docker.objects(), []);
  });
}

Deno.test("start joins no network whose account cannot be read, having created nothing", async () => {
  for (const fault of ["exit1", "exit125", "gone", ...ANSWER_FAULTS] as const) {
    await using sandbox = await Sandbox.create({
      networks: { app_back: "5".repeat(64) },
      faults: [{ kind: "find-network", nth: 1, fault }],
    });
    await sandbox.manifest({
      bottles: { dev: { egress: { proxy: "squid", networks: ["app_back"] } } },
      agents: { claude: { bottle: "dev" } },
    });
    const { code, stdout, stderr } = await sandbox.run(["start", "--prompt", "hi"]);
    assert.deepEqual([code, stdout], [125, ""], `${fault}: ${stderr}`);
    assert.match(stderr, /^error: /m);
    assert.doesNotMatch(stderr, STACK);
    assert.ok(!(await sandbox.docker.kinds()).includes("internal-network"));
  }
});

Deno.test("start says for which engine what is left is removed", async () => {
  await using sandbox = await Sandbox.create({
    faults: [{ kind: "remove-networks", nth: "*", fault: "exit1" }],
  });
  const { code, stderr } = await sandbox.run(["start", "--prompt", "hi", "--context", "box"]);
  assert.equal(code, 0, stderr);
  assert.match(
    stderr,
    /; `docker --context box rm -fv \$\(docker --context box ps -aq --filter \S+\); docker --context box network rm \$\(docker --context box network ls -q --filter \S+\)` finishes it$/m,
  );
  // What could be removed was.
  assert.deepEqual((await sandbox.docker.objects()).map((name) => name.replace(/^.*-/, "")), [
    "egress",
    "internal",
  ]);
});

Deno.test("start says what is left and how to remove it when the engine refuses every removal", async () => {
  await using sandbox = await Sandbox.create({
    agentSays: ["hello"],
    faults: [{ kind: "remove-containers", nth: "*", fault: "exit1" }],
  });
  const { code, stdout, stderr } = await sandbox.run(["start", "--prompt", "hi"]);
  assert.deepEqual([code, stdout], [0, "hello\n"], stderr);
  assert.match(
    stderr,
    /^claude-bottle: The bottle could not be removed: injected fault; `docker rm -fv \$\(docker ps -aq --filter label=claude-bottle\.run=[a-z2-7]{13}\)/m,
  );
});
