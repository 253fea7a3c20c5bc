import assert from "node:assert/strict";
import { join } from "node:path";
import { Sandbox } from "../support/program.ts";

const NO_CRASH = /Uncaught|This is a bug|panicked|BrokenPipe/;

Deno.test("--version, help and usage errors make no docker call", async () => {
  await using sandbox = await Sandbox.create();
  const rows = [
    { args: ["--version"], code: 0, stdout: /^0\.1\.0\n$/ },
    { args: ["--help"], code: 0, stdout: /^USAGE\n/ },
    { args: [], code: 0, stdout: /^USAGE\n/ },
    { args: ["start", "--help"], code: 0, stdout: /\nEXAMPLES\n/ },
    { args: ["strat"], code: 2, stdout: /^$/ },
    { args: ["start", "--dry-rum"], code: 2, stdout: /^$/ },
    { args: ["start", "--format", "json"], code: 2, stdout: /^$/ },
    { args: ["start", "nobody"], code: 2, stdout: /^$/ },
  ];
  for (const { args, code, stdout } of rows) {
    const run = await sandbox.run(args);
    assert.equal(run.code, code, `${args.join(" ")}: ${run.stderr}`);
    assert.match(run.stdout, stdout, args.join(" "));
  }
  assert.deepEqual(await sandbox.docker.calls(), []);
});

Deno.test("start ends with the agent's code, its output alone on stdout", async () => {
  for (const agentCode of [0, 3, 125]) {
    await using sandbox = await Sandbox.create({ agentSays: ["one", "two"], agentCode });
    const { code, stdout, stderr } = await sandbox.run(["start", "--prompt", "hi"]);
    assert.deepEqual([code, stdout], [agentCode, "one\ntwo\n"], stderr);
  }
});

Deno.test("start tells each refused target once, after the agent's end", async () => {
  const refused = (host: string): string =>
    JSON.stringify({ by: "front", time: 1, host, port: "443", why: "host", bump: "-", sni: "-", error: "-" });
  await using sandbox = await Sandbox.create({
    log: [refused("evil.example"), "not a line of ours", refused("evil.example"), refused("other.example")],
  });
  const { code, stderr } = await sandbox.run(["start", "--prompt", "hi"]);
  assert.equal(code, 0);
  assert.match(stderr, /^claude-bottle: refused evil\.example:443 \(2 times\): /m);
  assert.match(stderr, /^claude-bottle: refused other\.example:443: /m);
});

Deno.test("start without a terminal refuses what it would have to ask, before anything is created", async () => {
  await using sandbox = await Sandbox.create();
  await sandbox.manifest({
    bottles: { dev: { egress: { proxy: "squid" } } },
    agents: { lister: { bottle: "dev", command: ["ls"] }, claude: { bottle: "dev" } },
  });
  const unasked = await sandbox.run(["start", "lister"]);
  assert.equal(unasked.code, 2);
  assert.match(unasked.stderr, /^hint: .*`--yes`/m);
  const unseen = await sandbox.run(["start", "claude", "--yes"]);
  assert.equal(unseen.code, 2);
  assert.match(unseen.stderr, /^hint: .*`--prompt TEXT`/m);
  assert.ok(!(await sandbox.docker.kinds()).includes("internal-network"));
});

Deno.test("start survives streams that nobody reads", async () => {
  await using sandbox = await Sandbox.create();
  for (const stream of ["stdout", "stderr"] as const) {
    const child = sandbox.spawn(["start", "--dry-run", "--format", "json", "-v"], { stdin: "piped" });
    await child.stdin.close();
    const other = stream === "stdout" ? child.stderr : child.stdout;
    const [, text, status] = await Promise.all([
      child[stream].cancel(),
      new Response(other).text(),
      child.status,
    ]);
    assert.equal(status.code, 0, text);
    assert.equal(status.signal, null);
    assert.doesNotMatch(text, NO_CRASH);
  }
});

Deno.test("start removes the bottle when nobody reads the agent's output any more", async () => {
  await using sandbox = await Sandbox.create({ agentSays: ["hello"] });
  const child = sandbox.spawn(["start", "--prompt", "hi"]);
  const [, stderr] = await Promise.all([
    child.stdout.cancel(),
    new Response(child.stderr).text(),
    child.status,
  ]);
  assert.doesNotMatch(stderr, NO_CRASH);
  assert.ok((await sandbox.docker.kinds()).includes("remove-networks"));
  assert.deepEqual(await sandbox.docker.objects(), []);
});

Deno.test("start says what to install where there is no docker CLI", async () => {
  await using sandbox = await Sandbox.create();
  const bin = join(sandbox.folder, "without-docker");
  await Deno.mkdir(bin);
  for (const name of ["sh", "uname", "cat", "head", "readlink", "sed", "cut"]) {
    const { stdout } = await new Deno.Command("sh", { args: ["-c", `command -v ${name}`] }).output();
    await Deno.symlink(new TextDecoder().decode(stdout).trim(), join(bin, name));
  }
  const { code, stdout, stderr } = await sandbox.run(["start", "--prompt", "hi"], { env: { PATH: bin } });
  assert.equal(code, 125, stderr);
  assert.equal(stdout, "");
  assert.match(stderr, /^error: The docker CLI is not on PATH$/m);
  assert.match(stderr, /^hint: Install the docker CLI/m);
  assert.doesNotMatch(stderr, NO_CRASH);
});
