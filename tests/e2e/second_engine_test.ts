import assert from "node:assert/strict";
import { join } from "node:path";
import { fromFileUrl } from "../../scripts/lint_paths.ts";

/*
 * `scripts/second_engine.sh` as it is, but for its fixed paths, which lie in a temporary folder. On its PATH `unshare`,
 * which makes the engine's namespaces, only sleeps, `docker` answers when the test says so, and `id` says root.
 */

const SCRIPTS = fromFileUrl(new URL("../../scripts", import.meta.url));

const PROGRAMS: Readonly<Record<string, (folder: string) => string>> = {
  unshare: (folder) => `#!/usr/bin/perl\nopen my $mark, '>', '${folder}/began'; sleep 60;\n`,
  docker: (folder) => `#!/bin/sh\n[ -z "$DOCKER_TLS_VERIFY" ] && [ -e '${folder}/answers' ] && echo 28\n`,
  id: () => '#!/bin/sh\necho "${TEST_UID:-0}"\n',
};

class SecondEngine implements AsyncDisposable {
  readonly folder: string;
  readonly data: string;
  readonly pidFile: string;
  #pid = 0;

  private constructor(folder: string) {
    this.folder = folder;
    this.data = `${folder}/claude-bottle-second-engine/data`;
    this.pidFile = `${folder}/run/pid`;
  }

  static async made(): Promise<SecondEngine> {
    const folder = await Deno.makeTempDir({ prefix: "claude-bottle-second-" });
    await Deno.mkdir(`${folder}/scripts`);
    await Deno.mkdir(`${folder}/bin`);
    for (const name of ["setup.sh", "engine.sh", "base_image.sh", "gvisor.sh", "second_engine.sh"]) {
      const text = await Deno.readTextFile(join(SCRIPTS, name));
      const moved = text.replaceAll("/var/lib/claude-bottle-second", `${folder}/claude-bottle-second`)
        .replaceAll("/run/claude-bottle-second-engine", `${folder}/run`)
        .replaceAll("date +%s) + 60", "date +%s) + 3")
        .replaceAll("/var/log/", `${folder}/`)
        .replaceAll("/run/claude-bottle-setup.lock", `${folder}/lock`)
        .replaceAll("gvisor_folder=/usr/local/lib/claude-bottle", `gvisor_folder=${folder}/gvisor`)
        .replace(/^second_root=.*$/m, "second_root=$second_folder/root")
        .replace(/^second_groups=.*$/m, `second_groups=${folder.slice(folder.lastIndexOf("/") + 1)}`);
      await Deno.writeTextFile(`${folder}/scripts/${name}`, moved);
    }
    for (const [name, text] of Object.entries(PROGRAMS)) {
      await Deno.writeTextFile(`${folder}/bin/${name}`, text(folder), { mode: 0o755 });
    }
    const engine = new SecondEngine(folder);
    await Deno.mkdir(`${folder}/claude-bottle-second-engine/root/usr/sbin`, { recursive: true });
    await Deno.writeTextFile(`${folder}/claude-bottle-second-engine/root/usr/sbin/dockerd`, "", {
      mode: 0o755,
    });
    return engine;
  }

  spawn(task: string, env: Readonly<Record<string, string>> = {}): Deno.ChildProcess {
    return new Deno.Command("sh", {
      args: [`${this.folder}/scripts/second_engine.sh`, task],
      env: { ...env, PATH: `${this.folder}/bin:${Deno.env.get("PATH") ?? ""}` },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /** Begins an engine and kills the script that waits for it to answer. */
  async orphaned(): Promise<void> {
    const script = this.spawn("start");
    for (let turn = 0; turn < 500 && !await this.isRunning(); turn++) await sleep(10);
    script.kill("SIGKILL");
    await script.output();
    assert.ok(await this.isRunning());
  }

  async isRunning(): Promise<boolean> {
    this.#pid = Number(await Deno.readTextFile(this.pidFile).catch(() => this.#pid));
    // The file system of processes is closed to Deno.
    const look = new Deno.Command("sh", {
      args: ["-c", `tr '\\0' ' ' </proc/${this.#pid}/cmdline`],
      stderr: "null",
    });
    return new TextDecoder().decode((await look.output()).stdout).includes("/bin/unshare --net ");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (await this.isRunning()) Deno.kill(this.#pid, "SIGKILL");
    await Deno.remove(this.folder, { recursive: true });
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function exists(path: string): Promise<boolean> {
  return await Deno.lstat(path).then(() => true, () => false);
}

const ignore = Deno.build.os !== "linux" || !await exists("/usr/bin/dpkg");

Deno.test({
  name: "a second engine whose script was killed while it started is ended by `stop`, with all that it made",
  ignore,
  async fn(): Promise<void> {
    await using engine = await SecondEngine.made();
    await engine.orphaned();
    const { code, stderr } = await engine.spawn("stop").output();
    assert.equal(code, 0, new TextDecoder().decode(stderr));
    assert.equal(await engine.isRunning(), false);
    assert.deepEqual([await exists(engine.data), await exists(engine.pidFile)], [false, false]);
    // Kept, so that the next start is quick.
    assert.ok(await exists(`${engine.folder}/claude-bottle-second-engine/root/usr/sbin/dockerd`));
  },
});

Deno.test({
  name: "nothing is removed from under a second engine that answers and whose process is not known",
  ignore,
  async fn(): Promise<void> {
    await using engine = await SecondEngine.made();
    await engine.orphaned();
    await Deno.remove(engine.pidFile);
    await Deno.writeTextFile(`${engine.folder}/answers`, "");
    const { code, stderr } = await engine.spawn("stop").output();
    assert.equal(code, 1);
    assert.match(
      new TextDecoder().decode(stderr),
      /error: The second engine runs, but not as the process that .*\nhint: /,
    );
    assert.ok(await engine.isRunning());
    assert.ok(await exists(engine.data));
  },
});

Deno.test({
  name: "no second engine begins where its process cannot be noted",
  ignore,
  async fn(): Promise<void> {
    await using engine = await SecondEngine.made();
    // In the place of the note, made just before it is written.
    const text = `#!/bin/sh\nmkdir '${engine.pidFile}'\n`;
    await Deno.writeTextFile(`${engine.folder}/bin/chmod`, text, { mode: 0o755 });
    const { code, stderr } = await engine.spawn("start").output();
    assert.equal(code, 1);
    assert.match(
      new TextDecoder().decode(stderr),
      /pid: Is a directory[^]*error: The second engine did not start/,
    );
    assert.equal(await exists(`${engine.folder}/began`), false);
  },
});

Deno.test({
  name: "the second engine is asked without what is set for the engine at hand, and by root alone",
  ignore,
  async fn(): Promise<void> {
    await using engine = await SecondEngine.made();
    assert.equal((await engine.spawn("status").output()).code, 1);
    await Deno.writeTextFile(`${engine.folder}/answers`, "");
    const { code, stdout } = await engine.spawn("status", { DOCKER_TLS_VERIFY: "1" }).output();
    assert.deepEqual([code, new TextDecoder().decode(stdout)], [0, "28\n"]);
    for (const task of ["status", "stop", "start"]) {
      const refused = await engine.spawn(task, { TEST_UID: "1000" }).output();
      assert.deepEqual([refused.code, new TextDecoder().decode(refused.stderr)], [
        3,
        "set-up: no second engine on this machine: it needs root\n",
      ], task);
    }
  },
});
