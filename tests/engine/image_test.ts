import assert from "node:assert/strict";
import { builtImages, docker, ended, engineRuntimes, Workbench } from "../support/engine.ts";

const ignore = (await engineRuntimes()).length === 0;

Deno.test({
  name: "build makes nothing anew when nothing changed, and says so in JSON",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();

    const { code, stdout, stderr } = await ended(bench.spawn(["build", "--json"]));

    assert.equal(code, 0, stderr);
    const { images } = JSON.parse(stdout);
    assert.deepEqual(images.map(({ role, built }: { role: string; built: boolean }) => [role, built]), [
      ["agent", false],
      ["sidecar", false],
    ]);
    for (const { name, id } of images) {
      assert.match(name, /^claude-bottle(-squid)?:[0-9a-f]{12}$/);
      assert.equal(await docker("image", "inspect", "--format", "{{.Id}}", name), id);
    }
  },
});

Deno.test({
  name:
    "the agent image has the tools, pinned Claude Code and a user with an unusual uid who cannot change it",
  ignore,
  async fn(): Promise<void> {
    const { agent } = await builtImages();

    const stdout = await docker(
      "run",
      "--rm",
      "--network",
      "none",
      agent,
      "bash",
      "-c",
      "id -u; claude --version; for tool in git ssh socat rg jq curl less ps node npm perl; do command -v $tool >/dev/null || echo no $tool; done;" +
        "stat -c %U /home/node/workspace; touch /usr/local/bin/claude 2>&1 | grep -c 'Permission denied'",
    );

    assert.deepEqual(stdout.split("\n"), ["47291", "2.1.330 (Claude Code)", "node", "1"]);
  },
});

Deno.test({
  name:
    "CLAUDE_BOTTLE_IMAGE is used as it is, its agent's uid from a numeric USER; a name is refused in words",
  ignore,
  async fn(): Promise<void> {
    const images = await builtImages();
    await using bench = await Workbench.create();
    const build = async (user: string): Promise<string> => {
      const tag = `claude-bottle-test-${bench.agent}:${user.replaceAll(/\W/g, "-")}`;
      const dockerfile = `FROM ${images.agent}\nLABEL claude-bottle.agent-uid=\nUSER ${user}\n`;
      const file = await bench.file(`Dockerfile-${user.replaceAll(/\W/g, "-")}`, dockerfile);
      await docker("build", "--quiet", "--tag", tag, "--file", file, bench.folder);
      return tag;
    };
    await bench.manifest({ agent: { command: ["id", "-u"] } });
    const numeric = await build("4321:4321");
    const named = await build("node");
    try {
      const good = await bench.start(["--runtime", "runc"], {
        CLAUDE_BOTTLE_IMAGE: numeric,
        CLAUDE_BOTTLE_CONTAINER_HOME: "/tmp",
      });
      assert.equal(good.code, 0, good.stderr);
      assert.equal(good.stdout, "4321\n");

      const bad = await bench.start([], { CLAUDE_BOTTLE_IMAGE: named });
      assert.equal(bad.code, 125);
      assert.match(bad.stderr, /does not say which uid the agent has: USER is "node"/);
      assert.match(bad.stderr, /hint: Build it with a numeric USER/);

      const missing = await bench.start([], { CLAUDE_BOTTLE_IMAGE: "claude-bottle-test-missing:1" });
      assert.equal(missing.code, 125);
      assert.match(missing.stderr, /The engine has no image claude-bottle-test-missing:1/);
      assert.deepEqual(await bench.leftovers(), []);
    } finally {
      await docker("image", "rm", "--force", numeric, named);
    }
  },
});

Deno.test({
  name: "a changed base builds other images; without it and without a registry start says what is missing",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["true"] } });

    const { code, stderr } = await bench.start([], {
      CLAUDE_BOTTLE_BASE_IMAGE: "registry.invalid/claude-bottle-test/missing:1",
    });

    assert.equal(code, 125, stderr);
    assert.match(stderr, /error: The engine cannot reach the image registry/);
    assert.match(stderr, /hint: .*CLAUDE_BOTTLE_BASE_IMAGE/);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "--context chooses the engine; a missing one is an error that names the way out",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["echo", "from the context"] } });
    const endpoint = await docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}");
    const env = bench.environment();
    const { success } = await new Deno.Command("docker", {
      args: ["context", "create", "bench", "--docker", `host=${endpoint}`],
      env,
      clearEnv: true,
      stdout: "null",
      stderr: "null",
    }).output();
    assert.ok(success);

    const found = await bench.start(["--context", "bench", "--runtime", "runc", "-v"]);
    assert.equal(found.code, 0, found.stderr);
    assert.equal(found.stdout, "from the context\n");
    assert.match(found.stderr, /\+ docker --context bench network create/);

    const missing = await bench.start(["--context", "elsewhere"]);
    assert.equal(missing.code, 125);
    assert.match(missing.stderr, /error: There is no docker context/);
    assert.match(missing.stderr, /hint: `docker context ls`/);
  },
});

Deno.test({
  name:
    "a proxy whose image cannot be had is one message that names the other proxy, and never exchanged for it",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["true"] } });

    const { code, stderr } = await bench.start(["--proxy", "pipelock"], {
      CLAUDE_BOTTLE_PIPELOCK_IMAGE: "registry.invalid/claude-bottle-test/pipelock:1",
    });

    assert.equal(code, 125, stderr);
    assert.equal(stderr.match(/^error: /gm)?.length, 1);
    assert.match(stderr, /hint: Use squid instead: `--proxy squid`/);
    assert.deepEqual(await bench.leftovers(), []);
  },
});
