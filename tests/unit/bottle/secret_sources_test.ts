import assert from "node:assert/strict";
import { toByteText } from "../../../lib/bottle/byte_text.ts";
import type { FetchedSource } from "../../../lib/bottle/env.ts";
import { examineSecretFiles, fetchedValue } from "../../../lib/bottle/secret_sources.ts";
import { Failure } from "../../../lib/errors.ts";
import type { EnvSource } from "../../../lib/manifest/model.ts";
import { fakeHost } from "../../support/fake_host.ts";
import { type MemoryFile, memoryFiles } from "../../support/memory_files.ts";
import { type Answer, ScriptedProcesses, timedOut } from "../../support/scripted_processes.ts";

const OP: FetchedSource = { kind: "command", argv: ["op", "read", "op://dev/npm token"] };
const WORDS = "op read 'op://dev/npm token'";

interface Machine {
  readonly answer?: Answer;
  readonly files?: Readonly<Record<string, string | MemoryFile>>;
  readonly env?: Readonly<Record<string, string>>;
}

function machine({ answer = {}, files = {}, env = { PATH: "/bin", HOME: "/h" } }: Machine): {
  readonly host: ReturnType<typeof fakeHost>;
  readonly said: string[];
  fetch(source: FetchedSource): Promise<string>;
} {
  const host = fakeHost({
    processes: new ScriptedProcesses().on(/^sh -c /, answer),
    files: memoryFiles(files),
    env,
  });
  const said: string[] = [];
  const ports = { ...host, signal: host.interrupts.signal, say: (text: string) => void said.push(text) };
  return { host, said, fetch: (source) => fetchedValue("NPM_TOKEN", source, ports) };
}

function bytesOf(text: string): string {
  return toByteText(new TextEncoder().encode(text));
}

Deno.test("a command gets its words as they are, the user's environment, the terminal, and a deadline", async () => {
  const env = {
    PATH: "/bin",
    HOME: "/h",
    OP_SESSION: "s",
    LD_PRELOAD: "/x.so",
    "ld_library_path": "/x",
    DYLD_LIBRARY_PATH: "/x",
    OLD_NAME: "kept",
  };
  const { host, said, fetch } = machine({ answer: { stdout: "value\n" }, env });
  assert.equal(await fetch(OP), "value");
  const [call] = host.processes.calls;
  assert.equal(call?.program, "sh");
  assert.deepEqual(call.args.slice(2), ["sh", "op", "read", "op://dev/npm token"]);
  assert.deepEqual(call.env, { PATH: "/bin", HOME: "/h", OP_SESSION: "s", OLD_NAME: "kept" });
  assert.equal(call.input, undefined);
  assert.equal(call.deadlineMs, 60_000);
  assert.equal(call.signal, host.interrupts.signal);
  assert.deepEqual([host.terminal.saves, host.terminal.restores], [1, 1]);
  assert.deepEqual(said, ["NPM_TOKEN: asking op (60 s at most)"]);
});

Deno.test("a value loses one line feed at its end and nothing else", async () => {
  for (
    const [content, value] of [
      ["v", "v"],
      ["v\n", "v"],
      ["v\n\n", "v\n"],
      ["v\r\n", "v\r"],
      ["\nv\n", "\nv"],
      [" \t", " \t"],
      ["-----BEGIN-----\nAAAA\n-----END-----\n", "-----BEGIN-----\nAAAA\n-----END-----"],
      ["\ufeffü\u0001日\u{1f600}\ufffd", "\ufeffü\u0001日\u{1f600}\ufffd"],
    ] as const
  ) {
    assert.equal(await machine({ answer: { stdout: bytesOf(content) } }).fetch(OP), value);
    const files = { "/t": { text: content } };
    assert.equal(await machine({ files }).fetch({ kind: "file", path: "/t" }), value);
  }
});

Deno.test("a value must be there and be UTF-8", async () => {
  for (
    const [bytes, why] of [
      [[], "is empty"],
      [[10], "is empty"],
      [[0x61, 0xff], "is not UTF-8"],
      [[0xc3], "is not UTF-8"],
      [[0xed, 0xa0, 0x80], "is not UTF-8"],
    ] as const
  ) {
    const content = Uint8Array.from(bytes);
    await assert.rejects(machine({ answer: { stdout: toByteText(content) } }).fetch(OP), {
      code: "env-invalid",
      message: `NPM_TOKEN: what op printed ${why}`,
      hints: [`Run it yourself to see what it prints: ${WORDS}`],
    });
    const files = { "/t": { bytes: content } };
    await assert.rejects(machine({ files }).fetch({ kind: "file", path: "/t" }), {
      code: "env-invalid",
      message: `NPM_TOKEN: the file /t ${why}`,
    });
  }
});

Deno.test("a command that fails is named with its variable, and nothing that it said", async () => {
  const hints = [`Run it yourself to see what it says: ${WORDS}`];
  const output = { stdout: "hunter2-out", stderr: "hunter2-err" };
  const rows: readonly {
    readonly answer: Answer;
    readonly code: string;
    readonly what: string;
    readonly hints?: readonly string[];
  }[] = [
    { answer: { ...output, code: 3 }, code: "env-command-failed", what: "failed with code 3" },
    {
      answer: { ...output, code: 137, signal: "SIGKILL" },
      code: "env-command-failed",
      what: "was ended by SIGKILL",
    },
    {
      answer: { ...output, code: 127 },
      code: "env-command-missing",
      what: "is not on PATH, or something that it runs is not",
      hints: [`Install it, or correct the command: ${WORDS}`],
    },
    { answer: timedOut("sh -c x sh", 60), code: "env-command-slow", what: "did not end within 60 s" },
    {
      answer: new Failure("output-too-long", "sh printed"),
      code: "env-command-invalid",
      what: "printed more than the 131071 bytes Linux allows",
    },
  ];
  for (const { answer, code, what, hints: own = hints } of rows) {
    const { host, fetch } = machine({ answer });
    await assert.rejects(fetch(OP), (error) => {
      assert.ok(error instanceof Failure);
      assert.equal(error.code, code);
      assert.equal(error.message, `The command of NPM_TOKEN ${what}: op`);
      assert.deepEqual(error.hints, own);
      assert.doesNotMatch(Deno.inspect(error), /hunter2/);
      return true;
    });
    assert.equal(host.terminal.restores, 1);
  }
});

Deno.test("a command that Ctrl-C ended before we heard of it counts as interrupted, not as failed", async () => {
  const { host, fetch } = machine({ answer: { code: 130 } });
  const sleep = host.sleep;
  const ports = {
    ...host,
    signal: host.interrupts.signal,
    say: () => {},
    sleep(ms: number, signal?: AbortSignal): Promise<void> {
      host.interrupts.raise("SIGINT");
      return sleep(ms, signal);
    },
  };
  await assert.rejects(fetchedValue("N", OP, ports), { name: "Interrupted", by: "SIGINT" });
  await assert.rejects(fetch(OP), { name: "Interrupted" });
});

Deno.test("a manifest's words reach the terminal without control characters", async () => {
  const { said, fetch } = machine({ answer: { code: 1 } });
  await assert.rejects(fetch({ kind: "command", argv: ["o\u001b[1mp\n", "\u001b]0;x"] }), (error) => {
    assert.ok(error instanceof Failure);
    // deno-lint-ignore no-control-regex -- control characters are what this is about
    assert.doesNotMatch([error.message, ...error.hints, ...said].join(), /[\u0000-\u001f]/);
    return true;
  });
});

Deno.test("a file that cannot be used is named with its variable and the reason", async () => {
  const files = {
    "/d/x": "",
    "/pipe": { kind: "other" },
    "/long": "x".repeat(131_073),
    "/denied": { error: new Error("Permission denied (os error 13)") },
  } as const;
  for (
    const [path, why] of [
      ["/d", "it is no regular file"],
      ["/pipe", "it is no regular file"],
      ["/long", "it is longer than the 131071 bytes Linux allows"],
      ["/denied", "Permission denied (os error 13)"],
    ] as const
  ) {
    await assert.rejects(machine({ files }).fetch({ kind: "file", path }), {
      code: "env-file-unusable",
      message: `The file that NPM_TOKEN comes from cannot be used: ${path}: ${why}`,
    });
  }
  await assert.rejects(machine({ files }).fetch({ kind: "file", path: "/none" }), {
    code: "env-file-missing",
    message: "The file that NPM_TOKEN comes from is not there: /none",
  });
});

Deno.test("examineSecretFiles() finds what is missing before anything is asked, and tells whose file others can read", async () => {
  const env = new Map<string, EnvSource>([
    ["A", { kind: "literal", value: "/none" }],
    ["B", { kind: "file", path: "/mine" }],
    ["C", { kind: "file", path: "/all of ours" }],
  ]);
  const files = memoryFiles({
    "/mine": { text: "x", mode: 0o600 },
    "/all of ours": { text: "x", mode: 0o644 },
  });
  assert.deepEqual(await examineSecretFiles(env, files), [
    "C: others can read or change /all of ours (mode 0644): chmod 600 '/all of ours'",
  ]);
  await assert.rejects(examineSecretFiles(env, memoryFiles({ "/mine": "x" })), { code: "env-file-missing" });
});
