import assert from "node:assert/strict";
import { credentialFingerprint, type ScriptedApi } from "../../scripts/scripted_api.ts";
import {
  endSearch,
  judgeSurfaces,
  lookInside,
  lookIntoMemory,
  SEARCHED,
  type SearchedBottle,
  spreadCredential,
  spreading,
} from "../support/bottle_surfaces.ts";
import { ended, engineRuntimes, hasProgram, Workbench } from "../support/engine.ts";
import { modelAt, scriptedModel } from "../support/scripted_model.ts";
import { Lookout, textForms } from "../support/sightings.ts";
import { onTerminal, TmuxTerminal } from "../support/tmux.ts";

const runtimes = await engineRuntimes();
const isSearchable = await hasProgram("perl");
const tmuxIsThere = await hasProgram("tmux");

const CREDENTIAL = { variable: "CLAUDE_CODE_OAUTH_TOKEN", host: "api.anthropic.com", path: "v1/models" };

/** What each token begins with, and its placeholder too. */
const BEGINNING = "sk-ant-oat01-";
const TOKEN = `${BEGINNING}${crypto.randomUUID()}`;
const ENV = { CLAUDE_BOTTLE_OAUTH_TOKEN: TOKEN };

/** What stands in a prompt: memory in which it is seen is Claude Code's. */
const ASKED = `asked${crypto.randomUUID().replaceAll("-", "")}`;

/** Has Claude Code's own tool spread what Claude Code holds. */
const SPREAD = 'run: bash -c "$SPREAD"';
/** The same for a headless one, in one prompt. */
const PROMPT = `${ASKED}\n${SPREAD}`;

/** Writes the manifest of a bottle whose Claude Code asks `api`, and which differs by `egress` from the usual one. */
async function bottleAt(
  api: ScriptedApi,
  { bench, runtime, egress = {} }: {
    readonly bench: Workbench;
    readonly runtime: string;
    readonly egress?: object;
  },
): Promise<SearchedBottle> {
  const model = await modelAt(api, bench);
  const env = { SPREAD: spreading(CREDENTIAL), BASH_DEFAULT_TIMEOUT_MS: "600000" };
  await bench.manifest({ bottle: { ...model, egress: { ...model.egress, ...egress }, env } });
  return { bench, runtime, env: ENV, credential: CREDENTIAL };
}

/** What the bottle's processes were handed, by name, and what was asked of Claude Code. */
async function lookoutFor(bottle: SearchedBottle): Promise<Lookout> {
  const handed = await spreadCredential(bottle);
  assert.match(handed, /^sk-ant-oat01-\S{36}$/);
  const canaries = { secret: TOKEN, ...handed === TOKEN ? {} : { placeholder: handed } };
  const forms = Object.entries(canaries).map(([name, text]) => ({
    name,
    forms: textForms(text.slice(BEGINNING.length)),
  }));
  return await Lookout.create(bottle.bench.folder, [...forms, { name: "asked", forms: textForms(ASKED) }]);
}

/** Fails unless Claude Code, which goes on, has been read all over and has nothing but a placeholder. */
async function holdsPlaceholderAlone(title: string, bottle: SearchedBottle): Promise<void> {
  const lookout = await lookoutFor(bottle);
  const table = await lookInside(lookout, bottle);
  await judgeSurfaces(`${title}, ${bottle.runtime}:`, table, {
    everywhere: "placeholder",
    nowhere: "secret",
  });
  const its = await lookIntoMemory(lookout, bottle, "claude");
  assert.deepEqual(its, new Set(["placeholder", "asked"]));
}

async function onlyTheRealToken(api: ScriptedApi): Promise<void> {
  const requests = await api.requests();
  assert.ok(requests.some(({ path }) => path === "/v1/messages"));
  const seen = new Set(requests.map(({ authorization }) => authorization));
  assert.deepEqual(seen, new Set([await credentialFingerprint(TOKEN)]));
}

for (const runtime of ["runc", "runsc"]) {
  const ignore = !runtimes.includes(runtime) || !isSearchable;

  Deno.test({
    name: `attached Claude Code and its whole bottle hold a placeholder alone (${runtime})`,
    ignore: ignore || !tmuxIsThere,
    async fn(): Promise<void> {
      await using api = await scriptedModel("Seen on the screen");
      await using bench = await Workbench.create();
      const bottle = await bottleAt(api, { bench, runtime });
      await using terminal = new TmuxTerminal();
      const words = ["start", bench.agent, "--manifest", bench.manifestFile, "--yes", "--runtime", runtime];

      await terminal.run(onTerminal(bench, words, ENV));
      await terminal.shows(/bypass permissions on/);
      await terminal.type(ASKED);
      await terminal.press("Enter");
      await terminal.shows(/Seen on the screen/);
      await terminal.type(SPREAD);
      await terminal.shows(/run: bash/);
      await terminal.press("Enter");
      await holdsPlaceholderAlone("attached Claude Code", bottle);
      await endSearch(bottle);
      await terminal.shows(new RegExp(SEARCHED));
      await terminal.type("/exit");
      await terminal.press("Enter");
      await terminal.shows(/ended with 0[\s\S]*settled/);

      await onlyTheRealToken(api);
      assert.deepEqual(await bench.leftovers(), []);
    },
  });

  Deno.test({
    name: `a token that does enter is seen where it must not be otherwise (${runtime})`,
    ignore,
    async fn(): Promise<void> {
      await using api = await scriptedModel("Not asked for");
      await using bench = await Workbench.create();
      const bottle = await bottleAt(api, { bench, runtime, egress: { allowlist: [api.host] } });

      const running = bench.launch(["--runtime", runtime, "--prompt", PROMPT], ENV);
      const lookout = await lookoutFor(bottle);
      assert.deepEqual(await lookIntoMemory(lookout, bottle, "claude"), new Set(["secret", "asked"]));
      // What else is looked through is so by the same commands under either.
      if (runtime === "runc") {
        await judgeSurfaces("a token that enters:", await lookInside(lookout, bottle), {
          everywhere: "secret",
        });
      }
      await endSearch(bottle);
      const { code, stderr } = await ended(running);

      assert.equal(code, 0, stderr);
      assert.match(stderr, /your Claude token enters the bottle/);
    },
  });
}

Deno.test({
  name: "headless Claude Code and its whole bottle hold a placeholder alone",
  ignore: !runtimes.includes("runc") || !isSearchable,
  async fn(): Promise<void> {
    await using api = await scriptedModel("Not asked for");
    await using bench = await Workbench.create();
    const bottle = await bottleAt(api, { bench, runtime: "runc" });

    const running = bench.launch(["--runtime", "runc", "--prompt", PROMPT], ENV);
    await holdsPlaceholderAlone("headless Claude Code", bottle);
    await endSearch(bottle);
    const { code, stdout, stderr } = await ended(running);

    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`^${SEARCHED}$`, "m"));
    await onlyTheRealToken(api);
    assert.deepEqual(await bench.leftovers(), []);
  },
});
