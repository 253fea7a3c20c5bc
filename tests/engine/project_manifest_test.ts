import assert from "node:assert/strict";
import { join } from "node:path";
import { builtImages, type Ended, ended, engineRuntimes, Workbench } from "../support/engine.ts";

const ignore = (await engineRuntimes()).length === 0;

/** Says all that it has been given. */
const SAYS = 'printf "%s\\n" "$FROM_BASE" "$FROM_USER" "$FROM_FILE" "$FROM_SCRIPT"; uname -n; echo "$0"';

/** A repository whose bottle extends one of the user's, and whose agent extends one of its own. */
class Clone {
  readonly bench: Workbench;
  readonly folder: string;

  private constructor(bench: Workbench) {
    this.bench = bench;
    this.folder = join(bench.folder, "clone");
    bench.cwd = join(this.folder, "src");
  }

  static async create(bench: Workbench): Promise<Clone> {
    await builtImages();
    const clone = new Clone(bench);
    await clone.#fill();
    return clone;
  }

  async #fill(): Promise<void> {
    const config = join(this.bench.folder, "home/.config/claude-bottle");
    for (const folder of [config, join(this.folder, ".git"), join(this.folder, "src")]) {
      await Deno.mkdir(folder, { recursive: true });
    }
    await Deno.writeTextFile(
      join(config, "claude-bottle.yaml"),
      "bottles:\n  base:\n    env: { FROM_BASE: user, FROM_USER: user }\n    egress: { proxy: squid }\n",
    );
    await Deno.writeTextFile(join(this.folder, "token"), "of a file\n");
    await this.script("echo of a script");
    await this.manifest("");
  }

  async manifest(more: string): Promise<void> {
    await Deno.writeTextFile(
      join(this.folder, "claude-bottle.yaml"),
      `bottles:
  dev:
    extends: base
    env:
      FROM_BASE: project
      FROM_FILE: { secret: { file: token } }
      FROM_SCRIPT: { secret: { command: [./say.sh] } }
${more}agents:
  ${this.bench.agent}-base: { bottle: dev, command: [sh, -c, ${JSON.stringify(SAYS)}, of the parent] }
  ${this.bench.agent}: { extends: ${this.bench.agent}-base }
`,
    );
  }

  async script(line: string): Promise<void> {
    await Deno.writeTextFile(join(this.folder, "say.sh"), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
  }

  async run(...words: readonly string[]): Promise<Ended> {
    return await ended(this.bench.spawn(words));
  }

  async start(): Promise<Ended> {
    return await this.run("start", this.bench.agent, "--yes");
  }
}

Deno.test({
  name: "a cloned repository's manifest runs an agent once its grants are approved, with all that it extends",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Workbench.create();
    const clone = await Clone.create(bench);

    const refused = await clone.start();
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, /grants that are not approved[\s\S]*claude-bottle trust --yes/);
    assert.deepEqual(await bench.leftovers(), []);

    assert.equal((await clone.run("trust", "--yes")).code, 0);
    const approved = await clone.start();
    assert.equal(approved.code, 0, approved.stderr);
    const lines = approved.stdout.split("\n");
    assert.deepEqual(lines.toSpliced(4, 1), [
      ...["project", "user", "of a file", "of a script"],
      "of the parent",
      "",
    ]);
    assert.deepEqual(await bench.leftovers(), []);
  },
});

Deno.test({
  name:
    "what a repository asks for beyond its approval keeps it from running, and what it asks less does not",
  ignore,
  async fn(): Promise<void> {
    await using bench = await Workbench.create();
    const clone = await Clone.create(bench);
    await clone.manifest("    resources: { memory: 1g }\n");
    assert.equal((await clone.run("trust", "--yes")).code, 0);

    await clone.manifest("    # the same, less of it\n    resources: { memory: 512m }\n    runtime: auto\n");
    assert.equal((await clone.start()).code, 0);

    await clone.manifest("    resources: { memory: 2g }\n");
    const larger = await clone.start();
    assert.equal(larger.code, 1, larger.stderr);
    assert.match(larger.stderr, /1 grant that is not approved/);

    await clone.manifest("    resources: { memory: 1g }\n");
    await clone.script("echo something else");
    const changed = await clone.start();
    assert.equal(changed.code, 1, changed.stderr);
    assert.match(changed.stderr, /1 grant that is not approved/);

    await Deno.remove(join(clone.folder, "token"));
    await Deno.symlink(
      join(bench.folder, "home/.config/claude-bottle/claude-bottle.yaml"),
      join(clone.folder, "token"),
    );
    await clone.script("echo of a script");
    const link = await clone.start();
    assert.equal(link.code, 1, link.stderr);
    assert.match(link.stderr, /names files that it may not name[\s\S]*FROM_FILE/);
    assert.deepEqual(await bench.leftovers(), []);
  },
});
