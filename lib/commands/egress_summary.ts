import type { AgentMode } from "../bottle/spec.ts";
import type { EgressEvent } from "../egress/proxy.ts";
import { oneLine } from "../errors.ts";

/** How many hosts, and how many refused targets, the one line names: an agent can try as many as it likes. */
const NAMED = 3;
/** How many refused targets get a line of their own. */
const REFUSALS_SHOWN = 10;
/** The most characters of a target in the one line. */
const TARGET_WIDTH = 60;

/** A target that was refused, why, and how often; of a host that is not inspected, why it was the first time. */
interface Refusal {
  readonly target: string;
  readonly reason: string;
  readonly times: number;
}

/** Placeholders that were sent where they are worth nothing, and how often. */
interface Vain {
  readonly what: string;
  readonly target: string;
  readonly times: number;
}

/**
 * Tells a person what was reached and refused while an agent ran: one line after a session on the terminal, a line for
 * each refused target after a headless one. Never throws: it must not keep the agent's own result from its user.
 */
export async function reportEgress(
  egress: () => Promise<readonly EgressEvent[]>,
  { mode, rest, say }: {
    readonly mode: AgentMode;
    /** As {@link egressSummary}. */
    readonly rest: string;
    readonly say: (text: string) => void;
  },
): Promise<void> {
  let events: readonly EgressEvent[];
  try {
    events = await egress();
  } catch {
    return;
  }
  const lines = mode === "attached"
    ? egressSummary(events, rest)
    : [...refusalLines(events), ...vainLines(events)];
  lines.forEach(say);
}

/** `host:port`, or the host alone where the proxy does not tell the port. */
export function targetText({ host, port }: Pick<EgressEvent, "host" | "port">): string {
  return port === 0 ? host : `${host}:${port}`;
}

/**
 * What was reached and refused in one line; none when nothing was tried. Where it leaves something out it ends with
 * `rest`, which says where the rest is.
 */
export function egressSummary(events: readonly EgressEvent[], rest: string): readonly string[] {
  const reached = reachedHosts(events).map(short);
  const refused = refusals(events).map(({ target, reason, times }) =>
    `${short(target)} (${times > 1 ? `${times} times, ` : ""}${reason})`
  );
  const vain = sentInVain(events).map(({ what, target, times }) =>
    `${what} to ${short(target)}${times > 1 ? ` (${times} times)` : ""}`
  );
  const parts = [named("reached", reached), named("refused", refused), named("sent in vain", vain)]
    .filter((part) => part !== "");
  if (parts.length === 0) return [];
  const isWhole = Math.max(reached.length, refused.length, vain.length) <= NAMED;
  return [oneLine([...parts, ...(isWhole ? [] : [rest])].join("; "))];
}

/** A line for each target that was refused: the usual reason why an agent could not do its work. */
export function refusalLines(events: readonly EgressEvent[]): readonly string[] {
  const all = refusals(events);
  const lines = all.slice(0, REFUSALS_SHOWN).map(({ target, reason, times }) =>
    oneLine(`refused ${target}${times > 1 ? ` (${times} times)` : ""}: ${reason}`)
  );
  const more = all.length - REFUSALS_SHOWN;
  return more > 0 ? [...lines, `refused ${more} more targets`] : lines;
}

/** A line for each host that was sent a placeholder which is worth nothing there: it has answered as to a wrong key. */
export function vainLines(events: readonly EgressEvent[]): readonly string[] {
  const all = sentInVain(events);
  const lines = all.slice(0, REFUSALS_SHOWN).map(({ what, target, times }) =>
    oneLine(`sent ${what} to ${target}${times > 1 ? ` (${times} times)` : ""}: worth nothing there`)
  );
  const more = all.length - REFUSALS_SHOWN;
  return more > 0 ? [...lines, `sent placeholders in vain to ${more} more targets`] : lines;
}

/** The placeholders of some variables, in words. */
export function placeholdersText(names: readonly string[]): string {
  return `the placeholder${names.length > 1 ? "s" : ""} of ${names.join(", ")}`;
}

/** Placeholders that left for hosts other than theirs. */
function sentInVain(events: readonly EgressEvent[]): readonly Vain[] {
  const targets = new Map<string, Vain>();
  for (const event of events) {
    if (event.verdict === "refused" || event.placeholders === undefined) continue;
    const what = placeholdersText(event.placeholders);
    const target = event.port === 443 ? event.host : targetText(event);
    const known = targets.get(`${what} ${target}`) ?? { what, target, times: 0 };
    targets.set(`${what} ${target}`, { ...known, times: known.times + (event.times ?? 1) });
  }
  return [...targets.values()];
}

function reachedHosts(events: readonly EgressEvent[]): readonly string[] {
  const hosts = events.filter(({ verdict }) => verdict === "allowed").map((event) =>
    event.port === 443 ? event.host : targetText(event)
  );
  return [...new Set(hosts)];
}

function refusals(events: readonly EgressEvent[]): readonly Refusal[] {
  const targets = new Map<string, Refusal>();
  for (const event of events) {
    if (event.verdict !== "refused") continue;
    const { request, reason } = event;
    const target = request === undefined ? targetText(event) : `${request} of ${event.host}`;
    // The same request is refused for somebody else's key, and for none: that is not the same.
    const key = request === undefined ? target : `${target}: ${reason}`;
    const known = targets.get(key) ?? { target, reason, times: 0 };
    targets.set(key, { ...known, times: known.times + (event.times ?? 1) });
  }
  return [...targets.values()];
}

function named(word: string, all: readonly string[]): string {
  if (all.length === 0) return "";
  const more = all.length - NAMED;
  return `${word} ${all.slice(0, NAMED).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

function short(target: string): string {
  return target.length <= TARGET_WIDTH ? target : `${target.slice(0, TARGET_WIDTH - 1)}…`;
}
