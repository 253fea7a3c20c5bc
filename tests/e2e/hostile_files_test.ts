import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { eventually } from "../support/engine.ts";
import { HOST_KEY } from "../support/plan_inputs.ts";
import { openSshKey } from "../support/private_keys.ts";
import { printedPlan } from "../support/normalise.ts";
import { Sandbox } from "../support/program.ts";

const SECRET = "the-content-of-a-private-file";
// deno-lint-ignore no-control-regex -- control characters are what this is about
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202e]/;

/** Writes a file below the sandbox's folder, and what is above it. */
async function file(sandbox: Sandbox, path: string, text = "x\n", mode = 0o600): Promise<string> {
  const at = join(sandbox.folder, path);
  await Deno.mkdir(dirname(at), { recursive: true });
  await Deno.writeTextFile(at, text, { mode });
  return at;
}

async function run(program: string, ...args: readonly string[]): Promise<boolean> {
  const { success } = await new Deno.Command(program, { args: [...args], stdout: "null", stderr: "null" })
    .output();
  return success;
}

/** A user with a key, and an agent with skills. */
async function withSkills(...skills: readonly string[]): Promise<Sandbox> {
  const sandbox = await Sandbox.create({ agentSays: ["done"] });
  await file(sandbox, "home/.ssh/id_ed25519", SECRET);
  await file(sandbox, "home/.claude/skills/good/SKILL.md");
  await sandbox.manifest({
    bottles: { dev: { egress: { proxy: "squid" } } },
    agents: { reviewer: { bottle: "dev", skills } },
  });
  return sandbox;
}

/** What is refused says so in a sentence that a terminal may have, and has made nothing. */
async function refused(
  sandbox: Sandbox,
  expected: { readonly code: number; readonly says: RegExp; readonly args?: readonly string[] },
): Promise<void> {
  const { code, stdout, stderr } = await sandbox.run(expected.args ?? ["start", "--prompt", "hi"]);
  assert.equal(code, expected.code, stderr);
  assert.match(stderr, expected.says);
  assert.doesNotMatch(stderr, CONTROL);
  assert.doesNotMatch(stderr, /\bat .*\.ts:\d+/);
  assert.ok(!(stdout + stderr).includes(SECRET));
  assert.deepEqual(await sandbox.docker.objects(), []);
}

Deno.test("skills whose names are paths, options or escapes are refused with their place", async () => {
  for (
    const name of [
      "..",
      ".",
      "/etc",
      "a/b",
      "../../.ssh",
      "-rf",
      "",
      "a\nb",
      "\x1b[31m",
      "~",
      "a\0b",
      "%2e%2e",
    ]
  ) {
    await using sandbox = await withSkills("good", name);
    await refused(sandbox, { code: 2, says: /claude-bottle\.json:1:\d+: agents\.reviewer\.skills\[1\]: / });
  }
  await using sandbox = await withSkills("good");
  const { code, stdout, stderr } = await sandbox.run(["start", "--prompt", "hi"]);
  assert.equal(code, 0, stderr);
  assert.equal(stdout, "done\n");
});

Deno.test("skills that lead to credentials, however they do, are refused, and nothing of them is printed", async () => {
  const rows: Readonly<Record<string, (home: string) => Promise<void>>> = {
    "a link to ~/.ssh": (home) => Deno.symlink(join(home, ".ssh"), join(home, ".claude/skills/bad")),
    "a link to a link to ~/.ssh": async (home) => {
      await Deno.symlink(join(home, ".ssh"), join(home, "innocent"));
      await Deno.symlink("../../innocent", join(home, ".claude/skills/bad"));
    },
    "a link to the home": (home) => Deno.symlink("../..", join(home, ".claude/skills/bad")),
    "a link to the root": (home) => Deno.symlink("/", join(home, ".claude/skills/bad")),
    "a link to ~/.claude": (home) => Deno.symlink("..", join(home, ".claude/skills/bad")),
    "skills that are ~/.ssh": async (home) => {
      await Deno.mkdir(join(home, ".ssh/bad"));
      await Deno.rename(join(home, ".claude/skills"), join(home, ".claude/skills.old"));
      await Deno.rename(join(home, ".claude/skills.old/good"), join(home, ".ssh/good"));
      await Deno.symlink(join(home, ".ssh"), join(home, ".claude/skills"));
    },
    "a link inside to the key": async (home) => {
      await Deno.mkdir(join(home, ".claude/skills/bad"));
      await Deno.symlink("../../../.ssh/id_ed25519", join(home, ".claude/skills/bad/notes.md"));
    },
    "an absolute link inside": async (home) => {
      await Deno.mkdir(join(home, ".claude/skills/bad"));
      await Deno.symlink(join(home, ".ssh/id_ed25519"), join(home, ".claude/skills/bad/\x1b[31mnotes"));
    },
    "a link inside through a link inside": async (home) => {
      await Deno.mkdir(join(home, ".claude/skills/bad"));
      await Deno.symlink("..", join(home, ".claude/skills/bad/up"));
      await Deno.symlink("up/../../.ssh/id_ed25519", join(home, ".claude/skills/bad/a"));
    },
  };
  for (const [what, make] of Object.entries(rows)) {
    await using sandbox = await withSkills("bad");
    const home = join(sandbox.folder, "home");
    await make(home);
    // Whoever follows links reads the key.
    const naive = await new Deno.Command("sh", {
      args: ["-c", `cat -- ${home}/.claude/skills/bad/* || ls -A ${home}/.claude/skills/bad/`],
    }).output();
    assert.ok(naive.success || naive.stdout.length > 0, what);
    await refused(sandbox, {
      code: 1,
      says: /^error: Skill (bad|good) (is not copied|holds a link out of it): /m,
    });
  }
});

Deno.test("pipes, sockets and devices in a skill are left out, whatever they are called", async () => {
  await using sandbox = await withSkills("odd");
  const folder = join(sandbox.folder, "home/.claude/skills/odd");
  await file(sandbox, "home/.claude/skills/odd/SKILL.md");
  await file(sandbox, "home/.claude/skills/odd/\x1b[2J\nforged line", "kept\n");
  assert.ok(await run("mkfifo", join(folder, "pipe\x07\n")));
  // Only root may make one, and not everywhere.
  const device = await run("mknod", join(folder, "zero"), "c", "1", "5");
  const { code, stdout, stderr } = await sandbox.run(["start", "--dry-run", "--format", "json"]);
  assert.equal(code, 0, stderr);
  assert.doesNotMatch(stdout + stderr, CONTROL);
  const plan = printedPlan(stdout);
  const entries = JSON.stringify(plan);
  assert.ok(entries.includes("forged line"));
  assert.ok(!entries.includes("odd/pipe") && !entries.includes("odd/zero"));
  const text = await sandbox.run(["start", "--prompt", "hi"]);
  assert.equal(text.code, 0, text.stderr);
  assert.doesNotMatch(text.stdout + text.stderr, CONTROL);
  assert.match(text.stderr, device ? /left out: pipe·*, zero/ : /left out: pipe/);
  assert.doesNotMatch(text.stderr, /^forged line/m);
});

Deno.test("a skill that is huge, endless or grows while it is read is refused, and does not fill memory", async () => {
  await using sandbox = await withSkills("big");
  const sparse = await file(sandbox, "home/.claude/skills/big/data");
  await Deno.truncate(sparse, 2 ** 40);
  await refused(sandbox, {
    code: 1,
    says: /^error: Skills may have 50 MB together, and skill big exceeds that at data/m,
  });
  await Deno.truncate(sparse, 1000);
  const good = await sandbox.run(["start", "--prompt", "hi"]);
  assert.equal(good.code, 0, good.stderr);

  await Deno.truncate(sparse, 40_000_000);
  const growing = new Deno.Command("sh", {
    args: ["-c", 'while [ -e "$1" ]; do echo x >> "$1"; done', "sh", sparse],
    stderr: "null",
  }).spawn();
  const result = await sandbox.run(["start", "--prompt", "hi"]);
  growing.kill("SIGKILL");
  await growing.status;
  assert.equal(result.code, 1, result.stderr);
  assert.match(result.stderr, /^error: Skill big cannot be read at data: it changed meanwhile/m);
});

Deno.test("a file of a skill that a link to a key replaces again and again is never delivered with the key", async () => {
  await using sandbox = await withSkills("racing");
  // As long as the key, so that its size does not tell.
  const notes = await file(sandbox, "home/.claude/skills/racing/notes.md", "x".repeat(SECRET.length));
  const key = join(sandbox.folder, "home/.ssh/id_ed25519");
  const beside = join(sandbox.folder, "work");
  await Deno.link(notes, join(beside, "notes"));
  const racing = new Deno.Command("perl", {
    args: [
      "-e",
      'my ($file, $key, $beside) = @ARGV; while (1) { link "$beside/notes", "$beside/a"; rename "$beside/a", $file; ' +
      'symlink $key, "$beside/b"; rename "$beside/b", $file; unlink "$beside/a"; select undef, undef, undef, 0.0003 }',
      ...[notes, key, beside],
    ],
  }).spawn();
  try {
    // Whoever reads it by its path alone does get the key.
    await eventually("the key is read", async () => {
      const text = await Deno.readTextFile(notes).catch(() => "");
      return text === SECRET ? true : undefined;
    });
    for (let attempt = 0; attempt < 4; attempt++) {
      const { code, stderr } = await sandbox.run(["start", "--prompt", "hi"]);
      const isRefused = /^error: Skill racing (cannot be read|holds a link out of it)/m.test(stderr);
      assert.ok(code === 0 || isRefused, stderr);
    }
  } finally {
    racing.kill("SIGKILL");
    await racing.status;
  }
  for (const { kind, stdin } of await sandbox.docker.calls()) {
    assert.ok(!new TextDecoder().decode(stdin).includes(SECRET), kind);
  }
});

/** A working directory that is a repository with a manifest, and a user without one. */
async function repository(): Promise<{ readonly sandbox: Sandbox; readonly manifest: string }> {
  const sandbox = await Sandbox.create({ agentSays: ["done"] });
  await Deno.mkdir(join(sandbox.folder, "work/.git"));
  const manifest = await file(sandbox, "work/claude-bottle.json", MANIFEST, 0o644);
  return { sandbox, manifest };
}

const MANIFEST = JSON.stringify({
  bottles: { dev: { egress: { proxy: "squid" } } },
  agents: { reviewer: { bottle: "dev" } },
});

Deno.test("a project's manifest, and one that variables or links lead to within it, is used by nobody who did not name it", async () => {
  const untrusted = { code: 1, says: /comes with the project and asks for \d+ grants that are not approved/ };
  const { sandbox, manifest } = await repository();
  await using _sandbox = sandbox;
  await refused(sandbox, untrusted);
  const config = join(sandbox.folder, "config");
  // The user's own folder is a link into the repository.
  await Deno.rename(manifest, join(sandbox.folder, "work/other.json"));
  await Deno.mkdir(join(sandbox.folder, "work/conf"));
  await Deno.rename(
    join(sandbox.folder, "work/other.json"),
    join(sandbox.folder, "work/conf/claude-bottle.json"),
  );
  await Deno.symlink(join(sandbox.folder, "work/conf"), join(config, "claude-bottle"));
  await refused(sandbox, untrusted);
  // The variable itself leads there.
  await Deno.mkdir(join(sandbox.folder, "work/xdg/claude-bottle"), { recursive: true });
  await Deno.rename(
    join(sandbox.folder, "work/conf/claude-bottle.json"),
    join(sandbox.folder, "work/xdg/claude-bottle/claude-bottle.json"),
  );
  const { code, stderr } = await sandbox.run(["start", "--prompt", "hi"], {
    env: { XDG_CONFIG_HOME: join(sandbox.folder, "work/xdg") },
  });
  assert.equal(code, 1, stderr);
  assert.match(stderr, untrusted.says);
  assert.deepEqual(await sandbox.docker.objects(), []);
  // Who names it has read it.
  const args = ["start", "--prompt", "hi", "--manifest", "xdg/claude-bottle/claude-bottle.json"];
  const named = await sandbox.run(args);
  assert.equal(named.code, 0, named.stderr);
  assert.equal(named.stdout, "done\n");
});

Deno.test("a manifest that others can write, that is another user's, or that is no file is refused", async () => {
  const { sandbox, manifest } = await repository();
  await using _sandbox = sandbox;
  const args = ["start", "--prompt", "hi", "--manifest", manifest];
  await Deno.chmod(manifest, 0o666);
  await refused(sandbox, { code: 2, says: /can be written by everyone[\s\S]*chmod o-w/, args });
  // By whatever link it is named.
  await Deno.symlink(manifest, join(sandbox.folder, "home/link.json"));
  const link = ["start", "--prompt", "hi", "--manifest", join(sandbox.folder, "home/link.json")];
  await refused(sandbox, { code: 2, says: /can be written by everyone/, args: link });
  await Deno.chmod(manifest, 0o644);
  const allowed = await sandbox.run(args);
  assert.equal(allowed.code, 0, allowed.stderr);
  if (Deno.uid() === 0) {
    await Deno.chown(manifest, 12_345, 12_345);
    await refused(sandbox, { code: 2, says: /belongs to neither you nor root/, args });
  }
  await Deno.remove(manifest);
  assert.ok(await run("mkfifo", "-m", "600", manifest));
  await refused(sandbox, { code: 2, says: /is not a regular file/, args });
  await refused(sandbox, { code: 2, says: /is not a regular file/, args: ["validate", manifest] });
  await Deno.remove(manifest);
  await Deno.symlink("/dev/zero", manifest);
  await refused(sandbox, { code: 2, says: /is not a regular file/, args });
  await Deno.remove(manifest);
  await Deno.writeTextFile(manifest, "");
  await Deno.truncate(manifest, 2 ** 40);
  await refused(sandbox, { code: 2, says: /is larger than 1 MiB/, args });
  const outside = await file(sandbox, "home/.ssh/id_ed25519", "x\n");
  await Deno.remove(manifest);
  await Deno.symlink(outside, manifest);
  await refused(sandbox, { code: 2, says: /is a link that leads out of the project/ });
});

Deno.test("a key that is a link is shown as what it is, and one that others can read is refused", async () => {
  const { sandbox, manifest } = await repository();
  await using _sandbox = sandbox;
  const key = await file(sandbox, "home/.ssh/id_ed25519", openSshKey());
  await Deno.symlink(key, join(sandbox.folder, "work/key"));
  const ssh = [{ Host: "git", Hostname: "git.test", IdentityFile: "./key", KnownHostKey: HOST_KEY }];
  await Deno.writeTextFile(
    manifest,
    JSON.stringify({
      bottles: { dev: { ssh, egress: { proxy: "squid" } } },
      agents: { reviewer: { bottle: "dev" } },
    }),
  );
  // Not without being named, whoever approves it.
  const leadsOut =
    /ssh\[0\]\.IdentityFile: "\.\/key" leads out of the project, to .*\/home\/\.ssh\/id_ed25519/;
  await refused(sandbox, { code: 1, says: leadsOut });
  await refused(sandbox, { code: 1, says: leadsOut, args: ["trust", "--yes"] });
  const args = ["start", "--dry-run", "--manifest", manifest];
  const shown = await sandbox.run(args);
  assert.equal(shown.code, 0, shown.stderr);
  assert.ok((shown.stdout + shown.stderr).includes(key), shown.stdout + shown.stderr);
  assert.ok(!(shown.stdout + shown.stderr).includes("work/key"));
  await Deno.chmod(key, 0o644);
  await refused(sandbox, { code: 1, says: /can be read or changed by others: .* has mode 0644/, args });
  await Deno.remove(key);
  assert.ok(await run("mkfifo", "-m", "600", key));
  await refused(sandbox, { code: 1, says: /ssh key file not found for host 'git'/, args });
});
