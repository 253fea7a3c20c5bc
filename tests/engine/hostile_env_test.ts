import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import {
  builtImages,
  docker,
  ended,
  engineProxies,
  engineRuntimes,
  hasProgram,
  isPair,
  Workbench,
} from "../support/engine.ts";
import { makeKey } from "../support/ssh_host.ts";

const runtimes = await engineRuntimes();
const proxies = runtimes.length === 0 ? [] : await engineProxies();
const keygen = await hasProgram("ssh-keygen");

const SKILL = "/home/node/.claude/skills/trap";

/** Programs that tell by which user they were loaded, as a skill. */
async function trapSkill(bench: Workbench): Promise<void> {
  const files = {
    "SKILL.md": "x\n",
    "Trap.pm": 'package Trap; open(my $file, ">", "/tmp/perl-$<"); 1;',
    "bash_env": "> /tmp/bash-$(id -u)\n",
    "bin/ssh-add": '#!/bin/sh\n> /tmp/path-$(id -u)\nexec /usr/bin/ssh-add "$@"\n',
    "bin/sleep": '#!/bin/sh\n> /tmp/path-$(id -u)\nexec /bin/sleep "$@"\n',
  };
  for (const [name, text] of Object.entries(files)) {
    const path = join(bench.folder, "home/.claude/skills/trap", name);
    await Deno.mkdir(dirname(path), { recursive: true });
    await Deno.writeTextFile(path, text, { mode: 0o755 });
  }
}

/** Everything that steers what a program runs, and leads to {@link trapSkill}. */
const ENV = {
  PERL5LIB: SKILL,
  PERL5OPT: "-MTrap",
  BASH_ENV: `${SKILL}/bash_env`,
  ENV: `${SKILL}/bash_env`,
  PATH: `${SKILL}/bin:/usr/local/bin:/usr/bin:/bin`,
  LD_LIBRARY_PATH: SKILL,
  IFS: "/",
  SSH_ASKPASS: `${SKILL}/bin/ssh-add`,
  SSH_ASKPASS_REQUIRE: "force",
  NODE_OPTIONS: "--no-warnings",
  DOCKER_HOST: "tcp://127.0.0.1:1",
  DOCKER_CONFIG: SKILL,
  OPENSSL_CONF: `${SKILL}/SKILL.md`,
  GCONV_PATH: SKILL,
  LOCPATH: SKILL,
};

for (const runtime of ["runc", "runsc"]) {
  for (const proxy of ["squid", "pipelock"]) {
    if (!isPair([proxy, runtime], { proxies, runtimes })) continue;
    Deno.test({
      name:
        `a hostile env is the agent's own and no root's in the bottle, which loads the keys (${runtime}, ${proxy})`,
      ignore: !runtimes.includes(runtime) || !proxies.includes(proxy) || !keygen,
      async fn(): Promise<void> {
        await builtImages();
        await using bench = await Workbench.create();
        await trapSkill(bench);
        const key = await makeKey(bench.folder, { name: "key" });
        const bottle = {
          env: ENV,
          ssh: [{ Host: "git", Hostname: "git.test", IdentityFile: key.path, KnownHostKey: key.publicKey }],
        };
        const script = "ls /tmp; ssh-add -l | grep -c ED25519; perl -e 1; ls /tmp";
        await bench.manifest({
          bottle,
          agent: { skills: ["trap"], command: ["/bin/bash", "-c", `${script}; sleep 1234`] },
        });
        const detached = await ended(bench.spawn([
          ...["start", bench.agent, "--manifest", bench.manifestFile, "--yes", "--detach"],
          ...["--runtime", runtime, "--proxy", proxy],
        ]));
        assert.equal(detached.code, 0, detached.stderr);
        const name = detached.stdout.trim();
        const { code, stdout, stderr } = await ended(bench.spawn(
          ["exec", name, "--manifest", bench.manifestFile, "--", "/bin/bash", "-c", script],
        ));
        assert.equal(code, 0, stderr);
        // bash had run its file for the agent; no other trap had gone off before the agent's own commands.
        const own = ["bash-47291", "path-47291", "perl-47291"];
        assert.deepEqual(stdout.split("\n"), ["bash-47291", "1", ...own, ""]);
        // The traps do go off for root, when root is given that env.
        const words = Object.entries(ENV).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
        await docker(
          "exec",
          "--user",
          "0:0",
          ...words,
          name,
          "/bin/bash",
          "-c",
          "perl -e 1 2>/dev/null; sleep 0",
        );
        assert.deepEqual((await docker("exec", name, "ls", "/tmp")).split("\n"), [
          ...["bash-0", "bash-47291", "path-0", "path-47291", "perl-0", "perl-47291"],
        ]);
        const stopped = await ended(bench.spawn(["stop", name]));
        assert.equal(stopped.code, 0, stopped.stderr);
        assert.deepEqual(await bench.leftovers(), []);
      },
    });
  }
}

Deno.test({
  name: "a DOCKER_HOST and a PATH of the manifest run no planted ssh; a docker CLI that is given them does",
  ignore: runtimes.length === 0,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    const ran = join(bench.folder, "ssh-ran");
    const planted = {
      DOCKER_HOST: "ssh://planted.test",
      PATH: await bench.onPath("ssh", `touch ${ran}; exit 1`),
    };
    const hasRun = (): Promise<boolean> => Deno.stat(ran).then(() => true, () => false);
    await bench.manifest({
      bottle: { env: planted },
      agent: { command: ["/bin/sh", "-c", "echo $DOCKER_HOST"] },
    });
    const { code, stdout, stderr } = await bench.start(["--runtime", "runc"]);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "ssh://planted.test\n");
    assert.equal(await hasRun(), false);

    await new Deno.Command("docker", {
      args: ["container", "exec", "--env", "DOCKER_HOST", "0".repeat(64), "true"],
      env: { ...bench.environment(), ...planted },
      clearEnv: true,
      stdout: "null",
      stderr: "null",
    }).output();
    assert.equal(await hasRun(), true);
  },
});
