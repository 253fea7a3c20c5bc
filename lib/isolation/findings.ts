import type { Attempt } from "./attempt.ts";
import type { Result } from "./judge.ts";
import { COMPARED_AT_LAUNCH } from "./probed.ts";
import { type ProtectionId, PROTECTIONS } from "./protections.ts";

/** What a probe found out about one protection. */
export interface ProtectionFinding {
  readonly id: ProtectionId | "fail-closed";
  readonly title: string;
  /** `excepted`: the proxy is known to let some through, and nothing else got through. */
  readonly status: "held" | "not held" | "excepted" | "not testable";
  /** What the status rests on, in a few words. */
  readonly grounds: string;
  readonly remedy: string;
  readonly attempts: readonly JudgedAttempt[];
}

/** An attempt that was made, and what became of it. */
export interface JudgedAttempt extends Result {
  readonly title: string;
  /** Whether it got through as the proxy is known to let it. */
  readonly excepted: boolean;
}

/** Not one of those that can be taken off: what the others must do once the sidecar is gone. */
const FAIL_CLOSED = {
  title: "nothing gets out once the sidecar is gone",
  remedy: PROTECTIONS["one-network"].remedy,
} as const;

export interface Probed {
  readonly attempts: readonly Attempt[];
  /** One for each attempt. */
  readonly results: readonly Result[];
  readonly proxy: "squid" | "pipelock";
  /** Why nothing that was stopped proves anything: a control failed. */
  readonly doubt: string | undefined;
}

/** One finding for each protection. */
export function protectionFindings(probed: Probed): readonly ProtectionFinding[] {
  const made = madeOf(probed);
  const [closed, whole] = [made.filter(isClosed), made.filter((one) => !isClosed(one))];
  const blamed = blameOf(whole);
  const protections = Object.entries(PROTECTIONS) as [ProtectionId, typeof PROTECTIONS[ProtectionId]][];
  return [
    ...protections.map(([id, { title, remedy }]) =>
      found({
        ...{ id, title, remedy, doubt: probed.doubt, isCompared: COMPARED_AT_LAUNCH.has(id) },
        made: whole.filter(({ attempt }) => attempt.stoppedBy.includes(id)),
        open: whole.filter((one) => blamed.get(one)?.includes(id)),
      })
    ),
    found({
      ...{ id: "fail-closed", ...FAIL_CLOSED, doubt: probed.doubt, isCompared: false },
      made: closed,
      open: closed.filter(isOpen),
    }),
  ];
}

interface Made {
  readonly attempt: Attempt;
  readonly lets: string | undefined;
  readonly judged: JudgedAttempt;
}

function madeOf({ attempts, results, proxy }: Probed): readonly Made[] {
  const byId = new Map(results.map((result) => [result.id, result]));
  return attempts.flatMap((attempt) => {
    const result = byId.get(attempt.id);
    if (result?.verdict !== "through" && result?.verdict !== "stopped") return [];
    const { id, title, pipelockLets } = attempt;
    const lets = proxy === "pipelock" ? pipelockLets : undefined;
    const excepted = result.verdict === "through" && lets !== undefined;
    const { verdict, said } = result;
    return [{ attempt, lets, judged: { id, title, verdict, said, excepted } }];
  });
}

const isClosed = ({ attempt }: Made): boolean => attempt.group === "fail-closed";
const isOpen = ({ judged }: Made): boolean => judged.verdict === "through" && !judged.excepted;
/** Whether one protection alone stops it. */
const isAlone = ({ attempt }: Made): boolean => attempt.stoppedBy.length === 1;

/**
 * Which protections each attempt that got through is held against: all that would have stopped it. What no attempt
 * decides about and the launch has compared is suspected when nothing else is left.
 */
function blameOf(made: readonly Made[]): ReadonlyMap<Made, readonly ProtectionId[]> {
  const decided = new Set(made.filter(isAlone).flatMap(({ attempt }) => attempt.stoppedBy));
  return new Map(
    made.filter(isOpen).map((one) => {
      const { stoppedBy } = one.attempt;
      const suspects = stoppedBy.filter((id) => decided.has(id) || !COMPARED_AT_LAUNCH.has(id));
      return [one, suspects.length > 0 ? suspects : stoppedBy];
    }),
  );
}

interface Grounds extends Pick<ProtectionFinding, "id" | "title" | "remedy"> {
  readonly made: readonly Made[];
  /** Those of them that got through because of it. */
  readonly open: readonly Made[];
  readonly isCompared: boolean;
  readonly doubt: string | undefined;
}

function found({ made, open, isCompared, doubt, ...protection }: Grounds): ProtectionFinding {
  const attempts = made.map(({ judged }) => judged);
  const finding = (status: ProtectionFinding["status"], grounds: string): ProtectionFinding => ({
    ...protection,
    status,
    grounds,
    attempts,
  });
  if (open.length > 0) {
    const titles = open.map(({ attempt }) => attempt.title).join("; ");
    return finding("not held", `${open.length} of ${counted(made.length)} got through (${titles})`);
  }
  const excepted = made.filter(({ judged }) => judged.excepted);
  if (excepted.length > 0) {
    // What several protections stop is told of by the reason of another one.
    const own = excepted.filter(isAlone);
    const reasons = [...new Set((own.length > 0 ? own : excepted).map(({ lets = "" }) => lets))].join("; ");
    return finding("excepted", `${excepted.length} of ${counted(made.length)} let through: ${reasons}`);
  }
  if (doubt !== undefined) return finding("not testable", doubt);
  // What several protections stop says nothing of any one of them.
  if (made.some(isAlone)) {
    const stopped = attempts.filter(({ verdict }) => verdict === "stopped");
    return finding("held", `${counted(stopped.length)} stopped`);
  }
  if (isCompared) return finding("held", "the launch compared it with the engine's own account");
  return finding("not testable", "no attempt here can tell");
}

function counted(attempts: number): string {
  return `${attempts} ${attempts === 1 ? "attempt" : "attempts"}`;
}
