import assert from "node:assert/strict";
import { squidPages } from "../../../lib/egress/squid/pages.ts";
import { squidEvent } from "../../support/squid_event.ts";

Deno.test("squidPages() are one sentence of ours each", () => {
  const pages = squidPages().filter(({ path }) => path.startsWith("ERR_"));
  assert.ok(pages.length > 30);
  for (const { path, text } of pages) {
    assert.match(text, /^claude-bottle [a-z][^\n]+\n$/, path);
    // What squid would not put in.
    assert.doesNotMatch(text.replace(/%[HpEDc]/g, ""), /%/, path);
  }
  assert.equal(new Set(pages.map(({ path }) => path)).size, pages.length);
});

Deno.test("squidPages() say of a server's certificate what the log says", () => {
  const details = squidPages().find(({ path }) => path === "error-details.txt")?.text ?? "";
  const all = [...details.matchAll(/^name: (\S+)\ndetail: "([^"\\%]+)"\ndescr: "\1"\n$/gm)];
  assert.ok(all.length > 10);
  assert.equal(all.map(([whole]) => `${whole}\n`).join(""), details);
  for (const [, name = "", text] of all) {
    if (name === "SQUID_TLS_ERR_CONNECT") continue;
    const line = { by: "back", time: 1, host: "api.test", port: "443", method: "CONNECT", bump: "bump" };
    const event = squidEvent(JSON.stringify({ ...line, error: "ERR_SECURE_CONNECT_FAIL", detail: name }));
    assert.equal(event?.reason, text);
  }
});
