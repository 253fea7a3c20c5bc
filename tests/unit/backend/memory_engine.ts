import type { Outcome } from "../../../lib/host/processes.ts";
import type { Ending, RecordedCall } from "../../support/scripted_processes.ts";
import { ScriptedProcesses } from "../../support/scripted_processes.ts";

/** What a Linux machine says of itself. */
export const LINUX = [
  "0a1b2c3d4e5f60718293a4b5c6d7e8f9\n",
  "f0e1d2c3-0000-4000-8000-000000000001\n",
  "pid:[4026531836]\n",
  "4242\n",
  "987654\n",
  "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\neth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\n",
].join("\n.\n");

/** An object that a docker CLI was asked to create. */
export interface MadeObject {
  readonly id: string;
  readonly kind: "container" | "network";
  readonly name: string;
  readonly options: ReadonlyMap<string, readonly string[]>;
  /** Behind the options: image and command of a container. */
  readonly rest: readonly string[];
  running: boolean;
  /** A container's addresses by network id. */
  readonly networks: Map<string, string>;
}

/** What an engine says of a subnet that is taken. */
export const OVERLAP = {
  code: 1,
  stderr: "Error response from daemon: Pool overlaps with other one on this address space\n",
};

/** What an engine says of a container's name that is taken. */
export function conflictOf(name: string): Ending {
  return {
    code: 1,
    stderr: `Error response from daemon: Conflict. The container name "/${name}" is already in use by ` +
      'container "0f". You have to remove (or rename) that container to be able to reuse that name.\n',
  };
}

/** The question whether the agent began. */
export const BEGAN = /^docker container exec --user \S+ \S+ test -h \S+$/;

/** Options without a value. */
const SWITCHES: ReadonlySet<string> = new Set([
  "--init",
  "--interactive",
  "--read-only",
  "--no-healthcheck",
  "--internal",
  "--ipv6=false",
]);

/** The log of a sidecar that runs on and says nothing. */
function untilAborted({ signal }: RecordedCall): Promise<Ending> {
  return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
}

/** An engine in memory behind scripted processes: it does what it is told and says so. */
export class MemoryEngine {
  readonly objects = new Map<string, MadeObject>();
  readonly processes: ScriptedProcesses;
  readonly volumes = new Set<string>();
  /** What the comparison of a workspace answers. */
  compared = "workspace changed=0 added=0 removed=0 refs=0 settings=0 commits=0\n";
  /** What passes before something is created. */
  moment: (() => Promise<void>) | undefined;
  /** Whether the wrapper handed over to the agent. */
  began = true;
  #made = 0;

  constructor(processes: ScriptedProcesses = new ScriptedProcesses()) {
    this.processes = processes;
    processes
      .on(/^sh /, { stdout: LINUX })
      .on(/^docker (network|container) create /, async (call) => {
        if (this.moment !== undefined) await this.moment();
        return this.#create(call);
      })
      .on(/^docker container cp - /, {})
      .on(/^docker network connect /, (call) => this.#connect(call))
      .on(/^docker container logs --follow --timestamps /, untilAborted)
      .on(/^docker container logs --timestamps --tail 1 /, {})
      .on(/^docker container start /, (call) => this.#start(call))
      .on(/^docker (container |network )?inspect /, (call) => this.#inspect(call))
      .on(/^docker (container|network) rm /, (call) => this.#remove(call))
      .on(/^docker (container|network) ls /, (call) => this.#list(call))
      .on(/^docker network ls --no-trunc --format \S+ \.ID\}\}$/, () => ({
        stdout: this.#all("network").map(({ id }) => `"${id}"\n`).join(""),
      }))
      .on(/^docker ps /, () => ({
        stdout: this.#all("container").map(({ name }) => `${JSON.stringify(name)}\n`).join(""),
      }))
      .on(/^docker volume ls /, {})
      .on(/^docker container exec --interactive --user 0:\d+ \S+ \/usr\/bin\/perl \S+\/ssh_agent\.pl$/, {})
      .on(/^docker volume (create|rm) /, ({ args }) => {
        const name = args.at(-1) ?? "";
        if (args[1] === "create") this.volumes.add(name);
        else this.volumes.delete(name);
        return { stdout: `${name}\n` };
      })
      .on(/workspace_record\.pl record /, {})
      .on(/workspace_record\.pl compare /, () => ({ stdout: this.compared }))
      .on(
        /^docker volume inspect /,
        ({ args }) =>
          this.volumes.has(args.at(-1) ?? "")
            ? { stdout: "[]" }
            : { code: 1, stderr: "Error: No such volume: x\n" },
      )
      .on(BEGAN, () => ({ code: this.began ? 0 : 1 }));
  }

  /** The object of a role. */
  made(role: string): MadeObject {
    const found = [...this.objects.values()].find((object) => roleOf(object) === role);
    if (found === undefined) throw new Error(`nothing was made as ${role}`);
    return found;
  }

  #create(call: RecordedCall): Ending {
    const [kind, , ...words] = call.args;
    const options = new Map<string, string[]>();
    let index = 0;
    for (; words[index]?.startsWith("-"); index++) {
      const word = words[index] ?? "";
      const value = SWITCHES.has(word) ? "true" : words[++index] ?? "";
      options.set(word, [...options.get(word) ?? [], value]);
    }
    const isNetwork = kind === "network";
    const name = isNetwork ? words[index] ?? "" : options.get("--name")?.[0] ?? "";
    const refusal = isNetwork ? this.#overlap(options.get("--subnet")?.[0]) : this.#conflict(name);
    if (refusal !== undefined) return refusal;
    const object: MadeObject = {
      id: idOf(++this.#made, (options.get("--label") ?? []).map(roleIn).join("")),
      kind: isNetwork ? "network" : "container",
      name,
      options,
      rest: words.slice(isNetwork ? index + 1 : index),
      running: false,
      networks: new Map(),
    };
    const network = options.get("--network")?.[0];
    if (network !== undefined) object.networks.set(network, options.get("--ip")?.[0] ?? "10.213.0.18");
    this.objects.set(object.id, object);
    return { stdout: `WARNING: something the engine also says\n${object.id}\n` };
  }

  #all(kind: MadeObject["kind"]): readonly MadeObject[] {
    return [...this.objects.values()].filter((object) => object.kind === kind);
  }

  /** Subnets are all of one size here. */
  #overlap(subnet: string | undefined): Ending | undefined {
    const isTaken = this.#all("network").some(({ options }) => options.get("--subnet")?.[0] === subnet);
    return isTaken ? OVERLAP : undefined;
  }

  #conflict(name: string): Ending | undefined {
    return this.#all("container").some((container) => container.name === name) ? conflictOf(name) : undefined;
  }

  #connect({ args }: RecordedCall): Ending {
    const [network = "", container = ""] = args.slice(-2);
    const ip = args[args.indexOf("--ip") + 1] ?? "";
    this.objects.get(container)?.networks.set(network, args.includes("--ip") ? ip : "172.30.0.2");
    return {};
  }

  #start({ args }: RecordedCall): Ending {
    const object = this.objects.get(args.at(-1) ?? "");
    if (object === undefined) return gone(args.at(-1));
    object.running = true;
    return {};
  }

  #inspect({ args }: RecordedCall): Partial<Outcome> {
    const ids = args.slice(args.indexOf("inspect") + 1);
    const missing = ids.find((id) => !this.objects.has(id));
    const found = ids.map((id) => this.objects.get(id)).filter((object) => object !== undefined);
    // What is there is told even when something is not.
    return { ...(missing === undefined ? {} : gone(missing)), stdout: JSON.stringify(found.map(accountOf)) };
  }

  #remove({ args }: RecordedCall): Ending {
    const ids = args.slice(2).filter((word) => !word.startsWith("-"));
    const missing = ids.find((id) => !this.objects.delete(id));
    return missing === undefined ? {} : gone(missing);
  }

  #list({ args }: RecordedCall): Ending {
    const label = (args[args.indexOf("--filter") + 1] ?? "").replace(/^label=/, "");
    const ids = [...this.objects.values()]
      .filter(({ kind, options }) => kind === args[0] && options.get("--label")?.includes(label))
      .map(({ id }) => `${id}\n`);
    return { stdout: ids.join("") };
  }
}

function gone(id: string | undefined): Partial<Outcome> {
  return { code: 1, stderr: `Error response from daemon: No such container: ${id}\n` };
}

/** The first letter of an id tells the role, for patterns in tests. */
const FIRST: ReadonlyMap<string, string> = new Map([
  ["agent", "a"],
  ["sidecar", "c"],
  ["internal", "1"],
  ["egress", "e"],
]);

/** 64 hex digits, as an engine's ids have. */
function idOf(count: number, role: string): string {
  return (FIRST.get(role) ?? "0").repeat(60) + String(count).padStart(4, "0");
}

function roleIn(label: string): string {
  return /^claude-bottle\.role=(.*)$/.exec(label)?.[1] ?? "";
}

function roleOf({ options }: MadeObject): string {
  return (options.get("--label") ?? []).map(roleIn).join("");
}

/** A `docker inspect` element, as engine 20.10 gives it. */
export function accountOf(object: MadeObject): Readonly<Record<string, unknown>> {
  return object.kind === "network" ? networkAccount(object) : containerAccount(object);
}

function pairs(values: readonly string[], separator: string): Readonly<Record<string, string>> {
  return Object.fromEntries(values.map((value) => {
    const at = value.indexOf(separator);
    return [value.slice(0, at), value.slice(at + 1)];
  }));
}

function networkAccount({ id, name, options }: MadeObject): Readonly<Record<string, unknown>> {
  return {
    Name: name,
    Id: id,
    EnableIPv6: !options.has("--ipv6=false"),
    Internal: options.has("--internal"),
    IPAM: { Driver: "default", Config: [{ Subnet: options.get("--subnet")?.[0] }] },
    Options: pairs(options.get("--opt") ?? [], "="),
  };
}

function containerAccount(object: MadeObject): Readonly<Record<string, unknown>> {
  const { id, options, rest } = object;
  const all = (name: string): readonly string[] => options.get(name) ?? [];
  const number = (name: string): number => Number(all(name)[0] ?? 0);
  const mounts = all("--mount").map((mount) => ({
    Type: /type=([^,]*)/.exec(mount)?.[1],
    Destination: /dst=([^,]*)/.exec(mount)?.[1],
    Name: /src=([^,]*)/.exec(mount)?.[1] ?? "f".repeat(64),
  }));
  return {
    Id: id,
    Image: rest[0],
    State: { Running: object.running, OOMKilled: false, ExitCode: 0 },
    Config: {
      User: all("--user")[0],
      Env: ["PATH=/usr/bin:/bin", ...all("--env")],
      WorkingDir: all("--workdir")[0] ?? "",
    },
    HostConfig: {
      CapDrop: all("--cap-drop"),
      CapAdd: null,
      SecurityOpt: all("--security-opt"),
      Privileged: false,
      Binds: null,
      Devices: [],
      PortBindings: {},
      NetworkMode: all("--network")[0],
      PidMode: "",
      IpcMode: all("--ipc")[0],
      UsernsMode: "",
      Runtime: all("--runtime")[0] ?? "runc",
      Memory: number("--memory"),
      MemorySwap: number("--memory-swap"),
      PidsLimit: number("--pids-limit"),
      ReadonlyRootfs: options.has("--read-only"),
      Dns: all("--dns"),
      DnsOptions: all("--dns-opt"),
      ExtraHosts: all("--add-host"),
      Init: options.has("--init") || null,
      CpuShares: number("--cpu-shares"),
      DeviceRequests: null,
      DeviceCgroupRules: null,
      VolumesFrom: null,
      GroupAdd: null,
      PublishAllPorts: false,
      OomKillDisable: false,
      UTSMode: "",
      CgroupParent: "",
      Sysctls: null,
      Tmpfs: pairs(all("--tmpfs"), ":"),
      Ulimits: all("--ulimit").map((limit) => {
        const [name, soft, hard] = limit.split(/[=:]/);
        return { Name: name, Hard: Number(hard), Soft: Number(soft) };
      }),
      RestartPolicy: { Name: all("--restart")[0], MaximumRetryCount: 0 },
      LogConfig: { Type: all("--log-driver")[0], Config: pairs(all("--log-opt"), "=") },
      NanoCpus: number("--cpus") * 1e9,
    },
    Mounts: mounts,
    NetworkSettings: {
      Networks: Object.fromEntries(
        [...object.networks].map(([network, address], index) => [
          `network-${index}`,
          { NetworkID: network, IPAddress: address },
        ]),
      ),
    },
  };
}
