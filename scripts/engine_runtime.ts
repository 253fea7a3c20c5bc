/** A runtime of the engine's configuration file. */
export interface EngineRuntime {
  readonly name: string;
  /** Where its program is; absolute. */
  readonly path: string;
}

/**
 * The text of an engine's configuration with `runtime` added or replaced and everything else kept. Throws when
 * `text` is not a JSON object, or its `runtimes` are not one: then a person has to look at it.
 */
export function withRuntime(text: string | undefined, runtime: EngineRuntime): string {
  const config: unknown = text === undefined || text.trim() === "" ? {} : JSON.parse(text);
  if (!isObject(config)) throw new TypeError("it is not a JSON object");
  const runtimes = config["runtimes"] ?? {};
  if (!isObject(runtimes)) throw new TypeError("its `runtimes` is not a JSON object");
  const merged = { ...config, runtimes: { ...runtimes, [runtime.name]: { path: runtime.path } } };
  return `${JSON.stringify(merged, undefined, 2)}\n`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The file's text and permission bits; an absent file has neither. */
async function read(file: string): Promise<{ readonly text?: string; readonly mode: number }> {
  try {
    const [text, { mode }] = await Promise.all([Deno.readTextFile(file), Deno.stat(file)]);
    return { text, mode: (mode ?? 0o644) & 0o777 };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return { mode: 0o644 };
    throw error;
  }
}

/** In one step, so that the engine never reads half a file. */
async function replace(file: string, runtime: EngineRuntime): Promise<void> {
  const { text, mode } = await read(file);
  const next = `${file}.new`;
  await Deno.writeTextFile(next, withRuntime(text, runtime), { mode });
  await Deno.rename(next, file);
}

if (import.meta.main) {
  const [file = "", name = "", path = ""] = Deno.args;
  try {
    await replace(file, { name, path });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    await Deno.stderr.write(new TextEncoder().encode(`set-up: ${file} is left as it is: ${reason}\n`));
    Deno.exit(1);
  }
}
