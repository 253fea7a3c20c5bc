import { slowestFiles } from "./junit.ts";

/**
 * The longest files of the engine's tests, longest first. They begin first, so that no job is left alone with one of
 * them at the end; CI prints what it found to be the longest.
 */
export const LONGEST_ENGINE_TESTS: readonly string[] = [
  "attack_suite",
  "detached",
  "doctor_probe",
  "key_extraction",
  "private_addresses",
  "disk",
  "workspace",
  "ssh_learning",
  "log_bounds",
  "lifecycle",
  "plain_http",
  "sightings",
  "claude_inside",
  "connection_limit",
  "engine_faults",
].map((name) => `tests/engine/${name}_test.ts`);

/** How many files are named. */
const NAMED = 10;

/** The longest files of a JUnit report and their seconds, in one line: `attack_suite 323, detached 238`. */
export function longestLine(report: string): string {
  return slowestFiles(report, NAMED)
    .map(({ file, seconds }) => `${file.replace(/^.*\/|_test\.ts$/g, "")} ${Math.round(seconds)}`)
    .join(", ");
}
