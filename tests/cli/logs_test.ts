import assert from "node:assert/strict";
import type { ActiveBottle } from "../../lib/bottle/active.ts";
import type { EgressEvent } from "../../lib/egress/proxy.ts";
import { FakeBackend, runCli } from "../support/cli_harness.ts";

const BOTTLE: ActiveBottle = {
  name: "claude-bottle-reviewer",
  id: "a".repeat(64),
  sidecar: undefined,
  run: "aaaaaaaaaaaaa",
  agent: "reviewer",
  bottle: "dev",
  manifestFiles: [],
  status: "running",
  since: 0,
  runtime: "runc",
  proxy: "squid",
  owner: "alive",
};

const ALLOWED: EgressEvent = {
  time: 0,
  verdict: "allowed",
  host: "api.example",
  port: 443,
  reason: "",
  bytes: undefined,
};
const REFUSED: EgressEvent = {
  ...ALLOWED,
  verdict: "refused",
  host: "x.example",
  reason: "not an allowed host",
};
const NO_PORT: EgressEvent = { ...REFUSED, time: 60_000, host: "y.example\u001b[2J\nz", port: 0 };

function backend(): FakeBackend {
  const fake = new FakeBackend();
  fake.bottles = [BOTTLE];
  fake.events = [ALLOWED, { ...ALLOWED, bytes: 1234 }, REFUSED, NO_PORT];
  return fake;
}

Deno.test("logs shows what was reached and refused, equal ones in a row as one line", async () => {
  const run = await runCli(["logs", "reviewer"], { backend: backend() });
  assert.deepEqual(run.outcome, { kind: "exit", code: 0 }, run.stderr);
  assert.deepEqual(run.backend.calls, ["listActive stopped", `egressLog ${BOTTLE.id}`]);
  assert.equal(
    run.stdout,
    [
      "1970-01-01T00:00:00.000Z  allowed  api.example:443  1.2 kB  (2 times)\n",
      "1970-01-01T00:00:00.000Z  refused  x.example:443  not an allowed host\n",
      "1970-01-01T00:01:00.000Z  refused  y.example·[2J·z  not an allowed host\n",
    ].join(""),
  );
  assert.equal(run.stderr, "");
});

Deno.test("logs --blocked leaves out what was let through; --json is one object a line", async () => {
  const run = await runCli(["logs", "rev", "--blocked", "--json"], { backend: backend() });
  assert.deepEqual(run.stdout.trimEnd().split("\n").map((line) => JSON.parse(line)), [
    {
      time: "1970-01-01T00:00:00.000Z",
      verdict: "refused",
      host: "x.example",
      port: 443,
      reason: "not an allowed host",
      bytes: null,
      times: 1,
    },
    {
      time: "1970-01-01T00:01:00.000Z",
      verdict: "refused",
      host: "y.example\u001b[2J\nz",
      port: 0,
      reason: "not an allowed host",
      bytes: null,
      times: 1,
    },
  ]);
});

Deno.test("logs --follow folds nothing: each line is there as soon as it is known", async () => {
  const run = await runCli(["logs", "reviewer", "-f"], { backend: backend() });
  assert.deepEqual(run.backend.calls, ["listActive stopped", `egressLog ${BOTTLE.id} follow`]);
  assert.equal(run.stdout.match(/api\.example:443(\n| {2}1\.2 kB\n)/g)?.length, 2);
});

Deno.test("logs --follow shows the end of a connection with its bytes, and --blocked leaves it out", async () => {
  const fake = backend();
  fake.events = [ALLOWED, REFUSED, { ...ALLOWED, time: 60_000, verdict: "closed", bytes: 3_008_664 }];
  const run = await runCli(["logs", "reviewer", "-f"], { backend: fake });
  assert.equal(
    run.stdout,
    [
      "1970-01-01T00:00:00.000Z  allowed  api.example:443\n",
      "1970-01-01T00:00:00.000Z  refused  x.example:443  not an allowed host\n",
      "1970-01-01T00:01:00.000Z  closed   api.example:443  3.0 MB\n",
    ].join(""),
  );
  const blocked = await runCli(["logs", "reviewer", "-f", "--blocked"], { backend: fake });
  assert.equal(blocked.stdout, "1970-01-01T00:00:00.000Z  refused  x.example:443  not an allowed host\n");
});

Deno.test("logs adds the bytes of equal connections, and says null where none is known", async () => {
  const fake = backend();
  const other = { ...ALLOWED, host: "other.example" };
  fake.events = [{ ...ALLOWED, bytes: 1000 }, ALLOWED, { ...ALLOWED, bytes: 500 }, other, other];
  const run = await runCli(["logs", "reviewer", "--json"], { backend: fake });
  assert.deepEqual(
    run.stdout.trimEnd().split("\n").map((line) => JSON.parse(line)).map((
      { bytes, times },
    ) => [bytes, times]),
    [[1500, 3], [null, 2]],
  );
});

Deno.test("logs shows what was asked of an inspected host, each request for itself", async () => {
  const fake = backend();
  const asked = { ...ALLOWED, request: "GET /v1/models", bytes: 700 };
  const refused = { ...asked, verdict: "refused" as const, reason: "not allowed there", bytes: undefined };
  fake.events = [asked, asked, { ...asked, request: "POST /v1/messages" }, ALLOWED, {
    ...refused,
    request: "PUT /v1/\u001b[2J\nx",
  }];
  const text = await runCli(["logs", "reviewer"], { backend: fake });
  assert.equal(
    text.stdout,
    [
      "1970-01-01T00:00:00.000Z  allowed  api.example:443  GET /v1/models  1.4 kB  (2 times)\n",
      "1970-01-01T00:00:00.000Z  allowed  api.example:443  POST /v1/messages  700 B\n",
      "1970-01-01T00:00:00.000Z  allowed  api.example:443\n",
      "1970-01-01T00:00:00.000Z  refused  api.example:443  PUT /v1/·[2J·x  not allowed there\n",
    ].join(""),
  );
  const json = await runCli(["logs", "reviewer", "--json"], { backend: fake });
  const objects = json.stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(objects.map(({ request, bytes, times }) => [request, bytes, times]), [
    ["GET /v1/models", 1400, 2],
    ["POST /v1/messages", 700, 1],
    [undefined, null, 1],
    ["PUT /v1/\u001b[2J\nx", null, 1],
  ]);
  assert.equal(Object.hasOwn(objects[2], "request"), false);
});

Deno.test("logs says whose placeholder a request carried to a host that is not its own", async () => {
  const fake = backend();
  const carried = { ...ALLOWED, request: "GET /a", bytes: 700, placeholders: ["API_KEY"] };
  const refused = { ...REFUSED, reason: "a credential in the URL", placeholders: ["API_KEY", "GIT_TOKEN"] };
  fake.events = [carried, carried, { ...ALLOWED, request: "GET /a", bytes: 5 }, refused];
  const text = await runCli(["logs", "reviewer"], { backend: fake });
  assert.equal(
    text.stdout,
    [
      "1970-01-01T00:00:00.000Z  allowed  api.example:443  GET /a  carries the placeholder of API_KEY, worth nothing there  1.4 kB  (2 times)\n",
      "1970-01-01T00:00:00.000Z  allowed  api.example:443  GET /a  5 B\n",
      "1970-01-01T00:00:00.000Z  refused  x.example:443  a credential in the URL  carries the placeholders of API_KEY, GIT_TOKEN, worth nothing there\n",
    ].join(""),
  );
  const json = await runCli(["logs", "reviewer", "--json"], { backend: fake });
  const objects = json.stdout.trimEnd().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(objects.map(({ placeholders, times }) => [placeholders, times]), [
    [["API_KEY"], 2],
    [undefined, 1],
    [["API_KEY", "GIT_TOKEN"], 1],
  ]);
});

Deno.test("logs of a bottle that is not there names those that are, with code 1", async () => {
  const run = await runCli(["logs", "writer"], { backend: backend() });
  assert.deepEqual(run.outcome, { kind: "exit", code: 1 });
  assert.match(run.stderr, /There is no bottle "writer"\n\nhint: Bottles: claude-bottle-reviewer\n/);
});

Deno.test("logs says so when there is nothing to show, and nothing with --json", async () => {
  const rows = [
    { argv: [], stderr: "claude-bottle: nothing was tried\n" },
    { argv: ["--blocked"], stderr: "claude-bottle: nothing was refused\n" },
    { argv: ["--json"], stderr: "" },
  ];
  for (const { argv, stderr } of rows) {
    const fake = backend();
    fake.events = argv.includes("--blocked") ? [ALLOWED] : [];
    const run = await runCli(["logs", "reviewer", ...argv], { backend: fake });
    assert.deepEqual({ code: run.outcome, out: run.stdout, err: run.stderr }, {
      code: { kind: "exit", code: 0 },
      out: "",
      err: stderr,
    });
  }
});
