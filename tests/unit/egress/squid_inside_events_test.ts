import assert from "node:assert/strict";
import { squidEvent } from "../../support/squid_event.ts";

/** A line of the back's log as squid writes it where hosts are inspected. */
function line(changes: Readonly<Record<string, string | number>> = {}): string {
  return JSON.stringify({
    by: "back",
    time: 1795684554.048,
    status: 200,
    tag: "TCP_MISS",
    method: "POST",
    host: "api.test",
    port: "443",
    why: "-",
    bump: "bump",
    sni: "api.test",
    error: "-",
    from: "50500",
    bytes: "298",
    said: "none",
    asked: "POST%20/v1/messages",
    held: "-",
    detail: "-",
    ...changes,
  });
}

const TUNNEL = { method: "CONNECT", tag: "NONE_NONE", said: "-", asked: "-", bytes: "128" };
const EVENT = { time: 1795684554048, host: "api.test", port: 443 };

Deno.test("SquidReader reads a request that an inspected host was asked", () => {
  assert.deepEqual(squidEvent(line()), {
    ...EVENT,
    request: "POST /v1/messages",
    verdict: "allowed",
    reason: "",
    bytes: 298,
  });
});

Deno.test("SquidReader reads why a request was refused", () => {
  const refused = { ...EVENT, request: "POST /v1/messages", verdict: "refused", bytes: undefined };
  assert.deepEqual(squidEvent(line({ said: "rule", tag: "TCP_DENIED", status: 403 })), {
    ...refused,
    reason: "not among the requests that the manifest allows there",
  });
  assert.deepEqual(squidEvent(line({ said: "other_target", host: "evil.test", port: "80" })), {
    ...refused,
    reason: "asks for another host than its connection is to",
  });
  assert.equal(squidEvent(line({ why: "private" }))?.reason, "resolves to a private address");
  assert.equal(squidEvent(line({ said: "no such word" }))?.reason, "refused by the sidecar");
});

Deno.test("SquidReader names the variables of other hosts' placeholders in a request, let through or refused", () => {
  const names = ["API_KEY", "GIT_TOKEN"];
  assert.deepEqual(squidEvent(line({ held: names.join(",") }))?.placeholders, names);
  const refused = squidEvent(line({ said: "foreign_credential", held: "API_KEY" }));
  assert.deepEqual([refused?.verdict, refused?.placeholders], ["refused", ["API_KEY"]]);
  const plain = line({
    said: "-",
    bump: "-",
    sni: "-",
    method: "GET",
    port: "80",
    host: "deb.test",
    held: "API_KEY",
  });
  assert.deepEqual(squidEvent(plain), {
    ...EVENT,
    host: "deb.test",
    port: 80,
    verdict: "allowed",
    reason: "",
    placeholders: ["API_KEY"],
    bytes: 298,
  });
  for (const held of ["-", "", "a b,\n", "%41,1A"]) {
    assert.equal(Object.hasOwn(squidEvent(line({ held })) ?? {}, "placeholders"), false, held);
  }
});

Deno.test("SquidReader says nothing of a tunnel that was opened, nor of a client that is asked for its placeholder", () => {
  assert.equal(squidEvent(line(TUNNEL)), undefined);
  assert.equal(squidEvent(line({ said: "login", status: 401 })), undefined);
});

Deno.test("SquidReader tells once why a tunnel could not be opened", () => {
  const failed = { ...TUNNEL, error: "ERR_SECURE_CONNECT_FAIL" };
  const reasonOf = (detail: string): string | undefined => squidEvent(line({ ...failed, detail }))?.reason;
  assert.equal(
    reasonOf("SQUID_X509_V_ERR_DOMAIN_MISMATCH%2Bbroken_cert"),
    "the server's certificate is for another name",
  );
  assert.equal(reasonOf("X509_V_ERR_CERT_HAS_EXPIRED"), "the server's certificate has expired");
  assert.match(reasonOf("X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY") ?? "", /image\.ca/);
  assert.equal(reasonOf("SQUID_TLS_ERR_CONNECT"), "TLS with the server failed");
  assert.equal(squidEvent(line({ ...failed, method: "GET", bump: "-" })), undefined);
  assert.equal(
    squidEvent(line({ ...failed, method: "GET", bump: "-", host: "other.test" }))?.reason,
    "asks for another host than its connection is to: other.test",
  );
});

Deno.test("SquidReader names the entry to change for a client that pins its certificates", () => {
  const event = squidEvent(line({ ...TUNNEL, error: "ERR_SECURE_ACCEPT_FAIL" }));
  assert.equal(event?.verdict, "refused");
  assert.match(event?.reason ?? "", /did not accept the bottle's certificate.*without allow and inject/);
});

Deno.test("SquidReader lets nothing of a request through but printable ASCII", () => {
  const asked = "GET%20/%1b%5B31m%0A%E2%80%AE";
  assert.match(squidEvent(line({ asked }))?.request ?? "", /^[\x20-\x7e]+$/);
});
