import assert from "node:assert/strict";
import { join } from "node:path";
import {
  builtImages,
  docker,
  ended,
  engineProxies,
  engineRuntimes,
  eventually,
  isPair,
  Workbench,
} from "../support/engine.ts";
import { killTree, PidNamespace } from "../support/pid_namespace.ts";
import { WORKSPACE_RECORD } from "../../lib/backend/docker/provision/files.ts";

const runtimes = await engineRuntimes();
const ignore = runtimes.length === 0;
const proxies = ignore ? [] : await engineProxies();

/** Runs a shell script with git's own settings out of the way; its stdout, a byte a character. */
async function sh(cwd: string, script: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-euc", script],
    cwd,
    env: { GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null", LC_ALL: "C" },
  }).output();
  if (!success) throw new Error(`${script}: ${new TextDecoder().decode(stderr)}`);
  return new TextDecoder("latin1").decode(stdout);
}

/** A repository with everything that one may have, and secrets where people keep them. */
const REPOSITORY = `
git init -q -b main .
git config user.name Somebody; git config user.email somebody@example.com
git config http.extraHeader 'AUTHORIZATION: basic s3cret-header'
git remote add origin https://somebody:s3cret-token@git.example.com/a.git
printf '#!/bin/sh\\necho s3cret-hook\\n' > .git/hooks/post-checkout; chmod 755 .git/hooks/post-checkout
printf 'one\\n' > plain; printf '#!/bin/sh\\necho ran\\n' > run; chmod 755 run; chmod 600 plain
ln -s plain link; ln -s ../home out
printf '*.log\\n/ignored/\\n' > .gitignore
printf 'latin\\n' > "$(printf 'caf\\351 \\n')"; printf '\\377\\000\\012' > bytes
mkdir -p "$(printf 'd\\351r')/sub" deep; printf '%s' "$(seq 1 200000)" > "$(printf 'd\\351r')/sub/-x"
mkdir -p "$(printf 'deep/%0150d/%0150d' 1 2)"; printf deep > "$(printf 'deep/%0150d/%0150d/%0120d' 1 2 3)"
git add -A; git commit -q -m one
printf 'two\\n' >> plain; printf 'staged\\n' > staged; git add staged; printf 'more\\n' >> staged
printf u > 'un tracked'; mkdir ignored empty; printf i > ignored/x; printf l > a.log
printf t > .env; touch -d '2001-02-03 04:05:06' a.log
`;

/** Everything in a tree but `.git`: types, bits, times of files, links and sums. */
const TREE =
  `find . -path ./.git -prune -o -path . -o -printf '%y %m %l %p' -printf '\\0' | sort -z | tr '\\0' '\\n' | cksum
find . -path ./.git -prune -o -type f -print0 | sort -z | xargs -0 sha256sum -z -- | cksum
stat -c '%Y' a.log`;

/** What git says of it, refs and stage included. */
const STATUS =
  "git status --porcelain=v2 --branch -z | cksum; git status --porcelain --ignored -z | tr '\\0' '\\n'; " +
  "git ls-files --stage | cksum; git for-each-ref; git log --oneline | wc -l";

async function repository(bench: Workbench): Promise<string> {
  bench.cwd = join(bench.folder, "project");
  await Deno.mkdir(bench.cwd);
  await sh(bench.cwd, REPOSITORY);
  return bench.cwd;
}

async function workspaceBottle(bench: Workbench, runtime: string, script: string): Promise<void> {
  await bench.manifest({ bottle: { runtime }, agent: { command: ["sh", "-c", script] } });
}

/** The command behind `words` in what the program said. */
function command(stderr: string, words: string): string {
  return new RegExp(`^claude-bottle: ${words}: (.*)$`, "m").exec(stderr)?.[1] ?? "";
}

for (const runtime of ["runc", "runsc"]) {
  for (const proxy of ["squid", "pipelock"]) {
    if (!isPair([proxy, runtime], { proxies, runtimes })) continue;
    Deno.test({
      name:
        `--cwd brings a repository as it is, and nothing is left when nothing changed (${runtime}, ${proxy})`,
      ignore: !runtimes.includes(runtime) || !proxies.includes(proxy),
      async fn(): Promise<void> {
        await builtImages();
        await using bench = await Workbench.create();
        const project = await repository(bench);
        // Not only equal to git, which looks at the bytes: the tree, its bits and its links.
        await workspaceBottle(
          bench,
          runtime,
          `cd ~/workspace && test "$OLDPWD" = "$PWD" && { ${TREE}\n${STATUS}; stat -c %U . plain; ./run; readlink out; }`,
        );

        const run = bench.launch(["--cwd", "--proxy", proxy]);
        const { code, stdout, stderr } = await ended(run);

        assert.equal(code, 0, stderr);
        const here = await sh(project, `${TREE}\n${STATUS}`);
        assert.equal(stdout, `${here}node\nnode\nran\n../home\n`);
        assert.match(stderr, /^workspace {6}: \S+\/project \(\d+ files, 1\.\d MB\)$/m);
        assert.match(stderr, /workspace: \.env may hold a secret; --exclude \/\.env leaves it out\n/);
        assert.match(stderr, /workspace: a link out of \S+, broken in the bottle: out\n/);
        assert.doesNotMatch(stderr, /keeping/);
        assert.deepEqual(await bench.leftovers(), []);
      },
    });
  }

  Deno.test({
    name: `what an agent made stays, and the printed commands bring it home and remove it (${runtime})`,
    ignore: !runtimes.includes(runtime),
    async fn(): Promise<void> {
      await builtImages();
      await using bench = await Workbench.create();
      const project = await repository(bench);
      const before = await sh(project, `${TREE}\n${STATUS}`);
      await workspaceBottle(
        bench,
        runtime,
        "echo three >> plain; rm run; echo new > 'a new'; git commit -qm two; git branch side; (sleep 999 &)",
      );

      const { code, stderr } = await bench.start(["--cwd"]);

      assert.equal(code, 0, stderr);
      const [left = "", ...more] = await bench.leftovers();
      assert.deepEqual(more, []);
      const volume = left.replace(/^volume /, "");
      assert.ok(
        stderr.includes(
          `keeping the workspace ${volume}: 1 file changed, 1 new, 1 removed, 2 git refs or stage changed, 1 new commit\n`,
        ),
        stderr,
      );
      // The user's own is not touched.
      assert.equal(await sh(project, `${TREE}\n${STATUS}`), before);
      const home = join(bench.folder, "back");
      await Deno.mkdir(join(home, "tree"), { recursive: true });
      await sh(home, command(stderr, "to bring it home"));
      await sh(home, `tar -C tree -xf ${volume}.tar --no-same-owner`);
      assert.equal(await sh(join(home, "tree"), "cat 'a new'; tail -n1 plain"), "new\nthree\n");
      assert.equal(
        await sh(join(home, "tree"), "git log --format=%s main; git rev-parse -q side >/dev/null"),
        "two\none\n",
      );
      await sh(home, command(stderr, "to remove it"));
      assert.deepEqual(await bench.leftovers(), []);
    },
  });
}

Deno.test({
  name: "no credential and no hook of .git comes along, though all of them are there on the host",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    const project = await repository(bench);
    const probe = "grep -rl s3cret .git | sort; git remote get-url origin; git config user.email";
    assert.equal(
      await sh(project, probe),
      ".git/config\n.git/hooks/post-checkout\nhttps://somebody:s3cret-token@git.example.com/a.git\nsomebody@example.com\n",
    );
    await workspaceBottle(bench, "runc", probe);

    const { code, stdout, stderr } = await bench.start(["--cwd", "--exclude", ".env"]);

    assert.equal(code, 0, stderr);
    assert.equal(stdout, "https://git.example.com/a.git\nsomebody@example.com\n");
    assert.ok(stderr.includes("credentials left out of 1 git address\n"), stderr);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "each thing that an agent can make or unmake keeps the workspace; what git does by itself does not",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    const rows: readonly (readonly [string, RegExp | undefined])[] = [
      ["git status >/dev/null; git gc -q; git pack-refs --all; touch plain", undefined],
      ["printf x > empty/new", /: 1 new\n/],
      ["mkdir empty2", /: 1 new\n/],
      ["rmdir empty", /: 1 removed\n/],
      ["chmod +x plain", /: 1 file changed\n/],
      ["ln -sf bytes link", /: 1 file changed\n/],
      ["git add 'un tracked'", /: 1 git ref or stage changed\n/],
      ["git tag t", /: 1 git ref or stage changed\n/],
      [
        "git add -A; git commit -qm x; git reset -q --soft HEAD~1; git reset -q; git add staged",
        /1 new commit/,
      ],
      ["git checkout -qb other; git checkout -q main; git branch -qd other", undefined],
      ["echo x > empty/x; chmod 0 empty", /: 1 file changed\n/],
      ["git config alias.x status", /: 1 git setting or hooks changed\n/],
      ["mkdir -p .git/hooks; echo x > .git/hooks/pre-commit", /: 1 git setting or hooks changed\n/],
      ["mkdir -p .git/info; echo x > .git/info/exclude", /: 1 git setting or hooks changed\n/],
      ["git stash -q", /1 new commit|2 new commits/],
      ["rm -rf .git", /: \d+ git refs or stage changed, \d+ git settings or hooks changed\n/],
      ["rm -rf ~/.claude-bottle-workspace", /: it could not be compared\n/],
    ];
    for (const [script, words] of rows) {
      await using bench = await Workbench.create();
      await repository(bench);
      await workspaceBottle(bench, "runc", script);
      const { code, stderr } = await bench.start(["--cwd"]);
      assert.equal(code, 0, `${script}: ${stderr}`);
      const left = await bench.leftovers();
      if (words === undefined) assert.deepEqual(left, [], `${script}: ${stderr}`);
      else {
        assert.match(stderr, words, script);
        assert.match(left.join(), /^volume claude-bottle-\S+-workspace$/, script);
      }
    }
  },
});

Deno.test({
  name:
    "Ctrl-C and stop while the agent works keep what it made; stop of one that made nothing leaves nothing",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    for (
      const [script, isKept] of [["echo x > x; exec sleep 1234", true], ["exec sleep 1234", false]] as const
    ) {
      for (const by of ["SIGINT", "stop"] as const) {
        await using bench = await Workbench.create();
        await repository(bench);
        await workspaceBottle(bench, "runc", script);
        const child = bench.launch(["--cwd"]);
        await bench.sleepingAgent();
        const stopped = by === "stop" ? await ended(bench.spawn(["stop", bench.agent, "--json"])) : undefined;
        if (by === "SIGINT") child.kill(by);
        const { stderr } = await ended(child);
        const left = await bench.leftovers();
        assert.deepEqual(
          left.map((line) => line.split(" ")[0]),
          isKept ? ["volume"] : [],
          `${by} ${script}: ${stderr}`,
        );
        if (stopped === undefined) {
          assert.equal(/keeping the workspace \S+: 1 new\n/.test(stderr), isKept, stderr);
        } else {
          const { kept } = JSON.parse(stopped.stdout);
          assert.deepEqual(
            kept?.changes ?? null,
            isKept ? { changed: 0, added: 1, removed: 0, refs: 0, settings: 0, commits: 0 } : null,
          );
        }
      }
    }
  },
});

Deno.test({
  name:
    "two comparisons at the same time answer the same, and the agent of a detached bottle starts in its workspace",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    await repository(bench);
    await sh(bench.cwd, "truncate -s 1500M large");
    await workspaceBottle(bench, "runc", "pwd; cat staged");
    assert.equal((await bench.start(["--cwd", "--detach"])).code, 0);
    const attached = await ended(bench.spawn(["attach", bench.agent, "--manifest", bench.manifestFile]));
    assert.equal(attached.stdout, "/home/node/workspace\nstaged\nmore\n", attached.stderr);
    const agent = await docker(
      ...["ps", "-q", "--filter", `label=claude-bottle.agent=${bench.agent}`],
      ...["--filter", "label=claude-bottle.role=agent"],
    );
    const uid = await docker("container", "exec", agent, "stat", "-c", "%u:%g", "/home/node/workspace");
    const compare = (): Promise<string> =>
      docker(
        ...["container", "exec", "--user", uid, agent, "perl", WORKSPACE_RECORD, "compare"],
        ...["/home/node/workspace", "/home/node/.claude-bottle-workspace"],
      );
    const first = compare();
    // It holds the lock and has ended what was left running: as root, who is not among it.
    await eventually("the first comparison", async () => {
      const look = ["container", "exec", "--user", "0:0", agent, "sh", "-c", "cat /proc/[0-9]*/comm"];
      return (await docker(...look)).includes("sha256sum") || undefined;
    });
    const same = "workspace changed=0 added=0 removed=0 refs=0 settings=0 commits=0";
    assert.deepEqual(await Promise.all([first, compare()]), [same, same]);
    const { code, stderr } = await ended(bench.spawn(["stop", bench.agent]));
    assert.equal(code, 0, stderr);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "stop of a bottle whose container is dead keeps the workspace",
  ignore: ignore || !await PidNamespace.isPossible(),
  async fn(): Promise<void> {
    await builtImages();
    // Any other start on this machine would sweep what is left here, were it not for this.
    await using place = await PidNamespace.create();
    await using bench = await Workbench.create();
    bench.within = place.words;
    await repository(bench);
    await workspaceBottle(bench, "runc", "exec sleep 1234");
    const child = bench.launch(["--cwd"]);
    const id = await bench.sleepingAgent();
    // With its reaper, which would remove the bottle.
    await killTree(child);
    await eventually("the container has ended", async () => {
      return await docker("inspect", "--format", "{{.State.Running}}", id) === "false" ? true : undefined;
    });
    const { code, stderr } = await ended(bench.spawn(["stop", bench.agent]));
    assert.equal(code, 0, stderr);
    assert.match(stderr, /keeping the workspace \S+: it could not be compared\n/);
    assert.equal((await bench.leftovers()).length, 1);
  },
});

Deno.test({
  name: "a launch that fails or is cut short leaves no workspace, and says what was wrong",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using bench = await Workbench.create();
    const project = await repository(bench);
    await workspaceBottle(bench, "runc", "true");
    // The files go while the copy waits for its turn: what is there at the walk and not when it is read.
    const path = await bench.onPath(
      "docker",
      `case "$*" in *"volume create"*) rm -f '${project}/plain';; esac; exec ${await sh(
        project,
        "command -v docker",
      )}`
        .replaceAll("\n", "") + ' "$@"',
    );
    const { code, stderr } = await bench.start(["--cwd"], { PATH: path });
    assert.equal(code, 125, stderr);
    assert.match(stderr, /error: plain changed while it was read\n/);
    assert.deepEqual(await bench.leftovers(), []);

    await sh(project, "head -c 300000000 /dev/zero > large");
    const child = bench.launch(["--cwd"]);
    const volumes = ["volume", "ls", "--quiet", "--filter", `label=claude-bottle.agent=${bench.agent}`];
    await eventually("the copy began", async () => (await docker(...volumes)) === "" ? undefined : true);
    child.kill("SIGINT");
    const cut = await ended(child);
    assert.equal(cut.signal ?? cut.code, "SIGINT", cut.stderr);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name: "an image without ~/workspace, or with files in it, ends with the agent's own copy alone",
  ignore,
  async fn(): Promise<void> {
    const { agent } = await builtImages();
    for (const change of ["rmdir /home/node/workspace", "echo x > /home/node/workspace/of-the-image"]) {
      await using bench = await Workbench.create();
      bench.cwd = join(bench.folder, "project");
      await Deno.mkdir(bench.cwd);
      await Deno.writeTextFile(join(bench.cwd, "a"), "a");
      const image = `claude-bottle-test-workspace:${bench.agent}`;
      const id = await docker("create", "--user", "0", agent, "sh", "-c", change);
      try {
        await docker("start", "--attach", id);
        await docker(
          "commit",
          "--change",
          "USER 47291:47291",
          "--change",
          'CMD ["sleep","infinity"]',
          id,
          image,
        );
        await workspaceBottle(bench, "runc", "pwd; ls -A; stat -c %U .; touch b; rm b");
        const { code, stdout, stderr } = await bench.start(["--cwd"], { CLAUDE_BOTTLE_IMAGE: image });
        assert.equal(code, 0, stderr);
        assert.equal(stdout, "/home/node/workspace\na\nnode\n");
      } finally {
        await docker("rm", "-fv", id);
        await docker("rmi", "-f", image);
      }
      assert.deepEqual(await bench.leftovers(), []);
    }
  },
});
