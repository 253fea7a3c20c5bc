import assert from "node:assert/strict";
import { join } from "node:path";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import { builtImages, docker, ended, engineRuntimes, hasProgram, Workbench } from "../support/engine.ts";
import { onTerminal, TmuxTerminal } from "../support/tmux.ts";

const runtimes = await engineRuntimes();
const ignore = runtimes.length === 0;
const tmuxIsThere = await hasProgram("tmux");

/** A password manager: asks its own question on the terminal, without echo, and prints what it was told. */
const VAULT = `stty -echo </dev/tty; printf 'Vault password: ' >/dev/tty; read -r word </dev/tty
stty echo </dev/tty; echo "from the vault: $word"`;

for (const runtime of ["runc", "runsc"]) {
  Deno.test({
    name: `what commands print and files hold reaches the agent byte for byte (${runtime})`,
    ignore: !runtimes.includes(runtime),
    async fn(): Promise<void> {
      await builtImages();
      await using bench = await Workbench.create();
      const file = "\ufeff-----BEGIN-----\n\ttab, ü, \u{1f600} and \u0001\r\n\n-----END-----";
      await bench.file("token", `${file}\n`);
      await bench.file("home/token", "at home");
      await bench.manifest({
        bottle: {
          env: {
            COMMAND: { secret: { command: ["printf", "%s\\n", "two words $HOME `x`\nand a line", "='\""] } },
            BESIDE: { secret: { file: "token" } },
            HOME_FILE: { secret: { file: "~/token" } },
          },
          runtime,
        },
        agent: { command: ["sh", "-c", 'printf "%s|%s|%s" "$COMMAND" "$BESIDE" "$HOME_FILE"'] },
      });

      const { code, stdout, stderr } = await bench.start();

      assert.equal(code, 0, stderr);
      // The test reads its output as text, which takes a mark at its very beginning only.
      assert.equal(stdout, `two words $HOME \`x\`\nand a line\n='"|${file}|at home`);
      assert.deepEqual(await bench.leftovers(), []);
    },
  });

  Deno.test({
    name: `git commits as the host's user with git.identity, in attach and exec too (${runtime})`,
    ignore: !runtimes.includes(runtime),
    async fn(): Promise<void> {
      await builtImages();
      await using bench = await Workbench.create();
      await bench.file("home/.gitconfig", '[user]\nname = "Ann \\"Q\\" Ü"\n[include]\npath = mail\n');
      await bench.file("home/mail", "[user]\nemail = ann@example.org\n");
      const commit =
        "git init -q r; cd r; git commit -q --allow-empty -m hi && git log -1 --format='%an <%ae> %cn <%ce>'";
      await bench.manifest({
        bottle: { git: { identity: "host" }, runtime },
        agent: { command: ["sh", "-c", `rm -rf r; ${commit}`] },
      });
      const launched = await bench.start(["--detach"]);
      assert.equal(launched.code, 0, launched.stderr);
      const enter = (...args: readonly string[]): ReturnType<typeof ended> => ended(bench.spawn(args));
      const manifest = ["--manifest", bench.manifestFile];

      const identity = 'Ann "Q" Ü <ann@example.org> Ann "Q" Ü <ann@example.org>\n';
      assert.equal((await enter("attach", bench.agent, ...manifest)).stdout, identity);
      const own = `rm -rf r; git init -q r; git -C r config user.email own@example.org; ${commit}`;
      // A repository's own counts more, as on the host.
      assert.equal(
        (await enter("exec", bench.agent, ...manifest, "--", "sh", "-c", own)).stdout,
        identity.replaceAll("ann@", "own@"),
      );
      assert.equal((await enter("stop", bench.agent)).code, 0);
      assert.deepEqual(await bench.leftovers(), []);

      await bench.manifest({ bottle: { runtime }, agent: { command: ["sh", "-c", commit] } });
      const without = await bench.start();
      assert.notEqual(without.code, 0);
      assert.match(without.stderr, /tell me who you are/i);
    },
  });
}

Deno.test({
  name:
    "values of commands, files and questions are in no argv, inspect, event, file or line of -v while the agent has them",
  ignore: ignore || !tmuxIsThere,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    const canary = crypto.randomUUID().slice(0, 18);
    const secrets = [`command-${canary}`, `line-${canary}`, `file-${canary}`, `asked-${canary}`];
    await bench.file("home/one", secrets.slice(0, 2).join("\n"));
    await bench.file("home/two", `${secrets[2]}\n`);
    await bench.manifest({
      bottle: {
        env: {
          COMMAND: { secret: { command: ["sh", "-c", "cat one; sleep 0.1"] } },
          FILE: { secret: { file: "~/two" } },
          ASKED: "?the word",
        },
        runtime: "runc",
      },
      agent: { command: ["sh", "-c", 'test -n "$COMMAND$FILE$ASKED" && sleep 1234'] },
    });
    const since = await docker("info", "--format", "{{.SystemTime}}");
    await using terminal = new TmuxTerminal();
    await terminal.run(
      onTerminal(bench, ["start", bench.agent, "--manifest", bench.manifestFile, "--yes", "-v"]),
    );
    await terminal.shows(/the word\):/);
    await terminal.type(secrets[3] ?? "");
    await terminal.press("Enter");
    const agent = await bench.sleepingAgent();
    const within = (user: string, script: string): Promise<string> =>
      docker("exec", "--user", user, agent, "sh", "-c", script);

    // The probe finds them where they must be: in the environment of the agent's own process.
    const own = await within("47291:47291", "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'");
    for (const secret of secrets) assert.ok(own.includes(secret), secret);
    const filter = ["--filter", `label=${LABEL.agent}=${bench.agent}`];
    const everything = await docker("ps", "--all", "--quiet", "--no-trunc", ...filter);
    const until = await docker("info", "--format", "{{.SystemTime}}");
    const surfaces = {
      inspect: await docker("inspect", ...everything.split("\n")),
      events: await docker("events", "--since", since, "--until", until, ...filter),
      argv: new TextDecoder().decode((await new Deno.Command("ps", { args: ["axww"] }).output()).stdout),
      pidOne: await within("0:0", "tr '\\0' '\\n' </proc/1/environ"),
      files: await within(
        "47291:47291",
        `grep -rs ${canary.slice(0, 8)}[-]${canary.slice(9)} /run/env /tmp /home /etc || true`,
      ),
      logs: await docker("logs", agent),
      screen: await terminal.shows(/docker container exec/),
    };
    for (const [surface, text] of Object.entries(surfaces)) assert.ok(!text.includes(canary), surface);
    assert.match(surfaces.events, /exec_create/);
    await terminal.press("C-c");
    await terminal.shows(/ended with \d+[\s\S]*settled/);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name:
    "a command may ask its own question on the terminal; Ctrl-C there ends the program and restores the terminal",
  ignore: ignore || !tmuxIsThere,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({
      bottle: { env: { VAULT: { secret: { command: ["sh", "-c", VAULT] } } }, runtime: "runc" },
      agent: { command: ["sh", "-c", 'printf "%s" "$VAULT" | cksum'] },
    });
    const start = onTerminal(bench, ["start", bench.agent, "--manifest", bench.manifestFile, "--yes"]);
    for (const answers of [true, false]) {
      await using terminal = new TmuxTerminal();
      // Ctrl-C reaches the shell around the program too.
      await terminal.run(`trap : INT; ${start}`);
      await terminal.shows(/asking sh \(60 s at most\)[\s\S]*Vault password:/);
      if (answers) {
        await terminal.type("swordfish");
        await terminal.press("Enter");
      } else {
        await terminal.press("C-c");
      }
      const screen = await terminal.shows(/ended with \d+[\s\S]*settled/);
      assert.match(screen, answers ? /ended with 0/ : /ended with 130/);
      // `printf 'from the vault: swordfish' | cksum`
      // Behind the question where the terminal has not echoed the end of its line.
      if (answers) assert.match(screen, /(^|: )1023959329 25$/m);
      assert.doesNotMatch(screen, /swordfish|error:/);
      assert.equal(
        await Deno.readTextFile(join(bench.folder, "after")),
        await Deno.readTextFile(join(bench.folder, "before")),
      );
      assert.deepEqual(await bench.leftovers(), []);
    }
  },
});
