import assert from "node:assert/strict";
import { builtImages, docker, ended, engineRuntimes, eventually, Workbench } from "../support/engine.ts";

const runtimes = await engineRuntimes();

async function isSleeping(name: string): Promise<boolean> {
  return /\bsleep 1234$/m.test(await docker("container", "top", name, "-eo", "pid,args"));
}

/** Ends it, and with `also` the ender beside it, as nothing can prevent. */
async function killed(child: Deno.ChildProcess, { also }: { readonly also: boolean }): Promise<void> {
  const words = ["-f", "claude-bottle-ender", "-P", String(child.pid)];
  const found = await new Deno.Command("pgrep", { args: words }).output();
  const enders = new TextDecoder().decode(found.stdout).trim().split("\n");
  assert.equal(enders.length, 1);
  assert.match(enders[0] ?? "", /^\d+$/);
  if (also) Deno.kill(Number(enders[0]), "SIGKILL");
  child.kill("SIGKILL");
  await Promise.all([child.status, child.stdout.cancel(), child.stderr.cancel()]);
}

Deno.test({
  name: "a command in a bottle that stays ends with the program that is killed, and the bottle does not",
  ignore: runtimes.length === 0,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["sleep", "1234"] } });
    const made = await bench.start(["--detach", "--runtime", "runc"]);
    assert.equal(made.code, 0, made.stderr);
    const name = made.stdout.trim();
    const sleeping = (): Promise<boolean> => isSleeping(name);
    const entering: readonly (readonly string[])[] = [
      ["attach", bench.agent, "--manifest", bench.manifestFile],
      ["exec", bench.agent, "--manifest", bench.manifestFile, "--", "sleep", "1234"],
    ];
    for (const args of entering) {
      const child = bench.spawn(args);
      await eventually("it runs", async () => await sleeping() ? true : undefined);
      await killed(child, { also: false });
      await eventually("it is ended", async () => await sleeping() ? undefined : true);
      assert.equal(
        (await docker("container", "inspect", "--format", "{{.State.Running}}", name)).trim(),
        "true",
      );
    }
    // Without the ender nothing ends it: the engine does not tell a process that its client is gone.
    const child = bench.spawn(entering[1] ?? []);
    await eventually("it runs", async () => await sleeping() ? true : undefined);
    await killed(child, { also: true });
    await new Promise((resolve) => setTimeout(resolve, 5000));
    assert.ok(await sleeping());
    assert.equal((await ended(bench.spawn(["stop", bench.agent]))).code, 0);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "the agent of a bottle that is kept ends with the program that is killed",
  ignore: runtimes.length === 0,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["sleep", "1234"] } });
    const child = bench.launch(["--keep", "--runtime", "runc"]);
    const name = `claude-bottle-${bench.agent}`;
    await bench.sleepingAgent();
    await killed(child, { also: false });
    await eventually("it is ended", async () => await isSleeping(name) ? undefined : true);
    assert.equal((await ended(bench.spawn(["stop", bench.agent]))).code, 0);
    assert.deepEqual(await bench.leftovers(), []);
  },
});
