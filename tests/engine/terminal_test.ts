import assert from "node:assert/strict";
import { join } from "node:path";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import {
  builtImages,
  docker,
  ended,
  engineRuntimes,
  eventually,
  hasProgram,
  programPath,
  Workbench,
} from "../support/engine.ts";
import { onTerminal, TmuxTerminal } from "../support/tmux.ts";

/*
 * The real program on a real terminal: what is typed reaches the agent and nobody else, and however it ends the
 * terminal is as it was.
 */

const tmuxIsThere = await hasProgram("tmux");
const runtimes = tmuxIsThere ? await engineRuntimes() : [];
const ignore = runtimes.length === 0;

const KEYS = await Deno.readTextFile(new URL("../testdata/engine/keys.pl", import.meta.url));

/** A program that takes the terminal for itself and tells each byte. */
const TELLS_KEYS = ["perl", "-e", KEYS];
/** It begins; the engine may tell it the window's size only afterwards. */
const READY = /^(ready|size) 40 120$/m;
/** What it switches on. */
const SWITCHED_ON = ["screen", "hidden", "pointer"];
const SHELL = ["bash", "--norc", "-i"];

function startArguments(bench: Workbench, ...args: readonly string[]): readonly string[] {
  return ["start", bench.agent, "--manifest", bench.manifestFile, "--yes", ...args];
}

/** Waits for the end on the terminal; fails unless that is as it was and nobody told of an error. */
async function assertRestored(
  terminal: TmuxTerminal,
  { bench, code }: { readonly bench: Workbench; readonly code: number },
): Promise<void> {
  const screen = await terminal.shows(/ended with \d+[\s\S]*settled/);
  assert.match(screen, new RegExp(`ended with ${code}\n`));
  assert.doesNotMatch(screen, /error:|hint:/);
  assert.equal(
    await Deno.readTextFile(join(bench.folder, "after")),
    await Deno.readTextFile(join(bench.folder, "before")),
  );
  assert.deepEqual(await terminal.modes(), []);
}

for (const runtime of ["runc", "runsc"] as const) {
  Deno.test({
    name: `keys, a window's size and a large paste reach the agent, and no key stops it (${runtime})`,
    ignore: !runtimes.includes(runtime),
    async fn(): Promise<void> {
      await builtImages();
      await using bench = await Workbench.create();
      await bench.manifest({ agent: { command: TELLS_KEYS } });
      await using terminal = new TmuxTerminal();
      await terminal.run(onTerminal(bench, startArguments(bench, "--runtime", runtime)));
      await terminal.shows(READY);
      assert.deepEqual(await terminal.modes(), SWITCHED_ON);

      // The client's own keys to detach would keep Ctrl-P until another key comes.
      for (const [key, byte] of [["C-p", "10"], ["C-q", "11"], ["C-c", "03"], ["C-\\", "1c"]] as const) {
        await terminal.press(key);
        await terminal.shows(new RegExp(`^key ${byte}$`, "m"));
      }
      await terminal.press("C-z");
      await terminal.shows(/^resumed after STOP$/m);
      await terminal.type("g");
      await terminal.shows(/^resumed after STOP$[\s\S]*^resumed after STOP$/m);
      await terminal.type("t");
      await terminal.shows(/^resumed after TSTP$/m);
      await terminal.resize(100, 30);
      await terminal.shows(/^size 30 100$/m);
      await terminal.type("p");
      await terminal.shows(/^paste$/m);
      const text = Array.from({ length: 100_000 }, (_, index) => String.fromCharCode(33 + index % 94)).join(
        "",
      );
      await terminal.paste(`${text}\x04`);
      const sum = [...text].reduce((total, character) => total + character.charCodeAt(0), 0);
      await terminal.shows(new RegExp(`^pasted 100000 ${sum}$`, "m"));

      await terminal.type("K");
      await assertRestored(terminal, { bench, code: 143 });
      assert.deepEqual(await bench.leftovers(), []);
    },
  });

  Deno.test({
    name: `a shell in a bottle has its jobs, and is not lost when it suspends itself (${runtime})`,
    ignore: !runtimes.includes(runtime),
    async fn(): Promise<void> {
      await builtImages();
      await using bench = await Workbench.create();
      await bench.manifest({ agent: { command: SHELL } });
      await using terminal = new TmuxTerminal();
      await terminal.run(onTerminal(bench, startArguments(bench, "--runtime", runtime)));
      const enter = async (text: string): Promise<void> => {
        await terminal.type(text);
        await terminal.press("Enter");
      };
      await terminal.shows(/^bash-\S+\$$/m);
      // It says itself that it is in the foreground: what a shell says before might come too early.
      await enter("sh -c 'echo $((40 + 2)); exec sleep 4321'");
      await terminal.shows(/^42$/m);
      await terminal.press("C-z");
      await terminal.shows(/Stopped +sh -c .*\n/);
      await enter("fg");
      await terminal.shows(/\$ fg\nsh -c .*\n/);
      await terminal.press("C-c");
      await terminal.shows(/\^C\n+bash-\S+\$$/m);
      await enter("suspend");
      await enter("echo again $((40 + 3))");
      await terminal.shows(/^again 43$/m);

      await enter("kill -KILL $BASHPID");
      await assertRestored(terminal, { bench, code: 137 });
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}

/** The process of the program, or of its child that has these words in its command line. */
async function processOf(bench: Workbench, command: string, child?: string): Promise<number> {
  const pgrep = async (...args: readonly string[]): Promise<number> => {
    const { stdout } = await new Deno.Command("pgrep", { args: ["--oldest", ...args] }).output();
    return Number(new TextDecoder().decode(stdout).trim());
  };
  const program = await pgrep("--full", `^[^ ]*deno run .*main.ts ${command} ${bench.agent}`);
  const found = child === undefined ? program : await pgrep("--parent", String(program), "--full", child);
  assert.ok(found > 1, `${command}: the processes are ${program} and ${found}`);
  return found;
}

Deno.test({
  name: "whatever ends attach, its terminal is as it was and nothing goes on in the bottle, which stays",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: TELLS_KEYS } });
    assert.equal((await bench.start(["--detach", "--runtime", "runc"])).code, 0);
    const filter = [`label=${LABEL.agent}=${bench.agent}`, `label=${LABEL.role}=agent`];
    const id = await docker("ps", "--quiet", ...filter.flatMap((one) => ["--filter", one]));
    const running = async (): Promise<string> =>
      await docker(
        "exec",
        "--user",
        "47291:47291",
        id,
        "sh",
        "-c",
        "pgrep --count --euid 47291 --exact perl; true",
      );

    for (
      const { by, code, client } of [
        { by: "SIGINT", code: 130 },
        { by: "SIGTERM", code: 143 },
        { by: "SIGHUP", code: 129 },
        { by: "SIGQUIT", code: 131 },
        { by: "SIGKILL", code: 137, client: "exec --interactive --tty" },
      ] as const
    ) {
      await using terminal = new TmuxTerminal();
      await terminal.run(onTerminal(bench, ["attach", bench.agent, "--manifest", bench.manifestFile]));
      await terminal.shows(READY);
      assert.deepEqual(await terminal.modes(), SWITCHED_ON);
      // The agent and the leader of its session.
      assert.equal(await running(), "2");

      Deno.kill(await processOf(bench, "attach", client), by);

      await assertRestored(terminal, { bench, code });
      assert.equal(await running(), "0");
      if (client !== undefined) {
        await terminal.shows(/claude-bottle: The docker CLI was ended by SIGKILL while the command ran\n/);
      }
    }
    assert.equal(await ended(bench.spawn(["stop", bench.agent])).then(({ code }) => code), 0);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "signals that come again and again on the terminal do not cut the teardown of start short",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: TELLS_KEYS } });
    // The real client, but that it waits before it removes anything.
    const [begun, go] = [join(bench.folder, "begun"), join(bench.folder, "go")];
    const wait = `touch '${begun}'; until test -e '${go}'; do sleep 0.1; done`;
    const path = await bench.onPath(
      "docker",
      `case "$*" in "container rm "*) ${wait};; esac\nexec ${await programPath("docker")} "$@"`,
    );
    await using terminal = new TmuxTerminal();
    // The shell that waits for it would end by them.
    const start = onTerminal(bench, startArguments(bench, "--runtime", "runc"), { PATH: path });
    await terminal.run(`trap : INT QUIT; ${start}`);
    await terminal.shows(READY);
    const program = await processOf(bench, "start");

    Deno.kill(program, "SIGTERM");
    await eventually("the teardown has begun", async () => {
      return await Deno.stat(begun).then(() => true, () => undefined);
    });
    // From here on these keys are the program's own again.
    await terminal.press("C-c");
    await terminal.press("C-\\");
    await terminal.shows(/\^C\^\\/);
    for (const by of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"] as const) Deno.kill(program, by);
    await bench.file("go", "");

    await assertRestored(terminal, { bench, code: 143 });
    assert.deepEqual(await bench.leftovers(), []);
  },
});
