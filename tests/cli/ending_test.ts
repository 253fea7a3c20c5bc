import assert from "node:assert/strict";
import fc from "fast-check";
import type { Bottle, LaunchOptions } from "../../lib/bottle/backend.ts";
import type { BottlePlan } from "../../lib/bottle/plan.ts";
import { Failure, printable } from "../../lib/errors.ts";
import { Interrupted, type InterruptSignal } from "../../lib/host/interrupts.ts";
import { FakeBackend, runCli, TWO_AGENTS } from "../support/cli_harness.ts";
import type { FakeHost } from "../support/fake_host.ts";
import { PERSON } from "../support/memory_terminal.ts";

const SIGNALS: readonly InterruptSignal[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

/** A backend that throws at the beginning of a call. */
function failing(call: string, error: () => unknown): FakeBackend {
  const backend = new FakeBackend();
  backend.before = (at): void => {
    if (at === call) throw error();
  };
  return backend;
}

Deno.test("a run that is interrupted ends as by that signal, without an error, its bottle removed", async () => {
  const rows = [
    { call: "prepare", calls: ["prepare"] },
    { call: "launch", calls: ["prepare", "launch"] },
    { call: "attach", calls: ["prepare", "launch", "attach", "dispose"] },
  ];
  for (const by of SIGNALS) {
    for (const { call, calls } of rows) {
      const backend = failing(call, () => new Interrupted(by));
      const run = await runCli(["start", "--prompt", "hi"], { backend });
      assert.deepEqual(run.outcome, { kind: "interrupted", by });
      assert.doesNotMatch(run.stderr, /error|interrupted/i);
      assert.deepEqual(backend.calls, calls);
    }
  }
});

Deno.test("a signal during the final teardown ends the run as by it, the bottle removed all the same", async () => {
  for (const by of SIGNALS) {
    const backend = new FakeBackend();
    backend.code = 7;
    const run = await runCli(["start", "--prompt", "hi"], {
      backend,
      arrange: ({ interrupts }) => {
        backend.before = (call): void => {
          if (call === "dispose") interrupts.raise(by);
        };
      },
    });
    assert.deepEqual(run.outcome, { kind: "interrupted", by });
    assert.doesNotMatch(run.stderr, /error|interrupted/i);
    assert.deepEqual(backend.calls, ["prepare", "launch", "attach", "egressEvents", "dispose"]);
  }
});

Deno.test("the teardown's progress is shown while it lasts and leaves nothing on the terminal", async () => {
  /** Its teardown goes on once its progress was seen. */
  class SlowBackend extends FakeBackend {
    host: FakeHost | undefined;

    override async launch(plan: BottlePlan, options: LaunchOptions): Promise<Bottle> {
      const bottle = await super.launch(plan, options);
      return {
        ...bottle,
        [Symbol.asyncDispose]: async (): Promise<void> => {
          options.onEvent({ kind: "started", id: "teardown", title: "removing the bottle", slow: false });
          await this.host?.sleep(1000);
          const end = Date.now() + 10_000;
          while (!this.host?.terminal.stderr.includes("removing the bottle 1 s") && Date.now() < end) {
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
          options.onEvent({ kind: "finished", id: "teardown" });
        },
      };
    }
  }
  const backend = new SlowBackend();
  const run = await runCli(["start", "lister", "--yes"], {
    manifest: TWO_AGENTS,
    backend,
    terminals: PERSON,
    arrange: (host) => backend.host = host,
  });
  assert.deepEqual(run.outcome, { kind: "exit", code: 0 });
  assert.match(run.stderr, /removing the bottle 1 s/);
  assert.ok(run.stderr.endsWith("\r\x1b[2K"), JSON.stringify(run.stderr.slice(-60)));
});

Deno.test("a run that is interrupted while it asks creates nothing", async () => {
  const questions = [
    { argv: ["start", "lister"], manifest: TWO_AGENTS, calls: ["prepare"] },
    { argv: ["start"], manifest: TWO_AGENTS, calls: [] },
    {
      argv: ["start", "lister", "--yes"],
      manifest: TWO_AGENTS.replace("egress:", 'env: { TOKEN: "?" }\n    egress:'),
      calls: ["prepare"],
    },
  ];
  for (const by of SIGNALS) {
    for (const { argv, manifest, calls } of questions) {
      const run = await runCli(argv, {
        manifest,
        terminals: PERSON,
        answers: ["y", "y"],
        arrange: ({ interrupts }) => interrupts.raise(by),
      });
      assert.deepEqual(run.outcome, { kind: "interrupted", by });
      assert.deepEqual(run.backend.calls, calls, argv.join(" "));
    }
  }
});

Deno.test("a failure of the backend ends with its own code and hints, the bottle removed", async () => {
  const failure = (): Failure => new Failure("some-code", "It broke", { hints: ["Mend it"], exit: 125 });
  for (const call of ["prepare", "launch", "attach"]) {
    const backend = failing(call, failure);
    const run = await runCli(["start", "--prompt", "hi"], { backend });
    assert.deepEqual(run.outcome, { kind: "exit", code: 125 });
    assert.ok(run.stderr.endsWith("error: It broke\n\nhint: Mend it\n"));
    assert.equal(backend.calls.includes("dispose"), call === "attach");
  }
});

Deno.test("a log that cannot be read does not change the agent's result", async () => {
  const backend = failing("egressEvents", () => new Failure("x", "No log"));
  backend.code = 7;
  const run = await runCli(["start", "--prompt", "hi"], { backend });
  assert.deepEqual(run.outcome, { kind: "exit", code: 7 });
  assert.ok(!run.stderr.includes("No log"));
  assert.deepEqual(backend.calls.at(-1), "dispose");
});

Deno.test("a mistake of our own is called a bug and exits 70, whatever was thrown", async () => {
  const mistakes = [
    () => new TypeError("x is not a function"),
    () => "a string",
    () => undefined,
    () => ({}),
  ];
  for (const mistake of mistakes) {
    for (const call of ["prepare", "launch", "attach"]) {
      const run = await runCli(["start", "--prompt", "hi"], { backend: failing(call, mistake) });
      assert.deepEqual(run.outcome, { kind: "exit", code: 70 });
      assert.match(run.stderr, /^error: This is a bug in claude-bottle: /m);
      assert.match(run.stderr, /^hint: Please report it/m);
      assert.equal(run.stdout, "");
    }
  }
  const json = await runCli(["start", "--prompt", "hi", "--json"], {
    backend: failing("launch", () => new TypeError("x is not a function")),
  });
  const { error } = JSON.parse(json.stderr.trimEnd().split("\n").at(-1) ?? "");
  assert.equal(error.code, "internal");
  assert.match(error.message, /^This is a bug in claude-bottle: TypeError: x is not a function/);
});

const WORDS = [
  ...[
    "start",
    "build",
    "reviewer",
    "lister",
    "--",
    "-",
    "help",
    "--help",
    "-h",
    "--version",
    "-v",
    "-y",
    "-p",
  ],
  ...[
    "--dry-run",
    "--dryRun",
    "--no-dry-run",
    "--format",
    "json",
    "text",
    "--format=json",
    "--yes",
    "--yes=no",
  ],
  ...["--prompt", "--prompt=", "--prompt=x", "--remote-control", "--manifest", "/nowhere", "--manifest="],
  ...[
    "--proxy",
    "squid",
    "pipelock",
    "--runtime",
    "runsc",
    "--backend",
    "docker",
    "--context",
    "x",
    "--json",
  ],
  ...["--verbose", "--color", "never", "always", "--color=never", "--force", "-yv", "--json=false", ""],
];

Deno.test("runApp() never throws, tells every error, and launches nothing that was not asked for", async () => {
  const word = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...WORDS) },
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 12 }) },
    { weight: 1, arbitrary: fc.string({ maxLength: 8 }).map((text) => `--${text}`) },
  );
  const likely = [
    "lister",
    "--yes",
    "-y",
    "--dry-run",
    "-v",
    "--json",
    "--color=never",
    "--runtime=runc",
    "--",
    "-x",
  ];
  const argv = fc.oneof(
    fc.array(word, { maxLength: 6 }),
    fc.array(word, { maxLength: 6 }).map((words) => ["start", ...words]),
    fc.subarray(likely).map((words) => ["start", ...words]),
  );
  let launched = 0;
  let failed = 0;
  await fc.assert(
    fc.asyncProperty(argv, async (words) => {
      const run = await runCli(words, { manifest: TWO_AGENTS });
      assert.equal(run.outcome.kind, "exit");
      const code = run.outcome.kind === "exit" ? run.outcome.code : -1;
      assert.ok([0, 1, 2].includes(code), `${code}: ${run.stderr}`);
      if (code !== 0) {
        failed++;
        assert.equal(run.stdout, "");
        assert.match(run.stderr, /^(error: |\{"error":)/m);
        const plain = ["\x1b[1;31m", "\x1b[36m", "\x1b[0m"].reduce(
          (text, code) => text.replaceAll(code, ""),
          run.stderr,
        );
        assert.equal(plain, printable(plain), "a control character reached the terminal");
      }
      const own = words.includes("--") ? words.slice(0, words.indexOf("--")) : words;
      if (run.backend.calls.includes("launch")) {
        launched++;
        assert.ok(own.some((text) => /^(--yes|--prompt|-[a-z]*[yp])/.test(text)), own.join(" "));
        assert.ok(!own.some((text) => text === "--dry-run" || text === "--dryRun"), own.join(" "));
      }
    }),
    { numRuns: 1500, seed: 4711 },
  );
  assert.ok(launched > 10 && failed > 100, `${launched} launched, ${failed} failed`);
});
