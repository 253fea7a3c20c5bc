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

/** The files of a JUnit report that a test failed in, each once. */
export function failedFiles(report: string): readonly string[] {
  const files = testcases(report).filter(({ verdict }) => verdict === "failed").map(({ file }) => file);
  return [...new Set(files)];
}

/** The counts of a JUnit report as `deno test --junit-path` writes it, but for those of some files; steps count as tests. */
export function countTests(
  report: string,
  { but = [] }: { readonly but?: readonly string[] } = {},
): TestCounts {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const { file, verdict } of testcases(report)) {
    if (!but.includes(file)) counts[verdict]++;
  }
  return counts;
}

interface Testcase {
  readonly file: string;
  readonly verdict: keyof TestCounts;
}

function testcases(report: string): readonly Testcase[] {
  // Names and messages have their `<` and `"` escaped, so tags can be told by their text.
  const cases = report.matchAll(/<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g);
  return Array.from(cases, ([, attributes = "", inner = ""]) => ({
    file: (/ classname="([^"]*)"/.exec(attributes)?.[1] ?? "").replace(/^\.\//, ""),
    verdict: /<(failure|error)\b/.test(inner) ? "failed" : /<skipped\b/.test(inner) ? "skipped" : "passed",
  }));
}
