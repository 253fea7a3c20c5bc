import assert from "node:assert/strict";
import { denoHost } from "../../lib/host/deno.ts";
import type { Outcome, RunOptions } from "../../lib/host/processes.ts";
import { eventually } from "../support/engine.ts";

const ENV = { PATH: Deno.env.get("PATH") ?? "/usr/bin:/bin" };

/** Runs a shell script through the real port; how long it took besides. */
async function run(script: string, options: RunOptions = {}): Promise<Outcome & { readonly ms: number }> {
  const host = denoHost();
  const began = performance.now();
  try {
    const outcome = await host.processes.run({ program: "sh", args: ["-c", script], env: ENV }, options);
    return { ...outcome, ms: performance.now() - began };
  } finally {
    host.interrupts.release();
  }
}

/** Ends a process that a test left running, and waits until it is gone. */
async function end(pid: number): Promise<void> {
  assert.ok(pid > 1, "the child told whom it left behind");
  Deno.kill(pid, "SIGKILL");
  await eventually("the end of what the child left behind", async () => {
    // A dead one stays as a zombie until whoever has become its parent asks for it.
    const { stdout } = await new Deno.Command("ps", { args: ["-o", "stat=", "-p", String(pid)] }).output();
    return /^(Z.*)?$/.test(new TextDecoder().decode(stdout).trim()) ? true : undefined;
  });
}

/** A program that holds the streams of its dead parent open; its pid comes first on stdout. */
const LEFT_BEHIND = "sleep 60 & echo $!; ";

Deno.test("run() does not wait for a grandchild that holds the streams", async () => {
  const { code, signal, stdout, stderr, ms } = await run(`${LEFT_BEHIND} echo said; echo why >&2; exit 3`);
  await end(Number(stdout.split("\n")[0]));
  assert.deepEqual([code, signal, stdout.split("\n").slice(1), stderr], [3, null, ["said", ""], "why\n"]);
  assert.ok(ms < 3000, `${ms} ms`);
});

Deno.test("run() does not wait for a grandchild that leaves its input unread", async () => {
  const input = new Uint8Array(4 * 1024 * 1024);
  // A shell gives what runs in the background an empty stdin unless told.
  const { code, stdout, ms } = await run(`exec 3<&0; sleep 60 <&3 & echo $!; exit 3`, { input });
  await end(Number(stdout));
  assert.equal(code, 3);
  assert.ok(ms < 3000, `${ms} ms`);
});

Deno.test("run() keeps all that a child said before its end, however much", async () => {
  const lines: string[] = [];
  const { code, stdout } = await run("seq 1 200000; exit 4", { onLine: (line) => lines.push(line) });
  assert.equal(code, 4);
  assert.equal(lines.length, 200_000);
  assert.deepEqual([lines[0], lines.at(-1)], ["1", "200000"]);
  assert.equal(stdout, lines.map((line) => `${line}\n`).join(""));
});

Deno.test("run() keeps no more than it is told, and tells every line all the same", async () => {
  let lines = 0;
  const { stdout, ms } = await run("seq 1 3000000", { kept: 20, onLine: () => void lines++ });
  assert.equal(lines, 3_000_000);
  assert.equal(stdout, "998\n2999999\n3000000\n");
  // Twenty megabytes: text that is looked through again and again would take minutes.
  assert.ok(ms < 30_000, `${ms} ms`);
});

Deno.test("run() tells the end of a line without an end, in no more time than it takes to read it", async () => {
  const lines: string[] = [];
  const { ms } = await run("head -c 30000000 /dev/zero | tr '\\0' x; echo; echo next", {
    onLine: (line) => lines.push(line),
  });
  assert.equal(lines.length, 2);
  assert.ok((lines[0]?.length ?? 0) >= 131_072 && (lines[0]?.length ?? 0) < 1_000_000, `${lines[0]?.length}`);
  assert.equal(lines[1], "next");
  assert.ok(ms < 30_000, `${ms} ms`);
});

Deno.test("run() joins characters and lines that arrive in pieces, and tells a last line without an end", async () => {
  const lines: string[] = [];
  const script = "printf 'a\\303'; sleep 0.05; printf '\\251b\\nc'; sleep 0.05; printf 'd'; printf '\\303'";
  const { stdout } = await run(script, { onLine: (line, stream) => lines.push(`${stream} ${line}`) });
  assert.deepEqual(lines, ["stdout aéb", "stdout cd\ufffd"]);
  assert.equal(stdout, "aéb\ncd\ufffd");
});

Deno.test("run() ends a child past its deadline and says which", async () => {
  await assert.rejects(run("exec sleep 60", { deadlineMs: 100 }), {
    code: "timed-out",
    message: "`sh -c exec sleep 60 …` did not end within 0.1 s",
  });
});

Deno.test("run() lets a child take its time that makes progress, and ends one that makes none", async () => {
  // Each says or takes something all the time, and lasts longer than it may be silent.
  const saying = await run("for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.2; done", { silenceMs: 1000 });
  assert.equal(saying.code, 0);
  assert.ok(saying.ms > 1000);
  const slowly = new ReadableStream<Uint8Array>({
    async pull(controller): Promise<void> {
      await new Promise((resolve) => setTimeout(resolve, 200));
      controller.enqueue(Uint8Array.of(10));
      if (++given === 8) controller.close();
    },
  });
  let given = 0;
  const taking = await run("cat >/dev/null", { input: slowly, silenceMs: 1000 });
  assert.equal(taking.code, 0);
  assert.ok(taking.ms > 1000);
  const inOnePiece = await run(
    "for i in 1 2 3 4 5 6 7 8; do head -c 131072 >/dev/null; sleep 0.2; done; cat >/dev/null",
    { input: new Uint8Array(1024 * 1024), silenceMs: 1000 },
  );
  assert.equal(inOnePiece.code, 0);
  assert.ok(inOnePiece.ms > 1000);
  await assert.rejects(run("echo one; exec sleep 60", { silenceMs: 300, deadlineMs: 60_000 }), {
    code: "timed-out",
    message: "`sh -c echo one; exec sleep 60 …` made no progress for 0.3 s",
  });
  // A pipe takes some of it, and then nothing more.
  await assert.rejects(run("exec sleep 60", { input: new Uint8Array(4 * 1024 * 1024), silenceMs: 300 }), {
    code: "timed-out",
  });
});

Deno.test("run() ends a child past its deadline whatever it left behind", async () => {
  const pids: number[] = [];
  const began = performance.now();
  await assert.rejects(
    run(`${LEFT_BEHIND} exec sleep 60`, { deadlineMs: 100, onLine: (line) => pids.push(Number(line)) }),
    { code: "timed-out" },
  );
  const ms = performance.now() - began;
  await end(pids[0] ?? 0);
  assert.ok(ms < 4000, `${ms} ms`);
});

Deno.test("run() gives bytes one by one when they are asked for, and text otherwise", async () => {
  const script = "printf '\\303\\274\\377\\000\\357\\273\\277'";
  const { stdout } = await run(script, { binary: true });
  assert.deepEqual([...stdout].map((character) => character.charCodeAt(0)), [
    195,
    188,
    255,
    0,
    239,
    187,
    191,
  ]);
  assert.equal((await run(script)).stdout, "ü\ufffd\0\ufeff");
});

Deno.test("run() ends a program that prints more than its limit, and not one that prints as much", async () => {
  const { stdout } = await run("head -c 1000 /dev/zero", { limit: 1000 });
  assert.equal(stdout.length, 1000);
  const began = performance.now();
  await assert.rejects(run("yes", { limit: 1000 }), {
    code: "output-too-long",
    message: "sh printed more than 1000 bytes",
  });
  assert.ok(performance.now() - began < 5000);
});

Deno.test("run() leaves in our session only what may ask on the terminal", async () => {
  const session = "ps -o sess= -p $$";
  const ours = new TextDecoder().decode(
    (await new Deno.Command("ps", { args: ["-o", "sess=", "-p", String(Deno.pid)] }).output()).stdout,
  ).trim();
  assert.equal((await run(session, { onTerminal: true })).stdout.trim(), ours);
  assert.notEqual((await run(session)).stdout.trim(), ours);
});
