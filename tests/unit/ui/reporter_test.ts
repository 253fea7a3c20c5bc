import assert from "node:assert/strict";
import { Failure } from "../../../lib/errors.ts";
import { errorEnvelope, Reporter } from "../../../lib/ui/reporter.ts";
import { painter } from "../../../lib/ui/style.ts";
import { MemoryTerminal, type MemoryTerminalOptions } from "../../support/memory_terminal.ts";

interface Options extends MemoryTerminalOptions {
  readonly verbose?: boolean;
  readonly json?: boolean;
}

interface Reported {
  readonly terminal: MemoryTerminal;
  readonly reporter: Reporter;
  /** Milliseconds; changed by a test. */
  readonly clock: { now: number };
}

function reported({ verbose = false, json = false, ...terminal }: Options = {}): Reported {
  const memory = new MemoryTerminal(terminal);
  const clock = { now: 0 };
  const paint = painter({ choice: "never", isTerminal: false, noColor: undefined });
  const now = (): number => clock.now;
  return { terminal: memory, clock, reporter: new Reporter({ terminal: memory, paint, verbose, json, now }) };
}

const SLOW = { kind: "started", id: "agent-build", title: "building the agent image", slow: true } as const;
const QUICK = {
  kind: "started",
  id: "agent-start",
  title: "agent-start (PID 1 sleeps)",
  slow: false,
} as const;

Deno.test("Reporter talks on stderr alone", () => {
  const { terminal, reporter } = reported();
  reporter.info("hello");
  reporter.onEvent({ kind: "notice", text: "mind this" });
  reporter.failure(new Failure("x", "Something is wrong"));
  assert.equal(terminal.stdout, "");
  assert.equal(
    terminal.stderr,
    "claude-bottle: hello\nclaude-bottle: mind this\nerror: Something is wrong\n",
  );
});

Deno.test("Reporter writes plain lines about what is slow when stderr is no terminal", () => {
  const { terminal, reporter, clock } = reported();
  reporter.onEvent(SLOW);
  reporter.onEvent(QUICK);
  reporter.onEvent({ kind: "output", id: "agent-build", line: "Step 1/9" });
  reporter.onEvent({ kind: "finished", id: "agent-start" });
  clock.now = 61_250;
  reporter.onEvent({ kind: "finished", id: "agent-build" });
  assert.equal(
    terminal.stderr,
    "claude-bottle: building the agent image …\nclaude-bottle: building the agent image took 61.3 s\n",
  );
});

Deno.test("Reporter shows calls, output and details only when asked to", () => {
  const call = { kind: "call", text: "docker ps" } as const;
  const detail = { kind: "detail", text: "starting container c from i" } as const;
  const output = { kind: "output", id: "agent-build", line: "Step 1/9" } as const;
  const quiet = reported();
  for (const event of [SLOW, call, output, detail]) quiet.reporter.onEvent(event);
  assert.equal(quiet.terminal.stderr, "claude-bottle: building the agent image …\n");
  const verbose = reported({ verbose: true });
  for (const event of [SLOW, call, output, detail]) verbose.reporter.onEvent(event);
  assert.equal(
    verbose.terminal.stderr,
    "claude-bottle: building the agent image …\n+ docker ps\nStep 1/9\nclaude-bottle: starting container c from i\n",
  );
});

Deno.test("Reporter neutralises control characters of every foreign text", () => {
  const { terminal, reporter } = reported({ verbose: true });
  const evil = "a\x1b]0;t\x07b\x9b2Jc\rd\u202ee";
  const shown = "a·]0;t·b·2Jc·d·e";
  reporter.onEvent(SLOW);
  reporter.onEvent({ kind: "call", text: evil });
  reporter.onEvent({ kind: "output", id: "agent-build", line: evil });
  reporter.onEvent({ kind: "notice", text: evil });
  reporter.failure(new Failure("x", evil, { hints: [evil], problems: [{ message: evil, hints: [evil] }] }));
  assert.equal(
    terminal.stderr,
    [
      "claude-bottle: building the agent image …",
      `+ ${shown}`,
      shown,
      `claude-bottle: ${shown}`,
      // The end of what was under way when it failed.
      shown,
      `error: ${shown}`,
      `  ${shown}`,
      `  hint: ${shown}`,
      "",
      `hint: ${shown}`,
      "",
    ].join("\n"),
  );
});

Deno.test("Reporter.failure() shows message, problems and hints", () => {
  const { terminal, reporter } = reported();
  reporter.failure(
    new Failure("manifest-invalid", "The manifest has 2 problems", {
      problems: [
        { message: "first", where: { file: "a.yaml", line: 3, column: 5, snippet: "  x: 1", length: 1 } },
        { message: "second" },
      ],
      hints: ["one", "two"],
    }),
  );
  assert.equal(
    terminal.stderr,
    `error: The manifest has 2 problems
  a.yaml:3:5: first
        x: 1
          ^
  second

hint: one
hint: two
`,
  );
});

Deno.test("Reporter.failure() shows the end of the output of what was under way", () => {
  const { terminal, reporter } = reported();
  reporter.onEvent(SLOW);
  for (let line = 1; line <= 25; line++) {
    reporter.onEvent({ kind: "output", id: "agent-build", line: `line ${line}` });
  }
  reporter.failure(new Failure("engine-failed", "The engine failed"));
  const lines = terminal.stderr.split("\n");
  assert.equal(lines[1], "line 6");
  assert.equal(lines[20], "line 25");
  assert.equal(lines[21], "error: The engine failed");
});

Deno.test("Reporter shows no output of a step that has finished", () => {
  const { terminal, reporter } = reported();
  reporter.onEvent(SLOW);
  reporter.onEvent({ kind: "output", id: "agent-build", line: "fine" });
  reporter.onEvent({ kind: "finished", id: "agent-build" });
  reporter.failure(new Failure("x", "Later"));
  assert.equal(terminal.stderr.includes("fine"), false);
});

Deno.test("Reporter with --json ends with one line that holds the error, and shows no progress", () => {
  const { terminal, reporter } = reported({ json: true, terminals: ["stderr"] });
  reporter.onEvent(SLOW);
  reporter.onEvent({ kind: "output", id: "agent-build", line: "Step 1/9" });
  reporter.onEvent({ kind: "notice", text: "mind this" });
  const where = { file: "a.yaml", line: 3, column: 5 };
  reporter.failure(
    new Failure("code-word", "First\nsecond \x1b[31m\x9b1m\u202e", {
      hints: ["do this"],
      where,
      problems: [{ message: "p" }],
    }),
  );
  const lines = terminal.stderr.split("\n");
  assert.equal(lines.pop(), "");
  const last = lines.pop() ?? "";
  assert.deepEqual(lines, ["claude-bottle: mind this"]);
  assert.match(last, /^[\x20-\x7e]*$/);
  assert.deepEqual(JSON.parse(last), {
    error: {
      code: "code-word",
      message: "First\nsecond \x1b[31m\x9b1m\u202e",
      hints: ["do this"],
      where,
      problems: [{ message: "p" }],
    },
  });
});

Deno.test("errorEnvelope() leaves out what there is none of", () => {
  assert.deepEqual(errorEnvelope(new Failure("a", "B")), { error: { code: "a", message: "B", hints: [] } });
});

Deno.test("Reporter.quiet() ends drawing, and a terminal that drew nothing is left alone", () => {
  const { terminal, reporter } = reported({ terminals: ["stderr"] });
  reporter.onEvent(SLOW);
  reporter.onEvent(QUICK);
  reporter.quiet();
  assert.equal(terminal.stderr, "");
});

Deno.test("Reporter shows warnings to people, harmless, and leaves them out of JSON", () => {
  const where = { file: "a.yaml", line: 1, column: 3, length: 2, snippet: "a: bc" };
  const problems = [{ message: "no\u001b[2J", hints: ["do"], where }];
  const { terminal, reporter } = reported();
  reporter.warning("One thing", problems);
  assert.equal(
    terminal.stderr,
    ["warning: One thing", "  a.yaml:1:3: no·[2J", "      a: bc", "        ^~", "  hint: do", ""].join("\n"),
  );
  const json = reported({ json: true });
  json.reporter.warning("One thing", problems);
  assert.equal(json.terminal.stderr, "");
});
