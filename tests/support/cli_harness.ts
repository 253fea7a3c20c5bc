import type { BackendLoader } from "../../lib/commands/context.ts";
import { DockerBottleBackend } from "../../lib/backend/docker/backend.ts";
import { composePlan, type DockerBottlePlan } from "../../lib/backend/docker/plan.ts";
import type {
  Bottle,
  BottleBackend,
  BottleCommand,
  BuildOptions,
  BuiltImage,
  CapturedOutcome,
  EngineIdentity,
  LaunchOptions,
  OpenBottle,
} from "../../lib/bottle/backend.ts";
import type { ActiveBottle } from "../../lib/bottle/active.ts";
import type { Canary } from "../../lib/bottle/canary.ts";
import type { BottleCleanupPlan, CleanupOutcome, SweepOutcome } from "../../lib/bottle/cleanup.ts";
import type { DemoHosts } from "../../lib/bottle/demo_hosts.ts";
import { type ResolvedEnv, Secret } from "../../lib/bottle/env.ts";
import type { Placeholders } from "../../lib/bottle/injected.ts";
import type { Finding } from "../../lib/bottle/diagnosis.ts";
import type { BottlePlan } from "../../lib/bottle/plan.ts";
import type { BottleSpec } from "../../lib/bottle/spec.ts";
import type { KeptWorkspace } from "../../lib/bottle/workspace.ts";
import { type AppOutcome, runApp } from "../../lib/cli/app.ts";
import type { EgressEvent } from "../../lib/egress/proxy.ts";
import type { Host } from "../../lib/host/host.ts";
import { type FakeHost, fakeHost } from "./fake_host.ts";
import { type MemoryFile, memoryFiles } from "./memory_files.ts";
import { MemoryTerminal } from "./memory_terminal.ts";
import { testInputs } from "./plan_inputs.ts";
import { ScriptedProcesses } from "./scripted_processes.ts";

const HOME = "/home/somebody";

/** Where the manifest of {@link CliOptions} stands. */
export const MANIFEST_PATH = `${HOME}/.config/claude-bottle/claude-bottle.yaml`;

/** Two agents in one bottle: Claude Code and a plain command. */
export const TWO_AGENTS = `bottles:
  dev:
    egress: { proxy: squid }
agents:
  reviewer: { bottle: dev }
  lister: { bottle: dev, command: [ls, -l] }
`;

/** Keys of nobody. */
const DEMO_KEY = "a private key\n";
const DEMO_HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAgDZRIRbqP2k/JMt1/4TsT8moet4ZOI+/Q3Mcpw8Vkl";

/** A backend that only remembers. */
export class FakeBackend implements BottleBackend {
  readonly name = "fake";
  /** What was asked of it, in order. */
  readonly calls: string[] = [];
  readonly specs: BottleSpec[] = [];
  readonly launches: LaunchOptions[] = [];
  readonly builds: BuildOptions[] = [];
  readonly commands: BottleCommand[] = [];
  /** What {@link OpenBottle.inject} was given. */
  readonly injections: ResolvedEnv[] = [];
  code = 0;
  /** Whether the agent's command is reached. */
  agentRan = true;
  events: readonly EgressEvent[] = [];
  images: readonly BuiltImage[] = [];
  /** What the engine tells of a bottle's containers. */
  inspected = "[]";
  /** What a captured command prints. */
  captured = "";
  /** What an attached agent prints; nothing is run when it is undefined. */
  agentSays: string | undefined;
  /** What the probe says of the attempts that it is given, in the bottle or beside it. */
  probed: (attempts: readonly string[]) => string = () => "";
  /** What arrived at the canary. */
  arrived = "";
  /** The machine that the last backend was made for, and the context. */
  madeFor: Host | undefined;
  madeContext: string | undefined;
  bottles: readonly ActiveBottle[] = [];
  findings: readonly Finding[] = [];
  /** What its sweeps come to; none is among the `calls`, since it happens beside them. */
  swept: () => Promise<SweepOutcome> = () => Promise.resolve({ runs: 0, removed: [], left: [], kept: [] });
  sweeps = 0;
  cleanupPlan: BottleCleanupPlan = { items: [], kept: [], untouchedRuns: 0, empty: true };
  /** The workspace that a stopped bottle leaves. */
  kept: KeptWorkspace | undefined;
  /** What cannot be removed, by id, and why. */
  readonly stubborn = new Map<string, string>();
  /** Called at the beginning of each call by its name; what it throws, the call throws. */
  before: (call: string) => void = () => {};

  #enter(call: string): void {
    this.calls.push(call);
    this.before(call);
  }

  async prepare(spec: BottleSpec): Promise<DockerBottlePlan> {
    await Promise.resolve();
    this.#enter("prepare");
    this.specs.push(spec);
    return composePlan(testInputs({ spec, slug: spec.agent }));
  }

  async launch(plan: BottlePlan, options: LaunchOptions): Promise<Bottle> {
    await Promise.resolve();
    this.#enter("launch");
    this.launches.push(options);
    return {
      name: plan.containerName,
      attach: async (): Promise<{ readonly code: number }> => {
        await Promise.resolve();
        this.#enter("attach");
        if (this.agentSays !== undefined) {
          await this.madeFor?.processes.attach({ program: "agent", args: ["says"], env: {} });
        }
        return { code: this.code };
      },
      agentRan: this.agentRan,
      ready: async (): Promise<void> => {
        await Promise.resolve();
        this.#enter("ready");
      },
      capture: async (command): Promise<CapturedOutcome> => {
        await Promise.resolve();
        this.#enter(`capture ${command.join(" ")}`);
        return { code: this.code, stdout: this.captured, stderr: "" };
      },
      egressEvents: async (): Promise<readonly EgressEvent[]> => {
        await Promise.resolve();
        this.#enter("egressEvents");
        return this.events;
      },
      inspection: async (): Promise<string> => {
        await Promise.resolve();
        this.#enter("inspection");
        return this.inspected;
      },
      addresses: {
        sidecar: "10.213.0.34",
        sidecarName: "claude-bottle-probe-x-sidecar",
        gateway: "10.213.0.33",
        egressGateway: "10.213.0.49",
      },
      probe: (attempts): Promise<string> => this.#probe("probe", attempts),
      killSidecar: (): Promise<void> => {
        this.#enter("killSidecar");
        return Promise.resolve();
      },
      [Symbol.asyncDispose]: (): Promise<void> => {
        this.#enter("dispose");
        return Promise.resolve();
      },
    };
  }

  async #probe(call: string, attempts: readonly string[]): Promise<string> {
    await Promise.resolve();
    this.#enter(call);
    return this.probed(attempts);
  }

  async openCanary(): Promise<Canary> {
    await Promise.resolve();
    this.#enter("openCanary");
    return {
      networks: ["claude-bottle-canary-x", "claude-bottle-canary-x-private"],
      address: "203.0.113.18",
      privateAddress: "10.213.0.18",
      hostAddress: "172.17.0.1",
      records: () => Promise.resolve(this.arrived),
      probe: (attempts) => this.#probe("probe beside", attempts),
      [Symbol.asyncDispose]: (): Promise<void> => {
        this.#enter("dispose canary");
        return Promise.resolve();
      },
    };
  }

  async identify(): Promise<EngineIdentity> {
    await Promise.resolve();
    this.#enter("identify");
    return { version: "20.10.24", context: "default" };
  }

  contextName(): Promise<string> {
    return Promise.resolve(this.madeContext ?? "default");
  }

  async openDemoHosts(): Promise<DemoHosts> {
    await Promise.resolve();
    this.#enter("openDemoHosts");
    return {
      objects: ["container claude-bottle-demo-x", "network claude-bottle-demo-x"],
      network: "claude-bottle-demo-x",
      address: "10.213.0.18",
      gateway: "10.213.0.17",
      caPem: "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
      user: "node",
      clientKey: new Secret(DEMO_KEY),
      hostKey: DEMO_HOST_KEY,
      probe: ["probe"],
      [Symbol.asyncDispose]: (): Promise<void> => {
        this.#enter("dispose demo hosts");
        return Promise.resolve();
      },
    };
  }

  async open(bottle: ActiveBottle): Promise<OpenBottle> {
    await Promise.resolve();
    this.#enter(`open ${bottle.id}`);
    return {
      name: bottle.name,
      home: "/home/other",
      workdir: "/home/other/workspace",
      run: async (command): Promise<{ readonly code: number }> => {
        await Promise.resolve();
        this.#enter(`run ${command.mode}`);
        this.commands.push(command);
        return { code: this.code };
      },
      inject: async (secrets): Promise<Placeholders> => {
        await Promise.resolve();
        this.#enter(`inject ${[...secrets.keys()].join(" ")}`);
        this.injections.push(secrets);
        return new Map([...secrets.keys()].map((name) => [name, `placeholder-of-${name}`]));
      },
      watchEgress: async (): Promise<() => Promise<readonly EgressEvent[]>> => {
        await Promise.resolve();
        this.#enter("watchEgress");
        return () => Promise.resolve(this.events);
      },
    };
  }

  async build(options: BuildOptions): Promise<readonly BuiltImage[]> {
    await Promise.resolve();
    this.#enter("build");
    this.builds.push(options);
    return this.images;
  }

  async diagnose(): Promise<readonly Finding[]> {
    await Promise.resolve();
    this.#enter("diagnose");
    return this.findings;
  }

  async listActive(options: { readonly stopped?: boolean }): Promise<readonly ActiveBottle[]> {
    await Promise.resolve();
    this.#enter(options.stopped ? "listActive stopped" : "listActive");
    return this.bottles;
  }

  async stop(bottle: ActiveBottle): Promise<KeptWorkspace | undefined> {
    await Promise.resolve();
    this.#enter(`stop ${bottle.id}`);
    return this.kept;
  }

  async egressLog(
    bottle: ActiveBottle,
    options: { readonly follow: boolean; readonly onEgress: (event: EgressEvent) => void },
  ): Promise<void> {
    await Promise.resolve();
    this.#enter(`egressLog ${bottle.id}${options.follow ? " follow" : ""}`);
    for (const event of this.events) options.onEgress(event);
  }

  async prepareCleanup({ all }: { readonly all: boolean }): Promise<BottleCleanupPlan> {
    await Promise.resolve();
    this.#enter(all ? "prepareCleanup all" : "prepareCleanup");
    return this.cleanupPlan;
  }

  async cleanup(plan: BottleCleanupPlan): Promise<CleanupOutcome> {
    await Promise.resolve();
    this.#enter("cleanup");
    return {
      removed: plan.items.filter(({ id }) => !this.stubborn.has(id)),
      left: plan.items.flatMap((item) => {
        const why = this.stubborn.get(item.id);
        return why === undefined ? [] : [{ item, why }];
      }),
    };
  }

  sweep(): Promise<SweepOutcome> {
    this.sweeps++;
    return this.swept();
  }
}

export interface CliOptions {
  /** The user's manifest; the built-in one counts without it. */
  readonly manifest?: string;
  readonly files?: Readonly<Record<string, string | MemoryFile>>;
  readonly env?: Readonly<Record<string, string>>;
  readonly terminals?: readonly ("stdin" | "stdout" | "stderr")[];
  readonly answers?: readonly string[];
  /** Of the terminal; so many that no line is broken unless told. */
  readonly columns?: number;
  readonly backend?: FakeBackend;
  /** Backends by context, before that one. */
  readonly engines?: Readonly<Record<string, FakeBackend>>;
  /** `docker` runs the real backend over {@link scriptedEngine}; a {@link FakeBackend} unless told. */
  readonly over?: "docker";
  /** Called before anything runs. */
  readonly arrange?: (host: FakeHost) => void;
}

export interface CliRun {
  readonly outcome: AppOutcome;
  readonly stdout: string;
  readonly stderr: string;
  readonly backend: FakeBackend;
  readonly host: FakeHost;
}

/** One command line in this process, on a machine in memory. */
export async function runCli(argv: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const terminal = new MemoryTerminal({
    ...(options.terminals === undefined ? {} : { terminals: options.terminals }),
    ...(options.answers === undefined ? {} : { answers: options.answers }),
    ...(options.columns === undefined ? {} : { columns: options.columns }),
  });
  const host = fakeHost({
    terminal,
    processes: scriptedEngine(),
    env: { PATH: "/usr/bin", HOME, ...options.env },
    files: memoryFiles({
      [`${HOME}/project/README.md`]: "",
      ...(options.manifest === undefined ? {} : { [MANIFEST_PATH]: options.manifest }),
      ...options.files,
    }),
  });
  options.arrange?.(host);
  const backend = options.backend ?? new FakeBackend();
  host.processes.on(/^agent says$/, () => ({ stdout: backend.agentSays ?? "" }));
  const docker: BackendLoader = (choice) => {
    const made = options.engines?.[choice.context ?? ""] ?? backend;
    made.madeFor = choice.host;
    made.madeContext = choice.context;
    return Promise.resolve(options.over === "docker" ? new DockerBottleBackend(choice) : made);
  };
  const outcome = await runApp(argv, { host, backends: new Map([["docker", docker]]) });
  return { outcome, stdout: terminal.stdout, stderr: terminal.stderr, backend, host };
}

const MACHINE = [
  "0123456789abcdef",
  "boot-1",
  "pid:[4026531836]",
  "42",
  "777",
  "Iface Destination Gateway Flags RefCnt Use Metric Mask",
].join("\n.\n");

/** An engine that answers the probes, has both images, and fails at everything else. */
export function scriptedEngine(): ScriptedProcesses {
  const image = (id: string): string =>
    JSON.stringify([{ Id: `sha256:${id}`, Config: { Env: [], User: "47291", Labels: {} } }]);
  const info = {
    ServerVersion: "20.10.24",
    Runtimes: { runc: {} },
    MemTotal: 8 * 1024 ** 3,
    SwapLimit: true,
  };
  return new ScriptedProcesses()
    .on(/^sh -c /, { stdout: MACHINE })
    .on(/^docker info /, { stdout: JSON.stringify(info) })
    .on(/^docker ps /, { stdout: "" })
    .on(/^docker network ls /, { stdout: "" })
    .on(/^docker image inspect /, { code: 1, stderr: "Error: No such image: debian" })
    .on(/^docker image inspect claude-bottle:/, { stdout: image("a".repeat(64)) })
    .on(/^docker image inspect claude-bottle-squid:/, { stdout: image("b".repeat(64)) });
}

/** The docker calls of a run by their first two words, sorted. */
export function dockerCalls(run: CliRun): readonly string[] {
  return run.host.processes.calls.filter(({ program }) => program === "docker")
    .map(({ args }) => args.slice(0, 2).join(" ")).sort();
}
