import { ATTEMPTS } from "../../../lib/isolation/attempts.ts";
import type { Result } from "./try.ts";
import type { SuiteOptions, SuiteOutcome } from "./suite.ts";

/** The attempts that got through and are named exceptions of pipelock's. */
export function exceptions(held: readonly Result[]): readonly string[] {
  const named = new Set(
    ATTEMPTS.filter(({ pipelockLets }) => pipelockLets !== undefined).map(({ id }) => id),
  );
  return held.filter(({ id, verdict }) => verdict === "through" && named.has(id)).map(({ id }) => id);
}

/** One line that tells the figures of a suite. */
export function summary(
  { held, live, controls, seconds }: SuiteOutcome,
  { proxy, runtime }: Pick<SuiteOptions, "proxy" | "runtime">,
): string {
  const lets = proxy === "pipelock" ? exceptions(held) : [];
  const hosts = ATTEMPTS.filter(({ group }) => group === "host").length;
  return [
    `attacks on a bottle (${proxy}, ${runtime}): ${count(held, "stopped")} of ${held.length} stopped`,
    ...(lets.length === 0 ? [] : [`${lets.length} named exceptions (${lets.join(", ")})`]),
    `${count(live, "through")} live without what stops them`,
    `${count(controls, "through")} of ${controls.length} controls`,
    `name servers asked ${reached(held, "dns")} times`,
    `host reached ${reached(held, "host")} of ${hosts} times`,
    `${seconds.toFixed(0)} s`,
  ].join(", ");
}

function count(results: readonly Result[], verdict: Result["verdict"]): number {
  return results.filter((result) => result.verdict === verdict).length;
}

function reached(results: readonly Result[], group: string): number {
  return results.filter(({ id, verdict }) =>
    verdict === "through" && ATTEMPTS.some((attempt) => attempt.id === id && attempt.group === group)
  ).length;
}
