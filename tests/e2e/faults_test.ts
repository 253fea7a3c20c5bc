import assert from "node:assert/strict";
import type { Fault } from "../support/fake_docker.ts";
import { type MatrixFault, mismatch, type Trial, trialsOf, tryAll } from "../support/fault_matrix.ts";
import { play, SCENARIOS } from "../support/fault_scenarios.ts";
import { Sandbox } from "../support/program.ts";

/** A stack trace, in Deno's words. */
const STACK = /\bat (async )?(file|ext):|^ +at .*:\d+:\d+|Uncaught|This is a bug/m;

/** The faults of a call that answers with something the program reads. */
const ANSWER_FAULTS: readonly Fault[] = ["empty", "bad-json", "truncated"];

/** One of each sort: `scripts/faults.ts` tries all of them. */
const TRIED: readonly MatrixFault[] = ["exit1", "hang", "truncated"];

let trials: Promise<readonly Trial[]> | undefined;

for (const fault of TRIED) {
  Deno.test(`every docker call of a launch comes to what the table says with ${fault}`, async () => {
    trials ??= trialsOf(TRIED);
    const ours = (await trials).filter((trial) => trial.fault === fault);
    assert.ok(ours.length > 40, `${ours.length} calls`);
    const wrong: string[] = [];
    await tryAll(ours, (verdict) => {
      const why = mismatch(verdict);
      if (why !== undefined) wrong.push(why);
    });
    assert.equal(wrong.length, 0, wrong.join("\n\n"));
  });
}

Deno.test("start says in one line what did not answer, and what to do, also when the client cannot be asked to end", async () => {
  const scenario = SCENARIOS.find(({ name }) => name === "a headless agent");
  assert.ok(scenario !== undefined);
  const { code, stderr, left } = await play(
    { ...scenario, args: scenario.args.filter((word) => word !== "--json") },
    { fault: { kind: "verify", nth: 1, fault: "deaf" } },
  );
  assert.equal(code, 125, stderr);
  assert.match(
    stderr,
    /^error: The engine gave no answer at comparing the bottle with the plan: the call did not end within 5 s$/m,
  );
  assert.match(stderr, /^hint: `docker version` shows whether the engine answers/m);
  assert.deepEqual(left, []);
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
    /; `docker --context box rm -fv \$\(docker --context box ps -aq --filter \S+\); docker --context box network rm \$\(docker --context box network ls -q --filter \S+\); docker --context box volume rm .*` finishes it$/m,
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
