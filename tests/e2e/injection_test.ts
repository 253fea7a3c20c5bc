import assert from "node:assert/strict";
import { openingEntries } from "../support/inspection.ts";
import { frameEntries } from "../support/normalise.ts";
import { Sandbox } from "../support/program.ts";

const REAL = { REAL_KEY: "sk-ant-api03-real-secret-1", REAL_PASSWORD: "real-secret-2" };
const SECRETS = Object.values(REAL);

const MANIFEST = {
  bottles: {
    dev: {
      egress: {
        proxy: "squid",
        defaults: false,
        allowlist: [
          {
            host: "api.test",
            allow: ["POST /v1/messages"],
            inject: { env: "API_KEY", secret: "${REAL_KEY}", as: "bearer" },
          },
          { host: "git.test", inject: { env: "GIT_PASSWORD", secret: "${REAL_PASSWORD}", as: "basic:me" } },
        ],
      },
    },
  },
  agents: { reviewer: { bottle: "dev", command: ["true"] } },
};

Deno.test("an injected secret stands in the stdin of the sidecar's exec alone, the placeholder in the agent's", async () => {
  await using sandbox = await Sandbox.create({ agentSays: ["done"] });
  await sandbox.manifest(MANIFEST);

  const { code, stdout, stderr } = await sandbox.run(["start", "--yes", "-v"], { env: REAL });

  assert.equal(code, 0, stderr);
  const calls = await sandbox.docker.calls();
  for (const secret of SECRETS) {
    assert.ok(!`${stdout}${stderr}`.includes(secret), `${secret} was printed`);
    for (const { kind, args, env, stdin } of calls) {
      assert.ok(!JSON.stringify([args, env]).includes(secret), `${secret} is in the words of ${kind}`);
      const isIn = new TextDecoder().decode(stdin).includes(secret);
      assert.equal(isIn, kind === "sidecar-open", `${secret} in ${kind}`);
    }
  }
  const stdinOf = (kind: string): Uint8Array =>
    calls.find((call) => call.kind === kind)?.stdin ?? new Uint8Array();
  const agent = frameEntries(stdinOf("agent"));
  for (const { env, placeholder } of openingEntries(stdinOf("sidecar-open"))) {
    assert.equal(agent.get(env), placeholder);
  }
  assert.equal(agent.size > 2, true);
  const order = ["verify", "sidecar-open", "authority", "agent"].map((kind) =>
    calls.findIndex((call) => call.kind === kind)
  );
  assert.deepEqual(order, order.toSorted((a, b) => a - b));
  assert.match(new TextDecoder().decode(stdinOf("authority")), /^0badc0de\n-----BEGIN CERTIFICATE-----\n/);
});

Deno.test("a launch whose sidecar or whose trust fails leaves nothing, shows no secret and runs no agent", async () => {
  for (const kind of ["sidecar-open", "authority"]) {
    for (const fault of ["exit1", "echo", "empty"] as const) {
      // Nothing is the right answer of what makes the bottle trust.
      if (kind === "authority" && fault === "empty") continue;
      await using sandbox = await Sandbox.create({ faults: [{ kind, nth: 1, fault }] });
      await sandbox.manifest(MANIFEST);
      const { code, stdout, stderr } = await sandbox.run(["start", "--yes", "-v"], { env: REAL });
      assert.equal(code, 125, `${kind} ${fault}: ${stderr}`);
      for (const secret of SECRETS) assert.ok(!`${stdout}${stderr}`.includes(secret), `${kind} ${fault}`);
      assert.ok(!(await sandbox.docker.kinds()).includes("agent"));
      assert.deepEqual(await sandbox.docker.objects(), []);
    }
  }
});

Deno.test("secrets --refresh that fails says so in one line, without a secret, and leaves the bottle as it was", async () => {
  for (const fault of ["exit1", "echo", "empty", "bad-json"] as const) {
    await using sandbox = await Sandbox.create({ faults: [{ kind: "sidecar-open", nth: 2, fault }] });
    await sandbox.manifest(MANIFEST);
    const { code, stderr } = await sandbox.run(["start", "--detach", "--yes"]);
    assert.equal(code, 0, stderr);
    const [opening] = (await sandbox.docker.calls()).filter(({ kind }) => kind === "sidecar-open");
    assert.deepEqual(openingEntries(opening?.stdin ?? new Uint8Array()), []);
    const objects = await sandbox.docker.objects();

    const failed = await sandbox.run(["secrets", "reviewer", "--refresh"], { env: REAL });

    assert.deepEqual([failed.code, failed.stdout], [1, ""], `${fault}: ${failed.stderr}`);
    assert.equal(failed.stderr.match(/^error: /gm)?.length, 1, failed.stderr);
    for (const secret of SECRETS) assert.ok(!failed.stderr.includes(secret), fault);
    assert.deepEqual(await sandbox.docker.objects(), objects);
    const again = await sandbox.run(["secrets", "reviewer", "--refresh"], { env: REAL });
    assert.deepEqual(
      [again.code, again.stdout],
      [0, "renewed API_KEY\nrenewed GIT_PASSWORD\n"],
      again.stderr,
    );
  }
});

Deno.test("a bottle without inspected hosts is launched and entered by not one call more", async () => {
  const kindsOf = async (allowlist: readonly unknown[]): Promise<readonly string[]> => {
    await using sandbox = await Sandbox.create({ agentSays: ["done"] });
    await sandbox.manifest({
      bottles: { dev: { egress: { proxy: "squid", defaults: false, allowlist } } },
      agents: { reviewer: { bottle: "dev", command: ["true"] } },
    });
    for (
      const args of [
        ["start", "--detach", "--yes"],
        ["attach", "reviewer"],
        ["exec", "reviewer", "--secrets", "--", "true"],
      ]
    ) {
      const { code, stderr } = await sandbox.run(args, { env: REAL });
      assert.equal(code, 0, stderr);
    }
    return (await sandbox.docker.kinds()).toSorted();
  };
  const plain = await kindsOf(["api.test"]);
  const inspected = await kindsOf(MANIFEST.bottles.dev.egress.allowlist);
  const isOurs = (kind: string): boolean => kind === "sidecar-open" || kind === "authority";
  assert.deepEqual(plain.filter(isOurs), []);
  assert.deepEqual(inspected.filter(isOurs), ["authority", "sidecar-open", "sidecar-open", "sidecar-open"]);
  assert.deepEqual(inspected.filter((kind) => !isOurs(kind)), plain);
});
