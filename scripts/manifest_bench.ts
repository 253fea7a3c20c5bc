/*
 * How long `validate` takes for a manifest of 1,000 agents, from source and as the one file that is released, against
 * an empty Deno program: whole processes side by side in one run. Needs no engine.
 *
 *   deno run -P=project scripts/manifest_bench.ts [RUNS]
 */
import { join } from "node:path";
import { bundledProgram, program, timings } from "./timings.ts";

const AGENTS = 1000;
const BOTTLES = 100;

/** Every bottle but the first extends it. */
function manifest(): Readonly<Record<"bottles" | "agents", Readonly<Record<string, unknown>>>> {
  const bottles = Array.from({ length: BOTTLES }, (_, index) => [`bottle-${index}`, {
    ...(index === 0 ? {} : { extends: "bottle-0" }),
    env: { GIT_AUTHOR_NAME: "somebody", [`TOKEN_${index}`]: `?token ${index}` },
    egress: { proxy: "squid", allowlist: ["github.com", `host-${index}.example.com`] },
    resources: { cpus: 2, memory: "4g" },
  }]);
  const agents = Array.from({ length: AGENTS }, (_, index) => [`agent-${index}`, {
    bottle: `bottle-${index % BOTTLES}`,
    prompt: `You are reviewer number ${index}.`,
  }]);
  return { bottles: Object.fromEntries(bottles), agents: Object.fromEntries(agents) };
}

/** As people write it, in blocks. */
function yaml(value: Readonly<Record<string, unknown>>, indent = ""): string {
  return Object.entries(value).map(([key, inner]) => {
    const nested = typeof inner === "object" && inner !== null && !Array.isArray(inner);
    return nested
      ? `${indent}${key}:\n${yaml({ ...inner }, `${indent}  `)}`
      : `${indent}${key}: ${JSON.stringify(inner)}\n`;
  }).join("");
}

async function main(runs: number): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "claude-bottle-bench-" });
  const files = {
    yaml: join(folder, "claude-bottle.yaml"),
    json: join(folder, "claude-bottle.json"),
    small: join(folder, "small.yaml"),
  };
  await Deno.writeTextFile(files.yaml, yaml(manifest()));
  await Deno.writeTextFile(files.json, JSON.stringify(manifest(), null, 2));
  await Deno.writeTextFile(files.small, "bottles: { dev: {} }\nagents: { me: { bottle: dev } }\n");
  try {
    const forms = [["source", program], ["one file", await bundledProgram(folder)]] as const;
    const text = await timings([
      { name: "empty Deno program", argv: [Deno.execPath(), "eval", ""] },
      ...forms.flatMap(([form, program]) => [
        { name: `${form}: --version`, argv: program("--version") },
        { name: `${form}: validate, 1 agent`, argv: program("validate", files.small) },
        { name: `${form}: validate, ${AGENTS} agents, YAML`, argv: program("validate", files.yaml) },
        { name: `${form}: validate, ${AGENTS} agents, JSON`, argv: program("validate", files.json) },
      ]),
    ], runs);
    await Deno.stdout.write(new TextEncoder().encode(text));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

if (import.meta.main) await main(Number(Deno.args[0] ?? 10));
