import program from "../testdata/engine/memory_meter.pl" with { type: "text" };

/** Measures the memory of a container while something goes on in it. */
export interface MemoryMeter {
  /** Ends it; the most that was in use at once, in bytes, without what the kernel keeps of files. */
  peak(): Promise<number>;
}

/** Starts one inside a container with perl, whose own memory counts with the rest. */
export function startMemoryMeter(container: string): MemoryMeter {
  const child = new Deno.Command("docker", {
    args: ["exec", "--interactive", container, "perl", "-e", program],
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  return {
    async peak(): Promise<number> {
      await child.stdin.close();
      const { success, stdout, stderr } = await child.output();
      const [text, error] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      const bytes = Number(text);
      if (!success || !Number.isSafeInteger(bytes) || bytes === 0) throw new Error(`Not measured: ${error}`);
      return bytes;
    },
  };
}
