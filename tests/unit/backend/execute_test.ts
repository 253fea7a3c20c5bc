import assert from "node:assert/strict";
import { Failure } from "../../../lib/errors.ts";
import type { BottleEvent } from "../../../lib/bottle/events.ts";
import type { Step } from "../../../lib/bottle/invocation.ts";
import { DockerClient } from "../../../lib/backend/docker/client.ts";
import { executeSteps } from "../../../lib/backend/docker/execute.ts";
import { stdinOf } from "../../../lib/backend/docker/stdin.ts";
import { type FakeHost, fakeHost } from "../../support/fake_host.ts";
import type { Ending } from "../../support/scripted_processes.ts";

function step(id: string, after: readonly string[], more: Partial<Step> = {}): Step {
  return { id, after, invocation: { program: "docker", args: ["do", id], why: `because of ${id}` }, ...more };
}

/** Calls that end when a test says so. */
class Held {
  readonly host: FakeHost = fakeHost();
  readonly events: BottleEvent[] = [];
  readonly ids = new Map<string, string>();
  readonly #ends = new Map<string, (ending: Ending) => void>();

  constructor() {
    this.host.processes.on(/^docker do /, (call) => {
      const { promise, resolve } = Promise.withResolvers<Ending>();
      this.#ends.set(call.args.at(-1) ?? "", resolve);
      return promise;
    });
  }

  /** Ids of what was started, in order. */
  get started(): readonly string[] {
    return this.host.processes.calls.map(({ args }) => args.at(-1) ?? "");
  }

  execute(
    steps: readonly Step[],
    judge?: (step: Step, stdout: string) => void | Promise<void>,
    more: Partial<Parameters<typeof executeSteps>[1]> = {},
  ): Promise<ReadonlyMap<string, string>> {
    return executeSteps(steps, {
      client: new DockerClient({ ...this.host, context: undefined, onEvent: () => {} }),
      ids: this.ids,
      signal: this.host.interrupts.signal,
      onEvent: (event) => this.events.push(event),
      stdin: stdinOf,
      ...(judge === undefined ? {} : { judge }),
      ...more,
    });
  }

  async end(id: string, ending: Ending = {}): Promise<void> {
    this.#ends.get(id)?.(ending);
    await settled();
  }
}

/** Lets everything that can go on do so. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

/** What a promise has come to so far. */
function watched(promise: Promise<unknown>): { state: "pending" | "done" | "failed"; error: unknown } {
  const watch: { state: "pending" | "done" | "failed"; error: unknown } = {
    state: "pending",
    error: undefined,
  };
  promise.then(() => watch.state = "done", (error) => {
    watch.state = "failed";
    watch.error = error;
  });
  return watch;
}

const DIAMOND = [
  step("a", []),
  step("b", []),
  step("c", ["a"]),
  step("d", ["a", "b"]),
  step("e", ["c", "d"]),
];

Deno.test("executeSteps() starts each step when those it comes after are done, the rest at the same time", async () => {
  const held = new Held();
  const outputs = held.execute(DIAMOND);
  await settled();
  assert.deepEqual(held.started, ["a", "b"]);
  await held.end("a", { stdout: "out of a\n" });
  assert.deepEqual(held.started, ["a", "b", "c"]);
  await held.end("b");
  assert.deepEqual(held.started, ["a", "b", "c", "d"]);
  await held.end("d");
  await held.end("c");
  await held.end("e");
  assert.deepEqual([...await outputs].sort(), [["a", "out of a\n"], ["b", ""], ["c", ""], ["d", ""], [
    "e",
    "",
  ]]);
});

Deno.test("executeSteps() begins nothing after a failure and awaits what is under way", async () => {
  const held = new Held();
  const watch = watched(held.execute(DIAMOND));
  await settled();
  await held.end("a", { code: 1, stderr: "Error response from daemon: first\n" });
  assert.deepEqual(held.started, ["a", "b"]);
  assert.equal(watch.state, "pending");
  await held.end("b", { code: 1, stderr: "Error response from daemon: second\n" });
  assert.equal(watch.state, "failed");
  assert.match(String(watch.error), /The engine failed at a \(because of a\): first$/);
  assert.deepEqual(held.started, ["a", "b"]);
});

Deno.test("executeSteps() begins nothing after an interruption and awaits what is under way", async () => {
  const held = new Held();
  const watch = watched(held.execute(DIAMOND));
  await settled();
  held.host.interrupts.raise("SIGINT");
  await held.end("a");
  assert.equal(watch.state, "pending");
  await held.end("b");
  assert.equal(watch.state, "failed");
  assert.match(String(watch.error), /interrupted by SIGINT/);
  assert.deepEqual(held.started, ["a", "b"]);
});

Deno.test("executeSteps() begins nothing that comes after a step before that is judged, and nothing when it is refused", async () => {
  for (const refused of [false, true]) {
    const held = new Held();
    const judged = Promise.withResolvers<void>();
    const watch = watched(
      held.execute(
        [step("a", []), step("b", ["a"])],
        ({ id }) => id === "a" ? judged.promise : undefined,
      ),
    );
    await settled();
    await held.end("a");
    assert.deepEqual(held.started, ["a"]);
    if (refused) judged.reject(new Failure("refused", "no"));
    else judged.resolve();
    await settled();
    assert.deepEqual(held.started, refused ? ["a"] : ["a", "b"]);
    if (!refused) await held.end("b");
    assert.equal(watch.state, refused ? "failed" : "done");
  }
});

Deno.test("executeSteps() executes a step that failed once more, its stdin made anew, as long as it is told to", async () => {
  const held = new Held();
  const inputs: string[] = [];
  const keys = { kind: "keys", names: ["k"] } as const;
  const loading = step("load", []);
  const watch = watched(held.execute(
    [{ ...loading, invocation: { ...loading.invocation, input: keys } }],
    undefined,
    {
      stdin: ({ kind }) => {
        inputs.push(kind);
        return Promise.resolve(new Uint8Array());
      },
      again: (_, { stderr }) => stderr.includes("again"),
    },
  ));
  await settled();
  await held.end("load", { code: 3, stderr: "again\n" });
  assert.deepEqual([held.started, inputs], [["load", "load"], ["keys", "keys"]]);
  assert.equal(watch.state, "pending");
  await held.end("load", { code: 1, stderr: "enough\n" });
  assert.equal(watch.state, "failed");
  assert.equal(held.started.length, 2);
});

Deno.test("executeSteps() cuts short only what is slow: the outcome of a short call decides what there is", async () => {
  const held = new Held();
  const run = held.execute([step("short", []), step("long", [], { slow: true })]);
  await settled();
  await held.end("short");
  await held.end("long", { stdout: "line 1\nline 2\n" });
  await run;
  const [short, long] = held.host.processes.calls;
  assert.equal(short?.signal, undefined);
  assert.equal(long?.signal?.aborted, false);
  assert.deepEqual(held.events, [
    { kind: "started", id: "short", title: "short (because of short)", slow: false },
    { kind: "started", id: "long", title: "long (because of long)", slow: true },
    { kind: "finished", id: "short" },
    { kind: "output", id: "long", line: "line 1" },
    { kind: "output", id: "long", line: "line 2" },
    { kind: "finished", id: "long" },
  ]);
});

Deno.test("executeSteps() cuts a slow step short when another one fails, or when it is interrupted", async () => {
  for (const cut of ["failure", "interruption"] as const) {
    const held = new Held();
    const watch = watched(held.execute([step("short", []), step("long", [], { slow: true })]));
    await settled();
    const long = held.host.processes.calls.find(({ line }) => line.includes("long"));
    assert.equal(long?.signal?.aborted, false);
    if (cut === "interruption") held.host.interrupts.raise("SIGINT");
    else await held.end("short", { code: 1, stderr: "Error response from daemon: no\n" });
    assert.equal(long?.signal?.aborted, true, cut);
    if (cut === "interruption") await held.end("short");
    await held.end("long");
    assert.equal(watch.state, "failed");
  }
});

Deno.test("executeSteps() puts a step's own remedy before what the engine's words suggest", async () => {
  const held = new Held();
  const watch = watched(held.execute([step("pull", [], { remedy: "Use squid instead" })]));
  await settled();
  await held.end("pull", { code: 1, stderr: "Error response from daemon: manifest unknown\n" });
  assert.ok(watch.error instanceof Failure);
  assert.equal(watch.error.hints[0], "Use squid instead");
});

Deno.test("executeSteps() hands ids on: printed as names, executed as ids, the last line counts", async () => {
  const held = new Held();
  held.ids.set("known", "k1");
  const use = step("use", ["make"], {
    invocation: {
      program: "docker",
      args: [
        "cp",
        { ref: "made", name: "NAME", suffix: ":/x" },
        { ref: "known", name: "OTHER" },
        "do",
        "use",
      ],
      why: "w",
    },
  });
  held.host.processes.on(/^docker cp/, {});
  const run = held.execute([step("make", [], { creates: "made" }), use]);
  await settled();
  const id = "0f3c".repeat(16);
  await held.end("make", { stdout: `WARNING: no swap limit\n${id}\n` });
  await run;
  assert.deepEqual(held.host.processes.calls[1]?.args, ["cp", `${id}:/x`, "k1", "do", "use"]);
  assert.equal(held.ids.get("made"), id);
});

Deno.test("executeSteps() refuses an id that is none, and begins nothing with it", async () => {
  for (
    const stdout of ["", "0f3c", `{"Id": nothing`, "0f3c".repeat(16).toUpperCase(), "WARNING: no swap limit"]
  ) {
    const held = new Held();
    const use = step("use", ["make"]);
    const run = held.execute([step("make", [], { creates: "made" }), use]);
    await settled();
    await held.end("make", { stdout });
    await assert.rejects(run, { code: "engine-failed", exit: 125, message: /could not be read at make/ });
    assert.equal(held.host.processes.calls.length, 1);
  }
});

Deno.test("executeSteps() sends files as a tar stream", async () => {
  const held = new Held();
  const files = [{ path: "a", mode: 0o644, uid: 0, gid: 0, text: "hello" }];
  const run = held.execute([step("send", [], {
    invocation: { program: "docker", args: ["do", "send"], input: { kind: "tar", files }, why: "w" },
  })]);
  await settled();
  await held.end("send");
  await run;
  const input = held.host.processes.calls[0]?.input;
  assert.equal(input?.length, 2048);
  assert.equal(new TextDecoder().decode(input?.subarray(512, 517)), "hello");
});

Deno.test("executeSteps() begins nothing after a step whose answer is judged to be wrong", async () => {
  for (const answer of ["right", "wrong"]) {
    const held = new Held();
    const run = watched(held.execute([step("look", []), step("then", ["look"])], ({ id }, stdout) => {
      if (id === "look" && stdout !== "right") throw new Failure("judged", stdout);
    }));
    await settled();
    await held.end("look", { stdout: answer });
    assert.deepEqual(held.started, answer === "right" ? ["look", "then"] : ["look"]);
    await held.end("then");
    assert.equal(run.state, answer === "right" ? "done" : "failed");
  }
});
