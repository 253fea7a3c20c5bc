import assert from "node:assert/strict";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import { builtImages, docker, ended, engineRuntimes, Workbench } from "../support/engine.ts";
import { testImage } from "../support/hostile_image.ts";
import { makeKey } from "../support/ssh_host.ts";

const runtimes = await engineRuntimes();
const ignore = runtimes.length === 0;

/** The address that the tests' ssh entries name; nobody asks it anything. */
const SSH_HOST = "git.test";

/** Lines of an image on ours whose `sleep`, first on its PATH, tells who it was run by. */
function trapped(agentImage: string): readonly string[] {
  return [
    `FROM ${agentImage}`,
    "USER root",
    "RUN mkdir /traps && printf '#!/bin/sh\\nid -u >> /tmp/trapped\\nexec /bin/sleep \"$@\"\\n' > /traps/sleep" +
    " && chmod 0755 /traps/sleep",
    "USER 47291:47291",
    "ENV PATH=/traps:/usr/local/bin:/usr/bin:/bin",
  ];
}

Deno.test({
  name:
    "an image's entrypoint, PATH, command, directory and stop signal run nothing as root and stop no launch",
  ignore,
  async fn(): Promise<void> {
    const { agent } = await builtImages();
    await using bench = await Workbench.create();
    await using image = await testImage([
      ...trapped(agent),
      'ENTRYPOINT ["/traps/sleep", "0", "&&"]',
      'CMD ["rm", "-rf", "/"]',
      "WORKDIR /nowhere/else",
      "STOPSIGNAL SIGSTOP",
      'SHELL ["/traps/sleep"]',
      "ONBUILD RUN false",
      "EXPOSE 22 443",
      'ENV http_proxy=http://elsewhere.test:1 HTTPS_PROXY=http://elsewhere.test:1 NO_PROXY="*" all_proxy=""',
    ]);
    // The trap works: this is how the image is started by whoever takes its PATH.
    const naive = await docker(
      ...["run", "--rm", "--network", "none", "--user", "0:0", "--entrypoint", "sh", image.name],
      ...["-c", "sleep 0; cat /tmp/trapped"],
    );
    assert.equal(naive, "0");

    await bench.manifest({
      agent: {
        command: [
          "sh",
          "-c",
          "cat /tmp/trapped 2>&1; pwd; sleep 0; cat /tmp/trapped; env | grep -i _proxy | grep -c 10.213.",
        ],
      },
    });
    for (const runtime of ["runc", "runsc"].filter((name) => runtimes.includes(name))) {
      const { code, stdout, stderr } = await bench.start(["--runtime", runtime], {
        CLAUDE_BOTTLE_IMAGE: image.name,
      });
      assert.equal(code, 0, stderr);
      // The agent's own `sleep` is the agent's own business.
      assert.equal(stdout, "cat: /tmp/trapped: No such file or directory\n/home/node\n47291\n8\n");
    }
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "an image's health check is not run: it would be root's, and may be a file that the agent writes",
  ignore,
  async fn(): Promise<void> {
    const { agent } = await builtImages();
    await using bench = await Workbench.create();
    await using image = await testImage([
      `FROM ${agent}`,
      "HEALTHCHECK --interval=1s CMD id -u >> /tmp/checked; sh /home/node/check",
    ]);
    const script = (until: string): string =>
      `echo 'id -u > /tmp/as-root' > ~/check; ${until}; cat /tmp/checked /tmp/as-root 2>/dev/null || echo none`;
    const naive = await docker(
      ...[
        "run",
        "--detach",
        "--network",
        "none",
        "--user",
        "0:0",
        "--label",
        `${LABEL.agent}=${bench.agent}`,
      ],
      ...["--init", "--entrypoint", "sleep", image.name, "infinity"],
    );
    const seen = await docker(
      "exec",
      "--user",
      "47291:47291",
      "--env",
      "HOME=/home/node",
      naive,
      "sh",
      "-c",
      script("until [ -s /tmp/as-root ]; do sleep 0.1; done"),
    );
    assert.match(seen, /^0\n[0\n]*$/);
    await docker("rm", "--force", naive);

    await bench.manifest({ agent: { command: ["sh", "-c", script("sleep 3")] } });
    const { code, stdout, stderr } = await bench.start(["--runtime", "runc"], {
      CLAUDE_BOTTLE_IMAGE: image.name,
    });
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "none\n");
  },
});

Deno.test({
  name: "an image that brings volumes is refused by name, before anything exists",
  ignore,
  async fn(): Promise<void> {
    const { agent, sidecar } = await builtImages();
    await using bench = await Workbench.create();
    await using image = await testImage([`FROM ${agent}`, 'VOLUME ["/data", "/home/node/workspace"]']);
    const naive = await docker("create", "--label", `${LABEL.agent}=${bench.agent}`, image.name);
    assert.equal(JSON.parse(await docker("inspect", "--format", "{{json .Mounts}}", naive)).length, 2);
    await docker("rm", "--force", "--volumes", naive);

    await bench.manifest({ agent: { command: ["true"] } });
    const refused = await bench.start(["-v"], { CLAUDE_BOTTLE_IMAGE: image.name });
    assert.equal(refused.code, 125, refused.stderr);
    assert.ok(
      refused.stderr.includes(
        `error: ${image.name} declares volumes, which would be mounts that nobody granted: ` +
          "/data, /home/node/workspace\n",
      ),
      refused.stderr,
    );
    assert.match(refused.stderr, /\nhint: Build it without VOLUME/);
    assert.doesNotMatch(refused.stderr, / create /);
    assert.deepEqual(await bench.leftovers(), []);

    const doctor = await ended(bench.spawn(["doctor"], { CLAUDE_BOTTLE_IMAGE: image.name }));
    assert.match(doctor.stdout + doctor.stderr, /declares volumes/);

    await using proxy = await testImage([`FROM ${sidecar}`, "VOLUME /data"]);
    const sidecarRefused = await bench.start(["--proxy", "pipelock"], {
      CLAUDE_BOTTLE_PIPELOCK_IMAGE: proxy.name,
    });
    assert.equal(sidecarRefused.code, 125);
    assert.match(
      sidecarRefused.stderr,
      /declares volumes, which would be mounts that nobody granted: \/data\n/,
    );

    const allowed = await bench.start(["--runtime", "runc"], { CLAUDE_BOTTLE_IMAGE: agent });
    assert.equal(allowed.code, 0, allowed.stderr);
  },
});

Deno.test({
  name:
    "labels that an image forges are overruled on its container, and a forged uid of the agent is refused",
  ignore,
  async fn(): Promise<void> {
    const { agent } = await builtImages();
    await using bench = await Workbench.create();
    const forged = {
      [LABEL.run]: "aaaaaaaaaaaaa",
      [LABEL.agent]: "somebody",
      [LABEL.bottle]: "else",
      [LABEL.role]: "demo",
      [LABEL.owner]: "detached",
      [LABEL.manifest]: "/else",
      [LABEL.version]: "9",
    };
    const labels = Object.entries(forged).map(([key, value]) => `LABEL ${key}=${value}`);
    await using image = await testImage([`FROM ${agent}`, ...labels]);
    const naive = await docker("create", image.name);
    const inherited = await docker("inspect", "--format", "{{json .Config.Labels}}", naive);
    await docker("rm", "--force", naive);
    assert.equal(JSON.parse(inherited)[LABEL.owner], "detached");

    await bench.manifest({ agent: { command: ["sleep", "1234"] } });
    const child = bench.launch(["--runtime", "runc"], { CLAUDE_BOTTLE_IMAGE: image.name });
    const id = await bench.sleepingAgent();
    const own = JSON.parse(await docker("inspect", "--format", "{{json .Config.Labels}}", id));
    child.kill("SIGTERM");
    await ended(child);
    for (const [key, value] of Object.entries(forged)) assert.notEqual(own[key], value, key);
    assert.equal(own[LABEL.agent], bench.agent);
    assert.equal(own[LABEL.role], "agent");
    assert.deepEqual(await bench.leftovers(), []);

    for (const uid of ["0", "0:0", "47291 -v /:/host", "-1", "99999999999"]) {
      await using lying = await testImage([`FROM ${agent}`, `LABEL ${LABEL.agentUid}="${uid}"`]);
      const refused = await bench.start([], { CLAUDE_BOTTLE_IMAGE: lying.name });
      assert.equal(refused.code, 125, uid);
      assert.match(refused.stderr, /^error: \S+ does not say which uid the agent has/, uid);
      assert.deepEqual(await bench.leftovers(), []);
    }
  },
});

Deno.test({
  name: "an image whose variables steer root's programs gets no ssh key, and runs without one",
  ignore,
  async fn(): Promise<void> {
    const { agent } = await builtImages();
    await using bench = await Workbench.create();
    const key = await makeKey(bench.folder, { name: "key" });
    const ssh = [{ Host: "git", Hostname: SSH_HOST, IdentityFile: key.path, KnownHostKey: key.publicKey }];
    // A module that tells who loads it, and what that one has on its stdin.
    const lines = [
      `FROM ${agent}`,
      "USER root",
      'RUN mkdir /traps && printf \'package Trap; print STDERR "trapped ", $<, "\\\\n"; 1;\' > /traps/Trap.pm',
      "USER 47291:47291",
    ];
    await using image = await testImage([...lines, "ENV PERL5LIB=/traps PERL5OPT=-MTrap"]);
    const naive = await new Deno.Command("docker", {
      args: [
        "run",
        "--rm",
        "--network",
        "none",
        "--user",
        "0:0",
        "--entrypoint",
        "perl",
        image.name,
        "-e",
        "1",
      ],
    }).output();
    assert.equal(new TextDecoder().decode(naive.stderr), "trapped 0\n");

    const command = ["echo", "it ran"];
    await bench.manifest({ bottle: { ssh }, agent: { command } });
    const refused = await bench.start([], { CLAUDE_BOTTLE_IMAGE: image.name });
    assert.equal(refused.code, 125, refused.stderr);
    assert.ok(
      refused.stderr.includes(
        `error: ${image.name} sets PERL5LIB, PERL5OPT, which would steer the programs that ssh keys are handed to`,
      ),
      refused.stderr,
    );
    assert.ok(!refused.stderr.includes("/traps"));
    assert.deepEqual(await bench.leftovers(), []);

    for (
      const entry of [
        "LD_PRELOAD=/traps/x.so",
        "LD_AUDIT=/x",
        "GCONV_PATH=/traps",
        "NODE_OPTIONS=-r/x",
        "BASH_ENV=/x",
      ]
    ) {
      await using steering = await testImage([`FROM ${agent}`, `ENV ${entry}`]);
      const result = await bench.start([], { CLAUDE_BOTTLE_IMAGE: steering.name });
      assert.equal(result.code, 125, result.stderr);
      assert.match(result.stderr, new RegExp(` sets ${entry.split("=")[0]}, which would steer`));
    }

    // Without a key they reach the agent's own programs alone, as any variable of its image.
    await bench.manifest({ agent: { command } });
    const allowed = await bench.start(["--runtime", "runc"], { CLAUDE_BOTTLE_IMAGE: image.name });
    assert.equal(allowed.code, 0, allowed.stderr);
    assert.equal(allowed.stdout, "it ran\n");
    assert.doesNotMatch(allowed.stderr, /trapped 0\n/);

    // And an image that steers nothing is told to hold the keys.
    await using plain = await testImage([`FROM ${agent}`, "ENV GREETING=hello"]);
    await bench.manifest({ bottle: { ssh }, agent: { command } });
    const held = await bench.start(["--runtime", "runc"], { CLAUDE_BOTTLE_IMAGE: plain.name });
    assert.equal(held.code, 0, held.stderr);
    assert.ok(
      held.stderr.includes(`${plain.name} is not built by claude-bottle: this image holds your keys`),
    );
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "an image without perl or cat fails in words, and one with a large environment of its own does not",
  ignore,
  async fn(): Promise<void> {
    const { agent } = await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["echo", "it ran"] } });
    await using missing = await testImage([
      `FROM ${agent}`,
      "USER root",
      "RUN rm /usr/bin/perl",
      "USER 47291:47291",
    ]);
    const without = await bench.start(["--runtime", "runc"], { CLAUDE_BOTTLE_IMAGE: missing.name });
    assert.equal(without.code, 125, without.stderr);
    assert.match(
      without.stderr,
      /^error: The engine could not start the agent's command[\s\S]*^hint: The agent image needs perl/m,
    );
    assert.doesNotMatch(without.stdout, /it ran/);
    await using catless = await testImage([
      `FROM ${agent}`,
      "USER root",
      "RUN rm /bin/cat",
      "USER 47291",
    ]);
    const still = await bench.start(["--runtime", "runc"], { CLAUDE_BOTTLE_IMAGE: catless.name });
    assert.equal(still.code, 125, still.stderr);
    assert.match(
      still.stderr,
      /^error: The agent's container ended as soon as it started[\s\S]*^hint: The agent image needs `\/bin\/sh`, `\/bin\/cat`/m,
    );
    assert.deepEqual(await bench.leftovers(), []);
    await using huge = await testImage([
      `FROM ${agent}`,
      `ENV BIG=${"x".repeat(60_000)}`,
      `ENV BIG2=${"y".repeat(60_000)}`,
    ]);
    const big = await bench.start(["--runtime", "runc"], { CLAUDE_BOTTLE_IMAGE: huge.name });
    assert.equal(big.code, 0, big.stderr);
    assert.equal(big.stdout, "it ran\n");
  },
});
