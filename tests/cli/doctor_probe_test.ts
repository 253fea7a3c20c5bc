import assert from "node:assert/strict";
import { CONTROLS } from "../../lib/isolation/controls.ts";
import { type CliOptions, type CliRun, FakeBackend, runCli, TWO_AGENTS } from "../support/cli_harness.ts";

/** How an attempt ends that is stopped, where it is told by that. */
const STOPPED: Readonly<Record<string, string>> = {
  "sidecar-from-outside": "refused",
  "control-loopback": "ended with 0",
};

/** What comes back from it, where it is told by that. */
const ANSWERS: Readonly<Record<string, string>> = {
  "host-by-sidecar": "HTTP/1.1%20403",
  "proxy-loopback-address": "HTTP/1.1%20403",
};

/** A bottle that lets nothing through but what is granted, and what `through` names. */
function backend(
  { through = [], silent = [], failing = [], ends = {} }: {
    readonly through?: readonly string[];
    /** What the probe does not tell of. */
    readonly silent?: readonly string[];
    /** Controls that do not get through. */
    readonly failing?: readonly string[];
    /** How some attempts end instead. */
    readonly ends?: Readonly<Record<string, string>>;
  } = {},
): FakeBackend {
  const fake = new FakeBackend();
  const passing = [...through, ...CONTROLS.map(({ id }) => id).filter((id) => !failing.includes(id))];
  fake.probed = (attempts) =>
    attempts.map((attempt) => {
      const [id = ""] = attempt.split(" ");
      if (silent.includes(id)) return "";
      if (passing.includes(id)) fake.arrived += `${attempt}\n`;
      return `${id}\t${ends[id] ?? STOPPED[id] ?? "silence"}\t${ANSWERS[id] ?? "%"}\n`;
    }).join("");
  return fake;
}

async function probe(
  fake: FakeBackend,
  argv: readonly string[] = [],
  more: CliOptions = {},
): Promise<CliRun> {
  return await runCli(["doctor", "--probe", ...argv], { backend: fake, ...more });
}

interface Report {
  readonly engine: unknown;
  readonly runtime: string;
  readonly proxy: string;
  readonly seconds: number;
  readonly controls: readonly { readonly id: string; readonly passed: boolean }[];
  readonly protections: readonly {
    readonly id: string;
    readonly title: string;
    readonly status: string;
    readonly grounds: string;
    readonly remedy: string;
    readonly attempts: readonly { readonly id: string; readonly verdict: string; readonly said: string }[];
  }[];
  readonly left: readonly string[];
}

async function report(fake: FakeBackend, code: number, argv: readonly string[] = []): Promise<Report> {
  const run = await probe(fake, ["--json", ...argv]);
  assert.deepEqual(run.outcome, { kind: "exit", code }, run.stderr);
  assert.equal(run.stderr, "");
  return JSON.parse(run.stdout);
}

/** Protections with this status. */
function ids({ protections }: Report, status: string): readonly string[] {
  return protections.filter((one) => one.status === status).map(({ id }) => id);
}

Deno.test("doctor --probe attacks a bottle, kills its sidecar, attacks again, and prints a line for each protection", async () => {
  const run = await probe(backend());
  assert.deepEqual(run.outcome, { kind: "exit", code: 0 }, run.stdout + run.stderr);
  assert.equal(run.stdout, await Deno.readTextFile(new URL("testdata/doctor_probe.txt", import.meta.url)));
  assert.match(run.stderr, /^claude-bottle: 16 protections, 56 attempts, \d+\.\d s: 16 held\n$/);
  assert.deepEqual(run.backend.calls.map((call) => call.split(" ").slice(0, 2).join(" ")), [
    "identify",
    "build",
    "openCanary",
    "prepare",
    "launch",
    "ready",
    "probe",
    "probe beside",
    "killSidecar",
    "probe",
    "dispose",
    "dispose canary",
    "prepareCleanup all",
  ]);
});

Deno.test("doctor --probe launches what a manifest could ask for, and gives the bottle nothing of the user's", async () => {
  const { backend: fake } = await probe(backend(), [], {
    manifest: TWO_AGENTS,
    env: { CLAUDE_BOTTLE_OAUTH_TOKEN: "mine", CLAUDE_BOTTLE_IMAGE: "mine" },
  });
  const [spec] = fake.specs;
  assert.ok(spec);
  assert.deepEqual(
    { agent: spec.agent, startsAgent: spec.startsAgent, token: spec.forwardOauthToken, ssh: spec.ssh },
    { agent: "probe", startsAgent: false, token: false, ssh: [] },
  );
  assert.deepEqual(spec.networks, ["claude-bottle-canary-x", "claude-bottle-canary-x-private"]);
  assert.deepEqual(spec.policy.hosts.filter((rule) => rule.private), []);
  assert.deepEqual([...spec.env.keys()], []);
  assert.deepEqual(spec.policy.ssh.map(({ host, port }) => `${host}:${port}`), [
    "127.0.0.1:9",
    "git.probe.test:22",
    "git2.probe.test:2222",
  ]);
});

Deno.test("doctor --probe takes proxy and runtime from its flags, else what start would take", async () => {
  const silent = "bottles: { a: {} }\nagents: { one: { bottle: a } }\n";
  const rows: readonly [readonly string[], CliOptions, readonly string[]][] = [
    [[], {}, ["squid", "auto"]],
    [[], { manifest: silent }, ["pipelock", "auto"]],
    [[], { manifest: silent, env: { CLAUDE_BOTTLE_PROXY: "squid" } }, ["squid", "auto"]],
    [[], { manifest: TWO_AGENTS }, ["squid", "auto"]],
    [["--proxy", "pipelock", "--runtime", "runc"], { manifest: TWO_AGENTS }, ["pipelock", "runc"]],
    [["--runtime", "runsc"], { manifest: TWO_AGENTS }, ["squid", "runsc"]],
    [[], {
      manifest: "bottles: { a: { egress: { proxy: squid }, runtime: runc }, b: { runtime: runc } }\n" +
        "agents: { one: { bottle: a }, two: { bottle: b } }\n",
    }, ["pipelock", "runc"]],
  ];
  for (const [argv, options, expected] of rows) {
    const { backend: fake, stderr } = await probe(backend(), argv, options);
    const [spec] = fake.specs;
    assert.deepEqual([spec?.proxy.name, spec?.runtime], expected, stderr);
    const mixed = options.manifest?.includes("two:") === true && options.manifest !== TWO_AGENTS;
    assert.equal(
      stderr.includes("differ in their proxy: one is attacked, and --proxy names it"),
      mixed,
      stderr,
    );
    assert.equal(stderr.includes("differ in their runtime"), false, stderr);
  }
});

Deno.test("doctor --probe does not take a manifest for read that is not", async () => {
  const broken = { manifest: "bottles: 1\n" };
  const run = await probe(backend(), [], broken);
  assert.deepEqual(run.outcome, { kind: "exit", code: 2 });
  assert.deepEqual(run.backend.calls, []);
  const told = await probe(backend(), ["--proxy", "squid", "--runtime", "auto"], broken);
  assert.deepEqual(told.outcome, { kind: "exit", code: 0 });
});

Deno.test("doctor --probe exits 1 when something got through, and says what, and what to do", async () => {
  const run = await probe(backend({ through: ["direct-tcp"] }));
  assert.deepEqual(run.outcome, { kind: "exit", code: 1 });
  assert.match(
    run.stdout,
    /^NOT HELD {6}the agent is in one network, with its sidecar alone: 1 of 5 attempts got through \(a TCP connection to a host's address\)\n {14}→ Use an engine that joins/m,
  );
  assert.match(run.stderr, /: 15 held, 1 not held\n$/);
  const json = await report(backend({ through: ["direct-tcp"] }), 1);
  assert.deepEqual(ids(json, "not held"), ["one-network"]);
});

Deno.test("doctor --probe sees by the sidecar's absence that what is granted is no way out either", async () => {
  const json = await report(backend({ through: ["closed-killed"] }), 1);
  assert.deepEqual(ids(json, "not held"), ["fail-closed"]);
});

Deno.test("doctor --probe --json tells every attempt of every protection", async () => {
  const json = await report(backend(), 0, ["--proxy", "squid"]);
  assert.deepEqual(
    { engine: json.engine, runtime: json.runtime, proxy: json.proxy, left: json.left },
    { engine: { version: "20.10.24", context: "default" }, runtime: "runc", proxy: "squid", left: [] },
  );
  assert.equal(typeof json.seconds, "number");
  assert.deepEqual(new Set(json.controls.map(({ passed }) => passed)), new Set([true]));
  assert.equal(json.protections.length, 16);
  for (const { attempts, remedy, title } of json.protections) {
    assert.ok(remedy.length > 0 && title.length > 0);
    for (const { verdict } of attempts) assert.equal(verdict, "stopped");
  }
  const capabilities = json.protections.find(({ id }) => id === "no-capabilities");
  assert.deepEqual(capabilities?.attempts[0], {
    id: "direct-raw",
    title: "an IP packet made by hand",
    verdict: "stopped",
    said: "silence",
    excepted: false,
  });
});

Deno.test("doctor --probe takes a bottle through which nothing gets for untestable, not for closed", async () => {
  const dead = backend({ failing: CONTROLS.map(({ id }) => id) });
  const run = await probe(dead);
  assert.deepEqual(run.outcome, { kind: "exit", code: 1 });
  assert.match(run.stderr, /: 16 not testable\n$/);
  assert.match(run.stdout, /^NO CONTROL {4}TLS to an allowed host did not get through: silence/m);
  assert.match(run.stdout, /0 of 9 uses that are granted got through/);
  assert.equal(run.stdout.match(/→/g)?.length, 1);
  assert.match(run.stdout, /→ Run it again on a quiet machine; `claude-bottle doctor`/);

  const one = await report(backend({ failing: ["control-ssh"], through: ["direct-tcp"] }), 1);
  assert.deepEqual(ids(one, "held"), []);
  assert.deepEqual(ids(one, "not held"), ["one-network"]);
  assert.equal(one.protections[0]?.grounds, "what is granted did not get through either");
  assert.match(one.protections[0]?.remedy ?? "", /^Run it again/);
  assert.deepEqual(one.controls.filter(({ passed }) => !passed).map(({ id }) => id), ["control-ssh"]);
});

Deno.test("doctor --probe holds nothing when the probe does not tell of an attempt", async () => {
  const json = await report(backend({ silent: ["direct-tcp"] }), 1);
  assert.deepEqual(ids(json, "held"), []);
  assert.equal(json.protections[0]?.grounds, "nothing is known of 1 of the attempts");
});

Deno.test("doctor --probe holds nothing when an attempt was not made to its end", async () => {
  for (const end of ["failed:%20no%20module", "took%20too%20long", "ended%20with%20127"]) {
    const json = await report(backend({ ends: { "direct-tcp": end } }), 1);
    assert.deepEqual(ids(json, "held"), [], end);
    assert.equal(json.protections[0]?.grounds, "nothing is known of 1 of the attempts");
    const seen = await report(backend({ ends: { "direct-tcp": end }, through: ["direct-tcp"] }), 1);
    assert.deepEqual(ids(seen, "not held"), ["one-network"], end);
  }
});

Deno.test("doctor --probe prints what pipelock lets through as what it is, and counts it as nothing else", async () => {
  const through = ["proxy-port", "proxy-no-name", "proxy-http"];
  const pipelock = await probe(backend({ through }), ["--proxy", "pipelock"]);
  assert.deepEqual(pipelock.outcome, { kind: "exit", code: 0 });
  assert.match(
    pipelock.stdout,
    /^excepted {6}the sidecar lets granted ports[^\n]* let through: pipelock pins no ports\n {14}→ `--proxy squid`/m,
  );
  assert.match(pipelock.stderr, /13 held, 3 excepted/);
  const squid = await report(backend({ through }), 1, ["--proxy", "squid"]);
  assert.deepEqual(ids(squid, "not held"), ["proxy-ports", "proxy-tls", "proxy-methods"]);
});

Deno.test("doctor --probe counts what is left as wrong", async () => {
  const fake = backend();
  const item = {
    kind: "network",
    id: "n1",
    name: "claude-bottle-canary-x",
    run: "r",
    agent: "probe",
    role: "demo",
  } as const;
  fake.cleanupPlan = {
    items: [{ ...item, created: 0, running: false, owner: "alive" }],
    kept: [],
    untouchedRuns: 0,
    empty: false,
  };
  const run = await probe(fake);
  assert.deepEqual(run.outcome, { kind: "exit", code: 1 });
  assert.match(run.stdout, /^LEFT {10}network claude-bottle-canary-x\n {14}→ `claude-bottle cleanup`/m);
});

Deno.test("doctor --probe removes everything when it is interrupted or fails, at whatever point", async () => {
  for (const at of ["prepare", "launch", "ready", "probe", "killSidecar"]) {
    const fake = backend();
    fake.before = (call): void => {
      if (call === at) throw new Error("gone");
    };
    const run = await probe(fake);
    assert.deepEqual(run.outcome, { kind: "exit", code: 70 });
    const isLaunched = !["prepare", "launch"].includes(at);
    assert.deepEqual(fake.calls.slice(isLaunched ? -2 : -1), [
      ...(isLaunched ? ["dispose"] : []),
      "dispose canary",
    ], at);
  }
});

Deno.test("doctor --probe keeps within the columns of a terminal, and lets nothing foreign reach it", async () => {
  const fake = backend({ failing: ["control-ssh"], through: ["proxy-port"] });
  const { probed } = fake;
  fake.probed = (attempts) => probed(attempts).replaceAll("silence", "a%0a%1b[2Jb");
  for (const columns of [60, 80]) {
    const run = await probe(fake, ["--color=never"], { terminals: ["stdout"], columns });
    for (const line of run.stdout.split("\n")) assert.ok(line.length <= columns, line);
    assert.ok(!run.stdout.includes("\x1b"));
  }
});

Deno.test("doctor refuses --proxy and --runtime without --probe", async () => {
  for (
    const [argv, words] of [
      [["--proxy", "squid"], "--proxy requires"],
      [["--proxy", "squid", "--runtime", "runc"], "--proxy and --runtime require"],
    ] as const
  ) {
    const run = await runCli(["doctor", ...argv]);
    assert.deepEqual(run.outcome, { kind: "exit", code: 2 });
    assert.ok(run.stderr.startsWith(`error: ${words} --probe\n`), run.stderr);
    assert.deepEqual(run.backend.calls, []);
  }
});
