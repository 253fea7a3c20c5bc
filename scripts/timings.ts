/* How long whole processes take, side by side in one run. */
import { join } from "node:path";

const MAIN = new URL("../main.ts", import.meta.url).pathname;
const CONFIG = new URL("../deno.json", import.meta.url).pathname;

/** What is timed: it must end with 0. */
export interface Subject {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
}

/** A command line of the program from source, without its types being checked. */
export function program(...args: readonly string[]): readonly [string, ...string[]] {
  return running(MAIN, args);
}

function running(file: string, args: readonly string[]): readonly [string, ...string[]] {
  const flags = ["-P", "--config", CONFIG, "--no-prompt", "--quiet", "--no-check"];
  return [Deno.execPath(), "run", ...flags, file, ...args];
}

/** The same of the program as one file in `folder`, which is how it is released. @throws Error when it cannot be made */
export async function bundledProgram(folder: string): Promise<typeof program> {
  const file = join(folder, "claude-bottle.js");
  const { success, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", "--quiet", "--minify", "--platform=deno", "--output", file, MAIN],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).output();
  if (!success) throw new Error(`deno bundle: ${new TextDecoder().decode(stderr)}`);
  return (...args) => running(file, args);
}

async function seconds({ name, argv }: Subject): Promise<number> {
  const [command, ...args] = argv;
  const started = performance.now();
  const { code, stderr } = await new Deno.Command(command, {
    args,
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  })
    .output();
  if (code !== 0) throw new Error(`${name}: ${new TextDecoder().decode(stderr)}`);
  return (performance.now() - started) / 1000;
}

function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? NaN;
}

/** A row a subject: median and 95th percentile of whole processes, and the ratio to the first. */
export async function timings(subjects: readonly Subject[], runs: number): Promise<string> {
  const times = new Map(subjects.map(({ name }) => [name, [] as number[]]));
  // In turns, so that what else the machine does falls on all alike.
  for (let run = 0; run < runs; run++) {
    for (const subject of subjects) times.get(subject.name)?.push(await seconds(subject));
  }
  const medians = [...times.values()].map((list) => quantile(list.sort((a, b) => a - b), 0.5));
  const first = medians[0] ?? NaN;
  return [...times].map(([name, list], index) => {
    const [median, p95] = [medians[index] ?? NaN, quantile(list, 0.95)];
    return `${name.padEnd(42)} ${median.toFixed(3)} s  p95 ${p95.toFixed(3)} s  × ${
      (median / first).toFixed(2)
    }\n`;
  }).join("");
}
