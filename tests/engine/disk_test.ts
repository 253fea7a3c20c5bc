import assert from "node:assert/strict";
import { join } from "node:path";
import diskWatch from "../../lib/assets/disk_watch.pl" with { type: "text" };
import { LABEL } from "../../lib/backend/docker/labels.ts";
import { builtImages, docker, ended, engineRuntimes, eventually, Workbench } from "../support/engine.ts";

const runtimes = await engineRuntimes();

/** Writes a number of MiB. */
const WRITE =
  "sub mib { my ($path) = @_; open(my $file, '>', $path) or die; print $file 'x' x 1048576 for 1 .. 70; $file }";

/** Each writes 70 MiB where nobody but itself would find them; the last two end the agent's other processes at that. */
const PARTS = [
  // A plain file, with a hole that is none of the bottle's disk.
  "mib('plain'); truncate('plain', 20 << 30);",
  "mkdir 'closed'; mib('closed/file'); chmod(0, 'closed');",
  // An open file without a name, in a process that forbids others to look at it.
  "our $open = mib('gone'); unlink('gone'); syscall(157, 4, 0, 0, 0, 0) == 0 or die;",
  "chdir('workspace'); mkdir 'closed'; mib('closed/file'); chmod(0, 'closed');",
] as const;

/** Whoever watches as the agent's user is gone. */
const KILL = "kill 9, -1;";

function script(seconds: number): readonly string[] {
  return [
    "perl",
    "-e",
    `${WRITE} chdir; ${PARTS.join(" ")} ${KILL} $| = 1; print "written\\n"; sleep ${seconds}; print "end\\n"`,
  ];
}

/** A bench whose program is started in a directory that can be copied. */
async function inProject(): Promise<Workbench> {
  const bench = await Workbench.create();
  bench.cwd = join(bench.folder, "project");
  await Deno.mkdir(bench.cwd);
  await Deno.writeTextFile(join(bench.cwd, "readme"), "hello\n");
  return bench;
}

for (const runtime of ["runc", "runsc"]) {
  const ignore = !runtimes.includes(runtime);

  Deno.test({
    name: `a bottle is stopped at its disk limit, however its agent hides what it writes (${runtime})`,
    ignore,
    async fn(): Promise<void> {
      await builtImages();
      await using bench = await inProject();
      // Three of the four parts have room.
      await bench.manifest({
        bottle: { runtime, resources: { disk: "250m" } },
        agent: { command: script(180) },
      });

      const { code, stdout, stderr } = await bench.start(["--cwd"]);

      assert.equal(code, 1, stderr);
      assert.equal(stdout, "written\n");
      assert.match(
        stderr,
        /^error: What ran was ended at the bottle's disk limit: it takes 2\d\d(\.\d)? MiB, and may take 250 MiB$/m,
      );
      assert.match(
        stderr,
        /^hint: Raise resources\.disk in the manifest if it needs more, such as `disk: 1g`$/m,
      );
      // What the agent made is kept as after any other end.
      const left = await bench.leftovers();
      assert.equal(left.length, 1, left.join());
      assert.match(left.join(), /^volume \S+-workspace$/);
    },
  });

  Deno.test({
    name: `the same writing succeeds below the limit, whatever other containers write (${runtime})`,
    ignore,
    async fn(): Promise<void> {
      const { agent: image } = await builtImages();
      await using bench = await inProject();
      await bench.manifest({
        bottle: { runtime, resources: { disk: "300m" } },
        agent: { command: script(10) },
      });

      const [{ code, stdout, stderr }] = await Promise.all([
        bench.start(["--cwd"]),
        docker(
          ...["run", "--rm", "--label", `${LABEL.agent}=${bench.agent}`, "--network", "none"],
          ...["--entrypoint", "sh", image, "-c", "head -c 500M /dev/zero > /tmp/other; sleep 6"],
        ),
      ]);

      assert.equal(code, 0, stderr);
      assert.equal(stdout, "written\nend\n");
      assert.doesNotMatch(stderr, /disk is not watched|error/);
    },
  });

  Deno.test({
    name:
      `in a bottle that lives on the command is ended, nothing is lost, and room can be made (${runtime})`,
    ignore,
    async fn(): Promise<void> {
      await builtImages();
      await using bench = await Workbench.create();
      await bench.manifest({
        bottle: { runtime, resources: { disk: "100m" } },
        agent: { command: ["true"] },
      });
      const detached = await bench.start(["--detach"]);
      assert.equal(detached.code, 0, detached.stderr);
      const run = async (script: string): ReturnType<typeof ended> =>
        await ended(
          bench.spawn(["exec", bench.agent, "--manifest", bench.manifestFile, "--", "sh", "-c", script]),
        );

      const much = await run(
        "cd; head -c 70M /dev/zero > one; head -c 70M /dev/zero > two; sleep 180; echo end",
      );
      assert.deepEqual([much.code, much.stdout], [1, ""], much.stderr);
      assert.match(much.stderr, /^error: What ran was ended at the bottle's disk limit/m);
      assert.match(
        much.stderr,
        /^hint: Or free some: nothing in it is lost, .* exec claude-bottle-test-\S+ -- rm FILE$/m,
      );

      const freed = await run("cd; stat -c %s one two; rm one; sleep 6; echo end");
      assert.equal(freed.code, 0, freed.stderr);
      // The second one had not to be whole to be too much.
      assert.match(freed.stdout, /^73400320\n[3-7]\d{7}\nend\n$/);

      const stopped = await ended(bench.spawn(["stop", bench.agent]));
      assert.equal(stopped.code, 0, stopped.stderr);
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}

Deno.test({
  name: "what watches a bottle's disk goes with the program, even when that is killed",
  ignore: !runtimes.includes("runc"),
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await bench.manifest({ bottle: { runtime: "runc" }, agent: { command: ["sleep", "1234"] } });
    const filters = [`label=${LABEL.agent}=${bench.agent}`, `label=${LABEL.role}=watcher`];
    const watchers = (): Promise<string> =>
      docker("ps", "--all", "--quiet", ...filters.flatMap((one) => ["--filter", one]));
    const child = bench.launch();
    await eventually("it is watched", async () => await watchers() === "" ? undefined : true);
    child.kill("SIGKILL");
    await Promise.all([child.status, child.stdout.cancel(), child.stderr.cancel()]);
    await eventually("it is gone", async () => await watchers() === "" ? true : undefined);
  },
});

/** 100 MiB in a workspace whose deep folders never stay where they are. */
const MOVING = `
chdir('/workspace') or die;
open(my $file, '>', 'zz') or die; print $file 'x' x 1048576 for 1 .. 100; close $file;
mkdir 'b';
for my $one (0 .. 30) {
  my $folder = "a";
  for my $name ("", $one, 1 .. 8) { $folder .= "/$name"; mkdir $folder }
  for (1 .. 200) { open(my $file, '>', "$folder/$_") or die }
}
unless (fork) {
  while (1) { for (0 .. 30) { rename("a/$_/1/2/3", "b/$_"); rename("b/$_", "a/$_/1/2/3") } }
}
`;

/** What plain `find` counts there, 40 times. */
const COUNT = `for (1 .. 40) {
  my $bytes = 0;
  $bytes += $_ * 512 for qx(find /workspace -printf '%b\\n' 2>&-);
  print "disk $bytes\n";
}`;

Deno.test({
  name: "what is measured while folders are moved is all there is, or nothing",
  ignore: !runtimes.includes("runc"),
  async fn(): Promise<void> {
    const { agent: image } = await builtImages();
    await using bench = await Workbench.create();
    const measured = async (program: readonly string[]): Promise<readonly number[]> => {
      const name = `${bench.agent}-moving`;
      const place = ["--network", "none", "--tmpfs", "/workspace:size=200m", "--entrypoint", "sh"];
      const script = `perl -e "$0"; sleep 1; (sleep 12) | perl -e "$1" $2`;
      const said = await docker(
        ...["run", "--rm", "--name", name, "--label", `${LABEL.agent}=${bench.agent}`, ...place, image],
        ...["-c", script, MOVING, ...program],
      );
      return said.split("\n").map((line) => Number(/^disk (\d+)$/.exec(line)?.[1] ?? NaN));
    };
    const least = 100 * 1024 ** 2;
    const whole = await measured([diskWatch, "volume"]);
    assert.ok(whole.length > 0 && whole.every((bytes) => bytes >= least), whole.join());
    const plain = await measured([COUNT]);
    assert.ok(plain.length === 40 && plain.some((bytes) => bytes < least), plain.join());
  },
});
