import assert from "node:assert/strict";
import { join } from "node:path";
import { credentialFingerprint, startScriptedApi } from "../../scripts/scripted_api.ts";
import {
  builtImages,
  docker,
  engineProxies,
  engineRuntimes,
  eventually,
  hasProgram,
  Workbench,
} from "../support/engine.ts";
import { onTerminal, TmuxTerminal } from "../support/tmux.ts";

const runtimes = await engineRuntimes();
const proxies = await engineProxies();
const tmuxIsThere = await hasProgram("tmux");

function claudeBottle(api: { readonly network: string }, ca: string): object {
  return {
    env: { ANTHROPIC_BASE_URL: "https://api.test" },
    egress: { defaults: false, allowlist: ["api.test"], private: ["api.test"], networks: [api.network] },
    image: { ca },
  };
}

for (
  const [proxy, runtime] of [["squid", "runc"], ["squid", "runsc"], ["pipelock", "runc"], [
    "pipelock",
    "runsc",
  ]] as const
) {
  Deno.test({
    name: `headless Claude Code answers through ${proxy} over TLS (${runtime})`,
    ignore: !runtimes.includes(runtime) || !proxies.includes(proxy),
    async fn(): Promise<void> {
      const images = await builtImages();
      await using bench = await Workbench.create();
      await using api = await startScriptedApi({
        image: images.agent,
        host: "api.test",
        answer: "An answer from afar",
      });
      const ca = await bench.file("ca.pem", api.caPem);
      await bench.manifest({ bottle: claudeBottle(api, ca), agent: { prompt: "You are a test." } });
      const token = `token-${crypto.randomUUID()}`;

      const { code, stdout, stderr } = await bench.start(
        ["--runtime", runtime, "--proxy", proxy, "--prompt", "-- say something"],
        { CLAUDE_BOTTLE_OAUTH_TOKEN: token },
      );

      assert.equal(code, 0, stderr);
      assert.equal(stdout, "An answer from afar\n");
      assert.match(stderr, runtime === "runsc" ? /runtime +: runsc \(gVisor\)/ : /runtime +: runc\n/);
      assert.ok(!stderr.includes(token));
      // Nothing but the API was even tried.
      assert.doesNotMatch(stderr, /claude-bottle: refused/);
      const messages = (await api.requests()).filter(({ path }) => path.startsWith("/v1/messages"));
      assert.ok(messages.some(({ text }) => text.includes("-- say something")));
      assert.ok(messages.some(({ systemEnd }) => systemEnd.includes("You are a test.")));
      assert.equal(messages[0]?.authorization, await credentialFingerprint(token));
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}

Deno.test({
  name: "Claude Code runs a command in the bottle as the agent's user, without capabilities",
  ignore: runtimes.length === 0,
  async fn(): Promise<void> {
    const images = await builtImages();
    await using bench = await Workbench.create();
    await using api = await startScriptedApi({ image: images.agent, host: "api.test" });
    const ca = await bench.file("ca.pem", api.caPem);
    await bench.manifest({ bottle: { ...claudeBottle(api, ca), runtime: "runc" } });

    const { code, stdout, stderr } = await bench.start(
      ["--prompt", "run: id -u; grep -E '^(CapEff|NoNewPrivs)' /proc/self/status; pwd"],
      { CLAUDE_BOTTLE_OAUTH_TOKEN: "token" },
    );

    assert.equal(code, 0, stderr);
    assert.match(stdout, /47291\nCapEff:\t0000000000000000\nNoNewPrivs:\t1\n\/home\/node/);
  },
});

Deno.test({
  name: "attached Claude Code: typed prompt, answer seen, /exit, terminal restored, all gone",
  ignore: runtimes.length === 0 || !tmuxIsThere,
  async fn(): Promise<void> {
    const images = await builtImages();
    await using bench = await Workbench.create();
    await using api = await startScriptedApi({
      image: images.agent,
      host: "api.test",
      answer: "Seen on the screen",
    });
    const ca = await bench.file("ca.pem", api.caPem);
    await bench.manifest({ bottle: claudeBottle(api, ca) });
    await using terminal = new TmuxTerminal();

    await terminal.run(
      onTerminal(bench, ["start", bench.agent, "--manifest", bench.manifestFile], {
        CLAUDE_BOTTLE_OAUTH_TOKEN: "x",
      }),
    );
    await terminal.shows(/launch this agent\? \[y\/N\]/);
    await terminal.type("y");
    await terminal.press("Enter");
    await terminal.shows(/bypass permissions on/);
    await terminal.type("hello from the terminal");
    await terminal.press("Enter");
    await terminal.shows(/Seen on the screen/);
    // It stops itself, and nobody could type `fg`. What it says of that is gone once it goes on.
    await terminal.press("C-z");
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await terminal.type("run: echo back $((6 * 7))");
    await terminal.shows(/run: echo back/);
    await terminal.press("Enter");
    await terminal.shows(/back 42/);
    await terminal.type("/exit");
    await terminal.press("Enter");
    await terminal.shows(/ended with 0[\s\S]*settled/);

    assert.equal(
      await Deno.readTextFile(join(bench.folder, "after")),
      await Deno.readTextFile(join(bench.folder, "before")),
    );
    assert.ok((await api.requests()).some(({ text }) => text.includes("hello from the terminal")));
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "a closed terminal ends the bottle",
  ignore: runtimes.length === 0 || !tmuxIsThere,
  async fn(): Promise<void> {
    const images = await builtImages();
    await using bench = await Workbench.create();
    await using api = await startScriptedApi({ image: images.agent, host: "api.test" });
    const ca = await bench.file("ca.pem", api.caPem);
    await bench.manifest({ bottle: claudeBottle(api, ca) });
    await using terminal = new TmuxTerminal();
    await terminal.run(
      onTerminal(bench, ["start", bench.agent, "--manifest", bench.manifestFile, "--yes"], {
        CLAUDE_BOTTLE_OAUTH_TOKEN: "x",
      }),
    );
    await terminal.shows(/bypass permissions on/);
    assert.equal(
      (await docker("ps", "--quiet", "--filter", `label=claude-bottle.agent=${bench.agent}`)).split("\n")
        .length,
      2,
    );

    await terminal.closeWindow();

    await eventually(
      "nothing is left",
      async () => (await bench.leftovers()).length === 0 ? true : undefined,
    );
  },
});
