import assert from "node:assert/strict";
import { join } from "node:path";
import { frameEntries } from "../support/normalise.ts";
import { openSshKey } from "../support/private_keys.ts";
import { Sandbox } from "../support/program.ts";

const FILE_SECRET = "file-secret-1 ü\nits second line";
const COMMAND_SECRET = "command-secret-2";
const HOST_SECRET = "host-secret-3";
const KEY = openSshKey();
const SECRETS = ["file-secret-1", "its second line", COMMAND_SECRET, HOST_SECRET];

/** A user with a file, a program and variables of their own. */
async function sandboxWith(
  env: Readonly<Record<string, unknown>>,
  settings: Parameters<typeof Sandbox.create>[0] = {},
): Promise<Sandbox> {
  const sandbox = await Sandbox.create({ agentSays: ["done"], ...settings });
  const home = join(sandbox.folder, "home");
  await Deno.writeTextFile(join(home, "token"), `${FILE_SECRET}\n`, { mode: 0o600 });
  await Deno.writeTextFile(
    join(home, "tell"),
    `#!/bin/sh\nprintf '${COMMAND_SECRET}|%s|%s|%s|%s|%s' "$1" "$PWD" "\${OWN-}" "\${FORGED-}" "\${OLDPWD-}"; cat\n`,
    { mode: 0o755 },
  );
  await sandbox.manifest({
    bottles: { dev: { env, egress: { proxy: "squid" } } },
    agents: { reviewer: { bottle: "dev" } },
  });
  return sandbox;
}

const ENV = {
  FORGED: "never in the command's environment",
  LD_PRELOAD: "/manifest.so",
  COMMAND: { secret: { command: ["~/tell", "two words $HOME"] } },
  HOST: "${HOST_SECRET}",
  // The last, for its second line is where a message ends.
  FILE: { secret: { file: "~/token" } },
};

Deno.test("start runs the user's command without a shell, in the user's home and environment, and reads the file", async () => {
  await using sandbox = await sandboxWith(ENV);
  const env = { HOST_SECRET, OWN: "own-variable", LD_LIBRARY_PATH: "/nowhere", GIT_DIR: "x" };
  const { code, stdout, stderr } = await sandbox.run(["start", "--prompt", "hi", "-v"], { env });
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "done\n");
  const calls = await sandbox.docker.calls();
  const frames = frameEntries(calls.find(({ kind }) => kind === "agent")?.stdin ?? new Uint8Array());
  assert.equal(frames.get("FILE"), FILE_SECRET);
  assert.equal(
    frames.get("COMMAND"),
    `${COMMAND_SECRET}|two words $HOME|${join(sandbox.folder, "home")}|own-variable||`,
  );
  for (const { kind, args, env: passed, stdin } of calls) {
    for (const secret of SECRETS) {
      assert.ok(!JSON.stringify([args, passed]).includes(secret), `${secret} in ${kind}`);
      assert.equal(
        new TextDecoder().decode(stdin).includes(secret),
        kind === "agent",
        `${secret} in ${kind}`,
      );
    }
  }
  for (const secret of SECRETS) assert.ok(!stderr.includes(secret), secret);
});

Deno.test("a dry run, and a bottle that is only made ready, run no command", async () => {
  for (const argv of [["start", "--dry-run", "-v"], ["start", "--detach", "--yes", "-v"]]) {
    await using sandbox = await sandboxWith({
      COMMAND: { secret: { command: ["sh", "-c", "echo x > ~/ran; echo x"] } },
    });
    const { code, stderr } = await sandbox.run(argv);
    assert.equal(code, 0, stderr);
    await assert.rejects(Deno.stat(join(sandbox.folder, "home", "ran")), Deno.errors.NotFound);
    assert.doesNotMatch(stderr, /asking/);
    if (argv.includes("--dry-run")) continue;
    // Paired: the agent's own command needs it.
    const attached = await sandbox.run(["attach", "reviewer", "--prompt", "hi"]);
    assert.equal(attached.code, 0, attached.stderr);
    assert.ok((await Deno.stat(join(sandbox.folder, "home", "ran"))).isFile);
  }
});

Deno.test("exec fetches with --secrets, and not without", async () => {
  await using sandbox = await sandboxWith({
    COMMAND: { secret: { command: ["sh", "-c", "echo x >> ~/ran; echo x"] } },
  });
  const ran = join(sandbox.folder, "home", "ran");
  assert.equal((await sandbox.run(["start", "--detach", "--yes"])).code, 0);
  assert.equal((await sandbox.run(["exec", "reviewer", "--", "ls"])).code, 0);
  await assert.rejects(Deno.stat(ran), Deno.errors.NotFound);
  assert.equal((await sandbox.run(["exec", "reviewer", "--secrets", "--", "ls"])).code, 0);
  assert.equal(await Deno.readTextFile(ran), "x\n");
});

Deno.test("a command that fails makes nothing, and nothing of what it said is repeated", async () => {
  const rows = [
    [["sh", "-c", "echo hunter2; echo hunter2 >&2; exit 3"], "failed with code 3: sh"],
    [["no-such-program"], "is not on PATH, or something that it runs is not: no-such-program"],
    [["~/token"], "failed with code 126"],
    [["sh", "-c", "kill -9 $$"], "was ended by SIGKILL: sh"],
    [["sh", "-c", "yes hunter2"], "printed more than the 131071 bytes Linux allows: sh"],
  ] as const;
  for (const [command, what] of rows) {
    await using sandbox = await sandboxWith({ COMMAND: { secret: { command } } });
    const { code, stdout, stderr } = await sandbox.run(["start", "--prompt", "hi", "-v"]);
    assert.equal(code, 1, stderr);
    assert.ok(stderr.includes(`error: The command of COMMAND ${what}`), stderr);
    assert.doesNotMatch(stdout + stderr.replaceAll(/^hint: .*$/gm, ""), /hunter2/);
    assert.deepEqual(await sandbox.docker.objects(), []);
  }
});

Deno.test("SIGINT while a command runs ends the command and the program, and makes nothing", async () => {
  await using sandbox = await sandboxWith({
    COMMAND: { secret: { command: ["sh", "-c", "echo $$ > ~/pid; exec sleep 60"] } },
  });
  const child = sandbox.spawn(["start", "--prompt", "hi"]);
  const file = join(sandbox.folder, "home", "pid");
  let pid = "";
  while (pid === "") {
    await new Promise((resolve) => setTimeout(resolve, 50));
    pid = (await Deno.readTextFile(file).catch(() => "")).trim();
  }
  child.kill("SIGINT");
  const { signal } = await child.output();
  assert.equal(signal, "SIGINT");
  const { stdout } = await new Deno.Command("ps", { args: ["-o", "stat=", "-p", pid] }).output();
  assert.match(new TextDecoder().decode(stdout).trim(), /^(Z.*)?$/);
  assert.deepEqual(await sandbox.docker.objects(), []);
});

Deno.test("what an engine repeats of its stdin is shown without the values in it", async () => {
  const env = { HOST_SECRET, CLAUDE_BOTTLE_OAUTH_TOKEN: "token-secret-4" };
  for (const flags of [["-v"], ["--json"]]) {
    await using sandbox = await sandboxWith(ENV, { faults: [{ kind: "agent-env", nth: 1, fault: "echo" }] });
    assert.equal((await sandbox.run(["start", "--detach", "--yes"], { env })).code, 0);
    const argv = ["exec", "reviewer", "--secrets", ...flags, "--", "ls"];
    const { code, stdout, stderr } = await sandbox.run(argv, { env });
    assert.equal(code, 125, stderr);
    assert.match(stderr, /cannot take .*\*\*\*/);
    // The protection is what hides them: a short value is not one, and shows that the engine did repeat.
    assert.match(stderr, /HOME=/);
    for (const secret of [...SECRETS, "token-secret-4"]) {
      assert.ok(!`${stdout}${stderr}`.includes(secret), stderr);
    }
  }
});

Deno.test("what an engine repeats of a key is shown without the key", async () => {
  await using sandbox = await Sandbox.create({ faults: [{ kind: "ssh-agent", nth: 1, fault: "echo" }] });
  const path = join(sandbox.folder, "home", "key");
  await Deno.writeTextFile(path, KEY, { mode: 0o600 });
  await sandbox.manifest({
    bottles: {
      dev: {
        ssh: [{ Host: "git.example.com", IdentityFile: path, unpinned: true }],
        egress: { proxy: "squid" },
      },
    },
    agents: { reviewer: { bottle: "dev" } },
  });
  const { code, stderr } = await sandbox.run(["start", "--prompt", "hi", "-v"]);
  assert.equal(code, 125, stderr);
  assert.match(stderr, /cannot take/);
  for (const line of KEY.split("\n").filter(({ length }) => length >= 8)) {
    assert.ok(!stderr.includes(line), line);
  }
  assert.deepEqual(await sandbox.docker.objects(), []);
});

Deno.test("git.identity is the user's own whatever repository and variables stand around it", async () => {
  await using sandbox = await Sandbox.create();
  const home = join(sandbox.folder, "home");
  const work = join(sandbox.folder, "work");
  await Deno.writeTextFile(join(home, ".gitconfig"), "[user]\nname = Ann\n[include]\npath = mail\n");
  await Deno.writeTextFile(join(home, "mail"), "[user]\nemail = ann@example.org\n");
  const ran = join(home, "ran");
  const hostile =
    `[user]\nname = Evil\nemail = evil@example.org\n[core]\nfsmonitor = touch ${ran}\npager = touch ${ran}\n`;
  await new Deno.Command("git", { args: ["init", "-q", work] }).output();
  await Deno.writeTextFile(join(work, ".git", "config"), hostile);
  await Deno.writeTextFile(join(work, "config"), hostile);
  await sandbox.manifest({
    bottles: { dev: { git: { identity: "host" }, egress: { proxy: "squid" } } },
    agents: { reviewer: { bottle: "dev" } },
  });
  const env = {
    GIT_DIR: join(work, ".git"),
    GIT_CONFIG_GLOBAL: join(work, "config"),
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: "user.name",
    GIT_CONFIG_VALUE_0: "Evil",
    GIT_TRACE: ran,
  };
  const { code, stdout, stderr } = await sandbox.run(["start", "--dry-run", "--json"], { env });
  assert.equal(code, 0, stderr);
  assert.deepEqual(JSON.parse(stdout).git_identity, { name: "Ann", email: "ann@example.org" });
  await assert.rejects(Deno.stat(ran), Deno.errors.NotFound);
  const file = JSON.parse(stdout).steps.find(({ id }: { readonly id: string }) => id === "agent-files");
  assert.ok(file.stdin.entries.includes("home/node/.gitconfig"));
});
