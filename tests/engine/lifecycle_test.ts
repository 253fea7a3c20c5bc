import assert from "node:assert/strict";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import {
  builtImages,
  docker,
  ended,
  engineRuntimes,
  eventually,
  programPath,
  Workbench,
} from "../support/engine.ts";

const runtimes = await engineRuntimes();
const ignore = runtimes.length === 0;

for (
  const { name, command, code, said } of [
    { name: "its code", command: ["sh", "-c", "exit 7"], code: 7, said: /^$/ },
    { name: "0", command: ["true"], code: 0, said: /^$/ },
    {
      name: "127 for a missing command",
      command: ["no-such-program"],
      code: 127,
      said: /cannot run 'no-such-program'/,
    },
    {
      name: "126 for what is no program",
      command: ["/etc/passwd"],
      code: 126,
      said: /cannot run '\/etc\/passwd'/,
    },
  ]
) {
  Deno.test({
    name: `start ends with the agent's code: ${name}`,
    ignore,
    async fn(): Promise<void> {
      await builtImages();
      await using bench = await Workbench.create();
      await bench.manifest({ agent: { command } });

      const result = await bench.start(["--runtime", "runc"]);

      assert.equal(result.code, code, result.stderr);
      assert.equal(result.stdout, "");
      // What stands behind the preflight's closing empty line.
      assert.match(result.stderr.split("\n\n").at(-1)?.trim() ?? "", said);
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  Deno.test({
    name: `${signal} while the agent runs removes everything and ends the program as by ${signal}`,
    ignore,
    async fn(): Promise<void> {
      await builtImages();
      await using bench = await Workbench.create();
      await bench.manifest({ agent: { command: ["sleep", "1234"] } });
      const child = bench.launch(["--runtime", "runc"]);
      await bench.sleepingAgent();

      child.kill(signal);
      const result = await ended(child);

      assert.equal(result.signal, signal, result.stderr);
      assert.deepEqual(await bench.leftovers(), []);
    },
  });

  Deno.test({
    name: `${signal} during the launch removes everything`,
    ignore,
    async fn(): Promise<void> {
      await builtImages();
      await using bench = await Workbench.create();
      await bench.manifest({ agent: { command: ["sleep", "1234"] } });
      const child = bench.launch();
      await eventually(
        "a network exists",
        async () => (await bench.leftovers()).length > 0 ? true : undefined,
      );

      child.kill(signal);
      const result = await ended(child);

      assert.equal(result.signal, signal, result.stderr);
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}

Deno.test({
  name: "an agent whose container is removed under it is told from one that failed",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["sleep", "1234"] } });
    const child = bench.launch(["--runtime", "runc"]);
    const id = await bench.sleepingAgent();

    await docker("rm", "--force", id);
    const result = await ended(child);

    assert.equal(result.code, 137, result.stderr);
    assert.match(result.stderr, /error: The bottle was stopped or removed while the agent ran/);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "an agent that takes more memory than its bottle has is killed, and nothing else",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({
      bottle: { resources: { memory: "64m" } },
      agent: { command: ["perl", "-e", "$x .= 'x' x 1048576 while 1"] },
    });

    const result = await bench.start(["--runtime", "runc"]);

    assert.equal(result.code, 137, result.stderr);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "killing every process it can reach does not end the agent's bottle",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["sleep", "1234"] } });
    const child = bench.launch(["--runtime", "runc"]);
    const id = await bench.sleepingAgent();

    await docker("exec", "--user", "47291:47291", id, "sh", "-c", "kill -9 -1; true").catch(() => {});
    assert.equal(await docker("inspect", "--format", "{{.State.Running}}", id), "true");
    const result = await ended(child);

    assert.equal(result.code, 137, result.stderr);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "two bottles of one agent at once have names of their own, and a user's container stays as it was",
  ignore,
  async fn(): Promise<void> {
    const images = await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["sleep", "1234"] } });
    const users = await docker("run", "--detach", "--rm", "--entrypoint", "sleep", images.agent, "600");
    try {
      const before = await docker("inspect", "--format", "{{.State.StartedAt}} {{.RestartCount}}", users);
      const children = [bench.launch(["--runtime", "runc"]), bench.launch(["--runtime", "runc"])];
      const filter = [
        "--filter",
        `label=${LABEL.agent}=${bench.agent}`,
        "--filter",
        `label=${LABEL.role}=agent`,
      ];
      const names = await eventually("both run", async () => {
        const list = (await docker("ps", ...filter, "--format", "{{.Names}}")).split("\n").sort();
        return list.length === 2 ? list : undefined;
      });

      assert.deepEqual(names, [`claude-bottle-${bench.agent}`, `claude-bottle-${bench.agent}-2`]);
      for (const child of children) child.kill("SIGTERM");
      for (const child of children) assert.equal((await ended(child)).signal, "SIGTERM");
      assert.deepEqual(await bench.leftovers(), []);
      assert.equal(
        await docker("inspect", "--format", "{{.State.StartedAt}} {{.RestartCount}}", users),
        before,
      );
    } finally {
      await docker("rm", "--force", users);
    }
  },
});

Deno.test({
  name: "a pinned name that is taken fails in words and touches nobody's container",
  ignore,
  async fn(): Promise<void> {
    const images = await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["true"] } });
    const name = `pinned-${bench.agent}`;
    await docker("run", "--detach", "--rm", "--name", name, "--entrypoint", "sleep", images.agent, "600");
    try {
      const taken = await bench.start([], { CLAUDE_BOTTLE_CONTAINER: name });

      assert.equal(taken.code, 1);
      assert.match(
        taken.stderr,
        new RegExp(
          `container '${name}' already exists \\(pinned via CLAUDE_BOTTLE_CONTAINER\\)\\. ` +
            `Remove it with 'docker rm -f ${name}' or unset the override\\.`,
        ),
      );
      assert.equal(await docker("inspect", "--format", "{{.State.Running}}", name), "true");
    } finally {
      await docker("rm", "--force", name);
    }
    const free = await bench.start(["--runtime", "runc"], { CLAUDE_BOTTLE_CONTAINER: name });
    assert.equal(free.code, 0, free.stderr);
    assert.match(free.stderr, new RegExp(`container +: ${name}\n`));
  },
});

Deno.test({
  name: "a sidecar that does not stay up ends the launch with 125 and the end of its log",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["true"] } });
    // The real client, but for the sidecar's configuration, which gets lost on the way.
    const path = await bench.onPath(
      "docker",
      `case "$*" in *":/config") cat >/dev/null; exit 0;; esac\nexec ${await programPath("docker")} "$@"`,
    );

    const result = await bench.start(["--runtime", "runc"], { PATH: path });

    assert.equal(result.code, 125, result.stderr);
    assert.match(result.stderr, /error: The sidecar \(squid\) did not stay up; the end of its log:/);
    assert.match(result.stderr, /Can't open perl script "\/config\/supervisor\.pl"/);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "without its sidecar an agent reaches nothing, and its user is told",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    const ask =
      'curl --silent --max-time 5 --output /dev/null --write-out "%{http_connect}" https://unlisted.test/';
    // The sidecar's refusal before, and nothing at all after.
    await bench.manifest({
      agent: { command: ["sh", "-c", `${ask}; sleep 1234; echo; ${ask}; exit 3`] },
    });
    const child = bench.launch(["--runtime", "runc"]);
    const id = await bench.sleepingAgent();
    const filter = [
      "--filter",
      `label=${LABEL.agent}=${bench.agent}`,
      "--filter",
      `label=${LABEL.role}=sidecar`,
    ];
    await docker("kill", await docker("ps", "--quiet", ...filter));
    await docker("exec", "--user", "47291:47291", id, "pkill", "sleep");

    const result = await ended(child);

    assert.equal(result.code, 3, result.stderr);
    assert.match(result.stdout, /^403\n000$/);
    assert.match(result.stderr, /The sidecar \(squid\) ended while the agent ran/);
    assert.deepEqual(await bench.leftovers(), []);
  },
});
