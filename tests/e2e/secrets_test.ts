import assert from "node:assert/strict";
import { frameEntries } from "../support/normalise.ts";
import { Sandbox } from "../support/program.ts";

/** All that the docker CLI may inherit, in the order of the alphabet. */
const PASS_LIST = [
  "DOCKER_CERT_PATH",
  "DOCKER_CONFIG",
  "DOCKER_CONTEXT",
  "DOCKER_HOST",
  "DOCKER_TLS_VERIFY",
  "HOME",
  "LANG",
  "PATH",
  "SSH_AUTH_SOCK",
  "TMPDIR",
  "XDG_RUNTIME_DIR",
];

/** What a hostile project might have had its user set. */
const HOSTILE_HOST = {
  LD_PRELOAD: "/hostile/preload.so",
  LD_LIBRARY_PATH: "/hostile/lib",
  BASH_ENV: "/hostile/bash",
  NODE_OPTIONS: "--require=/hostile/node.js",
  DOCKER_DEFAULT_PLATFORM: "hostile/platform",
  DOCKER_BUILDKIT: "hostile-buildkit",
  BUILDKIT_PROGRESS: "hostile-progress",
  HTTPS_PROXY: "http://hostile-user:hostile-password@hostile.example",
  PERL5OPT: "-Mhostile",
  GIT_SSH_COMMAND: "hostile-ssh",
};

const MANIFEST_ENV = {
  LD_PRELOAD: "/manifest/preload.so",
  PATH: "/manifest/bin",
  DOCKER_HOST: "tcp://manifest.example:2375",
  DOCKER_CONFIG: "/manifest/docker",
  HOME: "/manifest/home",
  LITERAL: "literal-secret-1\nwith = and , and ünïcode",
  FROM_HOST: "${GH_PAT}",
};

const SECRETS = ["literal-secret-1", "host-secret-2", "token-secret-3"];

async function granted(): Promise<Sandbox> {
  const sandbox = await Sandbox.create({ agentSays: ["done"] });
  await sandbox.manifest({
    bottles: { dev: { env: MANIFEST_ENV, egress: { proxy: "squid" } } },
    agents: { reviewer: { bottle: "dev" } },
  });
  return sandbox;
}

const HOST_SECRETS = { GH_PAT: "host-secret-2", CLAUDE_BOTTLE_OAUTH_TOKEN: "token-secret-3" };

Deno.test("start gives the docker CLI its pass-list of variables and nothing of a hostile host or manifest", async () => {
  await using sandbox = await granted();
  const passed = { LANG: "C.UTF-8", SSH_AUTH_SOCK: "/run/agent", DOCKER_CONFIG: "/home/somebody/.docker" };
  const { code, stderr } = await sandbox.run(["start", "--prompt", "hi"], {
    env: { ...passed, ...HOST_SECRETS, ...HOSTILE_HOST, XDG_RUNTIME_DIR: "/run/user/1" },
  });
  assert.equal(code, 0, stderr);
  const calls = await sandbox.docker.calls();
  // How often the log is read depends on how soon it ends.
  assert.equal(calls.filter(({ kind }) => kind !== "logs").length, 25);
  const foreign = [...Object.values(HOSTILE_HOST), ...SECRETS, "/manifest/", "manifest.example"];
  for (const { kind, args, env } of calls) {
    assert.deepEqual(
      Object.keys(env).sort(),
      ["DOCKER_CONFIG", "HOME", "LANG", "PATH", "SSH_AUTH_SOCK", "TMPDIR", "XDG_RUNTIME_DIR"],
      kind,
    );
    assert.equal(env["DOCKER_CONFIG"], "/home/somebody/.docker", kind);
    assert.equal(env["PATH"], sandbox.environment()["PATH"], kind);
    for (const value of foreign) {
      assert.ok(!JSON.stringify([args, env]).includes(value), `${kind} was given ${value}`);
    }
  }
});

Deno.test("start passes on every variable of the pass-list, so that an engine is found as the docker CLI finds it", async () => {
  await using sandbox = await Sandbox.create();
  const values = Object.fromEntries(
    PASS_LIST.filter((name) => !["HOME", "PATH", "TMPDIR"].includes(name)).map((
      name,
    ) => [name, `my-${name}`]),
  );
  const { code, stderr } = await sandbox.run(["start", "--dry-run"], { env: values });
  assert.equal(code, 0, stderr);
  for (const { kind, env } of await sandbox.docker.calls()) {
    assert.deepEqual(Object.keys(env).sort(), PASS_LIST, kind);
    for (const [name, value] of Object.entries(values)) assert.equal(env[name], value, kind);
  }
});

Deno.test("start puts values only into the stdin of the agent's exec, an injected one only into the sidecar's, and none into argv or message", async () => {
  await using sandbox = await granted();
  const { code, stdout, stderr } = await sandbox.run(["start", "--prompt", "hi", "-v"], {
    env: HOST_SECRETS,
  });
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "done\n");
  assert.ok(stderr.includes("+ docker container exec --interactive"), stderr);
  const calls = await sandbox.docker.calls();
  for (const secret of SECRETS) {
    assert.ok(!stderr.includes(secret), `${secret} was printed`);
    for (const { kind, args, stdin } of calls) {
      assert.ok(!args.join("\0").includes(secret), `${secret} is in the argv of ${kind}`);
      assert.equal(
        new TextDecoder().decode(stdin).includes(secret),
        kind === (secret === "token-secret-3" ? "sidecar-open" : "agent"),
        `${secret} in ${kind}`,
      );
    }
  }
  const agent = calls.find(({ kind }) => kind === "agent");
  assert.ok(agent !== undefined);
  const frames = frameEntries(agent.stdin);
  assert.equal(frames.get("LITERAL"), "literal-secret-1\nwith = and , and ünïcode");
  assert.equal(frames.get("FROM_HOST"), "host-secret-2");
  assert.match(frames.get("CLAUDE_CODE_OAUTH_TOKEN") ?? "", /^[A-Za-z0-9]{20}$/);
  assert.equal(frames.get("LD_PRELOAD"), "/manifest/preload.so");
  assert.equal(frames.get("CLAUDE_BOTTLE_OAUTH_TOKEN"), undefined);
  assert.equal(frames.get("GH_PAT"), undefined);
});

Deno.test("start --dry-run prints names of variables and no values", async () => {
  for (const format of ["text", "json"]) {
    await using sandbox = await granted();
    const { code, stdout, stderr } = await sandbox.run(["start", "--dry-run", "--format", format, "-v"], {
      env: HOST_SECRETS,
    });
    assert.equal(code, 0, stderr);
    assert.ok(stdout.includes("FROM_HOST"));
    for (const secret of [...SECRETS, "/manifest/"]) {
      assert.ok(!`${stdout}${stderr}`.includes(secret), `${secret} was printed as ${format}`);
    }
  }
});

Deno.test("start keeps values out of the message when the engine fails", async () => {
  for (const kind of ["agent-files", "verify"]) {
    await using sandbox = await Sandbox.create({ faults: [{ kind, nth: 1, fault: "exit1" }] });
    await sandbox.manifest({
      bottles: { dev: { env: MANIFEST_ENV, egress: { proxy: "squid" } } },
      agents: { reviewer: { bottle: "dev" } },
    });
    const { code, stdout, stderr } = await sandbox.run(["start", "--prompt", "hi", "-v", "--json"], {
      env: HOST_SECRETS,
    });
    assert.equal(code, 125);
    for (const secret of SECRETS) assert.ok(!`${stdout}${stderr}`.includes(secret), secret);
    for (const { stdin } of await sandbox.docker.calls()) {
      for (const secret of SECRETS) assert.ok(!new TextDecoder().decode(stdin).includes(secret));
    }
  }
});
