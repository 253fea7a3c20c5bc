import { docker } from "./engine.ts";

/** An image of one test; disposing removes it. */
export interface TestImage extends AsyncDisposable {
  readonly name: string;
}

/** Builds an image from the lines of a Dockerfile, without a context; without a network unless told. */
export async function testImage(
  lines: readonly string[],
  { network = "none" }: { readonly network?: "none" | "default" } = {},
): Promise<TestImage> {
  const name = `claude-bottle-test-${crypto.randomUUID().slice(0, 13)}:1`;
  const child = new Deno.Command("docker", {
    args: ["image", "build", "--quiet", "--force-rm", "--network", network, "--tag", name, "-"],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const [{ success, stderr }] = await Promise.all([
    child.output(),
    ReadableStream.from([new TextEncoder().encode(`${lines.join("\n")}\n`)]).pipeTo(child.stdin),
  ]);
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return {
    name,
    async [Symbol.asyncDispose](): Promise<void> {
      await docker("image", "rm", "--force", name);
    },
  };
}
