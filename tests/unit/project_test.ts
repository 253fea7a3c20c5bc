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

Deno.test("the program may neither write nor open connections nor load native code", async () => {
  const { permissions } = JSON.parse(await text("deno.json"));
  assert.deepEqual(permissions.default, { read: true, env: true, run: ["docker", "sh"], sys: ["uid"] });
});
