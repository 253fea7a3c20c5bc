import assert from "node:assert/strict";
import { join } from "node:path";
import { builtImages, docker, type Ended, ended, engineRuntimes, Workbench } from "../support/engine.ts";
import { killTree, PidNamespace } from "../support/pid_namespace.ts";

/*
 * The engine at hand, or the second one, behind a context of a client configuration of its own; and the three ways in
 * which a person names it. In a pid namespace of its own: the program there is all that is left of a client machine.
 */

const ignore = !(await engineRuntimes()).includes("runc") || !await PidNamespace.isPossible();

/** Several bottles begin at once. */
const DEADLINE_MS = 120_000;

/** A way to name an engine, and how that is then called. */
interface Way {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly context: string;
}

/** A bench whose program finds no engine unless it is told one. */
interface RemoteBench {
  readonly bench: Workbench;
  readonly byFlag: Way;
  readonly byContext: Way;
  readonly byAddress: Way;
}

async function remoteBench({ words }: PidNamespace): Promise<RemoteBench> {
  const bench = await Workbench.create();
  bench.within = words;
  const host = Deno.env.get("DOCKER_HOST") ||
    await docker("context", "inspect", "--format", "{{.Endpoints.docker.Host}}");
  const config = join(bench.folder, "docker");
  await Deno.mkdir(config);
  await addContext(config, "far", host);
  await addContext(config, "nowhere", `unix://${join(bench.folder, "none.sock")}`);
  await Deno.writeTextFile(join(config, "config.json"), JSON.stringify({ currentContext: "nowhere" }));
  const env = { DOCKER_CONFIG: config, DOCKER_HOST: "", DOCKER_CONTEXT: "" };
  return {
    bench,
    byFlag: { args: ["--context", "far"], env, context: "far" },
    byContext: { args: [], env: { ...env, DOCKER_CONTEXT: "far" }, context: "far" },
    byAddress: { args: [], env: { ...env, DOCKER_HOST: host }, context: host },
  };
}

async function addContext(config: string, name: string, host: string): Promise<void> {
  const { success, stderr } = await new Deno.Command("docker", {
    args: ["--config", config, "context", "create", name, "--docker", `host=${host}`],
    env: { DOCKER_HOST: "", DOCKER_CONTEXT: "" },
    stdin: "null",
  }).output();
  assert.ok(success, new TextDecoder().decode(stderr));
}

/** All of a bottle but what watches its disk, which ends with its client. */
async function lasting(bench: Workbench): Promise<readonly string[]> {
  return (await bench.leftovers()).filter((line) => !line.endsWith("-watcher"));
}

Deno.test({
  name:
    "every command finds an engine by --context, DOCKER_CONTEXT and DOCKER_HOST, and none of them another",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using place = await PidNamespace.create();
    const { bench, byFlag, byContext, byAddress } = await remoteBench(place);
    await using _bench = bench;
    await bench.manifest({ agent: { command: ["cat", "/etc/hostname"] } });
    const { agent, manifestFile } = bench;
    const name = `claude-bottle-${agent}`;
    for (const { args, env, context } of [byFlag, byContext, byAddress]) {
      const run = async (command: readonly string[], behind: readonly string[] = []): Promise<Ended> => {
        const result = await ended(bench.spawn([...command, ...args, ...behind], env));
        assert.equal(
          result.code,
          0,
          `${command.join(" ")} by ${JSON.stringify([args, env])}: ${result.stderr}`,
        );
        return result;
      };
      const start = ["start", agent, "--manifest", manifestFile, "--runtime", "runc", "--yes"];
      const once = await run(start);
      assert.match(once.stdout, /^[0-9a-f]{12}\n$/);
      assert.deepEqual(await bench.leftovers(), []);
      assert.equal((await run([...start, "--detach"])).stdout, `${name}\n`);

      const { bottles } = JSON.parse((await run(["list", "active", "--json"])).stdout);
      const mine = bottles.filter((one: { readonly agent: string }) => one.agent === agent);
      assert.deepEqual(
        mine.map(({ name, owner, context }: Record<string, string>) => [name, owner, context]),
        [[name, "detached", context]],
      );
      const entered = ["--manifest", manifestFile];
      assert.equal((await run(["exec", agent, ...entered], ["--", "echo", "here"])).stdout, "here\n");
      assert.match((await run(["attach", agent, ...entered])).stdout, /^[0-9a-f]{12}\n/);
      await run(["logs", agent]);
      await run(["cleanup", "--yes"]);
      assert.equal((await run(["stop", agent])).stdout, `stopped ${name}\n`);
      assert.deepEqual(await bench.leftovers(), []);
      // Problems of the machine are its own business.
      const doctor = await ended(bench.spawn(["doctor", "--json", ...args], env));
      assert.match(doctor.stdout, /"engine"/);
      assert.doesNotMatch(doctor.stdout + doctor.stderr, /none\.sock/);
    }
    const nowhere = await ended(bench.spawn(["list", "active"], byFlag.env));
    assert.equal(nowhere.code, 1);
    assert.match(nowhere.stderr, /none\.sock/);
    const both = ["list", "active", "--json", "--context", "nowhere", "--context", "far"];
    const one = await ended(bench.spawn(both, byFlag.env));
    assert.equal(one.code, 1);
    assert.ok(Array.isArray(JSON.parse(one.stdout).bottles));
    assert.equal(JSON.parse(one.stderr.trim().split("\n").at(-1) ?? "").error.code, "engines-failed");
  },
});

Deno.test({
  name: "a bottle whose client died is swept by the next command from that machine, and by none from another",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using place = await PidNamespace.create();
    await using elsewhere = await PidNamespace.create();
    const { bench, byFlag, byAddress } = await remoteBench(place);
    await using _bench = bench;
    await bench.manifest({ agent: { command: ["sleep", "1234"] } });
    const { args, env } = byFlag;
    const child = bench.launch(["--runtime", "runc", ...args], env);
    await bench.sleepingAgent(DEADLINE_MS);
    await killTree(child);
    const before = await lasting(bench);
    assert.equal(before.length, 5);

    bench.within = elsewhere.words;
    assert.equal((await ended(bench.spawn(["cleanup", "--yes", ...args], env))).code, 0);
    assert.deepEqual(await lasting(bench), before);
    // By another way to the same engine.
    bench.within = place.words;
    const { code, stderr } = await ended(bench.spawn(["cleanup", "--yes"], byAddress.env));
    assert.equal(code, 0, stderr);
    assert.deepEqual(await bench.leftovers(), []);
  },
});
