import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { builtImages, engineProxies, engineRuntimes, Workbench } from "../support/engine.ts";

const runtimes = await engineRuntimes();
const ignore = runtimes.length === 0;
const proxies = ignore ? [] : await engineProxies();

async function skillFile(bench: Workbench, path: string, content: string | Uint8Array): Promise<string> {
  const file = join(bench.folder, "home/.claude/skills", path);
  await Deno.mkdir(dirname(file), { recursive: true });
  await Deno.writeFile(file, typeof content === "string" ? new TextEncoder().encode(content) : content);
  return file;
}

/** A skill with everything that one may have. */
async function fullSkill(bench: Workbench): Promise<void> {
  const folder = join(bench.folder, "home/.claude/skills/full");
  await skillFile(bench, "full/SKILL.md", "# Full ü\n");
  await Deno.chmod(await skillFile(bench, "full/bin/run it", "#!/bin/sh\necho it ran\n"), 0o750);
  await Deno.chmod(await skillFile(bench, "full/data.bin", Uint8Array.of(0, 255, 10, 195, 40)), 0o600);
  const long = `${"long-".repeat(30)}/${"path-".repeat(30)}`;
  await Deno.chmod(await skillFile(bench, `full/${long}/é.txt`, "deep\n"), 0o444);
  await Deno.chmod(join(folder, "bin"), 0o711);
  await Deno.chmod(folder, 0o755);
  await Deno.symlink("../bin/run it", join(folder, "bin/again"));
  await Deno.symlink(`${long}/é.txt`, join(folder, "deep"));
}

for (const runtime of ["runc", "runsc"]) {
  for (const proxy of ["squid", "pipelock"]) {
    Deno.test({
      name: `a skill is delivered with its files, modes and links, as the agent's own (${runtime}, ${proxy})`,
      ignore: !runtimes.includes(runtime) || !proxies.includes(proxy),
      async fn(): Promise<void> {
        await builtImages();
        await using bench = await Workbench.create();
        await fullSkill(bench);
        await skillFile(bench, "other/SKILL.md", "not asked for\n");
        const script = [
          "cd ~/.claude/skills && ls -A",
          "stat -c '%a %U:%G %n' ~ ~/.claude . full full/SKILL.md full/bin 'full/bin/run it' full/data.bin full/deep",
          "readlink full/bin/again; full/bin/again; cat full/SKILL.md full/deep",
          "stat -L -c '%a %s' full/deep; od -An -tx1 full/data.bin",
          "touch mine full/mine ~/.claude/mine && echo writable",
        ].join("\n");
        await bench.manifest({
          bottle: { runtime },
          agent: { skills: ["full"], command: ["sh", "-ec", script] },
        });

        const { code, stdout, stderr } = await bench.start(["--proxy", proxy]);

        assert.equal(code, 0, stderr);
        assert.equal(
          stdout,
          `full
755 node:node /home/node
755 node:node /home/node/.claude
755 node:node .
755 node:node full
644 node:node full/SKILL.md
711 node:node full/bin
750 node:node full/bin/run it
600 node:node full/data.bin
777 node:node full/deep
../bin/run it
it ran
# Full ü
deep
444 5
 00 ff 0a c3 28
writable
`,
        );
        assert.ok(
          stderr.includes(`skills         : full (${bench.folder}/home/.claude/skills/full)\n`),
          stderr,
        );
        assert.deepEqual(await bench.leftovers(), []);
      },
    });
  }
}

Deno.test({
  name: "CLAUDE_BOTTLE_CONTAINER_SKILLS_DIR is where the skills go, and nothing above them changes hands",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await fullSkill(bench);
    const script =
      "cd /opt/my/skills && full/bin/again; stat -c '%a %U %n' /opt /opt/my . full; ls ~/.claude/skills";
    await bench.manifest({
      bottle: { runtime: "runc" },
      agent: { skills: ["full"], command: ["sh", "-ec", script] },
    });

    const { code, stdout, stderr } = await bench.start([], {
      CLAUDE_BOTTLE_CONTAINER_SKILLS_DIR: "/opt/my/skills",
    });

    assert.equal(code, 0, stderr);
    assert.equal(stdout, "it ran\n755 root /opt\n755 root /opt/my\n755 root .\n755 node full\n");
  },
});

Deno.test({
  name:
    "a skill that is missing, holds an escaping link or is a link to ~/.ssh is refused, and nothing is made",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Workbench.create();
    const home = join(bench.folder, "home");
    await Deno.mkdir(join(home, ".ssh"));
    await Deno.writeTextFile(join(home, ".ssh/id_ed25519"), "the key\n");
    await skillFile(bench, "escaping/SKILL.md", "x");
    await Deno.symlink("../../../.ssh/id_ed25519", join(home, ".claude/skills/escaping/notes.md"));
    await Deno.symlink(join(home, ".ssh"), join(home, ".claude/skills/keys"));
    await skillFile(bench, "whole/SKILL.md", "x");
    const rows = {
      absent: `error: skill 'absent' not found on host at ${home}/.claude/skills/absent. ` +
        "Create it under ~/.claude/skills/, then re-run.\n",
      escaping: "error: Skill escaping holds a link out of it: notes.md -> ../../../.ssh/id_ed25519\n",
      keys: `error: Skill keys is not copied: ${home}/.claude/skills/keys leads to ${home}/.ssh, ` +
        `which is in ${home}/.ssh, where credentials are\n`,
    };
    for (const [skill, words] of Object.entries(rows)) {
      await bench.manifest({ agent: { skills: ["whole", skill], command: ["true"] } });
      const { code, stdout, stderr } = await bench.start();
      assert.equal(code, 1, stderr);
      assert.equal(stdout, "");
      assert.ok(stderr.startsWith(words), stderr);
      assert.deepEqual(await bench.leftovers(), []);
    }
  },
});

Deno.test({
  name: "a socket and a pipe in a skill are left out and told before the question",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Workbench.create();
    await skillFile(bench, "piped/SKILL.md", "x");
    const folder = join(bench.folder, "home/.claude/skills/piped");
    const { success } = await new Deno.Command("mkfifo", { args: [join(folder, "pipe")] }).output();
    assert.ok(success);
    await bench.manifest({ agent: { skills: ["piped"], command: ["true"] } });

    const { code, stderr, stdout } = await bench.start(["--dry-run", "--format", "json"]);

    assert.equal(code, 0, stderr);
    const plan = JSON.parse(stdout);
    assert.deepEqual(plan.skills, ["piped"]);
    assert.deepEqual(plan.skill_paths, [folder]);
    assert.deepEqual(plan.notices, ["skill piped: no regular file, left out: pipe"]);
    const files = plan.steps.find(({ id }: { readonly id: string }) => id === "agent-files").stdin.entries;
    assert.deepEqual(
      files.filter((path: string) => path.includes("skills")),
      ["home/node/.claude/skills/piped", "home/node/.claude/skills/piped/SKILL.md"],
    );
  },
});
