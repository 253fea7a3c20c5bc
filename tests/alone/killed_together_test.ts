import assert from "node:assert/strict";
import { join } from "node:path";
import { Cgroup } from "../support/cgroup.ts";
import { builtImages, docker, ended, engineRuntimes, eventually, hasProgram } from "../support/engine.ts";
import { PROGRAM, Workbench } from "../support/engine.ts";
import { type KilledLaunch, ShimmedLaunch } from "../support/shimmed_launch.ts";
import { TmuxTerminal } from "../support/tmux.ts";

const ignore = !(await engineRuntimes()).includes("runc");

const LAUNCH: KilledLaunch = {
  name: "a sleeping agent",
  proxy: "squid",
  args: [],
  script: "exec sleep 1234",
};

/** As long as is promised. */
const PROMISED_MS = 5000;

async function sh(script: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("sh", { args: ["-c", script], stdin: "null" })
    .output();
  if (!success) throw new Error(`${script}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder().decode(stdout).trim();
}

/** Its children that are docker clients. */
async function clientsOf(pid: number): Promise<string> {
  return await sh(`ps -o pid=,comm= --ppid ${pid} | awk '$2 == "docker" { print $1 }' | xargs`);
}

async function assertGone(leftovers: () => Promise<readonly string[]>): Promise<void> {
  let left: readonly string[] = [];
  const isGone = await eventually("nothing is left", async () => {
    left = await leftovers();
    return left.length === 0 ? true : undefined;
  }, PROMISED_MS).catch(() => false);
  assert.ok(isGone, left.join("\n"));
}

for (
  const { what, targets } of [
    { what: "its process group", targets: (pid: number) => Promise.resolve(`-${pid}`) },
    {
      what: "the program and its docker clients",
      targets: async (pid: number) => `${pid} ${await clientsOf(pid)}`,
    },
  ]
) {
  Deno.test({
    name: `SIGKILL of ${what} leaves nothing`,
    ignore,
    async fn(): Promise<void> {
      await builtImages();
      await using run = await ShimmedLaunch.begin(LAUNCH);
      await run.bench.sleepingAgent();
      assert.ok((await run.leftovers()).length > 4);

      await sh(`kill -s KILL -- ${await targets(run.pid)}`);

      assert.equal((await run.ended).signal, "SIGKILL");
      await assertGone(() => run.leftovers());
    },
  });
}

Deno.test({
  name: "SIGKILL of everything in a terminal's session leaves nothing",
  ignore: ignore || !await hasProgram("tmux"),
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ bottle: { runtime: "runc" }, agent: { command: ["sleep", "1234"] } });
    await using terminal = new TmuxTerminal();
    const env = Object.entries(bench.environment()).map(([name, value]) => `${name}='${value}'`).join(" ");
    const words = [...PROGRAM, "start", bench.agent, "--manifest", bench.manifestFile, "--yes"];
    const session = join(bench.folder, "session");
    // One session: the shell that leads it, the program and the client that is attached.
    await terminal.run(`echo $$ >${session}; env -i ${env} TERM=xterm ${words.join(" ")}; true`);
    await bench.sleepingAgent();

    await sh(`pkill -KILL -s ${(await Deno.readTextFile(session)).trim()}`);

    await assertGone(() => bench.leftovers());
  },
});

const cgroup = ignore ? undefined : await Cgroup.create();
await cgroup?.[Symbol.asyncDispose]();

Deno.test({
  name:
    "SIGKILL of a whole cgroup, reaper included, ends the agent at once, and the next command removes the rest",
  ignore: cgroup === undefined,
  async fn(): Promise<void> {
    await builtImages();
    await using group = await Cgroup.create();
    assert.ok(group !== undefined);
    await using run = await ShimmedLaunch.begin(LAUNCH, { cgroup: group.folder });
    const id = await run.bench.sleepingAgent();

    await group.kill();

    const isRunning = (): Promise<string> => docker("inspect", "--format", "{{.State.Running}}", id);
    await eventually(
      "the agent's container ends",
      async () => await isRunning() === "false" ? true : undefined,
      2000,
    );
    assert.equal((await run.ended).signal, "SIGKILL");
    // Nobody was left to remove them.
    await new Promise((resolve) => setTimeout(resolve, 3000));
    const kinds = (await run.leftovers()).map((line) => line.split(" ")[0]);
    assert.deepEqual(kinds.filter((kind) => kind !== "volume"), [
      "container",
      "container",
      "network",
      "network",
    ]);
    await ended(run.bench.spawn(["cleanup", "--yes"]));
    assert.deepEqual(await run.leftovers(), []);
  },
});
