import assert from "node:assert/strict";
import { join } from "node:path";
import { hasProgram } from "../support/engine.ts";
import { Sandbox } from "../support/program.ts";
import { onTerminal, TmuxTerminal } from "../support/tmux.ts";

/* What a person does first: a manifest that works, and changes to it in an editor. */

const ignore = !await hasProgram("tmux");

function manifestIn(sandbox: Sandbox): string {
  return join(sandbox.folder, "config", "claude-bottle", "claude-bottle.yaml");
}

async function modeOf(path: string): Promise<number> {
  return ((await Deno.stat(path)).mode ?? 0) & 0o777;
}

/** An editor whose folder has a space; it does to the file what the script says, and notes that it was opened. */
async function editor(sandbox: Sandbox, script: string): Promise<string> {
  const folder = join(sandbox.folder, "my tools");
  await Deno.mkdir(folder, { recursive: true });
  const path = join(folder, "editor");
  await Deno.writeTextFile(path, `#!/bin/sh\nset -eu\necho "$@" >> '${sandbox.folder}/opened'\n${script}\n`);
  await Deno.chmod(path, 0o755);
  // As a person would quote it, and with an argument.
  return `"${path}" --wait`;
}

Deno.test("init writes what start can use at once, for the user alone, and nothing over it", async () => {
  await using sandbox = await Sandbox.create();
  await Deno.mkdir(join(sandbox.folder, "home", ".claude", "skills", "code-review"), { recursive: true });
  const made = await sandbox.run(["init"]);
  assert.equal(made.code, 0, made.stderr);
  const path = manifestIn(sandbox);
  assert.equal(made.stdout, `${path}\n`);
  assert.equal(await modeOf(path), 0o600);
  assert.equal(await modeOf(join(path, "..")), 0o700);
  const schema = JSON.parse(await Deno.readTextFile(path.replace(/yaml$/, "schema.json")));
  assert.equal(schema.$schema, "https://json-schema.org/draft/2020-12/schema");
  const text = await Deno.readTextFile(path);

  const validated = await sandbox.run(["validate"]);
  assert.equal(validated.code, 0, validated.stderr);
  assert.equal(validated.stdout, "1 bottle, 1 agent: no problems\n");
  const started = await sandbox.run(["start", "--dry-run"]);
  assert.equal(started.code, 0, started.stderr);
  assert.match(started.stderr, /skills +: code-review/);

  const again = await sandbox.run(["init", "--agent", "other"]);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /There is a manifest already: .*\n\nhint: `claude-bottle edit` opens it/);
  assert.equal(await Deno.readTextFile(path), text);
});

Deno.test("init --project writes into the repository's root", async () => {
  await using sandbox = await Sandbox.create();
  const work = join(sandbox.folder, "work");
  await Deno.mkdir(join(work, ".git"));
  const made = await sandbox.run(["init", "--project", "--json"]);
  assert.equal(made.code, 0, made.stderr);
  const path = join(await Deno.realPath(work), "claude-bottle.yaml");
  assert.equal(JSON.parse(made.stdout).path, path);
  assert.equal(await modeOf(path), 0o644);
  const validated = await sandbox.run(["validate", "claude-bottle.yaml"]);
  assert.equal(validated.stdout, "1 bottle, 1 agent: no problems\n");
});

Deno.test({
  name: "init asks at a terminal, and writes nothing after Ctrl-C",
  ignore,
  async fn(): Promise<void> {
    await using sandbox = await Sandbox.create();
    for (const skill of ["one", "two"]) {
      await Deno.mkdir(join(sandbox.folder, "home", ".claude", "skills", skill), { recursive: true });
    }
    {
      await using terminal = new TmuxTerminal();
      await terminal.run(`trap : INT; ${onTerminal(sandbox, ["init"])}`);
      await terminal.shows(/what is the agent called\? \[claude\]/);
      await terminal.press("C-c");
      await terminal.shows(/ended with 130/);
      assert.deepEqual((await Array.fromAsync(Deno.readDir(join(sandbox.folder, "config")))).length, 0);
    }
    await using terminal = new TmuxTerminal();
    await terminal.run(onTerminal(sandbox, ["init"]));
    await terminal.shows(/what is the agent called\? \[claude\]/);
    await terminal.type("reviewer");
    await terminal.press("Enter");
    await terminal.shows(/which of them is it given: all, none, or names\? \[all\]/);
    await terminal.type("two");
    await terminal.press("Enter");
    await terminal.shows(/next: claude-bottle start\n[\s\S]*ended with 0/);
    assert.match(await Deno.readTextFile(manifestIn(sandbox)), /^ {2}reviewer:\n[\s\S]*^ {6}- two\n\n/m);
  },
});

Deno.test({
  name: "edit opens the user's editor on the terminal, and then validates",
  ignore,
  async fn(): Promise<void> {
    await using sandbox = await Sandbox.create();
    await sandbox.run(["init"]);
    const words = await editor(sandbox, `[ -t 0 ] && [ -t 1 ]\nsed -i 's/^  claude:/  renamed:/' "$2"`);
    await using terminal = new TmuxTerminal();
    await terminal.run(onTerminal(sandbox, ["edit"], { EDITOR: words }));
    await terminal.shows(/1 bottle, 1 agent: no problems\n[\s\S]*ended with 0/);
    assert.equal(
      await Deno.readTextFile(join(sandbox.folder, "opened")),
      `--wait ${manifestIn(sandbox)}\n`,
    );
    const listed = JSON.parse((await sandbox.run(["list", "--json"])).stdout);
    assert.deepEqual(listed.agents.map(({ name }: { name: string }) => name), ["renamed"]);
  },
});

Deno.test({
  name: "edit with a mistake shows it, and opens the editor again after a yes",
  ignore,
  async fn(): Promise<void> {
    await using sandbox = await Sandbox.create();
    await sandbox.run(["init"]);
    // Breaks it at first, and mends it the next time.
    const words = await editor(
      sandbox,
      `if grep -q '^agents:' "$2"; then sed -i 's/^agents:/agnets:/' "$2"; else sed -i 's/^agnets:/agents:/' "$2"; fi`,
    );
    await using terminal = new TmuxTerminal();
    await terminal.run(onTerminal(sandbox, ["edit"], { VISUAL: words, EDITOR: "false" }));
    await terminal.shows(/agnets: unknown key[\s\S]*Did you mean `agents`\?[\s\S]*edit it again\? \[y\/N\]/);
    await terminal.type("y");
    await terminal.press("Enter");
    await terminal.shows(/1 bottle, 1 agent: no problems\n[\s\S]*ended with 0/);
    assert.equal((await Deno.readTextFile(join(sandbox.folder, "opened"))).trim().split("\n").length, 2);
  },
});

Deno.test({
  name: "edit exits 2 with the problems when the person has enough, and 1 without an editor",
  ignore,
  async fn(): Promise<void> {
    await using sandbox = await Sandbox.create();
    await sandbox.run(["init"]);
    {
      await using terminal = new TmuxTerminal();
      await terminal.run(
        onTerminal(sandbox, ["edit"], { EDITOR: await editor(sandbox, `echo 'x: [' > "$2"`) }),
      );
      await terminal.shows(/edit it again\? \[y\/N\]/);
      await terminal.press("Enter");
      await terminal.shows(/ended with 2/);
    }
    await using terminal = new TmuxTerminal();
    await terminal.run(onTerminal(sandbox, ["edit"], { EDITOR: "no-such-editor -x" }));
    const screen = await terminal.shows(/ended with 1/);
    assert.match(screen, /The editor is not there: no-such-editor -x/);
    const blind = await sandbox.run(["edit"]);
    assert.equal(blind.code, 2);
    assert.match(blind.stderr, /An editor needs a terminal/);
  },
});
