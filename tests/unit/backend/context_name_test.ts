import assert from "node:assert/strict";
import { contextName } from "../../../lib/backend/docker/context_name.ts";
import { environmentOf } from "../../support/fake_host.ts";
import { memoryFiles } from "../../support/memory_files.ts";

const CONFIG = JSON.stringify({ currentContext: "chosen", auths: {} });

Deno.test("contextName() looks where the docker CLI looks, in the same order", async () => {
  const all = { DOCKER_HOST: "ssh://box", DOCKER_CONTEXT: "named", HOME: "/home/somebody" };
  const rows: readonly (readonly [string | undefined, Record<string, string>, string])[] = [
    ["told", all, "told"],
    [undefined, all, "ssh://box"],
    [undefined, { ...all, DOCKER_HOST: "" }, "named"],
    [undefined, { HOME: "/home/somebody" }, "chosen"],
    [undefined, { HOME: "/home/somebody", DOCKER_CONTEXT: "" }, "chosen"],
    [undefined, { HOME: "/home/somebody", DOCKER_CONFIG: "/etc/other" }, "elsewhere"],
    [undefined, { HOME: "/home/nobody" }, "default"],
    [undefined, {}, "default"],
  ];
  const files = memoryFiles({
    "/home/somebody/.docker/config.json": CONFIG,
    "/etc/other/config.json": CONFIG.replace("chosen", "elsewhere"),
  });
  for (const [told, env, name] of rows) {
    assert.equal(
      await contextName({ environment: environmentOf(env), files }, told),
      name,
      JSON.stringify(env),
    );
  }
});

Deno.test("contextName() takes a configuration that makes no sense for none", async () => {
  for (const text of ["", "{", "null", "[]", '{"currentContext":7}', '{"currentContext":""}']) {
    const files = memoryFiles({ "/home/somebody/.docker/config.json": text });
    const environment = environmentOf({ HOME: "/home/somebody" });
    assert.equal(await contextName({ environment, files }, undefined), "default", text);
  }
});
