import assert from "node:assert/strict";
import { credentialFingerprint } from "../../scripts/scripted_api.ts";
import { engineRuntimes, hasProgram, Workbench } from "../support/engine.ts";
import { modelAt, scriptedModel } from "../support/scripted_model.ts";
import { onTerminal, TmuxTerminal } from "../support/tmux.ts";

const runtimes = await engineRuntimes();
const tmuxIsThere = await hasProgram("tmux");

const TOKEN = `sk-ant-oat01-${crypto.randomUUID()}`;
const KEY = `sk-ant-api03-${crypto.randomUUID()}`;

/** Prints what the agent's processes hold in a variable: Claude Code keeps it from those that it starts itself. */
function held(name: string): string {
  return `cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | sed -n 's/^${name}=/held: /p' | sort -u`;
}

/** What is held, and what an agent is answered that has it, or somebody else's key. */
const LOOK = [
  held("CLAUDE_CODE_OAUTH_TOKEN"),
  "CLAUDE_CODE_OAUTH_TOKEN=$(cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | sed -n 's/^CLAUDE_CODE_OAUTH_TOKEN=//p' | head -n 1)",
  "ask() { curl -sS -o /dev/null -w '%{http_code}\\n' \"$@\"; }",
  'echo files: $(ask -X POST -H "Authorization: Bearer $CLAUDE_CODE_OAUTH_TOKEN" https://api.anthropic.com/v1/files)',
  "echo foreign: $(ask -X POST -H 'X-Api-Key: sk-ant-api03-another' https://api.anthropic.com/v1/messages)",
  'echo models: $(ask -H "Authorization: Bearer $CLAUDE_CODE_OAUTH_TOKEN" https://api.anthropic.com/v1/models)',
].join("; ");

for (const runtime of ["runc", "runsc"]) {
  Deno.test({
    name: `headless Claude Code answers with a token that never enters its bottle (${runtime})`,
    ignore: !runtimes.includes(runtime),
    async fn(): Promise<void> {
      await using bench = await Workbench.create();
      await using api = await scriptedModel("An answer from afar");
      await bench.manifest({ bottle: await modelAt(api, bench) });

      const { code, stdout, stderr } = await bench.start(["--runtime", runtime, "--prompt", `run: ${LOOK}`], {
        CLAUDE_BOTTLE_OAUTH_TOKEN: TOKEN,
      });

      assert.equal(code, 0, stderr);
      assert.match(stderr, /your Claude token never enters the bottle/);
      assert.match(stdout, /^held: sk-ant-oat01-\S{36}$/m);
      assert.match(stdout, /^files: 403\nforeign: 403\nmodels: 200$/m);
      assert.ok(!`${stdout}${stderr}`.includes(TOKEN));
      const requests = await api.requests();
      const real = await credentialFingerprint(TOKEN);
      assert.deepEqual(new Set(requests.map(({ authorization }) => authorization)), new Set([real]));
      assert.deepEqual(
        new Set(requests.map(({ method, path }) => `${method} ${path}`)),
        new Set([
          "GET /api/claude_code/policy_limits",
          "GET /api/claude_code/settings",
          "POST /v1/messages",
          "GET /v1/models",
        ]),
      );
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}

Deno.test({
  name: "a key of the manifest is injected before the host's token, which stays outside as well",
  ignore: !runtimes.includes("runc"),
  async fn(): Promise<void> {
    await using bench = await Workbench.create();
    await using api = await scriptedModel("An answer for a key");
    const bottle = { ...await modelAt(api, bench), env: { ANTHROPIC_API_KEY: "${REAL_KEY}" } };
    await bench.manifest({ bottle });

    const command = [
      "--runtime",
      "runc",
      "--prompt",
      `run: ${held("ANTHROPIC_API_KEY")}; ${held("CLAUDE_CODE_OAUTH_TOKEN")}`,
    ];
    const { code, stdout, stderr } = await bench.start(command, {
      CLAUDE_BOTTLE_OAUTH_TOKEN: TOKEN,
      REAL_KEY: KEY,
    });

    assert.equal(code, 0, stderr);
    assert.match(stdout, /^held: sk-ant-api03-\S+\n$/);
    assert.ok(!stdout.includes(KEY));
    assert.match(stderr, /CLAUDE_BOTTLE_OAUTH_TOKEN stays outside/);
    const seen = (await api.requests()).map(({ apiKey, authorization }) => [apiKey, authorization]);
    assert.ok(seen.length > 0);
    const real = await credentialFingerprint(KEY);
    assert.ok(seen.every(([apiKey, authorization]) => apiKey === real && authorization === null));
  },
});

Deno.test({
  name: "a manifest that names the model's host has the token enter, and the preflight says so",
  ignore: !runtimes.includes("runc"),
  async fn(): Promise<void> {
    await using bench = await Workbench.create();
    await using api = await scriptedModel("Untouched");
    const { egress, ...rest } = await modelAt(api, bench);
    await bench.manifest({ bottle: { ...rest, egress: { ...egress, allowlist: [api.host] } } });

    const { code, stdout, stderr } = await bench.start(
      [
        "--runtime",
        "runc",
        "--prompt",
        `run: ${held("CLAUDE_CODE_OAUTH_TOKEN")}; curl -sSv https://api.anthropic.com/ 2>&1 | grep issuer`,
      ],
      { CLAUDE_BOTTLE_OAUTH_TOKEN: TOKEN },
    );

    assert.equal(code, 0, stderr);
    assert.match(stderr, /your Claude token enters the bottle: the manifest names api.anthropic.com itself/);
    assert.match(stdout, new RegExp(`^held: ${TOKEN}\\n.*issuer: CN=Scripted Messages API`));
  },
});

Deno.test({
  name: "attached Claude Code works with a placeholder: a typed prompt, a tool, how full its context is",
  ignore: !runtimes.includes("runc") || !tmuxIsThere,
  async fn(): Promise<void> {
    await using bench = await Workbench.create();
    await using api = await scriptedModel("Seen on the screen");
    await bench.manifest({ bottle: await modelAt(api, bench) });
    await using terminal = new TmuxTerminal();

    await terminal.run(
      onTerminal(bench, ["start", bench.agent, "--manifest", bench.manifestFile, "--yes"], {
        CLAUDE_BOTTLE_OAUTH_TOKEN: TOKEN,
      }),
    );
    await terminal.shows(/bypass permissions on/);
    await terminal.type("hello from the terminal");
    await terminal.press("Enter");
    await terminal.shows(/Seen on the screen/);
    await terminal.type("run: echo back $((6 * 7))");
    await terminal.shows(/run: echo back/);
    await terminal.press("Enter");
    await terminal.shows(/back 42/);
    await terminal.type("/context");
    await terminal.press("Enter");
    await terminal.shows(/Free space/);
    await terminal.type("/exit");
    await terminal.press("Enter");
    await terminal.shows(/ended with 0[\s\S]*settled/);

    const requests = await api.requests();
    const real = await credentialFingerprint(TOKEN);
    assert.ok(requests.some(({ path }) => path === "/v1/messages/count_tokens"));
    assert.deepEqual(new Set(requests.map(({ authorization }) => authorization)), new Set([real]));
    assert.deepEqual(await bench.leftovers(), []);
  },
});
