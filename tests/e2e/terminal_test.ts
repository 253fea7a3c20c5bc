import assert from "node:assert/strict";
import { join } from "node:path";
import { eventually, hasProgram, PROGRAM } from "../support/engine.ts";
import { Sandbox } from "../support/program.ts";
import { commandOnTerminal, TmuxTerminal } from "../support/tmux.ts";

/* The program at a terminal, before it has an agent there. */

const ignore = !await hasProgram("tmux");

const QUESTION = /launch this agent\? \[y\/N\]/;

/** The program that runs in a sandbox. */
async function programIn(sandbox: Sandbox): Promise<number> {
  return Number(await Deno.readTextFile(join(sandbox.folder, "pid")));
}

/** A shell command that becomes the program and tells its pid in the sandbox's folder. */
async function asScript(sandbox: Sandbox, args: readonly string[]): Promise<string> {
  const path = join(sandbox.folder, "program.sh");
  const words = [...PROGRAM, ...args].map((word) => `'${word}'`).join(" ");
  const lines = [`cd '${sandbox.folder}/work'`, `echo $$ > '${sandbox.folder}/pid'`, `exec ${words}`];
  await Deno.writeTextFile(path, `${lines.join("\n")}\n`);
  return `sh '${path}'`;
}

for (
  const { name, code, press, by } of [
    { name: "Ctrl-C", code: 130, press: "C-c" },
    { name: "Ctrl-\\", code: 131, press: "C-\\" },
    { name: "SIGTERM", code: 143, by: "SIGTERM" },
    { name: "SIGHUP", code: 129, by: "SIGHUP" },
  ] as const
) {
  Deno.test({
    name: `start ends by ${name} at its question in silence, and has made nothing`,
    ignore,
    async fn(): Promise<void> {
      await using sandbox = await Sandbox.create();
      await using terminal = new TmuxTerminal();
      const program = await asScript(sandbox, ["start"]);
      // The shell that waits for it would end by the keys.
      await terminal.run(`trap : INT QUIT; ${commandOnTerminal(sandbox, program)}`);
      await terminal.shows(QUESTION);

      if (by === undefined) await terminal.press(press);
      else Deno.kill(await programIn(sandbox), by);

      const screen = await terminal.shows(/ended with \d+[\s\S]*settled/);
      const rest = screen.slice(screen.search(QUESTION)).replace(QUESTION, "");
      assert.match(rest, new RegExp(`ended with ${code}\n`));
      assert.doesNotMatch(rest, /error:|hint:|claude-bottle: |Uncaught/);
      assert.equal(await text(sandbox, "after"), await text(sandbox, "before"));
      const kinds = await sandbox.docker.kinds();
      assert.deepEqual(
        kinds.filter((kind) => /-(create|network|build)$/.test(kind) && !/^find-/.test(kind)),
        [],
      );
    },
  });
}

async function text(sandbox: Sandbox, name: string): Promise<string> {
  return await Deno.readTextFile(join(sandbox.folder, name));
}

Deno.test({
  name: "Ctrl-Z suspends start at its question and in its launch, and fg goes on",
  ignore,
  async fn(): Promise<void> {
    await using sandbox = await Sandbox.create({ hold: ["agent-create"], agentSays: ["said in the bottle"] });
    const variables = Object.entries({ ...sandbox.environment(), TERM: "screen-256color", PS1: "ready> " })
      .map(([name, value]) => `${name}='${value}'`);
    await using terminal = new TmuxTerminal();
    await terminal.run(`env -i ${variables.join(" ")} bash --norc -i`);
    const enter = async (line: string): Promise<void> => {
      await terminal.type(line);
      await terminal.press("Enter");
    };
    await terminal.shows(/^ready>$/m);

    await enter(await asScript(sandbox, ["start"]));
    await terminal.shows(QUESTION);
    await terminal.press("C-z");
    await terminal.shows(/Stopped[\s\S]*^ready>$/m);
    await enter("clear; fg");
    await enter("y");
    await sandbox.docker.begun("agent-create");
    await terminal.press("C-z");
    await terminal.shows(/Stopped[\s\S]*^ready>$/m);
    // What it has begun is not stopped with it, nor ended.
    await sandbox.docker.release("agent-create");
    await eventually("the call under way ends", async () => {
      const create = (await sandbox.docker.calls()).find(({ kind }) => kind === "agent-create");
      return create?.code === 0 ? true : undefined;
    });
    await enter("clear; fg; echo ended with $?");

    await terminal.shows(/said in the bottle\n[\s\S]*ended with 0\n/);
    assert.deepEqual(await sandbox.docker.objects(), []);
  },
});
