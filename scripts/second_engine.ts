import { join } from "node:path";
import { DEFAULT_BASE, PIPELOCK_IMAGE } from "../lib/backend/docker/images.ts";

/** The second engine with the images of this checkout on it, or why there is none. */
export type SecondEngine =
  | { readonly kind: "ready"; /** For `DOCKER_HOST`. */ readonly address: string }
  | { readonly kind: "absent"; readonly reason: string }
  | { readonly kind: "failed"; readonly output: string };

/** What a program left behind. */
interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** `second_engine.sh` ends with it where it cannot run. */
const CANNOT_RUN = 3;

/** Starts it when the machine lets tests do so, and gives it the images that tests need of the engine at hand. */
export async function secondEngine(root: string): Promise<SecondEngine> {
  const script = join(root, "scripts/second_engine.sh");
  const started = await ended("sh", [script, "start", "--for-tests"]);
  if (started.code === CANNOT_RUN) {
    const [, reason = "it says no reason"] = /no second engine on this machine: (.*)/.exec(started.stderr) ??
      [];
    return { kind: "absent", reason };
  }
  if (started.code !== 0) return { kind: "failed", output: started.stderr };
  const build = [
    "run",
    "-P",
    "--no-prompt",
    "--quiet",
    "--no-check",
    join(root, "main.ts"),
    "build",
    "--json",
  ];
  const built = await ended(Deno.execPath(), build);
  if (built.code !== 0) return { kind: "failed", output: built.stderr };
  const { images }: { images: readonly { readonly name: string }[] } = JSON.parse(built.stdout);
  const base = Deno.env.get("CLAUDE_BOTTLE_BASE_IMAGE") || DEFAULT_BASE;
  const loaded = await ended("sh", [
    ...[script, "load", base, ...images.map(({ name }) => name)],
    ...await hasImage(PIPELOCK_IMAGE) ? [PIPELOCK_IMAGE] : [],
  ]);
  if (loaded.code !== 0) return { kind: "failed", output: loaded.stderr };
  return { kind: "ready", address: started.stdout.trim() };
}

async function hasImage(name: string): Promise<boolean> {
  return (await ended("docker", ["image", "inspect", name])).code === 0;
}

async function ended(program: string, args: readonly string[]): Promise<Ended> {
  const { code, stdout, stderr } = await new Deno.Command(program, { args: [...args], stdin: "null" })
    .output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}
