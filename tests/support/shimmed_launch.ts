import { join } from "node:path";
import { docker, PROGRAM, programPath, Workbench } from "./engine.ts";
import { makeKey } from "./ssh_host.ts";

const SHIM = new URL("../testdata/engine/kill_point.pl", import.meta.url).pathname;

export const SIGNALS = ["SIGKILL", "SIGTERM", "SIGHUP", "SIGINT"] as const;
export const MOMENTS = ["before", "after"] as const;

/** A docker call of a launch, and what happens to the program there. */
export interface KillPoint {
  /** As `kill_point.pl` names it. */
  readonly call: string;
  readonly moment: typeof MOMENTS[number];
  readonly signal: typeof SIGNALS[number];
  /** False: the reaper is killed just before the program. */
  readonly sparesReaper?: false;
}

/** A launch whose calls are points. */
export interface KilledLaunch {
  readonly name: string;
  readonly proxy: "squid" | "pipelock";
  /** Whether it has an inspected host and an injected secret. */
  readonly inspects?: true;
  readonly args: readonly string[];
  /** What the agent runs, a shell script. */
  readonly script: string;
}

/** A launch under the shim, in a folder of its own. */
export class ShimmedLaunch implements AsyncDisposable {
  readonly bench: Workbench;
  readonly launch: KilledLaunch;
  readonly #child: Deno.ChildProcess;

  private constructor(bench: Workbench, launch: KilledLaunch, child: Deno.ChildProcess) {
    this.bench = bench;
    this.launch = launch;
    this.#child = child;
  }

  /** Starts it, struck at `point`, as the first of a process group and session of its own, and of `cgroup`, a folder. */
  static async begin(
    launch: KilledLaunch,
    { point, cgroup }: { readonly point?: KillPoint; readonly cgroup?: string } = {},
  ): Promise<ShimmedLaunch> {
    const bench = await Workbench.create();
    await furnish(bench, launch);
    const state = join(bench.folder, "state");
    for (const name of ["bin", "state", "state/runs", "state/roles", "state/counts"]) {
      await Deno.mkdir(join(bench.folder, name));
    }
    // A link: a copy that another child still holds open for writing could not be executed.
    await Deno.symlink(SHIM, join(bench.folder, "bin/docker"));
    await Deno.writeTextFile(join(state, "real"), await programPath("docker"));
    await Deno.writeTextFile(join(state, "agent"), bench.agent);
    if (point !== undefined) {
      const signal = point.signal.replace("SIG", "");
      await Deno.writeTextFile(join(state, "point"), `${point.moment} ${signal} ${point.call}`);
    }
    if (point?.sparesReaper === false) await Deno.writeTextFile(join(state, "reaper-too"), "");
    const words = ["start", bench.agent, "--manifest", bench.manifestFile, "--yes", ...launch.args];
    // Into files: what outlives the program would hold its pipes open.
    const joins = cgroup === undefined ? "" : `echo $$ >'${cgroup}/cgroup.procs'; `;
    const script = joins + 'echo $$ >state/program; cd project; exec "$@" >../state/stdout 2>../state/stderr';
    const child = new Deno.Command("sh", {
      args: ["-c", script, "sh", ...PROGRAM, ...words],
      cwd: bench.folder,
      env: bench.environment({ PATH: `${join(bench.folder, "bin")}:${Deno.env.get("PATH")}` }),
      clearEnv: true,
      detached: true,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    return new ShimmedLaunch(bench, launch, child);
  }

  /** Of the program itself. */
  get pid(): number {
    return this.#child.pid;
  }

  get ended(): Promise<Deno.CommandStatus> {
    return this.#child.status;
  }

  async text(name: string): Promise<string> {
    try {
      return await Deno.readTextFile(join(this.bench.folder, "state", name));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return "";
      throw error;
    }
  }

  /** The calls that a word was noted of, in their order, with their processes. */
  async calls(word: string): Promise<readonly { readonly call: string; readonly process: string }[]> {
    return (await this.text("calls")).split("\n").filter((line) => line.startsWith(`${word} `)).map(
      (line) => {
        const [call = "", process = ""] = line.slice(word.length + 1).split("\t");
        return { call, process };
      },
    );
  }

  /** Everything that there still is of this launch: objects of the engine, files and processes. */
  async leftovers(): Promise<readonly string[]> {
    const objects = await objectsOf(this.bench.agent);
    const files = await Array.fromAsync(Deno.readDir(join(this.bench.folder, "tmp")));
    return [...objects, ...files.map(({ name }) => `file ${name}`), ...await this.#processes()];
  }

  async #processes(): Promise<readonly string[]> {
    const runs = await Array.fromAsync(Deno.readDir(join(this.bench.folder, "state/runs")));
    const words = [this.bench.folder, this.bench.agent, ...runs.map(({ name }) => name)];
    const calls = (await Promise.all([this.calls("began"), this.calls("runs")])).flat();
    const known = new Set(calls.map(({ process }) => process));
    const { stdout } = await new Deno.Command("ps", { args: ["-eo", "pid=,stat=,args="], stdin: "null" })
      .output();
    return new TextDecoder().decode(stdout).split("\n").flatMap((line) => {
      const [, pid = "", state = "", args = ""] = /^ *(\d+) +(\S+) +(.*)$/.exec(line) ?? [];
      const isOurs = known.has(pid) || words.some((word) => args.includes(word));
      // What is dead and merely not waited for is its new parent's business.
      return isOurs && !state.startsWith("Z") ? [`process ${args.replace(/^\S*\//, "").slice(0, 60)}`] : [];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended.
    }
    await this.#child.status;
    await this.bench[Symbol.asyncDispose]();
  }
}

/** A project, a skill, a key and the manifest that grants them. */
async function furnish(bench: Workbench, { proxy, inspects, script }: KilledLaunch): Promise<void> {
  await Deno.mkdir(join(bench.folder, "project"));
  await Deno.writeTextFile(join(bench.folder, "project/file"), "text\n");
  await Deno.mkdir(join(bench.folder, "home/.claude/skills/review"), { recursive: true });
  await Deno.writeTextFile(join(bench.folder, "home/.claude/skills/review/SKILL.md"), "# Review\n");
  const key = await makeKey(bench.folder, { name: "key" });
  const token = join(bench.folder, "token");
  await Deno.writeTextFile(token, "secret-token", { mode: 0o600 });
  const inspected = { host: "api.test", inject: { env: "TOKEN", secret: { file: token }, as: "bearer" } };
  await bench.manifest({
    bottle: {
      runtime: "runc",
      env: { EDITOR: "ed" },
      ssh: [{ Host: "git.test", IdentityFile: key.path, KnownHostKey: key.publicKey }],
      egress: { proxy, defaults: false, allowlist: inspects ? [inspected] : [] },
    },
    agent: { skills: ["review"], command: ["sh", "-c", script] },
  });
}

/** Objects whose name or labels tell of an agent, as `KIND NAME`. */
export async function objectsOf(agent: string): Promise<readonly string[]> {
  const listings = await Promise.all([
    docker("container", "ls", "--all", "--format", "container {{.Names}}\t{{.Labels}}"),
    docker("network", "ls", "--format", "network {{.Name}}\t{{.Labels}}"),
    docker("volume", "ls", "--format", "volume {{.Name}}\t{{.Labels}}"),
    docker("image", "ls", "--filter", `label=claude-bottle.agent=${agent}`, "--format", "image {{.ID}}\t"),
  ]);
  return listings.flatMap((text) => text.split("\n"))
    .filter((line) => line.includes(agent) || line.startsWith("image "))
    .map((line) => line.split("\t")[0] ?? "");
}
