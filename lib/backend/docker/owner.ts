import type { OwnerState } from "../../bottle/active.ts";
import { Failure } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { type Owner, parseOwner } from "./labels.ts";
import { machineFacts, plain } from "./machine.ts";

/** One run, as far as its owner is judged by it. */
export interface OwnedRun {
  /** The owner labels of all its objects. */
  readonly owners: readonly string[];
  /** Whether a container of it runs. */
  readonly running: boolean;
  /** When its newest object was made, in milliseconds since the epoch by the engine's clock; `undefined` when unknown. */
  readonly newest: number | undefined;
}

/** The hash of an empty machine id, as a container often has: it tells no machine from another. */
const NO_MACHINE = "e3b0c44298fc1c14";

/** Pid namespaces that are not a container's: Linux gives its first one a fixed number. */
const HOST_NAMESPACES: ReadonlySet<string> = new Set(["pid:4026531836", "host"]);

/*
 * When this machine booted and when each of the given processes started, one line each: `boot SECONDS` and
 * `PID START`. A process that has ended and only waits for its parent is not listed, one that can be signalled but
 * not read is listed as `?`: it lives.
 */
const SCRIPT = `
case $(uname) in
Linux)
  sed -n 's/^btime /boot /p' /proc/stat
  set -f
  for pid in "$@"; do
    stat=$(cat "/proc/$pid/stat" 2>/dev/null)
    if [ -n "$stat" ]; then
      set -- \${stat##*) }
      case $1 in Z | X | x) ;; *) echo "$pid \${20}" ;; esac
    elif [ -d "/proc/$pid" ] || kill -0 "$pid" 2>/dev/null; then
      echo "$pid ?"
    fi
  done ;;
*)
  sysctl -n kern.boottime | sed -n 's/^{ sec = \\([0-9]*\\).*/boot \\1/p'
  pids=$(IFS=,; echo "$*")
  LC_ALL=C TZ=UTC0 ps -o pid= -o stat= -o lstart= -p "$pids" | while read -r pid state start; do
    case $state in Z*) ;; *) echo "$pid $start" ;; esac
  done ;;
esac
`;

/** What this machine says of processes. */
interface Processes {
  /** Milliseconds since the epoch by the engine's clock; `undefined` where it cannot be told. */
  readonly boot: number | undefined;
  /** Start times by pid. */
  readonly starts: ReadonlyMap<string, string>;
}

/**
 * What became of the owners of `runs`, in their order. A run whose objects name several owners counts as the
 * one that protects it most. `engineTime` is asked for the engine's clock, only where an owner is of another boot.
 *
 * @throws Failure `machine-unknown`, and what `engineTime` throws
 */
export async function judgeOwners(
  host: Host,
  { runs, engineTime, signal }: {
    readonly runs: readonly OwnedRun[];
    readonly engineTime: () => Promise<number | undefined>;
    readonly signal: AbortSignal;
  },
): Promise<readonly OwnerState[]> {
  const owners = runs.map((run) => run.owners.map(parseOwner));
  const processes = owners.flat().filter((owner) => owner !== undefined && owner !== "detached");
  if (processes.length === 0) return owners.map((of) => strongest(of.map(withoutProcess)));
  const ours = (await machineFacts(host, signal)).owner;
  const pids = processes.filter((owner) => comparable(owner, ours)).map(({ pid }) => pid);
  const here = await processesOf(host, { pids, ours, signal });
  const isBootNeeded = processes.some((owner) => mayPrecedeBoot(owner, ours));
  const boot = isBootNeeded ? bootByEngine(here.boot, await engineTime(), host.now()) : undefined;
  const machine = { ...here, boot };
  return runs.map((run, index) =>
    strongest(
      (owners[index] ?? []).map((owner) =>
        owner === undefined || owner === "detached"
          ? withoutProcess(owner)
          : stateOf(owner, { ours, machine, run })
      ),
    )
  );
}

function withoutProcess(owner: unknown): OwnerState {
  return owner === "detached" ? "detached" : "elsewhere";
}

/** From the one that protects a run most to the one that does not. */
const STRENGTH: readonly OwnerState[] = ["alive", "detached", "elsewhere", "gone"];

function strongest(states: readonly OwnerState[]): OwnerState {
  return STRENGTH.find((state) => states.includes(state)) ?? "elsewhere";
}

/** Whether a pid means the same to both. */
function comparable(owner: Owner, ours: Owner): boolean {
  return owner.machine === ours.machine && owner.boot === ours.boot &&
    owner.pidNamespace === ours.pidNamespace && owner.uid === ours.uid;
}

function stateOf(
  owner: Owner,
  { ours, machine, run }: { readonly ours: Owner; readonly machine: Processes; readonly run: OwnedRun },
): OwnerState {
  if (comparable(owner, ours)) {
    const start = machine.starts.get(owner.pid);
    return start === owner.started || start === "?" ? "alive" : "gone";
  }
  return endedWithItsBoot(owner, { ours, machine, run }) ? "gone" : "elsewhere";
}

/**
 * Whether the owner ran on this machine before it booted, as after a power loss. Machine ids are copied with
 * machine images, so another machine of the same id may use this engine: then its bottle runs, or is just being made,
 * after our boot. Namespaces of containers come and go, so only those of the machine itself are believed.
 */
function endedWithItsBoot(
  owner: Owner,
  { ours, machine, run }: { readonly ours: Owner; readonly machine: Processes; readonly run: OwnedRun },
): boolean {
  return mayPrecedeBoot(owner, ours) && !run.running && run.newest !== undefined &&
    machine.boot !== undefined && run.newest < machine.boot;
}

/** Whether an owner may have ended with an earlier boot of this machine. */
function mayPrecedeBoot(owner: Owner, ours: Owner): boolean {
  return owner.machine === ours.machine && owner.machine !== NO_MACHINE && owner.boot !== ours.boot &&
    owner.uid === ours.uid && owner.pidNamespace === ours.pidNamespace &&
    HOST_NAMESPACES.has(owner.pidNamespace);
}

/** Our boot by the engine's clock, which other machines' bottles are dated by: read before ours, it is no later than that. */
function bootByEngine(
  boot: number | undefined,
  engineNow: number | undefined,
  now: number,
): number | undefined {
  return boot === undefined || engineNow === undefined ? undefined : engineNow - (now - boot);
}

/** One shell for all of them. @throws Failure `machine-unknown` when it does not even see this process. */
async function processesOf(
  host: Host,
  { pids, ours, signal }: {
    readonly pids: readonly string[];
    readonly ours: Owner;
    readonly signal: AbortSignal;
  },
): Promise<Processes> {
  const outcome = await host.processes.run({
    program: "sh",
    args: ["-c", SCRIPT, "sh", ...new Set([ours.pid, ...pids])],
    env: { PATH: host.environment.get("PATH") ?? "/usr/bin:/bin" },
  }, { signal, deadlineMs: 10_000 });
  const starts = new Map<string, string>();
  for (const line of outcome.stdout.split("\n")) {
    const [, word, rest] = /^(\S+) (.+)$/.exec(line) ?? [];
    if (word !== undefined && rest !== undefined) starts.set(word, rest === "?" ? rest : plain(rest.trim()));
  }
  const boot = Number(starts.get("boot") ?? NaN);
  // Where processes cannot be seen, none of them is known to be gone.
  if (starts.get(ours.pid) !== ours.started) {
    throw new Failure("machine-unknown", "This machine does not tell which of its processes run", {
      hints: ["Is /proc mounted? `ps` shows the same problem"],
    });
  }
  return { boot: Number.isFinite(boot) ? boot * 1000 : undefined, starts };
}
