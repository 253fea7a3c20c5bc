import assert from "node:assert/strict";
import { frameEntries, printedPlan, stepCalls } from "../support/normalise.ts";
import { Sandbox } from "../support/program.ts";

const MANIFEST = {
  bottles: {
    dev: {
      env: { LITERAL: "literal-1", FROM_HOST: "${GH_PAT}", LD_PRELOAD: "/x.so" },
      egress: { proxy: "squid" },
    },
  },
  agents: { reviewer: { bottle: "dev" } },
};
const SECRETS = { GH_PAT: "host-secret-2", CLAUDE_BOTTLE_OAUTH_TOKEN: "token-secret-3" };
const VALUES = ["literal-1", ...Object.values(SECRETS)];

/** A sandbox with a detached bottle in it; calls are counted from there. */
async function withBottle(): Promise<{ readonly sandbox: Sandbox; readonly before: number }> {
  const sandbox = await Sandbox.create({ agentSays: ["said"], agentCode: 5 });
  await sandbox.manifest(MANIFEST);
  const { code, stdout, stderr } = await sandbox.run(["start", "--detach", "--yes"], { env: SECRETS });
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "claude-bottle-reviewer\n");
  return { sandbox, before: (await sandbox.docker.calls()).length };
}

Deno.test("start --detach does what its dry run says, leaves the bottle, and gives it no secret", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.manifest(MANIFEST);
  const dry = await sandbox.run(["start", "--detach", "--dry-run", "--json"], { env: SECRETS });
  assert.equal(dry.code, 0, dry.stderr);
  const plan = printedPlan(dry.stdout);
  assert.deepEqual(plan.agentSteps.map(({ id }) => id), ["ready"]);
  assert.equal(JSON.parse(dry.stdout).lifetime, "detached");
  const probes = (await sandbox.docker.calls()).length;

  const { code, stderr } = await sandbox.run(["start", "--detach", "--yes"], { env: SECRETS });

  assert.equal(code, 0, stderr);
  const calls = (await sandbox.docker.calls()).slice(probes);
  assert.deepEqual(
    stepCalls(calls).map(({ kind }) => kind).sort(),
    [...plan.steps, ...plan.agentSteps].map(({ id }) => id).sort(),
  );
  const ready = calls.find(({ kind }) => kind === "ready");
  assert.deepEqual(
    [...frameEntries(ready?.stdin ?? new Uint8Array()).keys()],
    plan.agentSteps[0]?.stdin?.entries,
  );
  assert.equal((await sandbox.docker.objects()).length, 4);
  for (const { args, stdin } of calls) {
    for (const secret of Object.values(SECRETS)) {
      assert.ok(!`${args.join(" ")}${new TextDecoder().decode(stdin)}`.includes(secret));
    }
  }
});

Deno.test("attach and exec send values over stdin alone, by full ids, and give the docker CLI none of them", async () => {
  const { sandbox, before } = await withBottle();
  await using _sandbox = sandbox;
  const rows = [
    { args: ["attach", "reviewer", "--prompt", "hi"], kinds: ["sidecar-open", "agent"], secrets: true },
    { args: ["exec", "reviewer", "--", "ls", "-l"], kinds: ["agent-env", "agent"], secrets: false },
    {
      args: ["exec", "reviewer", "--secrets", "--", "ls"],
      kinds: ["sidecar-open", "agent-env", "agent"],
      secrets: true,
    },
  ];
  let seen = before;
  for (const { args, kinds, secrets } of rows) {
    const { code, stdout, stderr } = await sandbox.run([...args.slice(0, 2), "-v", ...args.slice(2)], {
      env: SECRETS,
    });
    assert.equal(code, 5, stderr);
    assert.equal(stdout, "said\n");
    const calls = (await sandbox.docker.calls()).slice(seen);
    seen += calls.length;
    assert.deepEqual(stepCalls(calls).map(({ kind }) => kind), kinds, args.join(" "));
    const carrier = calls.find(({ kind }) => kind === kinds.find((one) => one !== "sidecar-open"));
    const frames = frameEntries(carrier?.stdin ?? new Uint8Array());
    assert.equal(frames.get("LITERAL"), "literal-1");
    assert.equal(frames.get("LD_PRELOAD"), "/x.so");
    assert.equal(frames.get("FROM_HOST"), secrets ? "host-secret-2" : undefined);
    // The sidecar has the token, the agent what stands for it.
    assert.match(frames.get("CLAUDE_CODE_OAUTH_TOKEN") ?? "none", secrets ? /^[A-Za-z0-9]{20}$/ : /^none$/);
    const opened = calls.find(({ kind }) => kind === "sidecar-open");
    assert.equal(new TextDecoder().decode(opened?.stdin).includes("token-secret-3"), secrets);
    for (const { kind, args, env } of calls) {
      for (const value of [...VALUES, "/x.so"]) {
        assert.ok(!JSON.stringify([args, env]).includes(value), `${kind} was given ${value}`);
      }
      if (/^(agent|agent-env|sidecar-open)$/.test(kind)) {
        assert.ok(args.some((word) => /^[0-9a-f]{64}$/.test(word)), kind);
      }
    }
    for (const value of VALUES) assert.ok(!stderr.includes(value), value);
  }
  assert.equal((await sandbox.docker.objects()).length, 4);
});

Deno.test("exec interrupted while its command runs ends it, leaves the bottle, and ends as by the signal", async () => {
  const sandbox = await Sandbox.create({ agentWaits: true });
  await using _sandbox = sandbox;
  await sandbox.manifest(MANIFEST);
  assert.equal((await sandbox.run(["start", "--detach", "--yes"], { env: SECRETS })).code, 0);
  const child = sandbox.spawn(["exec", "reviewer", "--", "sleep", "9"]);
  await sandbox.docker.begun("agent");
  child.kill("SIGTERM");
  const [status] = await Promise.all([child.status, child.stdout.cancel(), child.stderr.cancel()]);
  assert.equal(status.signal, "SIGTERM");
  const calls = await sandbox.docker.calls();
  const token = calls.find(({ kind }) => kind === "agent-env")?.args.at(-1);
  assert.deepEqual(calls.at(-1)?.args.slice(-2), ["end", token]);
  assert.equal((await sandbox.docker.objects()).length, 4);
});

Deno.test("a bottle of a manifest that changed is not entered", async () => {
  const { sandbox, before } = await withBottle();
  await using _sandbox = sandbox;
  await sandbox.manifest({ ...MANIFEST, agents: { reviewer: { bottle: "dev", prompt: "Another." } } });
  const { code, stderr } = await sandbox.run(["exec", "reviewer", "--", "ls"], { env: SECRETS });
  assert.equal(code, 2);
  assert.match(stderr, /claude-bottle\.json has changed since the launch\n/);
  const kinds = (await sandbox.docker.calls()).slice(before).map(({ kind }) => kind);
  assert.deepEqual(kinds, ["survey-containers", "explain"]);
});
