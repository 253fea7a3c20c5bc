import assert from "node:assert/strict";
import type { EgressEvent } from "../../lib/egress/proxy.ts";
import { FakeBackend, runCli, TWO_AGENTS } from "../support/cli_harness.ts";
import { PERSON } from "../support/memory_terminal.ts";

function event(verdict: "allowed" | "refused", host: string, port = 443): EgressEvent {
  const reason = verdict === "refused" ? "not an allowed host" : "";
  return { time: 1, verdict, host, port, reason, bytes: undefined };
}

/** What an attached session says after the agent has ended. */
async function said(events: readonly EgressEvent[], argv = ["start", "reviewer"]): Promise<string> {
  const backend = new FakeBackend();
  backend.events = events;
  const run = await runCli([...argv, "--yes"], { manifest: TWO_AGENTS, backend, terminals: PERSON });
  assert.deepEqual(run.outcome, { kind: "exit", code: 0 }, run.stderr);
  // The preflight ends with an empty line.
  return run.stderr.slice(run.stderr.lastIndexOf("\n\n") + 2);
}

Deno.test("an attached session ends with one line: what was reached and what was refused", async () => {
  const rows = [
    {
      events: [event("allowed", "api.test"), event("allowed", "api.test"), event("allowed", "git.test", 22)],
      line: "reached api.test, git.test:22",
    },
    {
      events: [event("refused", "x.test", 0), event("refused", "x.test", 0), event("refused", "x.test")],
      line: "refused x.test (2 times, not an allowed host), x.test:443 (not an allowed host)",
    },
    {
      events: [event("refused", "x.test"), event("allowed", "api.test")],
      line: "reached api.test; refused x.test:443 (not an allowed host)",
    },
  ];
  for (const { events, line } of rows) assert.equal(await said(events), `claude-bottle: ${line}\n`);
});

Deno.test("a refused request is named with its host, and a host that was asked much is reached once", async () => {
  const asked = (verdict: "allowed" | "refused", request: string): EgressEvent => ({
    ...event(verdict, "api.test"),
    request,
    reason: verdict === "refused" ? "not allowed there" : "",
  });
  const events = [
    asked("allowed", "GET /a"),
    asked("allowed", "POST /b"),
    asked("refused", "PUT /a"),
    asked("refused", "PUT /a"),
    asked("refused", "DELETE /\u001b[2J\nx"),
  ];
  assert.equal(
    await said(events),
    "claude-bottle: reached api.test; refused PUT /a of api.test (2 times, not allowed there), " +
      "DELETE /·[2J·x of api.test (not allowed there)\n",
  );
  const backend = new FakeBackend();
  backend.events = events;
  const headless = await runCli(["start", "--prompt", "hi"], { backend });
  assert.equal(
    headless.stderr.slice(headless.stderr.lastIndexOf("\n\n") + 2),
    "claude-bottle: refused PUT /a of api.test (2 times): not allowed there\n" +
      "claude-bottle: refused DELETE /·[2J·x of api.test: not allowed there\n",
  );
});

Deno.test("a placeholder that went where it is worth nothing is told, and one that was refused only as that", async () => {
  const carried = (one: EgressEvent): EgressEvent => ({ ...one, placeholders: ["API_KEY"] });
  const events = [
    carried(event("allowed", "a.test")),
    carried({ ...event("allowed", "a.test"), request: "GET /b" }),
    { ...event("allowed", "b.test", 80), placeholders: ["API_KEY", "GIT_TOKEN"] },
    carried(event("refused", "c.test")),
  ];
  assert.equal(
    await said(events),
    "claude-bottle: reached a.test, b.test:80; refused c.test:443 (not an allowed host); " +
      "sent in vain the placeholder of API_KEY to a.test (2 times), the placeholders of API_KEY, GIT_TOKEN to b.test:80\n",
  );
  const backend = new FakeBackend();
  backend.events = events;
  const headless = await runCli(["start", "--prompt", "hi"], { backend });
  assert.equal(
    headless.stderr.slice(headless.stderr.lastIndexOf("\n\n") + 2),
    "claude-bottle: refused c.test:443: not an allowed host\n" +
      "claude-bottle: sent the placeholder of API_KEY to a.test (2 times): worth nothing there\n" +
      "claude-bottle: sent the placeholders of API_KEY, GIT_TOKEN to b.test:80: worth nothing there\n",
  );
});

Deno.test("the line names three of each, counts the rest, and says where it went", async () => {
  const hosts = Array.from({ length: 500 }, (_, index) => `h${index}.test`);
  assert.equal(
    await said(hosts.slice(0, 4).map((host) => event("allowed", host))),
    "claude-bottle: reached h0.test, h1.test, h2.test and 1 more; the whole log went with the bottle\n",
  );
  assert.equal(
    await said([
      event("allowed", "api.test"),
      ...hosts.map((host) => ({ ...event("refused", host), reason: "x" })),
    ]),
    "claude-bottle: reached api.test; refused h0.test:443 (x), h1.test:443 (x), h2.test:443 (x) and 497 more; " +
      "the whole log went with the bottle\n",
  );
});

Deno.test("the line stays one line and short, whatever an agent asked for", async () => {
  const hostile = ["a\nerror: forged", "b\u001b[2J\u202e", "c".repeat(255)];
  const line = await said(hostile.flatMap((host) => [event("allowed", host), event("refused", host)]));
  assert.match(line, /^claude-bottle: reached a·error: forged, b·\[2J·, c{59}…; refused [^\n]*\n$/);
  assert.ok(line.length < 600, line);
});

Deno.test("a session that tried nothing ends without a word", async () => {
  assert.equal(await said([]), "");
});

Deno.test("a headless run tells each refused target in a line of its own, and no host that was reached", async () => {
  const backend = new FakeBackend();
  backend.events = [event("allowed", "api.test"), event("refused", "a.test"), event("refused", "b.test")];
  const run = await runCli(["start", "--prompt", "hi"], { backend });
  assert.equal(
    run.stderr.slice(run.stderr.lastIndexOf("\n\n") + 2),
    "claude-bottle: refused a.test:443: not an allowed host\n" +
      "claude-bottle: refused b.test:443: not an allowed host\n",
  );
});
