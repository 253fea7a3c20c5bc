import { join } from "node:path";
import { PIPELOCK_IMAGE } from "../../lib/backend/docker/images.ts";
import { LABEL } from "../../lib/backend/docker/labels.ts";

/** What a finished program left on its streams; `signal` when it ended by one. */
export interface Ended {
  readonly code: number;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

const DECODER = new TextDecoder();
const ROOT = new URL("../../", import.meta.url).pathname;

/** The words that run this program from its source, with its own permissions. */
export const PROGRAM: readonly [string, ...string[]] = [
  Deno.execPath(),
  "run",
  "-P",
  "--no-prompt",
  "--quiet",
  "--no-check",
  join(ROOT, "main.ts"),
];

/** Runs the docker CLI. @throws Error with its stderr when it fails */
export async function docker(...args: readonly string[]): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("docker", { args: [...args], stdin: "null" })
    .output();
  if (!success) throw new Error(`docker ${args.join(" ")}: ${DECODER.decode(stderr)}`);
  return DECODER.decode(stdout).trim();
}

/**
 * Whether an engine answers, and which runtimes it has; of those, the ones that `CLAUDE_BOTTLE_TEST_RUNTIMES` names
 * where it is set. Engine tests are skipped without one.
 */
export async function engineRuntimes(): Promise<readonly string[]> {
  try {
    const there = Object.keys(JSON.parse(await docker("info", "--format", "{{json .Runtimes}}")) ?? {});
    const wanted = Deno.env.get("CLAUDE_BOTTLE_TEST_RUNTIMES")?.split(",");
    return wanted === undefined ? there : there.filter((name) => wanted.includes(name));
  } catch {
    return [];
  }
}

/** The proxies whose images are to be had: squid is built, pipelock's must be on the engine already. */
export async function engineProxies(): Promise<readonly string[]> {
  const pipelock = await docker("image", "inspect", "--format", "{{.Id}}", PIPELOCK_IMAGE).catch(() => "");
  return pipelock === "" ? ["squid"] : ["squid", "pipelock"];
}

/**
 * Whether a test is made for this pair, when it is of something that may depend on the proxy and may depend on the
 * runtime, but not on which of them meet: squid with runc and pipelock with gVisor are enough where all are there.
 */
export function isPair(
  [proxy, runtime]: readonly [proxy: string, runtime: string],
  there: { readonly proxies: readonly string[]; readonly runtimes: readonly string[] },
): boolean {
  const hasAll = there.proxies.includes("pipelock") && there.runtimes.includes("runsc");
  return !hasAll || (proxy === "pipelock") === (runtime === "runsc");
}

/** Whether a program is on PATH. */
export async function hasProgram(name: string): Promise<boolean> {
  const { success } = await new Deno.Command("sh", { args: ["-c", `command -v ${name}`], stdout: "null" })
    .output();
  return success;
}

/** Where a program stands. @throws Error when it is not on PATH */
export async function programPath(name: string): Promise<string> {
  const { success, stdout } = await new Deno.Command("sh", { args: ["-c", `command -v ${name}`] }).output();
  if (!success) throw new Error(`${name} is not on PATH`);
  return DECODER.decode(stdout).trim();
}

/** A folder of one test with a home, a temp folder and a manifest in it, and the agent's name that only this test uses. */
export class Workbench implements AsyncDisposable {
  readonly folder: string;
  /** Part of the labels of everything that this test's bottles are made of. */
  readonly agent: string;
  /** Where the program is started. */
  cwd: string;
  /** The words that the program's are given to, behind the folder that it is started in; none unless set. */
  within: readonly string[] = [];

  private constructor(folder: string, agent: string) {
    this.folder = folder;
    this.agent = agent;
    this.cwd = folder;
  }

  static async create(): Promise<Workbench> {
    const folder = await Deno.makeTempDir({ prefix: "claude-bottle-test-" });
    await Deno.mkdir(join(folder, "home"));
    await Deno.mkdir(join(folder, "tmp"));
    return new Workbench(folder, `test-${crypto.randomUUID().slice(0, 13)}`);
  }

  /** Writes the manifest: one agent of this test's name in one bottle. */
  async manifest(parts: { readonly bottle?: object; readonly agent?: object }): Promise<void> {
    const manifest = {
      bottles: { bench: { ...parts.bottle, egress: { proxy: "squid", ...egressOf(parts.bottle) } } },
      agents: { [this.agent]: { bottle: "bench", ...parts.agent } },
    };
    await Deno.writeTextFile(this.manifestFile, JSON.stringify(manifest));
  }

  get manifestFile(): string {
    return join(this.folder, "claude-bottle.json");
  }

  async file(name: string, text: string): Promise<string> {
    const path = join(this.folder, name);
    await Deno.writeTextFile(path, text);
    return path;
  }

  /** A PATH on which `name` is a shell script of this test. */
  async onPath(name: string, script: string): Promise<string> {
    const folder = join(this.folder, "bin");
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeTextFile(join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    return `${folder}:${Deno.env.get("PATH") ?? ""}`;
  }

  /** The environment that the program gets: this test's own home and temp folder, the engine of the caller. */
  environment(extra: Readonly<Record<string, string>> = {}): Record<string, string> {
    const passed: Record<string, string> = {};
    for (const name of ["PATH", "DENO_DIR", "DOCKER_HOST", "DOCKER_CONTEXT", "CLAUDE_BOTTLE_BASE_IMAGE"]) {
      const value = Deno.env.get(name);
      if (value !== undefined) passed[name] = value;
    }
    // Deno's cache is found by the home that the tests run with.
    passed["DENO_DIR"] ??= join(
      Deno.env.get("XDG_CACHE_HOME") ?? join(Deno.env.get("HOME") ?? "/", ".cache"),
      "deno",
    );
    return { ...passed, HOME: join(this.folder, "home"), TMPDIR: join(this.folder, "tmp"), ...extra };
  }

  /** The program as a child that has not ended yet. */
  spawn(args: readonly string[], env: Readonly<Record<string, string>> = {}): Deno.ChildProcess {
    const [program, ...words] = this.within.length === 0 ? PROGRAM : [...this.within, this.cwd, ...PROGRAM];
    return new Deno.Command(program ?? "", {
      args: [...words, ...args],
      cwd: this.cwd,
      env: this.environment(env),
      clearEnv: true,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
  }

  /** `start` of this test's agent, while it runs. */
  launch(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Deno.ChildProcess {
    return this.spawn(["start", this.agent, "--manifest", this.manifestFile, "--yes", ...args], env);
  }

  /** `start` of this test's agent, to its end. */
  async start(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    return await ended(this.launch(args, env));
  }

  /** Waits until this test's agent has come to its `sleep 1234`; the id of its container. Under `runc` only. */
  async sleepingAgent(deadlineMs = 30_000): Promise<string> {
    const filter = [`label=${LABEL.agent}=${this.agent}`, `label=${LABEL.role}=agent`];
    return await eventually("the agent sleeps", async () => {
      const id = await docker("ps", "--quiet", "--no-trunc", ...filter.flatMap((one) => ["--filter", one]));
      const processes = id === "" ? "" : await docker("top", id).catch(() => "");
      // The whole command line: the wrapper that becomes it has it as its last words.
      return /:\d\d +sleep 1234$/m.test(processes) ? id : undefined;
    }, deadlineMs);
  }

  /** Everything of this test that the engine still has, by kind; and what is in its temp folder. */
  async leftovers(): Promise<readonly string[]> {
    const filter = ["--filter", `label=${LABEL.agent}=${this.agent}`];
    const listings = await Promise.all([
      docker("ps", "--all", ...filter, "--format", "container {{.Names}}"),
      docker("network", "ls", ...filter, "--format", "network {{.Name}}"),
      docker("volume", "ls", ...filter, "--format", "volume {{.Name}}"),
      docker("image", "ls", ...filter, "--format", "image {{.Repository}}:{{.Tag}}"),
    ]);
    const files = [...Deno.readDirSync(join(this.folder, "tmp"))].map(({ name }) => `file ${name}`);
    return [...listings.flatMap((text) => text.split("\n")), ...files].filter((line) => line !== "");
  }

  /** Removes what a failed test left, so that it costs only itself. The program may be tearing down meanwhile. */
  async [Symbol.asyncDispose](): Promise<void> {
    const filter = `--filter label=${LABEL.agent}=${this.agent}`;
    const script =
      `docker ps -aq ${filter} | xargs -r docker rm -fv; docker network ls -q ${filter} | xargs -r docker network rm; ` +
      `docker volume ls -q ${filter} | xargs -r docker volume rm`;
    await new Deno.Command("sh", { args: ["-c", script], stdin: "null", stdout: "null", stderr: "null" })
      .output();
    await Deno.remove(this.folder, { recursive: true });
  }
}

function egressOf(bottle: object | undefined): object {
  return bottle !== undefined && "egress" in bottle && typeof bottle.egress === "object"
    ? bottle.egress ?? {}
    : {};
}

/** No test waits longer for a program. */
const DEADLINE_MS = 240_000;

/** Waits for a child and reads all that it said. @throws Error with it when it does not end in time; it is killed then */
export async function ended(child: Deno.ChildProcess): Promise<Ended> {
  let isLate = false;
  const deadline = setTimeout(() => {
    isLate = true;
    child.kill("SIGKILL");
  }, DEADLINE_MS);
  const [status, stdout, stderr] = await Promise.all([
    child.status,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  clearTimeout(deadline);
  // Its code would be 137, which is also what becomes of a bottle that somebody ends.
  if (isLate) {
    throw new Error(`The program did not end in ${DEADLINE_MS / 1000} s, so the test killed it:\n${stderr}`);
  }
  return { code: status.code, signal: status.signal, stdout, stderr };
}

/** Asks again until the answer is not undefined. @throws Error after the deadline */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined>,
  deadlineMs = 60_000,
): Promise<T> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > end) throw new Error(`Not in ${deadlineMs / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

let images: ReturnType<typeof buildImages> | undefined;

/** The images that the tests' bottles are made from, built when they are missing; asked for once by each file. */
export function builtImages(): ReturnType<typeof buildImages> {
  return images ??= buildImages();
}

async function buildImages(): Promise<Record<"agent" | "sidecar", string>> {
  const [program, ...words] = PROGRAM;
  const { success, stdout, stderr } = await new Deno.Command(program, {
    args: [...words, "build", "--json"],
    stdin: "null",
  }).output();
  if (!success) throw new Error(DECODER.decode(stderr));
  const { images } = JSON.parse(DECODER.decode(stdout));
  const named = new Map<string, string>(
    images.map((image: { role: string; name: string }) => [image.role, image.name]),
  );
  return { agent: named.get("agent") ?? "", sidecar: named.get("sidecar") ?? "" };
}
