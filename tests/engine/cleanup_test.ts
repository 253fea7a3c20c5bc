import assert from "node:assert/strict";
import { builtImages, type Ended, ended, engineRuntimes, eventually, Workbench } from "../support/engine.ts";
import { killTree, PidNamespace } from "../support/pid_namespace.ts";

const ignore = (await engineRuntimes()).length === 0;

/** A running `start` of an agent that only sleeps. */
async function running(bench: Workbench, within: readonly string[] = []): Promise<Deno.ChildProcess> {
  bench.within = within;
  await bench.manifest({ agent: { command: ["sleep", "1234"] } });
  const child = bench.launch(["--runtime", "runc"]);
  await bench.sleepingAgent();
  return child;
}

async function program(bench: Workbench, ...args: readonly string[]): Promise<Ended> {
  return await ended(bench.spawn(args));
}

/** The bottles of one test's agent, as `active --json` has them. */
async function activeOf(bench: Workbench): Promise<readonly Record<string, unknown>[]> {
  const { code, stdout, stderr } = await program(bench, "list", "active", "--json");
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout).bottles.filter(({ agent }: { agent: string }) => agent === bench.agent);
}

/** What a bottle is made of: what watches its disk comes after the agent's first seconds, and goes with the program. */
async function lasting(bench: Workbench): Promise<readonly string[]> {
  return (await bench.leftovers()).filter((line) => !line.endsWith("-watcher"));
}

Deno.test({
  name: "cleanup removes what a killed start left, and no bottle whose owner lives",
  ignore: ignore || !await PidNamespace.isPossible(),
  async fn(): Promise<void> {
    await builtImages();
    // Any other start on this machine would sweep what is left here, were it not for this.
    await using place = await PidNamespace.create();
    await using orphaned = await Workbench.create();
    await using living = await Workbench.create();
    const [killed, alive] = await Promise.all(
      [orphaned, living].map((bench) => running(bench, place.words)),
    );
    assert.ok(killed !== undefined && alive !== undefined);
    const before = await lasting(living);

    await killTree(killed);
    // Both containers, both networks and the sidecar's volume.
    assert.equal((await lasting(orphaned)).length, 5);
    // The agent's container ended with the stdin that was held open for it.
    await eventually("the bottle runs no more", async () => {
      return (await activeOf(orphaned)).length === 0 ? true : undefined;
    });
    const [bottle, ...more] = await activeOf(living);
    assert.deepEqual(more, []);
    assert.deepEqual({ ...bottle, run: "", id: "", since: "", context: "" }, {
      name: `claude-bottle-${living.agent}`,
      agent: living.agent,
      bottle: "bench",
      status: "running",
      since: "",
      runtime: "runc",
      proxy: "squid",
      context: "",
      owner: "alive",
      run: "",
      id: "",
    });

    // Without a terminal nothing is removed unasked.
    const unasked = await program(orphaned, "cleanup");
    assert.equal(unasked.code, 2, unasked.stderr);
    assert.match(
      unasked.stdout,
      new RegExp(`^container +claude-bottle-${orphaned.agent} .*its owner is gone$`, "m"),
    );
    assert.match(
      unasked.stdout,
      new RegExp(
        `^container +claude-bottle-${orphaned.agent}\\S*-sidecar .*its owner is gone; still running$`,
        "m",
      ),
    );
    assert.ok(!unasked.stdout.includes(living.agent));
    assert.equal((await lasting(orphaned)).length, 5);

    // Its code is that of the whole engine, where others may have left something too.
    const cleaned = await program(orphaned, "cleanup", "--yes");
    assert.match(
      cleaned.stderr,
      new RegExp(`^claude-bottle: removing container claude-bottle-${orphaned.agent}$`, "m"),
    );
    assert.deepEqual(await orphaned.leftovers(), []);
    assert.deepEqual(await lasting(living), before);

    assert.equal((await program(living, "stop", living.agent)).code, 0);
    await ended(alive);
    assert.deepEqual(await living.leftovers(), []);
  },
});

Deno.test({
  name: "stop ends a bottle by its agent's name and leaves nothing of it",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    const child = await running(bench);

    const stopped = await program(bench, "stop", bench.agent);
    assert.equal(stopped.code, 0, stopped.stderr);
    assert.equal(stopped.stdout, `stopped claude-bottle-${bench.agent}\n`);
    assert.deepEqual(await bench.leftovers(), []);

    // The program that was attached to it ends as well.
    const result = await ended(child);
    assert.notEqual(result.code, 0);
    const again = await program(bench, "stop", bench.agent);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /There is no bottle/);
  },
});
