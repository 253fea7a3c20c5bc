import assert from "node:assert/strict";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import { builtImages, docker, ended, engineRuntimes, hasProgram, Workbench } from "../support/engine.ts";
import { onTerminal, TmuxTerminal } from "../support/tmux.ts";

const runtimes = await engineRuntimes();
const ignore = runtimes.length === 0;
const tmuxIsThere = await hasProgram("tmux");

for (const runtime of ["runc", "runsc"]) {
  Deno.test({
    name: `literals, host variables and the token reach the agent's process exactly (${runtime})`,
    ignore: !runtimes.includes(runtime),
    async fn(): Promise<void> {
      await builtImages();
      await using bench = await Workbench.create();
      await bench.manifest({
        bottle: {
          env: {
            LITERAL: "two words\nand a line $HOME `x` ü",
            FROM_HOST: "${THE_SECRET}",
            PATH_EXTRA: "=a=b=",
          },
          // Untouched: or the token would stay outside.
          egress: { allowlist: ["api.anthropic.com"] },
          runtime,
        },
        agent: {
          command: [
            "sh",
            "-c",
            'printf "%s|%s|%s|%s" "$LITERAL" "$FROM_HOST" "$PATH_EXTRA" "$CLAUDE_CODE_OAUTH_TOKEN"; ls -A /run/env >&2',
          ],
        },
      });

      const { code, stdout, stderr } = await bench.start([], {
        THE_SECRET: "s3cret\twith 'quotes'",
        CLAUDE_BOTTLE_OAUTH_TOKEN: "the-token",
      });

      assert.equal(code, 0, stderr);
      assert.equal(stdout, "two words\nand a line $HOME `x` ü|s3cret\twith 'quotes'|=a=b=|the-token");
      assert.doesNotMatch(stderr, /s3cret|the-token/);
    },
  });
}

Deno.test({
  name:
    "no value of the agent's env is in its container's inspect, in PID 1, in an event or in the -v output",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    const secret = `canary-${crypto.randomUUID()}`;
    await bench.manifest({
      bottle: { env: { CANARY: "${CANARY}" }, runtime: "runc" },
      agent: { command: ["sh", "-c", 'test -n "$CANARY" && sleep 1234'] },
    });
    const since = await docker("info", "--format", "{{.SystemTime}}");
    const child = bench.launch(["-v"], {
      CANARY: secret,
    });
    const filter = ["--filter", `label=${LABEL.agent}=${bench.agent}`];
    const agent = await bench.sleepingAgent();

    // The probe finds it where it must be: in the environment of the agent's own process.
    const own = await docker(
      "exec",
      "--user",
      "47291:47291",
      agent,
      "sh",
      "-c",
      "cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'",
    );
    assert.ok(own.includes(secret));
    const everything = await docker("ps", "--all", "--quiet", "--no-trunc", ...filter);
    const inspect = await docker("inspect", ...everything.split("\n"));
    const pidOne = await docker(
      "exec",
      "--user",
      "0:0",
      agent,
      "sh",
      "-c",
      "tr '\\0' '\\n' </proc/1/environ",
    );
    // Before the search below, whose own words hold it.
    const until = await docker("info", "--format", "{{.SystemTime}}");
    const events = await docker("events", "--since", since, "--until", until, ...filter);
    const files = await docker(
      "exec",
      "--user",
      "47291:47291",
      agent,
      "sh",
      "-c",
      `grep -rs ${secret} /run/env /tmp /home /etc || true`,
    );
    const logs = await docker("logs", agent);
    child.kill("SIGTERM");
    const result = await ended(child);

    const surfaces = { inspect, pidOne, files, logs, events, stdout: result.stdout, stderr: result.stderr };
    for (const [surface, text] of Object.entries(surfaces)) assert.ok(!text.includes(secret), surface);
    assert.match(result.stderr, /\+ docker container exec --interactive/);
    assert.match(events, /exec_create/);
  },
});

Deno.test({
  name: "a ?prompt value is asked without echo, after y, and reaches the agent; the terminal is restored",
  ignore: ignore || !tmuxIsThere,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({
      bottle: { env: { ASKED: "?Type the word" }, runtime: "runc" },
      agent: { command: ["sh", "-c", 'echo "length ${#ASKED} sum $(printf %s "$ASKED" | cksum)"; tty'] },
    });
    await using terminal = new TmuxTerminal();
    await terminal.run(onTerminal(bench, ["start", bench.agent, "--manifest", bench.manifestFile]));
    await terminal.shows(/launch this agent\? \[y\/N\]/);
    await terminal.type("y");
    await terminal.press("Enter");
    await terminal.shows(/Type the word\):/);
    await terminal.type("swordfish");
    await terminal.press("Enter");
    const screen = await terminal.shows(/ended with 0[\s\S]*settled/);

    assert.match(screen, /length 9 sum 1492378230 9/);
    assert.match(screen, /\/dev\/pts\//);
    assert.doesNotMatch(screen, /swordfish/);
    assert.equal(
      await Deno.readTextFile(`${bench.folder}/after`),
      await Deno.readTextFile(`${bench.folder}/before`),
    );
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name:
    "Ctrl-C at the hidden question ends the program as by SIGINT, with the terminal restored and nothing made",
  ignore: ignore || !tmuxIsThere,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ bottle: { env: { ASKED: "?Type the word" } }, agent: { command: ["true"] } });
    await using terminal = new TmuxTerminal();
    await terminal.run(onTerminal(bench, ["start", bench.agent, "--manifest", bench.manifestFile, "--yes"]));
    await terminal.shows(/Type the word\):/);
    await terminal.press("C-c");
    await terminal.shows(/ended with 130[\s\S]*settled/);

    assert.equal(
      await Deno.readTextFile(`${bench.folder}/after`),
      await Deno.readTextFile(`${bench.folder}/before`),
    );
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "answering no makes nothing and ends with 0",
  ignore: ignore || !tmuxIsThere,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["true"] } });
    await using terminal = new TmuxTerminal();
    await terminal.run(onTerminal(bench, ["start", bench.agent, "--manifest", bench.manifestFile]));
    await terminal.shows(/launch this agent\? \[y\/N\]/);
    await terminal.press("Enter");
    await terminal.shows(/aborted by user[\s\S]*ended with 0/);

    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "an attached agent that is no Claude Code gets the terminal's keys, Ctrl-P and Ctrl-Q among them",
  ignore: ignore || !tmuxIsThere,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    const script = 'stty raw -echo; echo re""ady; head -c 3 | od -An -tx1; stty sane; exit 5';
    await bench.manifest({ bottle: { runtime: "runc" }, agent: { command: ["bash", "-c", script] } });
    await using terminal = new TmuxTerminal();
    await terminal.run(onTerminal(bench, ["start", bench.agent, "--manifest", bench.manifestFile, "--yes"]));
    await terminal.shows(/ready/);
    await terminal.press("C-p");
    await terminal.press("C-q");
    await terminal.type("x");
    const screen = await terminal.shows(/ended with 5[\s\S]*settled/);

    assert.match(screen, /10 11 78/);
    assert.deepEqual(await bench.leftovers(), []);
  },
});
