import { join } from "node:path";
import { eventually } from "./engine.ts";

const SCRIPT = new URL("../testdata/e2e/fake_docker.pl", import.meta.url).pathname;

/**
 * What the fake does instead of answering; `echo` fails with what it was given on stdin. The last five happen after the
 * work was done; `hang` never answers, and `deaf` cannot be asked to end either.
 */
export type Fault =
  | "exit1"
  | "exit125"
  | "echo"
  | "gone"
  | "conflict"
  | "overlap"
  | "hang"
  | "deaf"
  | "empty"
  | "bad-json"
  | "truncated";

/** What the fake is told before the program runs; everything else is an engine that has the images and nothing else. */
export interface FakeSettings {
  readonly faults?: readonly { readonly kind: string; readonly nth: number | "*"; readonly fault: Fault }[];
  /** Kinds of calls that wait until they are released. */
  readonly hold?: readonly string[];
  /** Lines in which ssh hosts show their keys. */
  readonly hostKeys?: readonly string[];
  /** Files of the workspace that the agent changed. */
  readonly changed?: number;
  /** The agent prints `waiting` and waits until it is released or terminated. */
  readonly agentWaits?: boolean;
  readonly agentSays?: readonly string[];
  readonly agentCode?: number;
  /** The wrapper never hands over to the agent. */
  readonly agentUnstarted?: boolean;
  /** Roles of containers that stop while the agent runs. */
  readonly stops?: readonly ("agent" | "sidecar")[];
  /** Bytes that the bottle takes, as it is measured one time after the other. */
  readonly disk?: readonly number[];
  /** Lines of the sidecar's log. */
  readonly log?: readonly string[];
  /** What `docker info` says otherwise. */
  readonly info?: Readonly<Record<string, unknown>>;
  /** Runtimes besides runc. */
  readonly runtimes?: readonly string[];
  /** Names of containers that `ps` lists. */
  readonly containers?: readonly string[];
  /** Ids of networks by name. */
  readonly networks?: Readonly<Record<string, string>>;
  /** Roles of images that are not there; `other` is the base. */
  readonly missingImages?: readonly ("agent" | "sidecar" | "other")[];
}

/** One call that was made. */
export interface DockerRecord {
  /** The id of the plan's step that makes such a call, or a name for what no step does. */
  readonly kind: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin: Uint8Array;
  readonly stdout: string;
  /** `undefined` when it did not end by itself. */
  readonly code: number | undefined;
  /** Places in the one order of all beginnings and ends. */
  readonly began: number;
  readonly ended: number | undefined;
}

/** A `docker` that is first on PATH, in a folder of its own, and remembers everything. */
export class FakeDocker {
  /** What stands first on PATH. */
  readonly bin: string;
  readonly #state: string;

  private constructor(folder: string) {
    this.bin = join(folder, "bin");
    this.#state = join(folder, "state");
  }

  static async install(folder: string, settings: FakeSettings): Promise<FakeDocker> {
    const docker = new FakeDocker(folder);
    await Deno.mkdir(docker.bin, { recursive: true });
    // A link: a copy that another child still holds open for writing could not be executed.
    await Deno.symlink(SCRIPT, join(docker.bin, "docker"));
    for (const name of ["calls", "objects", "removed", "names", "images", "counts"]) {
      await Deno.mkdir(join(docker.#state, name), { recursive: true });
    }
    await Deno.writeTextFile(join(docker.#state, "settings"), settingLines(settings).join("\n"));
    return docker;
  }

  /** Every call, in the order they began. */
  async calls(): Promise<readonly DockerRecord[]> {
    const events = (await this.#text("events")).split("\n");
    const numbers = (await namesIn(join(this.#state, "calls"))).filter((number) =>
      events.includes(`start ${number}`)
    );
    return await Promise.all(numbers.map((number) => this.#record(number, events)));
  }

  async #record(number: string, events: readonly string[]): Promise<DockerRecord> {
    const text = (name: string): Promise<string> => this.#text(join("calls", number, name));
    const code = await text("code");
    const ended = events.indexOf(`end ${number}`);
    const env = (await text("env")).split("\0").filter((entry) => entry !== "");
    return {
      kind: await text("kind"),
      args: (await text("argv")).split("\0").slice(0, -1),
      env: Object.fromEntries(env.map((entry) => entry.split(/=(.*)/s, 2))),
      stdin: await this.#bytes(join("calls", number, "stdin")),
      stdout: await text("stdout"),
      code: code === "" ? undefined : Number(code),
      began: events.indexOf(`start ${number}`),
      ended: ended < 0 ? undefined : ended,
    };
  }

  /** The kinds of all calls, sorted: those of a launch begin in no fixed order. */
  async kinds(): Promise<readonly string[]> {
    return (await this.calls()).map(({ kind }) => kind).sort();
  }

  /** Waits until a call of a kind has begun. */
  async begun(kind: string): Promise<void> {
    await eventually(`a call of the kind ${kind}`, async () => {
      return (await this.calls()).some((call) => call.kind === kind) ? true : undefined;
    }, 20_000);
  }

  /** Lets the calls of a kind go on. */
  async release(kind: string): Promise<void> {
    await Deno.writeTextFile(join(this.#state, `release-${kind}`), "");
  }

  /** Names of the objects that still exist, sorted. */
  async objects(): Promise<readonly string[]> {
    const ids = await namesIn(join(this.#state, "objects"));
    return (await Promise.all(ids.map((id) => this.#text(join("objects", id, "name"))))).sort();
  }

  async #bytes(path: string): Promise<Uint8Array> {
    try {
      return await Deno.readFile(join(this.#state, path));
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) return new Uint8Array();
      throw error;
    }
  }

  async #text(path: string): Promise<string> {
    return new TextDecoder().decode(await this.#bytes(path));
  }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { name } of Deno.readDir(folder)) names.push(name);
  return names.sort();
}

function settingLines(settings: FakeSettings): readonly string[] {
  const lines = (name: string, values: readonly (string | number)[] = []): readonly string[] =>
    values.map((value) => `${name} ${value}`);
  return [
    ...lines("fault", settings.faults?.map(({ kind, nth, fault }) => `${kind} ${nth} ${fault}`)),
    ...lines("hold", settings.hold),
    ...lines("host-key", settings.hostKeys),
    ...lines("changed", settings.changed === undefined ? [] : [settings.changed]),
    ...lines("agent-waits", settings.agentWaits ? [1] : []),
    ...lines("agent-says", settings.agentSays),
    ...lines("agent-code", settings.agentCode === undefined ? [] : [settings.agentCode]),
    ...lines("agent-unstarted", settings.agentUnstarted ? [1] : []),
    ...lines("stops", settings.stops),
    ...lines("disk", settings.disk),
    ...lines("log", settings.log),
    ...lines(
      "info",
      Object.entries(settings.info ?? {}).map(([name, said]) => `${name} ${JSON.stringify(said)}`),
    ),
    ...lines("runtime", settings.runtimes),
    ...lines("container", settings.containers),
    ...lines("network", Object.entries(settings.networks ?? {}).map((pair) => pair.join(" "))),
    ...lines("missing-image", settings.missingImages),
  ];
}
