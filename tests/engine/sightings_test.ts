import assert from "node:assert/strict";
import { join } from "node:path";
import { credentialFingerprint } from "../../scripts/scripted_api.ts";
import { LABEL } from "../../lib/backend/docker/labels.ts";
import {
  builtImages,
  docker,
  engineRuntimes,
  eventually,
  hasProgram,
  programPath,
  Workbench,
} from "../support/engine.ts";
import { killTreeOf } from "../support/pid_namespace.ts";
import { keyForms, Lookout, type Seen, type Sightings, textForms } from "../support/sightings.ts";
import { modelAt, scriptedModel } from "../support/scripted_model.ts";
import { makeKey } from "../support/ssh_host.ts";
import { scriptOnTerminal, TmuxTerminal } from "../support/tmux.ts";

const runtimes = await engineRuntimes();
/** Where the engine keeps its files; empty when that is not on this machine, or not ours to read. */
const engineFolder = await readableEngineFolder();
const ignore = engineFolder === "" || !await hasProgram("tmux") || !await hasProgram("ssh-keygen");

async function readableEngineFolder(): Promise<string> {
  if (runtimes.length === 0) return "";
  const folder = await docker("info", "--format", "{{.DockerRootDir}}");
  const { success } = await new Deno.Command("sh", {
    args: ["-c", 'ls "$0"/containers /run/docker && command -v perl', folder],
    stdout: "null",
    stderr: "null",
  }).output();
  return success ? folder : "";
}

/** How one secret is granted, and what it is recognised by. */
interface Granted {
  readonly forms: readonly Uint8Array[];
  readonly env?: Readonly<Record<string, unknown>>;
  readonly ssh?: readonly object[];
  readonly allowlist?: readonly object[];
  /** Variables of the host. */
  readonly host?: Readonly<Record<string, string>>;
  /** What is typed at the question that matches. */
  readonly typed?: { readonly question: RegExp; readonly answer: string };
}

/** Ways that a secret comes into a bottle, by name. */
type Ways = Readonly<Record<string, (bench: Workbench) => Promise<Granted>>>;

/** Every one of them. */
const SECRETS: Ways = {
  "literal": () => {
    const value = canaryText();
    return Promise.resolve({ forms: textForms(value), env: { LITERAL: value } });
  },
  "forwarded": () => {
    const value = canaryText();
    return Promise.resolve({
      forms: textForms(value),
      env: { FORWARDED: "${OF_THE_HOST}" },
      host: { OF_THE_HOST: value },
    });
  },
  "prompted": () => {
    const value = canaryText();
    return Promise.resolve({
      forms: textForms(value),
      env: { PROMPTED: "?Type the word" },
      typed: { question: /Type the word\):/, answer: value },
    });
  },
  "command": async (bench) => {
    const value = canaryText();
    // Its process has the user's environment, as the program itself has, and is left out with it by these words.
    const file = await bench.file(`${OF_THE_USER}-${bench.agent}`, value);
    return { forms: textForms(value), env: { COMMAND: { secret: { command: ["cat", file] } } } };
  },
  "token": () => {
    const value = canaryText();
    return Promise.resolve({ forms: textForms(value), host: { CLAUDE_BOTTLE_OAUTH_TOKEN: value } });
  },
  "injected": () => {
    const value = canaryText();
    const inject = { env: "INJECTED", secret: "${TO_BE_INJECTED}", as: "bearer" };
    return Promise.resolve({
      forms: textForms(value),
      allowlist: [{ host: "api.test", inject }],
      host: { TO_BE_INJECTED: value },
    });
  },
  "ssh-key": async (bench) => {
    const { path } = await makeKey(bench.folder, { name: "id" });
    return {
      forms: await keyForms(path),
      ssh: [{ Host: "git.test", IdentityFile: path, unpinned: true }],
    };
  },
  "passphrase": async (bench) => {
    const answer = canaryText();
    const { path } = await makeKey(bench.folder, {
      name: "locked",
      options: ["-t", "ed25519", "-N", answer],
    });
    return {
      forms: textForms(answer),
      ssh: [{ Host: "locked.test", IdentityFile: path, unpinned: true }],
      typed: { question: /passphrase of the ssh key/, answer },
    };
  },
};

/** With the agent's name in its command line, a process has the environment that the secrets of the host stand in. */
const OF_THE_USER = "main.ts";

function canaryText(): string {
  return `canary${crypto.randomUUID().replaceAll("-", "")}`;
}

/** What stands beside the secrets in everything that is looked through, so that a blind search is noticed. */
const PLANTED = "planted";

/** The agent shows that it has what it was granted, has a process crash that holds all of it, and sleeps. */
function agentScript(planted: string): string {
  return `: ${planted}; ssh-add -l | grep -c SHA256 >/tmp/keys && ` +
    `for name in LITERAL FORWARDED PROMPTED COMMAND CLAUDE_CODE_OAUTH_TOKEN INJECTED; do printenv $name >/dev/null || exit 9; done; ` +
    `cd /tmp; sh -c 'ulimit -c unlimited; kill -SEGV $$'; echo the agent is re""ady; exec sleep 1234`;
}

/** One bottle's launch, and what is looked through. */
class Scene implements AsyncDisposable {
  readonly planted = canaryText();
  readonly bench: Workbench;
  readonly lookout: Lookout;
  /** Their names. */
  readonly secrets: readonly string[];
  readonly granted: readonly Granted[];
  readonly #stack: AsyncDisposableStack;

  private constructor(
    parts: Pick<Scene, "bench" | "secrets" | "granted" | "planted"> & {
      lookout: Lookout;
      stack: AsyncDisposableStack;
    },
  ) {
    this.bench = parts.bench;
    this.secrets = parts.secrets;
    this.granted = parts.granted;
    this.planted = parts.planted;
    this.lookout = parts.lookout;
    this.#stack = parts.stack;
  }

  /** Of a bottle whose agent is a shell command with every secret. */
  static ofCommand(command: (planted: string) => string): Promise<Scene> {
    return Scene.create(SECRETS, (granted, planted) =>
      Promise.resolve({
        bottle: {
          env: Object.assign({}, ...granted.map(({ env }) => env ?? {})),
          ssh: granted.flatMap(({ ssh }) => ssh ?? []),
          egress: { defaults: false, allowlist: granted.flatMap(({ allowlist }) => allowlist ?? []) },
        },
        agent: { command: ["sh", "-c", command(planted)] },
      }));
  }

  /** Its manifest has the planted word in it. */
  static async create(
    ways: Ways,
    manifest: (
      granted: readonly Granted[],
      planted: string,
      bench: Workbench,
    ) => Promise<Parameters<Workbench["manifest"]>[0]>,
  ): Promise<Scene> {
    await using stack = new AsyncDisposableStack();
    const bench = stack.use(await Workbench.create());
    const entries: [string, Granted][] = [];
    for (const [name, grant] of Object.entries(ways)) entries.push([name, await grant(bench)]);
    const planted = canaryText();
    const lookout = await Lookout.create(bench.folder, [
      { name: PLANTED, forms: textForms(planted) },
      ...entries.map(([name, { forms }]) => ({ name, forms })),
    ]);
    const granted = entries.map(([, one]) => one);
    await bench.manifest(await manifest(granted, planted, bench));
    const secrets = entries.map(([name]) => name);
    return new Scene({ bench, secrets, granted, planted, lookout, stack: stack.move() });
  }

  /** The program's words and environment, on a terminal. */
  async start(terminal: TmuxTerminal, args: readonly string[], path?: string): Promise<void> {
    const host = Object.assign({}, ...this.granted.map(({ host }) => host ?? {}));
    const env = this.bench.environment({ ...host, ...(path === undefined ? {} : { PATH: path }) });
    const words = ["start", this.bench.agent, "--manifest", this.bench.manifestFile, ...args];
    await terminal.run(await scriptOnTerminal(this.bench, words, env));
  }

  /** Answers the questions, unless the program ends before; the screen then. */
  async answer(terminal: TmuxTerminal, until: RegExp): Promise<string> {
    for (const { typed } of this.granted) {
      if (typed === undefined) continue;
      const screen = await terminal.shows(new RegExp(`${typed.question.source}|${until.source}`));
      if (!typed.question.test(screen)) return screen;
      await terminal.paste(typed.answer);
      await terminal.press("Enter");
    }
    return await terminal.shows(until);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/**
 * A container without any protection, in which the planted word is everywhere: its environment, a label, its output,
 * a file and that file's name, and a core file.
 */
async function plantedContainer(
  stack: AsyncDisposableStack,
  planted: string,
  image: string,
): Promise<string> {
  const script =
    `echo ${planted} | tee /${planted}; cd /tmp; sh -c 'ulimit -c unlimited; kill -SEGV $$'; exec sleep 600`;
  const id = await docker(
    ...["run", "--detach", "--runtime", "runc", "--init", "--network", "none", "--user", "0:0"],
    ...["--ulimit", "core=-1", "--env", `PLANTED=${planted}`, "--label", `claude-bottle-test=${planted}`],
    ...["--entrypoint", "sh", image, "-c", script],
  );
  stack.defer(async () => {
    await docker("rm", "--force", "--volumes", id);
  });
  return id;
}

/** The engine's own log as a file and its length by now; `undefined` when it is kept elsewhere. */
async function engineLog(): Promise<{ readonly path: string; readonly bytes: number } | undefined> {
  const script = 'readlink "/proc/$(cat /run/docker.pid)/fd/2"';
  const { stdout } = await new Deno.Command("sh", { args: ["-c", script], stderr: "null" }).output();
  const path = new TextDecoder().decode(stdout).trim();
  const info = path.startsWith("/") ? await Deno.stat(path).catch(() => undefined) : undefined;
  return info?.isFile ? { path, bytes: info.size } : undefined;
}

/** Where cores of crashed processes go: into their working directory, unless the host's own program takes them. */
async function coresAreFiles(): Promise<boolean> {
  const { stdout } = await new Deno.Command("sh", { args: ["-c", "cat /proc/sys/kernel/core_pattern"] })
    .output();
  return /^[^|/]/.test(new TextDecoder().decode(stdout));
}

/** What was seen on each surface, in the order it was looked at; `undefined` where that cannot be done here. */
type Table = Map<string, Seen | undefined>;

function single({ seen }: Sightings): Seen {
  return new Set([...seen.values()].flatMap((names) => [...names]));
}

/** What can be looked through while the bottle runs. */
async function running(
  scene: Scene,
  planted: string,
  since: string,
  table: Table,
): Promise<readonly string[]> {
  const { bench, lookout } = scene;
  const filter = ["--filter", `label=${LABEL.agent}=${bench.agent}`];
  const listed = async (...words: readonly string[]): Promise<readonly string[]> =>
    (await docker(...words, ...filter)).split("\n").filter((line) => line !== "");
  const ofRole = (role: string): Promise<readonly string[]> =>
    listed("ps", "--all", "--quiet", "--no-trunc", "--filter", `label=${LABEL.role}=${role}`);
  // What watches its disk comes later, and holds nothing of it.
  const bottle = [...await ofRole("agent"), ...await ofRole("sidecar")];
  assert.equal(bottle.length, 2);
  const containers = [...bottle, planted];
  const networks = await listed("network", "ls", "--quiet", "--no-trunc");
  const volumes = await listed("volume", "ls", "--quiet");
  assert.deepEqual([networks.length, volumes.length], [2, 1]);
  const agent =
    (await docker("ps", "--quiet", "--no-trunc", ...filter, "--filter", `label=${LABEL.role}=agent`)).trim();
  const image = await docker("inspect", "--format", "{{.Image}}", agent);
  const each = async (...words: readonly string[]): Promise<Seen> => {
    const all = await Promise.all(containers.map((id) => lookout.inOutput([...words, id])));
    return new Set(all.flatMap((one) => [...single(one)]));
  };
  const until = await docker("info", "--format", "{{.SystemTime}}");
  table.set(
    "docker inspect",
    single(await lookout.inOutput(["docker", "inspect", ...containers, ...networks, ...volumes, image])),
  );
  table.set(
    "docker events",
    single(await lookout.inOutput(["docker", "events", "--since", since, "--until", until])),
  );
  table.set("docker logs", await each("docker", "logs"));
  table.set("docker diff", await each("docker", "diff"));
  table.set("docker export", await each("docker", "export"));
  const folders = containers.map((id) => join(engineFolder, "containers", id));
  table.set("the engine's files", single(await lookout.inFiles(folders)));
  const layers = (await docker("inspect", "--format", "{{.GraphDriver.Data.UpperDir}}", ...containers)).split(
    "\n",
  );
  table.set(
    "layers and volumes",
    single(await lookout.inFiles([...layers, ...volumes.map((name) => join(engineFolder, "volumes", name))])),
  );
  table.set(
    "core files",
    await coresAreFiles() ? single(await lookout.inFiles(await cores(layers))) : undefined,
  );
  return containers;
}

async function cores(layers: readonly string[]): Promise<readonly string[]> {
  const { stdout } = await new Deno.Command("find", { args: [...layers, "-name", "core*", "-type", "f"] })
    .output();
  return new TextDecoder().decode(stdout).split("\n").filter((line) => line !== "");
}

/** The same command in a container of ours, so that the watch must see it where it would see the bottle's. */
async function plantForWatch(container: string, planted: string): Promise<void> {
  await docker("exec", "--env", `PLANTED=${planted}`, container, "sh", "-c", `: ${planted}; sleep 0.3`);
  // The engine logs the name of what it cannot run.
  await docker("exec", container, `/${planted}/nothing`).catch(() => {});
}

/** What the program prints before it does anything. */
async function dryRuns({ bench, lookout, granted }: Scene, table: Table): Promise<void> {
  const env = Object.assign({}, ...granted.map(({ host }) => host ?? {}));
  for (const format of ["text", "json"]) {
    const { code, stdout, stderr } = await bench.start(["--dry-run", "--format", format, "-v"], env);
    assert.equal(code, 0, stderr);
    table.set(`--dry-run as ${format}`, lookout.inText(stdout + stderr));
  }
}

/** The lines of the report: one a surface, then the count of all. */
function report(
  table: Table,
  secrets: readonly string[],
): { readonly lines: readonly string[]; readonly sightings: number } {
  const looked = [...table].filter((row): row is [string, Seen] => row[1] !== undefined);
  const seenOf = (seen: Seen): readonly string[] => secrets.filter((name) => seen.has(name));
  const sightings = looked.reduce((sum, [, seen]) => sum + seenOf(seen).length, 0);
  const rows = [...table].map(([surface, seen]) => {
    const said = seen === undefined ? "cannot be looked at here" : seenOf(seen).join(", ") || "0";
    return `  ${surface.padEnd(28)} ${said}`;
  });
  const found = looked.filter(([, seen]) => seen.has(PLANTED)).length;
  return {
    sightings,
    lines: [
      ...rows,
      `${sightings} of ${
        looked.length * secrets.length
      } sightings (${secrets.length} secrets, ${looked.length} surfaces); ` +
      `${found} of ${looked.length} searches find what was planted`,
    ],
  };
}

async function print(lines: readonly string[]): Promise<void> {
  await Deno.stdout.write(new TextEncoder().encode(`${lines.join("\n")}\n`));
}

/** Fails unless nothing but the planted word was seen, and that everywhere. */
async function judge(title: string, { secrets }: Scene, table: Table): Promise<void> {
  const { lines, sightings } = report(table, secrets);
  await print([title, ...lines]);
  assert.equal(sightings, 0, lines.join("\n"));
  for (const [surface, seen] of table) {
    assert.ok(seen === undefined || seen.has(PLANTED), `the search is blind: ${surface}`);
  }
}

/** What never enters a bottle, or no process of its agent. */
const NOT_THE_AGENTS: readonly string[] = ["ssh-key", "passphrase", "injected"];

/** The agent itself has every other secret that is a variable, or nothing else here would mean anything. */
async function agentHasAll(agent: string, { lookout }: Scene): Promise<void> {
  const script = "cat /proc/[0-9]*/environ 2>/dev/null; cat /tmp/keys";
  const all = await docker("exec", "--user", "47291:47291", agent, "sh", "-c", script);
  const expected = new Set(Object.keys(SECRETS).filter((name) => !NOT_THE_AGENTS.includes(name)));
  assert.deepEqual(new Set([...lookout.inText(all)].filter((name) => name !== PLANTED)), expected);
  // Both keys.
  assert.match(all, /2\n?$/);
}

/**
 * Launches a scene's bottle, lets its agent do what it does on its terminal, looks for what it was granted, and kills
 * the program. What was seen, all of it where the bottle's own secrets have been.
 */
async function lookOutside(
  scene: Scene,
  runtime: string,
  work: (terminal: TmuxTerminal) => Promise<void>,
): Promise<Table> {
  const { sidecar: image } = await builtImages();
  const table: Table = new Map();
  const { bench, lookout } = scene;
  const [since, log] = [await docker("info", "--format", "{{.SystemTime}}"), await engineLog()];
  await using stack = new AsyncDisposableStack();
  const planted = await plantedContainer(stack, scene.planted, image);
  const watch = await lookout.watch(47291, [OF_THE_USER, bench.agent]);
  await dryRuns(scene, table);
  await using terminal = new TmuxTerminal();
  await scene.start(terminal, ["-v", "--yes", "--runtime", runtime]);
  await terminal.record(join(bench.folder, "shown"));
  await work(terminal);
  await plantForWatch(planted, scene.planted);
  await bench.file("tmp/planted", scene.planted);

  await running(scene, planted, since, table);
  const own = [join(bench.folder, "tmp"), join(bench.folder, "home")];
  table.set("the program's own folders", single(await lookout.inFiles(own)));
  table.set(
    "the terminal, with -v",
    lookout.inText(await Deno.readTextFile(join(bench.folder, "shown"))),
  );
  // With its reaper: what it would remove is looked through.
  await killTreeOf(Number(await Deno.readTextFile(join(bench.folder, "pid"))));
  await terminal.shows(/ended with 137/);
  table.set("files after SIGKILL", single(await lookout.inFiles([...own, ...engineFolders()])));
  addWatched(await watch.end(), table);
  table.set(
    "the engine's log",
    log && single(await lookout.inOutput(["tail", "-c", `+${log.bytes + 1}`, log.path])),
  );
  return table;
}

for (const runtime of ["runc", "runsc"]) {
  Deno.test({
    name: `secrets stand nowhere but in the agent's own processes (${runtime})`,
    ignore: ignore || !runtimes.includes(runtime),
    async fn(): Promise<void> {
      await using scene = await Scene.ofCommand(agentScript);
      const table = await lookOutside(scene, runtime, async (terminal) => {
        await scene.answer(terminal, /agent is ready|ended with/);
        await agentHasAll(await runningAgent(scene.bench), scene);
      });

      await judge(`secrets and surfaces, ${runtime}:`, scene, table);
    },
  });
}

Deno.test({
  name: "the injected token of a real Claude Code stands nowhere on the engine's machine",
  ignore: ignore || !runtimes.includes("runc"),
  async fn(): Promise<void> {
    await using api = await scriptedModel("Seen on the screen");
    const token = `sk-ant-oat01-${crypto.randomUUID()}`;
    const own = textForms(token.slice("sk-ant-oat01-".length));
    const way = { forms: own, host: { CLAUDE_BOTTLE_OAUTH_TOKEN: token } };
    await using scene = await Scene.create(
      { "claude-token": () => Promise.resolve(way) },
      async (_, planted, bench) => {
        const { egress, image } = await modelAt(api, bench);
        return {
          bottle: { egress: { ...egress, allowlist: ["*.anthropic.com", `${planted}.test`] }, image },
        };
      },
    );
    const table = await lookOutside(scene, "runc", async (terminal) => {
      await terminal.shows(/bypass permissions on/);
      await terminal.type(`say ${scene.planted}`);
      await terminal.shows(new RegExp(`say ${scene.planted}`));
      await terminal.press("Enter");
      // With -v the screen is not Claude Code's alone.
      await eventually("the model is asked", async () => {
        const asked = (await api.requests()).some(({ text }) => text.includes(scene.planted));
        return asked || undefined;
      });
    });

    await judge("a real Claude Code's token and surfaces:", scene, table);
    const seen = (await api.requests()).map(({ authorization }) => authorization);
    assert.deepEqual(new Set(seen), new Set([await credentialFingerprint(token)]));
  },
});

function engineFolders(): readonly string[] {
  return [...["containers", "volumes", "network"].map((name) => join(engineFolder, name)), "/run/docker"];
}

async function runningAgent({ agent }: Workbench): Promise<string> {
  const filter = [`label=${LABEL.agent}=${agent}`, `label=${LABEL.role}=agent`];
  return await docker("ps", "--quiet", "--no-trunc", ...filter.flatMap((one) => ["--filter", one]));
}

/** The surfaces that only a watch sees. */
function addWatched({ seen, hits, looked }: Sightings, table: Table): void {
  for (
    const [place, surface] of [
      ["argv", "argv of every process"],
      ["environ", "environment of the others"],
      ["exec", "files of an exec"],
      ["engine", "the engine's run folders"],
    ] as const
  ) {
    assert.ok((looked.get(place) ?? 0) > 0, `${place}: ${hits.join("\n")}`);
    table.set(surface, seen.get(place) ?? new Set());
  }
}

/** The calls that carry a secret, or the agent itself, by words of their argv. */
const BROKEN_CALLS = [
  "/ssh_agent.pl",
  "exec --interactive --user 13:13",
  "/trust_authority.pl",
  "/claude-bottle-exec put",
  "/claude-bottle-exec attached",
];

/** A docker that does the call whose words are in the file `broken`, says the planted word and fails. */
function breaking(real: string, planted: string): string {
  return `read -r broken < "\${0%/*}/broken"
case "$*" in
*"$broken"*)
  ${real} "$@"
  echo "${planted} $*" >&2
  exit 1
  ;;
esac
exec ${real} "$@"`;
}

Deno.test({
  name: "secrets stand in no message of a launch whose call that carries them fails",
  ignore,
  async fn(): Promise<void> {
    await builtImages();
    await using scene = await Scene.ofCommand(() => "exit 0");
    const { bench, lookout } = scene;
    const path = await bench.onPath("docker", breaking(await programPath("docker"), scene.planted));
    const table: Table = new Map();
    for (const [index, words] of BROKEN_CALLS.entries()) {
      await Deno.writeTextFile(join(bench.folder, "bin", "broken"), `${words}\n`);
      await using terminal = new TmuxTerminal();
      await scene.start(terminal, ["-v", "--yes", "--runtime", "runc"], path);
      const shown = join(bench.folder, `shown${index}`);
      await terminal.record(shown);
      await scene.answer(terminal, /ended with \d+/);
      table.set(`${words} fails`, lookout.inText(await Deno.readTextFile(shown)));
    }

    await judge("secrets and what the terminal shows, -v:", scene, table);
  },
});
