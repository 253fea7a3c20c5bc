import assert from "node:assert/strict";
import { join } from "node:path";
import { credentialFingerprint, startScriptedApi } from "../../scripts/scripted_api.ts";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import {
  builtImages,
  docker,
  type Ended,
  ended,
  engineProxies,
  engineRuntimes,
  eventually,
  hasProgram,
  isPair,
  PROGRAM,
  Workbench,
} from "../support/engine.ts";
import { onTerminal, TmuxTerminal } from "../support/tmux.ts";

const runtimes = await engineRuntimes();
const proxies = await engineProxies();
const ignore = runtimes.length === 0;
const tmuxIsThere = await hasProgram("tmux");

const ENV = { LITERAL: "literal-value", SECRET: "${HOST_SECRET}" };
const SECRETS = { HOST_SECRET: "host-secret-value", CLAUDE_BOTTLE_OAUTH_TOKEN: "token-value" };

/** Any command of the program to its end; `input` is its stdin. */
async function run(
  bench: Workbench,
  args: readonly string[],
  { env = {}, input }: { readonly env?: Readonly<Record<string, string>>; readonly input?: Uint8Array } = {},
): Promise<Ended & { readonly bytes: Uint8Array }> {
  const [program, ...words] = PROGRAM;
  const child = new Deno.Command(program, {
    args: [...words, ...args],
    cwd: bench.folder,
    env: bench.environment(env),
    clearEnv: true,
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const fed = input === undefined ? undefined : ReadableStream.from([input]).pipeTo(child.stdin);
  const { code, signal, stdout, stderr } = await child.output();
  await fed;
  const decoder = new TextDecoder();
  return { code, signal, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr), bytes: stdout };
}

/** `attach` or `exec` of this test's only bottle. */
async function enter(
  bench: Workbench,
  command: "attach" | "exec",
  args: readonly string[],
  more: Parameters<typeof run>[2] = {},
): Promise<Awaited<ReturnType<typeof run>>> {
  return await run(bench, [command, bench.agent, "--manifest", bench.manifestFile, ...args], more);
}

async function container(bench: Workbench, role: string): Promise<string> {
  const filter = [`label=${LABEL.agent}=${bench.agent}`, `label=${LABEL.role}=${role}`];
  return await docker("ps", "--quiet", "--no-trunc", ...filter.flatMap((one) => ["--filter", one]));
}

const SHOW =
  'for name in LITERAL SECRET CLAUDE_CODE_OAUTH_TOKEN; do eval "echo $name=\\${$name-unset}"; done';

for (const runtime of ["runc", "runsc"]) {
  for (const proxy of ["squid", "pipelock"]) {
    if (!isPair([proxy, runtime], { proxies, runtimes })) continue;
    Deno.test({
      name: `detach, list, attach, exec, stop (${proxy}, ${runtime})`,
      ignore: !runtimes.includes(runtime) || !proxies.includes(proxy),
      async fn(): Promise<void> {
        await builtImages();
        await using bench = await Workbench.create();
        await bench.manifest({
          bottle: { env: ENV, runtime, egress: { proxy } },
          agent: { command: ["sh", "-c", `${SHOW}; pwd; echo ran > mark; exit 9`] },
        });

        const started = await bench.start(["--detach"]);
        assert.equal(started.code, 0, started.stderr);
        const name = `claude-bottle-${bench.agent}`;
        assert.equal(started.stdout, `${name}\n`);
        assert.ok(started.stderr.includes(`lifetime       : until \`claude-bottle stop ${name}\`\n`));
        assert.match(started.stderr, /does not set SECRET \(from HOST_SECRET\): `attach` will refuse/);
        assert.ok(started.stderr.includes(`claude-bottle attach ${name} --manifest ${bench.manifestFile}\n`));

        const listed = JSON.parse((await run(bench, ["list", "active", "--json"])).stdout).bottles
          .find((bottle: { readonly name: string }) => bottle.name === name);
        assert.equal(listed.owner, "detached");

        const refused = await enter(bench, "attach", []);
        assert.equal(refused.code, 1);
        assert.match(refused.stderr, /The host does not set what the bottle's env takes from it: SECRET/);
        const attached = await enter(bench, "attach", [], { env: SECRETS });
        assert.equal(attached.code, 9, attached.stderr);
        // A sidecar that was launched without the token cannot keep it outside: it does not come along then.
        const token = proxy === "squid" ? "unset" : "token-value";
        const granted = `LITERAL=literal-value\nSECRET=host-secret-value\nCLAUDE_CODE_OAUTH_TOKEN=${token}\n`;
        assert.equal(attached.stdout, `${granted}/home/node\n`);
        assert.equal(attached.stderr.includes("your Claude token stays outside: "), proxy === "squid");

        // What the agent did is still there, and what it was given is not.
        const plain = await enter(bench, "exec", ["--", "sh", "-c", `cat mark; id -u; ${SHOW}; exit 7`], {
          env: SECRETS,
        });
        assert.equal(plain.code, 7, plain.stderr);
        assert.equal(
          plain.stdout,
          "ran\n47291\nLITERAL=literal-value\nSECRET=unset\nCLAUDE_CODE_OAUTH_TOKEN=unset\n",
        );
        const trusted = await enter(bench, "exec", ["--secrets", "--", "sh", "-c", SHOW], { env: SECRETS });
        assert.equal(trusted.stdout, granted);

        // Bytes in, bytes out, and stderr apart.
        const input = Uint8Array.from({ length: 300_000 }, (_, index) => index % 256);
        const piped = await enter(bench, "exec", ["--", "sh", "-c", "cat; echo aside >&2"], { input });
        assert.equal(piped.code, 0, piped.stderr);
        assert.deepEqual(piped.bytes, input);
        assert.equal(piped.stderr, "aside\n");

        const kept = await run(bench, ["cleanup", "--yes"]);
        assert.equal(kept.code, 0, kept.stderr);
        assert.equal((await container(bench, "agent")).length, 64);

        const log = await run(bench, ["logs", bench.agent]);
        assert.equal(log.code, 0, log.stderr);
        const stopped = await run(bench, ["stop", bench.agent]);
        assert.equal(stopped.stdout, `stopped ${name}\n`);
        assert.deepEqual(await bench.leftovers(), []);
      },
    });
  }

  Deno.test({
    name: `an interrupted exec and attach leave nothing running in the bottle, which stays (${runtime})`,
    ignore: !runtimes.includes(runtime),
    async fn(): Promise<void> {
      await builtImages();
      await using bench = await Workbench.create();
      const script = "echo begun; sleep 4321 & sleep 4322; echo never";
      await bench.manifest({ bottle: { runtime }, agent: { command: ["sh", "-c", script] } });
      assert.equal((await bench.start(["--detach"])).code, 0);
      for (
        const args of [
          ["exec", bench.agent, "--manifest", bench.manifestFile, "--", "sh", "-c", script],
          ["attach", bench.agent, "--manifest", bench.manifestFile],
        ]
      ) {
        const child = bench.spawn(args);
        const sleeping = async (): Promise<string> =>
          (await run(bench, [
            "exec",
            bench.agent,
            "--manifest",
            bench.manifestFile,
            "--",
            "sh",
            "-c",
            "pgrep -c -x sleep -u 47291; true",
          ])).stdout.trim();
        await eventually("both sleep", async () => await sleeping() === "2" ? true : undefined);

        child.kill("SIGTERM");
        const result = await ended(child);

        assert.equal(result.signal, "SIGTERM", result.stderr);
        assert.equal(result.stdout, "begun\n");
        assert.equal(await sleeping(), "0");
      }
      assert.equal((await run(bench, ["stop", bench.agent])).code, 0);
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}

Deno.test({
  name: "headless Claude Code answers in a detached bottle, twice, by its own token each time",
  ignore,
  async fn(): Promise<void> {
    const images = await builtImages();
    await using bench = await Workbench.create();
    await using api = await startScriptedApi({ image: images.agent, host: "api.test", answer: "Answered" });
    await bench.manifest({
      bottle: {
        env: { ANTHROPIC_BASE_URL: "https://api.test" },
        egress: { defaults: false, allowlist: ["api.test"], private: ["api.test"], networks: [api.network] },
        image: { ca: await bench.file("ca.pem", api.caPem) },
      },
      agent: { prompt: "You are a test." },
    });
    const started = await bench.start(["--detach"], { CLAUDE_BOTTLE_OAUTH_TOKEN: "first" });
    assert.equal(started.code, 0, started.stderr);
    for (const token of ["second", "third"]) {
      const { code, stdout, stderr } = await enter(bench, "attach", ["--prompt", `I am ${token}`], {
        env: { CLAUDE_BOTTLE_OAUTH_TOKEN: token },
      });
      assert.equal(code, 0, stderr);
      assert.equal(stdout, "Answered\n");
      assert.match(stderr, /stays until `claude-bottle stop /);
      const asked = (await api.requests()).find(({ text }) => text.includes(`I am ${token}`));
      assert.equal(asked?.authorization, await credentialFingerprint(token));
      assert.ok(asked?.systemEnd.includes("You are a test."));
    }
    assert.equal((await run(bench, ["stop", bench.agent])).code, 0);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "attach on a terminal: Claude Code, then a shell beside it; both leave the terminal as it was",
  ignore: ignore || !tmuxIsThere,
  async fn(): Promise<void> {
    const images = await builtImages();
    await using bench = await Workbench.create();
    await using api = await startScriptedApi({ image: images.agent, host: "api.test", answer: "Seen there" });
    await bench.manifest({
      bottle: {
        env: { ANTHROPIC_BASE_URL: "https://api.test", ...ENV },
        egress: { defaults: false, allowlist: ["api.test"], private: ["api.test"], networks: [api.network] },
        image: { ca: await bench.file("ca.pem", api.caPem) },
      },
    });
    assert.equal((await bench.start(["--detach"])).code, 0);
    const attach = ["attach", bench.agent, "--manifest", bench.manifestFile];
    {
      await using terminal = new TmuxTerminal();
      await terminal.run(onTerminal(bench, attach, SECRETS));
      await terminal.shows(/bypass permissions on/);
      await terminal.type("hello from afar");
      await terminal.press("Enter");
      await terminal.shows(/Seen there/);

      await using second = new TmuxTerminal();
      await second.run(onTerminal(bench, [...attach, "--shell"], SECRETS));
      await second.shows(/node@\S+:~\$/);
      await second.type(
        "test -t 0 && stty size; echo ${BASH_VERSION:+bash} $LITERAL ${SECRET-none}; pgrep -c claude; exit 5",
      );
      await second.press("Enter");
      await second.shows(
        /^40 120\nbash literal-value none\n[1-9]\d*\n[\s\S]*ended with 5[\s\S]*settled/m,
      );

      await terminal.type("/exit");
      await terminal.press("Enter");
      await terminal.shows(/ended with 0[\s\S]*settled/);
    }
    assert.equal(
      await Deno.readTextFile(join(bench.folder, "after")),
      await Deno.readTextFile(join(bench.folder, "before")),
    );
    assert.equal((await run(bench, ["stop", bench.agent])).code, 0);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "a closed terminal ends the shell that was attached in it",
  ignore: ignore || !tmuxIsThere,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["true"] } });
    assert.equal((await bench.start(["--detach"])).code, 0);
    await using terminal = new TmuxTerminal();
    await terminal.run(
      onTerminal(bench, ["attach", bench.agent, "--manifest", bench.manifestFile, "--shell"]),
    );
    await terminal.shows(/node@\S+:~\$/);
    const bashes = async (): Promise<string> =>
      (await enter(bench, "exec", ["--", "sh", "-c", "pgrep -c -x bash; true"])).stdout.trim();
    assert.equal(await bashes(), "1");

    await terminal.closeWindow();

    await eventually("the shell is gone", async () => await bashes() === "0" ? true : undefined);
    assert.equal((await run(bench, ["stop", bench.agent])).code, 0);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "--keep leaves the bottle of an agent that ran, however it ended, and none of one that did not",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["sh", "-c", "echo ran > mark; exit 4"] } });
    const kept = await bench.start(["--keep", "--runtime", "runc"]);
    assert.equal(kept.code, 4, kept.stderr);
    assert.match(kept.stderr, /lives until it is stopped\n.*claude-bottle attach claude-bottle-/);
    assert.equal((await enter(bench, "exec", ["--", "cat", "mark"])).stdout, "ran\n");
    assert.equal((await run(bench, ["stop", bench.agent])).code, 0);
    assert.deepEqual(await bench.leftovers(), []);

    await bench.manifest({ agent: { command: ["sleep", "1234"] } });
    const child = bench.launch(["--keep", "--runtime", "runc"]);
    await bench.sleepingAgent();
    child.kill("SIGINT");
    const interrupted = await ended(child);
    assert.equal(interrupted.signal, "SIGINT", interrupted.stderr);
    assert.match(interrupted.stderr, /lives until it is stopped/);
    const left = await enter(bench, "exec", ["--", "sh", "-c", "pgrep -x sleep -u 47291; echo none"]);
    assert.equal(left.stdout, "none\n");
    assert.equal((await run(bench, ["stop", bench.agent])).code, 0);

    const early = bench.launch(["--keep"]);
    await eventually("something exists", async () => (await bench.leftovers()).length > 0 ? true : undefined);
    early.kill("SIGTERM");
    assert.equal((await ended(early)).signal, "SIGTERM");
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "SIGINT during a detached launch removes everything",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["true"] } });
    const child = bench.launch(["--detach"]);
    await eventually("something exists", async () => (await bench.leftovers()).length > 0 ? true : undefined);
    child.kill("SIGINT");
    const result = await ended(child);
    assert.equal(result.signal, "SIGINT", result.stderr);
    assert.equal(result.stdout, "");
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "two detached bottles of one agent are told apart by their names, and the agent's name means neither",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["true"] } });
    const both = await Promise.all([bench.start(["--detach"]), bench.start(["--detach"])]);
    const name = `claude-bottle-${bench.agent}`;
    assert.deepEqual(both.map(({ stdout }) => stdout).sort(), [`${name}\n`, `${name}-2\n`]);
    for (
      const words of [
        ["stop", bench.agent],
        ["exec", bench.agent, "--manifest", bench.manifestFile, "--", "true"],
      ]
    ) {
      const unclear = await run(bench, words);
      assert.equal(unclear.code, 2, unclear.stderr);
      assert.match(unclear.stderr, new RegExp(`may be any of ${name}, ${name}-2\n`));
    }
    for (
      const [word, file] of [[name, "first"], [`${bench.agent}-2`, "second"], [`${bench.agent}-`, "third"]]
    ) {
      const made = await run(bench, [
        "exec",
        word ?? "",
        "--manifest",
        bench.manifestFile,
        "--",
        "sh",
        "-c",
        `touch ${file}; ls -d first second third 2>/dev/null; true`,
      ]);
      assert.equal(made.code, 0, made.stderr);
      assert.equal(made.stdout, file === "third" ? "second\nthird\n" : `${file}\n`);
    }
    for (const word of [`${name}-2`, bench.agent]) assert.equal((await run(bench, ["stop", word])).code, 0);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "a manifest that changed since the launch is refused until it is as it was",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["echo", "old"] } });
    assert.equal((await bench.start(["--detach"])).code, 0);
    const before = await Deno.readTextFile(bench.manifestFile);
    await Deno.writeTextFile(bench.manifestFile, `${before}\n`);
    for (const [command, args] of [["attach", []], ["exec", ["--", "true"]]] as const) {
      const refused = await enter(bench, command, args);
      assert.equal(refused.code, 2);
      assert.equal(refused.stdout, "");
      assert.ok(
        refused.stderr.includes(`  ${bench.manifestFile} has changed since the launch\n`),
        refused.stderr,
      );
    }
    await Deno.writeTextFile(bench.manifestFile, before);
    assert.equal((await enter(bench, "attach", [])).stdout, "old\n");
    assert.equal((await run(bench, ["stop", bench.agent])).code, 0);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "a dead sidecar ends attach and exec with 125 and the end of its log, a gone one in words",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["echo", "ran"] } });
    assert.equal((await bench.start(["--detach"])).code, 0);
    const sidecar = await container(bench, "sidecar");
    const enterBoth = async (said: RegExp): Promise<void> => {
      for (const [command, args] of [["attach", []], ["exec", ["--", "echo", "ran"]]] as const) {
        const result = await enter(bench, command, args);
        assert.equal(result.code, 125, result.stderr);
        assert.equal(result.stdout, "");
        assert.match(result.stderr, said);
      }
    };
    await docker("kill", sidecar);
    await enterBoth(/error: The sidecar \(squid\) did not stay up; the end of its log:\n {2}\S/);
    await docker("rm", "--force", sidecar);
    await enterBoth(/error: The sidecar of \S+ is gone, so nothing in it can reach a network\n/);
    await docker("kill", await container(bench, "agent"));
    await enterBoth(/error: \S+ does not run any more\n/);
    assert.equal((await run(bench, ["stop", bench.agent])).code, 0);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "a detached launch whose sidecar does not stay up ends with 125, its log, and nothing left",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    // Up for long enough to be verified, and then not there to answer.
    await bench.manifest({ agent: { command: ["true"] } });
    const real = (await new Deno.Command("sh", { args: ["-c", "command -v docker"] }).output()).stdout;
    const path = await bench.onPath(
      "docker",
      `case "$*" in *headless*/bin/true) ${new TextDecoder().decode(real).trim()} kill ` +
        `$(${new TextDecoder().decode(real).trim()} ps -q --filter label=${LABEL.agent}=${bench.agent} ` +
        `--filter label=${LABEL.role}=sidecar) >/dev/null;; esac\n` +
        `exec ${new TextDecoder().decode(real).trim()} "$@"`,
    );
    const result = await bench.start(["--detach"], { PATH: path });
    assert.equal(result.code, 125, result.stderr);
    assert.equal(result.stdout, "");
    assert.match(result.stderr, /error: The sidecar \(squid\) did not stay up; the end of its log:/);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "a session's bottle takes commands and no second agent",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ agent: { command: ["sleep", "1234"] } });
    const child = bench.launch(["--runtime", "runc"]);
    await bench.sleepingAgent();
    const busy = await enter(bench, "attach", []);
    assert.equal(busy.code, 1);
    assert.match(busy.stderr, /has an agent already/);
    const beside = await enter(bench, "exec", ["--", "pgrep", "-c", "-x", "sleep", "-u", "47291"]);
    assert.deepEqual([beside.code, beside.stdout], [0, "1\n"]);
    child.kill("SIGTERM");
    assert.equal((await ended(child)).signal, "SIGTERM");
    assert.deepEqual(await bench.leftovers(), []);
  },
});
