import assert from "node:assert/strict";
import { refuseUnavailable } from "../../lib/manifest/available.ts";
import { Failure } from "../../lib/errors.ts";
import { renderProblem } from "../../lib/manifest/diagnostics.ts";
import { parseManifest } from "../../lib/manifest/load.ts";
import type { Manifest } from "../../lib/manifest/model.ts";
import { VERSION } from "../../lib/version.ts";

const ROOT = new URL("../../", import.meta.url);

async function text(path: string): Promise<string> {
  return await Deno.readTextFile(new URL(path, ROOT));
}

Deno.test("VERSION is that of deno.json", async () => {
  assert.equal(JSON.parse(await text("deno.json")).version, VERSION);
});

async function readmeBlocks(language: string): Promise<readonly string[]> {
  const blocks = (await text("README.md")).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm);
  return [...blocks].filter(([, name]) => name === language).map(([, , content = ""]) => content);
}

function parsed(yaml: string): Promise<Manifest> {
  return parseManifest([{ path: "claude-bottle.yaml", bytes: new TextEncoder().encode(yaml) }]);
}

Deno.test("the README's manifests load, and their agents can be started", async () => {
  const manifests = await Promise.all((await readmeBlocks("yaml")).map(parsed));
  const names = manifests.map(({ agents }) => [...agents.keys()]);
  assert.deepEqual(names, [["reviewer"], ["reviewer", "strict-reviewer"], ["worker"]]);
  for (const manifest of manifests) {
    for (const name of manifest.agents.keys()) refuseUnavailable(manifest, name);
  }
  const web = manifests[1]?.bottles.get("web");
  assert.deepEqual([...web?.env.keys() ?? []], ["GIT_AUTHOR_NAME", "NODE_ENV"]);
  assert.deepEqual(web?.egress.allowlist.map(({ host }) => host), ["api.example.com"]);
  assert.equal(web?.egress.proxy, "squid");
});

Deno.test("the README shows what is said of a mistake, word for word", async () => {
  const shown = (await readmeBlocks("")).find((block) => block.startsWith("error: "));
  const yaml =
    "bottles:\n  dev:\n    egress:\n      allowlst: [github.com]\nagents: { me: { bottle: dev } }\n";
  const error: unknown = await parsed(yaml).then(() => undefined, (error: unknown) => error);
  assert.ok(error instanceof Failure);
  const told = error.problems.map(renderProblem).join("\n").replaceAll(/^/gm, "  ");
  assert.equal(shown, `error: ${error.message}\n${told}\n`);
});

Deno.test("SECURITY.md has seven promises, each with tests that exist and with what is not promised", async () => {
  const [, ...promises] = (await text("SECURITY.md")).split(/^### (?=\d\. )/m);
  assert.deepEqual(promises.map((promise) => promise.slice(0, 1)), ["1", "2", "3", "4", "5", "6", "7"]);
  for (const promise of promises) {
    const [title = ""] = promise.split("\n");
    const files = [...promise.matchAll(/`(tests\/[^`]*)`/g)].map(([, path = ""]) => path);
    assert.ok(files.length > 0, `${title} names a test`);
    for (const path of files) assert.match(await text(path), /Deno\.test(\.each)?\(/, `${path} has tests`);
    assert.match(promise, /^_Held by_ /m, title);
    assert.match(promise, /^_Not promised:_/m, title);
  }
});

Deno.test("the program may neither write nor open connections nor load native code", async () => {
  const { permissions } = JSON.parse(await text("deno.json"));
  assert.deepEqual(permissions.default, { read: true, env: true, run: ["docker", "sh"], sys: ["uid"] });
});
