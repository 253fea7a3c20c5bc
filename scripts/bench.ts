/*
 * How long a bottle takes against a bare container, side by side in one run, warm. A row a subject: median and
 * 95th percentile of whole processes, and the ratio to the first.
 *
 *   deno run -P=project scripts/bench.ts [RUNS]
 */
import { join } from "node:path";
import { program, type Subject, timings } from "./timings.ts";

const MANIFEST = JSON.stringify({
  bottles: { bench: { egress: { proxy: "squid" }, runtime: "runc" } },
  agents: { bench: { bottle: "bench", command: ["true"] } },
});

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
  try {
    await Deno.stdout.write(new TextEncoder().encode(await timings(subjects, runs)));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) await main(Number(Deno.args[0] ?? 10));
