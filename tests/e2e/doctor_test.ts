import assert from "node:assert/strict";
import { join } from "node:path";
import type { Finding } from "../../lib/bottle/diagnosis.ts";
import type { Ended } from "../support/engine.ts";
import { programPath } from "../support/engine.ts";
import { Sandbox } from "../support/program.ts";

/** What is asked of the engine. */
const ENGINE_CHECKS = [
  "debug",
  "limits",
  "seccomp",
  "runtimes",
  "agent-image",
  "squid-image",
  "pipelock-image",
  "base-image",
  "subnets",
  "leftovers",
];

/** What needs no engine, and is looked at whatever happens to it. */
const OWN_CHECKS = ["client-proxies", "manifest", "token", "terminal"];

const STACK = /\bat (async )?(file|ext):|^ +at .*:\d+:\d+|Uncaught|This is a bug/m;

function findingsOf({ code, stdout, stderr }: Ended, expected: number): ReadonlyMap<string, Finding> {
  assert.equal(code, expected, stderr);
  assert.doesNotMatch(stderr, STACK);
  const { findings } = JSON.parse(stdout);
  return new Map(findings.map((finding: Finding) => [finding.check, finding]));
}

/** Everything that needs the engine says why it was not looked at; the rest was looked at. */
function assertNotLookedAt(findings: ReadonlyMap<string, Finding>, why: string): void {
  for (const check of ENGINE_CHECKS) {
    assert.deepEqual(findings.get(check), {
      check,
      status: "note",
      sentence: `not looked at: ${why}`,
      remedy: null,
    });
  }
  for (const check of OWN_CHECKS) assert.doesNotMatch(findings.get(check)?.sentence ?? "", /not looked at/);
  assert.equal(findings.get("manifest")?.status, "ok");
}

Deno.test("doctor finds no problem with an engine that has everything", async () => {
  await using sandbox = await Sandbox.create({ runtimes: ["runsc"] });
  const result = await sandbox.run(["doctor", "--json"]);
  const findings = findingsOf(result, 0);
  assert.deepEqual([...findings.keys()], ["client", "engine", ...ENGINE_CHECKS, ...OWN_CHECKS]);
  for (const check of ["client", "engine", ...ENGINE_CHECKS]) {
    assert.equal(findings.get(check)?.status, "ok", check);
  }
  assert.equal(result.stderr, "");
  const text = await sandbox.run(["doctor"]);
  assert.equal(text.code, 0);
  assert.match(text.stdout, /^ok {4}client {10}docker CLI 28\.2\.2$/m);
  assert.match(
    text.stdout,
    /^ok {4}engine {10}engine 20\.10\.24 at unix:\/\/\/fake\.sock \(context default\) /m,
  );
  assert.equal(text.stderr, "claude-bottle: no problems\n");
});

Deno.test("doctor passes --context on and creates nothing", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.run(["doctor", "--context", "box"]);
  for (const { args } of await sandbox.docker.calls()) {
    assert.deepEqual(args.slice(0, 2), ["--context", "box"]);
  }
  const kinds = new Set(await sandbox.docker.kinds());
  for (const kind of kinds) assert.match(kind, /^(client-version|context|info|find-|survey-)/);
  assert.deepEqual(await sandbox.docker.objects(), []);
  assert.deepEqual(await sandbox.temporaryFiles(), []);
});

Deno.test("doctor without a docker CLI says so once, and looks at what needs none", async () => {
  await using sandbox = await Sandbox.create();
  const bin = join(sandbox.folder, "no-docker");
  await Deno.mkdir(bin);
  await Deno.symlink(await programPath("sh"), join(bin, "sh"));
  const result = await sandbox.run(["doctor", "--json"], { env: { PATH: bin } });
  const findings = findingsOf(result, 1);
  assert.deepEqual(findings.get("client"), {
    check: "client",
    status: "problem",
    sentence: "The docker CLI is not on PATH",
    remedy: "Install the docker CLI and an engine, then run again",
  });
  assert.equal(findings.get("engine")?.sentence, "not looked at: the docker CLI cannot be run");
  assertNotLookedAt(findings, "the docker CLI cannot be run");
  assert.equal(result.stdout.match(/is not on PATH/g)?.length, 1);
});

Deno.test("doctor without an engine tells its client and what to do, and looks at what needs none", async () => {
  const all = ["info", "ps", "survey-containers", "survey-networks", "survey-volumes", "find-networks"];
  const images = ["agent", "sidecar", "other"].map((role) => `find-${role}-image`);
  await using sandbox = await Sandbox.create({
    faults: [...all, ...images].map((kind) => ({ kind, nth: "*", fault: "gone" })),
  });
  const findings = findingsOf(await sandbox.run(["doctor", "--json"]), 1);
  assert.equal(findings.get("client")?.status, "ok");
  assert.deepEqual(findings.get("engine"), {
    check: "engine",
    status: "problem",
    sentence: "The engine does not answer: Cannot connect to the Docker daemon at unix:///x. Is the docker " +
      "daemon running?",
    remedy: "Start it, or name another with `--context` or DOCKER_HOST",
  });
  assertNotLookedAt(findings, "the engine does not answer");
  const text = await sandbox.run(["doctor"]);
  assert.equal(text.code, 1);
  assert.match(text.stdout, /^problem {2}engine {10}The engine does not answer: /m);
  assert.match(text.stdout, /^ {25}→ Start it, or name another with `--context` or DOCKER_HOST$/m);
  assert.equal(text.stderr, "claude-bottle: 1 problem; what to do stands behind the arrows\n");
});

Deno.test("doctor gives an engine that hangs ten seconds, and waits for nothing else", async () => {
  await using sandbox = await Sandbox.create({ hold: ["info", "find-agent-image", "find-networks"] });
  const began = performance.now();
  const findings = findingsOf(await sandbox.run(["doctor", "--json"]), 1);
  const seconds = (performance.now() - began) / 1000;
  assert.ok(seconds > 9 && seconds < 15, `${seconds} s`);
  assert.equal(findings.get("client")?.status, "ok");
  assert.deepEqual(findings.get("engine"), {
    check: "engine",
    status: "problem",
    sentence: "The engine gave no answer at asking the engine what it is: the call did not end within 10 s",
    remedy: "`docker version` shows whether the engine answers; restart it if it does not",
  });
  assertNotLookedAt(findings, "the engine does not answer");
});

Deno.test("doctor is interrupted while the engine hangs", async () => {
  await using sandbox = await Sandbox.create({ hold: ["info"] });
  const child = sandbox.spawn(["doctor"]);
  await sandbox.docker.begun("info");
  child.kill("SIGTERM");
  const { signal } = await child.status;
  assert.equal(signal, "SIGTERM");
  assert.equal(await new Response(child.stdout).text(), "");
  assert.equal(await new Response(child.stderr).text(), "");
});

Deno.test("doctor finds an old engine, one in debug mode, and one that bounds and filters nothing", async () => {
  await using sandbox = await Sandbox.create({
    missingImages: ["agent", "sidecar", "other"],
    info: {
      ServerVersion: "19.03.15\u001b[2J",
      Debug: true,
      MemoryLimit: false,
      PidsLimit: false,
      SecurityOptions: ["name=apparmor"],
      Runtimes: { crun: {} },
    },
  });
  const findings = findingsOf(await sandbox.run(["doctor", "--json"]), 1);
  const statuses = ["engine", "debug", "limits", "seccomp", "runtimes", "agent-image", "base-image"]
    .map((check) => [check, findings.get(check)?.status]);
  assert.deepEqual(statuses, [
    ["engine", "problem"],
    ["debug", "note"],
    ["limits", "problem"],
    ["seccomp", "problem"],
    ["runtimes", "problem"],
    ["agent-image", "note"],
    ["base-image", "note"],
  ]);
  assert.match(
    findings.get("engine")?.sentence ?? "",
    /^engine 19\.03\.15·\[2J at .*; it is older than 20\.10, the oldest that bottles are tested with$/,
  );
  assert.equal(findings.get("agent-image")?.remedy, "`claude-bottle build`");
});

Deno.test("doctor makes a finding of every answer that cannot be read", async () => {
  for (
    const kind of [
      "info",
      "find-agent-image",
      "client-version",
      "context",
      "find-networks",
      "find-subnets",
      "survey-networks",
      "survey-containers",
    ]
  ) {
    for (const fault of ["exit1", "empty", "bad-json", "truncated"] as const) {
      await using sandbox = await Sandbox.create({ faults: [{ kind, nth: "*", fault }] });
      const { code, stdout, stderr } = await sandbox.run(["doctor", "--json"]);
      assert.ok(code === 0 || code === 1, `${kind} with ${fault}: ${code} ${stderr}`);
      assert.doesNotMatch(stderr, STACK, `${kind} with ${fault}`);
      assert.ok(JSON.parse(stdout).findings.length >= 16, `${kind} with ${fault}`);
    }
  }
});
