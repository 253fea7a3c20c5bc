/*
 * How long a bottle takes against a bare container, side by side in one run, warm. A row a subject: median and
 * 95th percentile of whole processes, and the ratio to the first.
 *
 *   deno run -P=project scripts/bench.ts [RUNS]
 */
import { join } from "node:path";

const MAIN = new URL("../main.ts", import.meta.url).pathname;
const MANIFEST = JSON.stringify({
  bottles: { bench: { egress: { proxy: "squid" }, runtime: "runc" } },
  agents: { bench: { bottle: "bench", command: ["true"] } },
});

/** What is timed: it must end with 0. */
interface Subject {
  readonly name: string;
  readonly argv: readonly [string, ...string[]];
}

function program(...args: readonly string[]): readonly [string, ...string[]] {
  return [Deno.execPath(), "run", "-P", "--no-prompt", "--quiet", "--no-check", MAIN, ...args];
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

async function imageName(): Promise<string> {
  const [command, ...args] = program("build", "--json");
  const { stdout } = await new Deno.Command(command, { args, stdin: "null" }).output();
  return JSON.parse(new TextDecoder().decode(stdout)).images[0].name;
}

async function main(runs: number): Promise<void> {
  const image = await imageName();
  const folder = await Deno.makeTempDir({ prefix: "claude-bottle-bench-" });
  const manifest = join(folder, "claude-bottle.json");
  await Deno.writeTextFile(manifest, MANIFEST);
  const bare =
    `id=$(docker run -d --entrypoint sleep ${image} infinity) && docker exec $id true && docker rm -f $id`;
  const subjects: readonly Subject[] = [
    { name: "bare container: run, exec true, rm", argv: ["sh", "-c", bare] },
    { name: "start of an agent `true`, whole", argv: program("start", "--manifest", manifest, "--yes") },
    { name: "start --dry-run", argv: program("start", "--manifest", manifest, "--dry-run") },
    { name: "--version", argv: program("--version") },
    { name: "empty Deno program", argv: [Deno.execPath(), "eval", ""] },
  ];
  const times = new Map(subjects.map(({ name }) => [name, [] as number[]]));
  try {
    // In turns, so that what else the machine does falls on all alike.
    for (let run = 0; run < runs; run++) {
      for (const subject of subjects) times.get(subject.name)?.push(await seconds(subject));
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
  const medians = [...times.values()].map((list) => quantile(list.sort((a, b) => a - b), 0.5));
  const first = medians[0] ?? NaN;
  const lines = [...times].map(([name, list], index) => {
    const [median, p95] = [medians[index] ?? NaN, quantile(list, 0.95)];
    return `${name.padEnd(38)} ${median.toFixed(3)} s  p95 ${p95.toFixed(3)} s  × ${
      (median / first).toFixed(2)
    }\n`;
  });
  await Deno.stdout.write(new TextEncoder().encode(lines.join("")));
}

if (import.meta.main) await main(Number(Deno.args[0] ?? 10));
