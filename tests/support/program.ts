import { join } from "node:path";
import { type Ended, ended, eventually, PROGRAM } from "./engine.ts";
import { FakeDocker, type FakeSettings } from "./fake_docker.ts";

export interface ProgramOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: "null" | "piped";
  /** Below the sandbox's folder; `work` unless told. */
  readonly cwd?: string;
}

/** A folder with a home, a temp folder and a `docker` that only pretends, and the real program to run there. */
export class Sandbox implements AsyncDisposable {
  readonly folder: string;
  readonly docker: FakeDocker;

  private constructor(folder: string, docker: FakeDocker) {
    this.folder = folder;
    this.docker = docker;
  }

  static async create(settings: FakeSettings = {}): Promise<Sandbox> {
    const folder = await Deno.makeTempDir({ prefix: "claude-bottle-test-" });
    for (const name of ["home", "config", "tmp", "work"]) await Deno.mkdir(join(folder, name));
    return new Sandbox(folder, await FakeDocker.install(folder, settings));
  }

  /** Writes the user's manifest. */
  async manifest(manifest: unknown): Promise<void> {
    const path = join(this.folder, "config", "claude-bottle");
    await Deno.mkdir(path, { recursive: true });
    await Deno.writeTextFile(join(path, "claude-bottle.json"), JSON.stringify(manifest));
  }

  /** The environment that the program gets, and nothing besides. */
  environment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
    // Deno's cache is found by the home that the tests run with.
    const cache = Deno.env.get("XDG_CACHE_HOME") ??
      join(Deno.env.get("HOME") ?? "/", Deno.build.os === "darwin" ? "Library/Caches" : ".cache");
    return {
      PATH: `${this.docker.bin}:${Deno.env.get("PATH")}`,
      DENO_DIR: Deno.env.get("DENO_DIR") ?? join(cache, "deno"),
      HOME: join(this.folder, "home"),
      XDG_CONFIG_HOME: join(this.folder, "config"),
      TMPDIR: join(this.folder, "tmp"),
      ...extra,
    };
  }

  /** The program as a child that has not ended yet. */
  spawn(args: readonly string[], options: ProgramOptions = {}): Deno.ChildProcess {
    const [program, ...words] = PROGRAM;
    return new Deno.Command(program, {
      args: [...words, ...args],
      cwd: join(this.folder, options.cwd ?? "work"),
      env: this.environment(options.env),
      clearEnv: true,
      stdin: options.stdin ?? "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /** The program to its end. */
  async run(args: readonly string[], options: ProgramOptions = {}): Promise<Ended> {
    return await ended(this.spawn(args, options));
  }

  /** What is in the program's temp folder. */
  async temporaryFiles(): Promise<readonly string[]> {
    const names: string[] = [];
    for await (const { name } of Deno.readDir(join(this.folder, "tmp"))) names.push(name);
    return names;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // A program that has ended may have left probes behind that still write into the folder.
    await eventually("the sandbox can be removed", async () => {
      try {
        await Deno.remove(this.folder, { recursive: true });
        return true;
      } catch (error) {
        if (error instanceof Error && /not empty/i.test(error.message)) return undefined;
        throw error;
      }
    });
  }
}
