import type { DemoHosts } from "../bottle/demo_hosts.ts";
import type { EgressEvent } from "../egress/proxy.ts";
import type { ProxyName } from "../manifest/model.ts";

/** The tour's names. */
export const TOUR = {
  agent: "tour",
  hosts: { api: "api.demo.test", other: "other.demo.test", git: "git.demo.test" },
  /** The ssh entry's name. */
  sshHost: "demo-git",
  /** A port of the allowed host that answers and is not allowed. */
  otherPort: 8443,
  /** What the probe tries, in the order it is shown. */
  probed: ["allowed", "ssh", "other-host", "other-port", "direct", "host", "metadata", "dns", "key"],
} as const;

export type ProbedId = typeof TOUR.probed[number];
export type AttemptId = ProbedId | "token" | "claude";
export type Verdict = "reached" | "refused";

/** One thing that was tried, and what came of it. */
export interface Attempt {
  readonly id: AttemptId;
  readonly title: string;
  readonly tried: string;
  readonly cameBack: string;
  readonly expected: Verdict;
  readonly verdict: Verdict | "unknown";
}

/** Whether it came out as promised. */
export function isRight({ verdict, expected }: Attempt): boolean {
  return verdict === expected;
}

/** The arguments of `tour_probe.pl`. */
export function probeArguments({ address, gateway }: DemoHosts): readonly string[] {
  const { api, other } = TOUR.hosts;
  return [api, other, String(TOUR.otherPort), TOUR.sshHost, address, gateway];
}

const { api, other } = TOUR.hosts;

/** What is tried, in words; `@` stands for the address that it goes to. */
const TRIED: Readonly<Record<AttemptId, { readonly title: string; readonly tried: string }>> = {
  allowed: { title: "an allowed host", tried: `curl https://${api}/` },
  ssh: { title: "ssh to a granted host", tried: `ssh ${TOUR.sshHost} echo logged in` },
  "other-host": { title: "another host", tried: `curl https://${other}/` },
  "other-port": { title: "another port of an allowed host", tried: `curl https://${api}:${TOUR.otherPort}/` },
  direct: { title: "a host's address, past the sidecar", tried: "connect to @ on 443 and 22" },
  host: { title: "the engine's own host", tried: "connect to @ on 22, 80, 443, 2375, 2376" },
  metadata: {
    title: "the metadata service",
    tried: "curl http://169.254.169.254/, directly and by the sidecar",
  },
  dns: { title: "names", tried: `resolve ${other} and ${api}` },
  key: { title: "the ssh key itself", tried: "read it from /proc, the ssh-agent's folder, any file" },
  token: { title: "the token, from outside", tried: "docker inspect of both containers" },
  claude: { title: "Claude Code", tried: "ask it to run a command" },
};

/** The reached ones; all others must be refused. */
const REACHED: readonly AttemptId[] = ["allowed", "ssh", "claude"];

/** An attempt whose outcome is known. */
export function judged(
  id: AttemptId,
  outcome: { readonly verdict: Attempt["verdict"]; readonly cameBack: string },
): Attempt {
  return { id, ...TRIED[id], expected: REACHED.includes(id) ? "reached" : "refused", ...outcome };
}

/** The heading that an attempt stands under. */
export function sectionOf({ id }: Attempt): string {
  if (id === "claude") return "The agent";
  return REACHED.includes(id) ? "Granted" : "Not granted";
}

/** Reads one attempt out of what the probe said. */
export function attemptOf(
  id: ProbedId,
  from: {
    readonly said: string;
    /** The probe's stderr. */
    readonly complaint: string;
    readonly hosts: DemoHosts;
    readonly proxy: ProxyName;
    readonly events: readonly EgressEvent[];
  },
): Attempt {
  const line = from.said.split("\n").map((text) => text.split("\t")).find(([name]) => name === id);
  const [, said = "", cameBack = ""] = line ?? [];
  const verdict = said === "reached" || said === "refused" ? said : "unknown";
  const words = verdict === "unknown" ? `it was not tried: ${from.complaint.trim()}` : cameBack;
  const attempt = judged(id, { verdict, cameBack: words + reasonOf(id, from.events) });
  const tried = attempt.tried.replace("@", id === "host" ? from.hosts.gateway : from.hosts.address);
  // Said in the preflight of every bottle with pipelock; the tour shows it as it is.
  if (id !== "other-port" || from.proxy === "squid") return { ...attempt, tried };
  return { ...attempt, tried, expected: "reached", cameBack: `${attempt.cameBack} (pipelock pins no ports)` };
}

/** The sidecar's reason for a refusal, as `logs` has it. */
function reasonOf(id: ProbedId, events: readonly EgressEvent[]): string {
  const target = id === "other-host" ? other : id === "other-port" ? api : undefined;
  const event = events.find(({ host, verdict }) => host === target && verdict === "refused");
  return event === undefined ? "" : ` (sidecar: ${event.reason})`;
}
