/** How many tests of one run passed, failed, and were ignored. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** The counts of a JUnit report as `deno test --junit-path` writes it; steps count as tests. */
export function countTests(report: string): TestCounts {
  // Names and messages have their `<` and `"` escaped, so tags can be told by their text.
  let [passed, failed, skipped] = [0, 0, 0];
  for (const [, inner = ""] of report.matchAll(/<testcase\b[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g)) {
    if (/<(failure|error)\b/.test(inner)) failed++;
    else if (/<skipped\b/.test(inner)) skipped++;
    else passed++;
  }
  return { passed, failed, skipped };
}
