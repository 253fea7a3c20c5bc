/** How many tests of one run passed, failed, and were ignored. */
export interface TestCounts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** How long the tests of one file took together. */
export interface FileSeconds {
  readonly file: string;
  readonly seconds: number;
}

/** The files of a JUnit report as `deno test --junit-path` writes it that took longest, the slowest first. */
export function slowestFiles(report: string, count: number): readonly FileSeconds[] {
  const seconds = new Map<string, number>();
  for (
    const [, file = "", time] of report.matchAll(/<testcase\b[^>]*? classname="([^"]*)" time="([\d.]+)"/g)
  ) {
    seconds.set(file, (seconds.get(file) ?? 0) + Number(time));
  }
  const files = Array.from(seconds, ([file, sum]) => ({ file: file.replace(/^\.\//, ""), seconds: sum }));
  return files.toSorted((a, b) => b.seconds - a.seconds).slice(0, count);
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
