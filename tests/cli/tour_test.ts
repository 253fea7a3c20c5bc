import assert from "node:assert/strict";
import { FakeBackend, runCli } from "../support/cli_harness.ts";

const PROBED = [
  "allowed\treached\tstatus 200",
  "ssh\treached\tlogged in",
  "other-host\trefused\tCONNECT tunnel failed, response 403",
  "other-port\trefused\tCONNECT tunnel failed, response 403",
  "direct\trefused\tNetwork is unreachable",
  "host\trefused\tno answer",
  "metadata\trefused\tstatus 403 from the sidecar, nothing directly",
  "dns\trefused\tno name resolves",
  "key\trefused\t4 ways tried: Permission denied; no file with a private key",
];

function backend(
  changes: Partial<Pick<FakeBackend, "captured" | "inspected" | "agentSays" | "code">> = {},
): FakeBackend {
  const fake = new FakeBackend();
  fake.captured = PROBED.join("\n");
  fake.inspected = "[{}]";
  fake.agentSays = "Hello from a bottle: I am node, with capabilities 0000000000000000\n";
  fake.events = [{
    time: 1,
    verdict: "refused",
    host: "other.demo.test",
    port: 443,
    reason: "not an allowed host",
    bytes: undefined,
  }];
  return Object.assign(fake, changes);
}

Deno.test("start demo shows each attempt with what came back, and what was removed", async () => {
  const run = await runCli(["start", "demo"], { backend: backend() });
  assert.deepEqual(run.outcome, { kind: "exit", code: 0 }, run.stdout + run.stderr);
  assert.deepEqual(run.backend.calls, [
    "build",
    "openDemoHosts",
    "prepare",
    "launch",
    "capture probe api.demo.test other.demo.test 8443 demo-git 10.213.0.18 10.213.0.17",
    "egressEvents",
    "inspection",
    "attach",
    "dispose",
    "dispose demo hosts",
    "prepareCleanup all",
  ]);
  const text = run.stdout.replace(/in \d+\.\d s/, "in N s");
  assert.equal(text, await Deno.readTextFile(new URL("testdata/tour.txt", import.meta.url)));
  assert.equal(run.stderr, "");
});

Deno.test("start demo launches what any manifest could ask for, with a key and a token that are in no file", async () => {
  const run = await runCli(["start", "demo"], {
    backend: backend(),
    env: { CLAUDE_BOTTLE_OAUTH_TOKEN: "mine", CLAUDE_BOTTLE_IMAGE: "mine", CLAUDE_BOTTLE_CONTAINER: "mine" },
  });
  const [spec] = run.backend.specs;
  assert.equal(spec?.forwardOauthToken, true);
  assert.deepEqual(spec?.policy, {
    hosts: [{ host: "api.demo.test", private: true, http: false }],
    ssh: [{ host: "git.demo.test", port: 22, private: true }],
  });
  assert.deepEqual(spec?.networks, ["claude-bottle-demo-x"]);
  assert.equal(spec?.proxy.name, "squid");
  const environment = run.backend.madeFor?.environment;
  assert.match(environment?.get("CLAUDE_BOTTLE_OAUTH_TOKEN") ?? "", /^tour-[0-9a-f]{32}$/);
  assert.equal(environment?.get("CLAUDE_BOTTLE_IMAGE"), undefined);
  assert.equal(environment?.get("CLAUDE_BOTTLE_CONTAINER"), undefined);
});

Deno.test("start demo --json gives one object, nothing else", async () => {
  const run = await runCli(["start", "demo", "--json"], { backend: backend() });
  assert.deepEqual(run.outcome, { kind: "exit", code: 0 });
  const { attempts, wrong, left, removed, proxy } = JSON.parse(run.stdout);
  assert.deepEqual(
    attempts.map(({ id, verdict, ok }: { id: string; verdict: string; ok: boolean }) => [id, verdict, ok]),
    [...PROBED.map((line) => [...line.split("\t").slice(0, 2), true]), ["token", "refused", true], [
      "claude",
      "reached",
      true,
    ]],
  );
  assert.equal(attempts[2].came_back, "CONNECT tunnel failed, response 403 (sidecar: not an allowed host)");
  assert.deepEqual({ wrong, left, proxy }, { wrong: 0, left: [], proxy: "squid" });
  assert.deepEqual(removed, [
    "claude-bottle-tour",
    "container claude-bottle-demo-x",
    "network claude-bottle-demo-x",
  ]);
});

Deno.test("start demo exits 1 when one thing comes out wrong, whichever it is", async () => {
  for (const [index, line] of PROBED.entries()) {
    const [name, verdict] = line.split("\t");
    const other = verdict === "reached" ? "refused" : "reached";
    const probed = PROBED.with(index, `${name}\t${other}\tsurprise`).join("\n");
    const run = await runCli(["start", "demo"], { backend: backend({ captured: probed }) });
    assert.deepEqual(run.outcome, { kind: "exit", code: 1 }, name);
    assert.match(run.stdout, /WRONG[^]*surprise[^]*1 came out wrong/, name);
  }
});

Deno.test("start demo counts what was not tried, a token in the inspection, and a silent Claude Code as wrong", async () => {
  const untried = await runCli(["start", "demo"], { backend: backend({ captured: "" }) });
  assert.deepEqual(untried.outcome, { kind: "exit", code: 1 });
  assert.match(untried.stdout, /it was not tried[^]*9 came out wrong/);
  const silent = await runCli(["start", "demo"], { backend: backend({ agentSays: "", code: 3 }) });
  assert.deepEqual(silent.outcome, { kind: "exit", code: 1 });
  assert.match(silent.stdout, /ended with 3[^]*1 came out wrong/);
  const shown = backend();
  shown.before = (call): void => {
    if (call === "inspection") {
      shown.inspected = `"Env":["T=${shown.madeFor?.environment.get("CLAUDE_BOTTLE_OAUTH_TOKEN")}"]`;
    }
  };
  const leaked = await runCli(["start", "demo"], { backend: shown });
  assert.deepEqual(leaked.outcome, { kind: "exit", code: 1 });
  assert.match(leaked.stdout, /the token stands in it[^]*1 came out wrong/);
});

Deno.test("start demo counts what is left as wrong", async () => {
  const fake = backend();
  const item = {
    kind: "network",
    id: "n1",
    name: "claude-bottle-demo-x",
    run: "r",
    agent: "demo",
    role: "demo",
  } as const;
  fake.cleanupPlan = {
    items: [{ ...item, created: 0, running: false, owner: "alive" }],
    kept: [],
    untouchedRuns: 0,
    empty: false,
  };
  const run = await runCli(["start", "demo"], { backend: fake });
  assert.deepEqual(run.outcome, { kind: "exit", code: 1 });
  assert.match(run.stdout, /LEFT {2}network claude-bottle-demo-x[^]*1 came out wrong/);
});

Deno.test("start demo --proxy pipelock shows the port that pipelock does not pin, as it is", async () => {
  const probed = PROBED.with(3, "other-port\treached\tstatus 200").join("\n");
  const run = await runCli(["start", "demo", "--proxy", "pipelock", "--json"], {
    backend: backend({ captured: probed }),
  });
  assert.deepEqual(run.outcome, { kind: "exit", code: 0 });
  const [, , , port] = JSON.parse(run.stdout).attempts;
  assert.deepEqual([port.verdict, port.came_back], ["reached", "status 200 (pipelock pins no ports)"]);
});

Deno.test("start demo refuses what it has no use for", async () => {
  for (
    const [flags, words] of [
      [["--prompt", "x"], "--prompt"],
      [["--manifest", "x", "--cwd"], "--cwd, --manifest"],
      [["--dry-run"], "--dry-run"],
      [["--", "x"], "arguments"],
    ] as const
  ) {
    const run = await runCli(["start", "demo", ...flags], { backend: backend() });
    assert.deepEqual(run.outcome, { kind: "exit", code: 2 });
    assert.equal(
      run.stderr,
      `error: start demo has no use for ${words}\n\nhint: It needs neither account nor manifest: claude-bottle start demo\n`,
    );
    assert.deepEqual(run.backend.calls, []);
  }
});

Deno.test("start demo removes everything when it is interrupted or fails", async () => {
  const fake = backend();
  fake.before = (call): void => {
    if (call.startsWith("capture")) throw new Error("gone");
  };
  const run = await runCli(["start", "demo"], { backend: fake });
  assert.deepEqual(run.outcome, { kind: "exit", code: 70 });
  assert.deepEqual(fake.calls.slice(-2), ["dispose", "dispose demo hosts"]);
});

Deno.test("start demo keeps within the columns of a terminal, from 60 on, and says the same", async () => {
  const words = (text: string): string => text.replace(/in \d+\.\d s/, "").replaceAll(/\s+/g, " ");
  const wide = await runCli(["start", "demo"], { backend: backend() });
  for (const columns of [60, 80]) {
    const run = await runCli(["start", "demo", "--color=never"], {
      backend: backend(),
      terminals: ["stdout"],
      columns,
    });
    for (const line of run.stdout.split("\n")) assert.ok(line.length <= columns, line);
    assert.equal(words(run.stdout), words(wide.stdout));
  }
});
