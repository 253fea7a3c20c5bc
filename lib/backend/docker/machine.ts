import { Failure } from "../../errors.ts";
import { sha256 } from "../../host/digest.ts";
import type { Host } from "../../host/host.ts";
import { type Range, routesOf } from "./addresses.ts";
import type { Owner } from "./labels.ts";

/** What this machine says of itself. */
export interface MachineFacts {
  readonly owner: Owner;
  /** The host's routes; empty where the system does not tell. */
  readonly routes: readonly Range[];
}

/*
 * One shell for all of it, since Deno may not read /proc and each process costs 2 ms. `$PPID` is this program.
 * Sections are separated by a line with a dot.
 */
const SCRIPT = `
dot() { printf '\\n.\\n'; }
case $(uname) in
Linux)
  cat /etc/machine-id /var/lib/dbus/machine-id 2>/dev/null | head -n 1; dot
  cat /proc/sys/kernel/random/boot_id; dot
  readlink /proc/self/ns/pid; dot
  echo $PPID; dot
  sed 's/.*) //' /proc/$PPID/stat | cut -d ' ' -f 20; dot
  cat /proc/net/route 2>/dev/null ;;
*)
  sysctl -n kern.uuid 2>/dev/null || hostname; dot
  sysctl -n kern.bootsessionuuid 2>/dev/null || sysctl -n kern.boottime; dot
  echo host; dot
  echo $PPID; dot
  LC_ALL=C TZ=UTC0 ps -o lstart= -p $PPID ;;
esac
`;

/** Reads them. @throws Failure `machine-unknown` when this process cannot be identified: its bottles could not be told from orphans. */
export async function machineFacts(host: Host, signal: AbortSignal): Promise<MachineFacts> {
  const outcome = await host.processes.run({
    program: "sh",
    args: ["-c", SCRIPT],
    env: { PATH: host.environment.get("PATH") ?? "/usr/bin:/bin" },
  }, { signal, deadlineMs: 10_000 });
  const [machine, boot, pidNamespace, pid, started, routes] = outcome.stdout.split("\n.\n").map((part) =>
    part.trim()
  );
  if (!boot || !pidNamespace || !pid || !started) {
    throw new Failure(
      "machine-unknown",
      "This machine does not tell its boot id and this process's start time",
    );
  }
  return {
    owner: {
      // A container often has no machine id; its boot id and pid namespace still tell it apart.
      machine: (await sha256(machine ?? "")).slice(0, 16),
      boot: plain(boot),
      pidNamespace: plain(pidNamespace),
      uid: String(host.uid ?? ""),
      pid: plain(pid),
      started: plain(started),
    },
    routes: routesOf(routes ?? ""),
  };
}

/** A text as a field of the owner label, whose fields `/` separates. */
export function plain(text: string): string {
  return text.replaceAll(/[[\]]/g, "").replaceAll(/[^A-Za-z0-9._:-]+/g, "-");
}
