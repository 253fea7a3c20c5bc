import { DockerBottleBackend } from "../../lib/backend/docker/backend.ts";
import { DETACHED, ownerLabel } from "../../lib/backend/docker/labels.ts";
import { machineFacts } from "../../lib/backend/docker/machine.ts";
import { runIdFrom } from "../../lib/backend/docker/names.ts";
import type { Host } from "../../lib/host/host.ts";
import type { Processes } from "../../lib/host/processes.ts";
import { fakeHost } from "./fake_host.ts";
import { type EngineObject, LabelledEngine } from "./labelled_engine.ts";
import { ScriptedProcesses } from "./scripted_processes.ts";

/** What a judge does not look at: then everybody is told the same of it. */
export type Blindness = "pid namespace" | "user" | "machine and boot" | "start time";

/** A machine with a boot, whose clock may be wrong. Boot ids are the same in all its containers. */
export interface Machine {
  readonly name: string;
  /** Milliseconds that its clock is ahead. */
  readonly skew: number;
  boot: string;
  bootedAt: number;
}

/** Where processes see each other. */
export interface Place {
  readonly machine: Machine;
  /** Not the machine's name: images of machines are copied, and a container may have none. */
  readonly machineId: string;
  readonly pidNamespace: string;
  readonly uid: number;
}

/** A process, alive or not. */
export interface ModelProcess {
  readonly place: Place;
  readonly boot: string;
  readonly pid: number;
  readonly started: number;
  alive: boolean;
}

/** One launch as it really is. */
export interface ModelRun {
  readonly id: string;
  readonly owner: ModelProcess;
  readonly label: string;
  readonly isDetached: boolean;
  readonly hasWorkspace: boolean;
  /** How many of its steps were done. */
  done: number;
  /** Whether its agent may have run. */
  started: boolean;
}

/** What a process comes to that ends with its machine. */
class Ended extends Error {}

const HOST_NAMESPACE = "pid:[4026531836]";
const { signal } = new AbortController();

/** Machines, processes and one engine that they share, all in memory; what is removed wrongly is a violation. */
export class ModelWorld {
  readonly machines: readonly Machine[];
  readonly places: readonly Place[];
  readonly runs: ModelRun[] = [];
  readonly violations: string[] = [];
  readonly engine: LabelledEngine;
  /** Milliseconds. */
  now = 10_000_000;
  readonly #processes: ModelProcess[] = [];
  readonly #docker = new ScriptedProcesses();
  readonly #engineSkew: number;
  readonly #blind: Blindness | undefined;
  #made = 0;
  #boots = 0;

  constructor(
    { skews, engineSkew, blind }: {
      /** Of each machine's clock. */
      readonly skews: readonly number[];
      readonly engineSkew: number;
      readonly blind?: Blindness | undefined;
    },
  ) {
    this.#engineSkew = engineSkew;
    this.#blind = blind;
    this.machines = skews.map((skew, index) => ({
      name: `machine-${index}`,
      skew,
      boot: `boot-${this.#boots++}`,
      bootedAt: 5_000_000 + index * 1000,
    }));
    this.places = this.machines.flatMap((machine, index) => [
      // The second is a copy of the first.
      { machine, machineId: index < 2 ? "copied" : "own", pidNamespace: HOST_NAMESPACE, uid: 1000 },
      { machine, machineId: index < 2 ? "copied" : "own", pidNamespace: HOST_NAMESPACE, uid: 1001 },
      { machine, machineId: "", pidNamespace: "pid:[4026532001]", uid: 1000 },
      { machine, machineId: "", pidNamespace: "pid:[4026532002]", uid: 1000 },
    ]);
    this.engine = new LabelledEngine([], this.#docker);
    this.#docker.on(/^docker info /, () => ({
      stdout: JSON.stringify({ SystemTime: new Date(this.now + this.#engineSkew).toISOString() }),
    }));
  }

  /** A process that begins; `pid` is that of one that has ended. */
  process(place: Place, pid?: number): ModelProcess {
    const taken = this.#processes.filter(({ alive, place: of }) => alive && this.#seesPids(place, of));
    const begun = {
      place,
      boot: place.machine.boot,
      pid: pid !== undefined && !taken.some((one) => one.pid === pid) ? pid : 2 + this.#processes.length,
      started: this.now - place.machine.bootedAt + this.#processes.length,
      alive: true,
    };
    this.#processes.push(begun);
    return begun;
  }

  get ended(): readonly ModelProcess[] {
    return this.#processes.filter(({ alive }) => !alive);
  }

  #seesPids(one: Place, other: Place): boolean {
    return one.machine === other.machine && one.pidNamespace === other.pidNamespace;
  }

  /** A launch that begins and has made nothing yet. */
  async launch(
    owner: ModelProcess,
    { isDetached, hasWorkspace }: { readonly isDetached: boolean; readonly hasWorkspace: boolean },
  ): Promise<ModelRun> {
    const { owner: facts } = await machineFacts(this.#host(owner), signal);
    const id = runIdFrom(Uint8Array.from({ length: 13 }, (_, at) => (this.runs.length >> (at * 5)) & 31));
    const label = isDetached ? DETACHED : ownerLabel(facts);
    const run = { id, owner, label, isDetached, hasWorkspace, done: 0, started: false };
    this.runs.push(run);
    return run;
  }

  /** The next step of a launch, while its owner lives. */
  step(run: ModelRun): void {
    if (!run.owner.alive) return;
    const step = STEPS[run.done++];
    if (step === undefined || (step.role === "workspace" && !run.hasWorkspace)) return;
    if (step.starts) {
      this.#change((object) => object.run === run.id && object.role === step.role, {
        running: true,
        status: "running",
      });
      run.started ||= step.role === "agent";
    } else this.#make(run, step);
  }

  /** All that is left of a launch; a process that only launches ends with it. */
  finish(run: ModelRun): void {
    while (run.owner.alive && run.done < STEPS.length) this.step(run);
    if (run.isDetached) run.owner.alive = false;
  }

  #make(run: Pick<ModelRun, "id" | "label">, { kind, role }: Step): void {
    const id = `${role}-${++this.#made}`;
    this.engine.objects.push({
      kind,
      id,
      name: id,
      run: run.id,
      agent: "model",
      role,
      owner: run.label,
      created: new Date(this.now + this.#engineSkew).toISOString(),
      status: "created",
      running: false,
    });
  }

  #change(isMeant: (object: EngineObject) => boolean, to: Partial<EngineObject>): void {
    const { objects } = this.engine;
    objects.forEach((object, index) => {
      if (isMeant(object)) objects[index] = { ...object, ...to };
    });
  }

  /** What is nobody's of us, or only looks like ours. */
  foreign(owner: string, run: ModelRun | undefined): void {
    const id = `foreign-${++this.#made}`;
    const more = run === undefined ? { run: "x", owner } : { run: run.id, owner: run.label, inherited: true };
    this.engine.objects.push({ kind: "container", id, name: id, role: "agent", running: true, ...more });
  }

  /** Everything of a run is removed by its own owner, which ends. */
  end(run: ModelRun): void {
    const { objects } = this.engine;
    for (const object of objects.filter((one) => one.run === run.id && one.inherited !== true)) {
      objects.splice(objects.indexOf(object), 1);
    }
    run.owner.alive = false;
  }

  /** Its containers stop, and with them every bottle that somebody is attached to. */
  restartEngine(): void {
    this.#change(({ running }) => running === true, { running: false, status: "exited" });
    for (const { owner, isDetached } of this.runs) if (!isDetached) owner.alive = false;
  }

  reboot(machine: Machine): void {
    // A launch takes less time than a boot.
    for (const run of this.runs) if (run.owner.place.machine !== machine) this.finish(run);
    for (const one of this.#processes) if (one.place.machine === machine) one.alive = false;
    this.now += 20_000;
    machine.boot = `boot-${this.#boots++}`;
    machine.bootedAt = this.now;
    this.now += 5_000;
  }

  /** A sweep or a `cleanup` by a process of its own; `between` happens before each thing that it asks or does. */
  async clean(
    how: "sweep" | "cleanup",
    place: Place,
    between?: () => Promise<void>,
  ): Promise<void> {
    const owner = this.process(place);
    const host = this.#host(owner, between);
    const backend = new DockerBottleBackend({ host, context: undefined, onEvent: () => {} });
    try {
      if (how === "sweep") await backend.sweep({ signal, onEvent: () => {} });
      else await backend.cleanup(await backend.prepareCleanup({ all: false, signal }), signal);
    } catch (error) {
      if (owner.alive) throw error;
    }
    owner.alive = false;
  }

  /** The machine as one of its processes sees it. */
  #host(self: ModelProcess, between?: () => Promise<void>): Host {
    const processes: Processes = {
      run: async (call, options) => {
        if (between !== undefined) await between();
        if (!self.alive) throw new Ended();
        if (call.program === "sh") {
          return { code: 0, signal: null, stderr: "", stdout: this.#told(self, call.args) };
        }
        // The engine does at once what it is told.
        const before = [...this.engine.objects];
        const outcome = this.#docker.run(call, options);
        const left = new Set(this.engine.objects.map(({ id }) => id));
        for (const object of before) if (!left.has(object.id)) this.#judge(object, self);
        return await outcome;
      },
      attach: (call, options) => this.#docker.attach(call, options),
      hold: (call) => this.#docker.hold(call),
    };
    const uid = this.#blind === "user" ? 1000 : self.place.uid;
    return { ...fakeHost(), processes, uid, now: () => this.now + self.place.machine.skew };
  }

  /** What the two shell programs say: the one about processes is given pids. */
  #told(self: ModelProcess, args: readonly string[]): string {
    const { place: { machine, machineId, pidNamespace } } = self;
    const pids = args.slice(3).map(Number);
    const started = (one: ModelProcess): number => this.#blind === "start time" ? 1 : one.started;
    if (pids.length > 0) {
      const alive = this.#processes.filter((one) => one.alive && this.#seesPids(one.place, self.place));
      const lines = alive.filter(({ pid }) => pids.includes(pid)).map((one) => `${one.pid} ${started(one)}`);
      return [`boot ${Math.floor((machine.bootedAt + machine.skew) / 1000)}`, ...lines, ""].join("\n");
    }
    const isBlind = this.#blind === "machine and boot";
    const namespace = this.#blind === "pid namespace" ? HOST_NAMESPACE : pidNamespace;
    const ids = isBlind ? ["one", "boot"] : [machineId, machine.boot];
    return [...ids, namespace, self.pid, started(self), ""].map((part) => `${part}\n`).join("\n.\n");
  }

  /** Notes an object that should not have been removed. */
  #judge({ id, role, inherited, run: of }: EngineObject, by: ModelProcess): void {
    const run = this.runs.find((one) => one.id === of);
    const why = run === undefined || inherited === true
      ? "nobody's of us"
      : run.isDetached
      ? "of a detached bottle"
      : run.owner.alive
      ? "of a live bottle"
      : role === "workspace" && run.started
      ? "a workspace in which an agent may have worked"
      : !isNeighbour(run.owner.place, by.place)
      ? "of another host"
      : undefined;
    if (why !== undefined) this.violations.push(`${id} was removed and is ${why}`);
  }

  /** Ids of what the sweeps of a place should have removed and did not. */
  overlooked(place: Place): readonly string[] {
    return this.engine.objects.filter((object) => {
      const run = this.runs.find(({ id }) => id === object.run);
      if (run === undefined || run.isDetached || run.owner.alive || object.inherited === true) return false;
      if (object.role === "workspace") return false;
      if (run.owner.place !== place) return false;
      const isRunning = this.engine.objects.some((one) => one.run === run.id && one.running === true);
      return run.owner.boot === place.machine.boot ||
        (place.machineId !== "" && place.pidNamespace === HOST_NAMESPACE && !isRunning);
    }).map(({ id }) => id);
  }
}

/** Whether two places are one to whoever looks: a copied machine is told from its original by nothing but its boot. */
function isNeighbour(one: Place, other: Place): boolean {
  return one.pidNamespace === other.pidNamespace && one.uid === other.uid &&
    (one.machine === other.machine || (one.machineId !== "" && one.machineId === other.machineId));
}

/** A step of a launch: something is made, or what was made is started. */
interface Step {
  readonly kind: EngineObject["kind"];
  readonly role: string;
  readonly starts?: boolean;
}

const STEPS: readonly Step[] = [
  { kind: "network", role: "internal" },
  { kind: "network", role: "egress" },
  { kind: "volume", role: "workspace" },
  { kind: "container", role: "sidecar" },
  { kind: "volume", role: "config" },
  { kind: "container", role: "agent" },
  { kind: "container", role: "agent", starts: true },
  { kind: "container", role: "sidecar", starts: true },
  { kind: "container", role: "watcher" },
];
