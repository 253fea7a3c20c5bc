import { join } from "node:path";
import { eventually, hasProgram } from "./engine.ts";

const SCRIPT = new URL("../testdata/engine/own_engine.sh", import.meta.url).pathname;

/** Room for one small image and a few containers. */
const ROOM = "600m";

/** Why this machine cannot have an engine that a test may break; `undefined` when it can. */
export async function ownEngineObstacle(): Promise<string | undefined> {
  if (Deno.uid() !== 0) return "it needs root";
  for (const program of ["dockerd", "unshare", "ip", "mount", "pgrep"]) {
    if (!await hasProgram(program)) return `${program} is not on PATH`;
  }
  const { success } = await command("unshare", "--net", "--mount", "--pid", "--fork", "true");
  return success ? undefined : "it may make no namespaces";
}

/** An engine that belongs to one test file, on a disk of its own in memory: stopped, frozen and filled as it likes. */
export class OwnEngine implements AsyncDisposable {
  readonly #folder: string;
  readonly #keeper: Deno.ChildProcess;

  private constructor(folder: string, keeper: Deno.ChildProcess) {
    this.#folder = folder;
    this.#keeper = keeper;
  }

  /** Started, with an image of the engine at hand. */
  static async start(image: string): Promise<OwnEngine> {
    const folder = await Deno.makeTempDir({ prefix: "claude-bottle-own-engine-" });
    for (const name of ["data", "exec"]) await Deno.mkdir(join(folder, name));
    await must("mount", "-t", "tmpfs", "-o", `size=${ROOM}`, "tmpfs", join(folder, "data"));
    await Deno.writeTextFile(join(folder, "up"), "");
    const keeper = new Deno.Command("setsid", {
      args: [
        ...["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "sh", SCRIPT, folder],
        ...["--host", `unix://${folder}/docker.sock`, "--data-root", `${folder}/data`],
        ...[
          "--exec-root",
          `${folder}/exec`,
          "--pidfile",
          `${folder}/pid`,
          "--config-file",
          `${folder}/config`,
        ],
        ...["--cgroup-parent", `/${folder.slice(folder.lastIndexOf("/") + 1)}`],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const engine = new OwnEngine(folder, keeper);
    try {
      await engine.configure({});
      await engine.#answers();
      const load = `docker save "$1" | docker --host "$2" load --quiet`;
      await must("sh", "-c", load, "load", image, engine.address);
    } catch (error) {
      await engine[Symbol.asyncDispose]();
      throw error;
    }
    return engine;
  }

  /** For `DOCKER_HOST`. */
  get address(): string {
    return `unix://${this.#folder}/docker.sock`;
  }

  /** Its settings from the next start on. It has no addresses to give, which a bottle does not ask for. */
  async configure(settings: { readonly liveRestore?: boolean }): Promise<void> {
    await Deno.writeTextFile(
      join(this.#folder, "config"),
      JSON.stringify({
        "live-restore": settings.liveRestore === true,
        "default-address-pools": [{ base: "172.31.255.0/24", size: 24 }],
      }),
    );
  }

  /** Runs the docker CLI on it. @throws Error with its stderr when it fails */
  async docker(...args: readonly string[]): Promise<string> {
    return await must("docker", "--host", this.address, ...args);
  }

  /** Ends it as its service manager does, and starts it again at once. */
  async restart(): Promise<void> {
    const pid = await this.#pid();
    await must("kill", "-TERM", pid);
    await eventually("the end of the engine", async () => await this.#pid() === pid ? undefined : true);
    await this.#answers();
  }

  /** Ends it without a word; it stays away. */
  async kill(): Promise<void> {
    await Deno.remove(join(this.#folder, "up"));
    await must("kill", "-KILL", await this.#pid());
  }

  /** Starts one that was killed. */
  async revive(): Promise<void> {
    await Deno.writeTextFile(join(this.#folder, "up"), "");
    await this.#answers();
  }

  /** It takes connections and answers nothing. */
  async freeze(): Promise<void> {
    await must("kill", "-STOP", await this.#pid());
  }

  async thaw(): Promise<void> {
    await must("kill", "-CONT", await this.#pid());
  }

  /** Leaves no room on its disk until it is disposed of. */
  async fill(): Promise<Disposable> {
    const path = join(this.#folder, "data", "filler");
    await command("dd", "if=/dev/zero", `of=${path}`, "bs=1M");
    return { [Symbol.dispose]: () => Deno.removeSync(path) };
  }

  async #answers(): Promise<void> {
    await eventually("an answer of the test's own engine", async () => {
      const { success } = await command("docker", "--host", this.address, "version");
      return success ? true : undefined;
    }, 60_000);
  }

  async #pid(): Promise<string> {
    const { stdout } = await command("pgrep", "-f", `^dockerd --host ${this.address} `);
    return stdout.split("\n")[0] ?? "";
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#keeper.kill("SIGKILL");
    await this.#keeper.status;
    const data = join(this.#folder, "data");
    await eventually("the end of the test's own engine", async () => {
      return (await command("umount", data)).success ? true : undefined;
    });
    await eventually("the removal of its folder", async () => {
      return (await command("rm", "-rf", this.#folder)).success ? true : undefined;
    });
    const groups = this.#folder.slice(this.#folder.lastIndexOf("/") + 1);
    await command("sh", "-c", `find /sys/fs/cgroup -depth -type d -path "*/${groups}*" -exec rmdir {} +`);
  }
}

async function command(
  program: string,
  ...args: readonly string[]
): Promise<{ readonly success: boolean; readonly stdout: string; readonly stderr: string }> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args], stdin: "null" })
    .output();
  const decoder = new TextDecoder();
  return { success, stdout: decoder.decode(stdout).trim(), stderr: decoder.decode(stderr).trim() };
}

async function must(program: string, ...args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await command(program, ...args);
  if (!success) throw new Error(`${program} ${args.join(" ")}: ${stderr}`);
  return stdout;
}
