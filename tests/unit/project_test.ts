import assert from "node:assert/strict";
import { refuseUnavailable } from "../../lib/manifest/available.ts";
import { parseManifest } from "../../lib/manifest/load.ts";
import { VERSION } from "../../lib/version.ts";

const ROOT = new URL("../../", import.meta.url);

async function text(path: string): Promise<string> {
  return await Deno.readTextFile(new URL(path, ROOT));
}

Deno.test("VERSION is that of deno.json", async () => {
  assert.equal(JSON.parse(await text("deno.json")).version, VERSION);
});

Deno.test("the README's manifest loads, and its agent can be started", async () => {
  const [, yaml = ""] = /```yaml\n([\s\S]*?)```/.exec(await text("README.md")) ?? [];

  const manifest = await parseManifest([{ path: "README.md", bytes: new TextEncoder().encode(yaml) }]);

  assert.deepEqual([...manifest.agents.keys()], ["reviewer"]);
  refuseUnavailable(manifest, "reviewer");
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
