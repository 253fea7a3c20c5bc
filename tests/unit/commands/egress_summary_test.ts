import assert from "node:assert/strict";
import { egressSummary, refusalLines } from "../../../lib/commands/egress_summary.ts";
import type { EgressEvent } from "../../../lib/egress/proxy.ts";

function refused(reason: string, changes: Partial<EgressEvent> = {}): EgressEvent {
  const host = "api.example.com";
  return { time: 0, verdict: "refused", host, port: 443, reason, bytes: undefined, times: 1, ...changes };
}

const REQUEST = { request: "POST /v1/messages" };

Deno.test("refusalLines() tells a foreign key apart from the same request without one", () => {
  const events = [
    refused("without the placeholder", { ...REQUEST, times: 2 }),
    refused("a foreign key", REQUEST),
    refused("without the placeholder", REQUEST),
  ];
  assert.deepEqual(refusalLines(events), [
    "refused POST /v1/messages of api.example.com (3 times): without the placeholder",
    "refused POST /v1/messages of api.example.com: a foreign key",
  ]);
  assert.deepEqual(egressSummary(events, "the rest is elsewhere"), [
    "refused POST /v1/messages of api.example.com (3 times, without the placeholder), " +
    "POST /v1/messages of api.example.com (a foreign key)",
  ]);
});

Deno.test("refusalLines() has one line for a host, whatever names it was tried by", () => {
  const events = [
    refused("TLS that names another host: a.test"),
    refused("TLS that names another host: b.test"),
  ];
  assert.deepEqual(refusalLines(events), [
    "refused api.example.com:443 (2 times): TLS that names another host: a.test",
  ]);
});
