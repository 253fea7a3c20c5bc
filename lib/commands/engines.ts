import type { BottleBackend } from "../bottle/backend.ts";
import { Failure, oneLine } from "../errors.ts";
import { loadBackend } from "./backend_choice.ts";
import type { CommandPorts } from "./context.ts";
import { withoutAgent } from "./upkeep.ts";

/** Which engines are asked. */
export interface EnginesOptions {
  readonly backend: string | undefined;
  /** One engine each; the one that the client finds by itself when there is none. */
  readonly contexts: readonly string[];
}

/** One engine, by the name that its client has for it. */
export interface Engine {
  readonly context: string;
  readonly backend: BottleBackend;
}

/** What the engines said, in the order in which they were named. */
export interface Asked<T> {
  readonly answers: readonly (Engine & { readonly answer: T })[];
  /** What became of those that said nothing. */
  readonly failure: Failure | undefined;
}

/** Asks all engines at the same time. One that fails alone is a failure of the command. @throws Failure, Interrupted */
export async function askEngines<T>(
  { backend, contexts }: EnginesOptions,
  ask: (backend: BottleBackend) => Promise<T>,
  ports: CommandPorts,
): Promise<Asked<T>> {
  const named = contexts.length === 0 ? [undefined] : [...new Set(contexts)];
  const engines = await Promise.all(named.map(async (context) => {
    const loaded = await loadBackend(ports, { backend, context });
    return { backend: loaded, context: await loaded.contextName() };
  }));
  const asked = await Promise.all(engines.map(async (engine) => {
    try {
      return { ...engine, answer: await withoutAgent(() => ask(engine.backend)) };
    } catch (error) {
      if (!(error instanceof Failure) || engines.length === 1) throw error;
      return { ...engine, error };
    }
  }));
  return {
    answers: asked.filter((one) => "answer" in one),
    failure: unanswered(asked.filter((one) => "error" in one), engines.length),
  };
}

function unanswered(
  failed: readonly { readonly context: string; readonly error: Failure }[],
  all: number,
): Failure | undefined {
  if (failed.length === 0) return undefined;
  return new Failure("engines-failed", `${failed.length} of ${all} engines could not be asked`, {
    problems: failed.map(({ context, error }) => ({ message: `${oneLine(context)}: ${error.message}` })),
    hints: [...new Set(failed.flatMap(({ error }) => error.hints))],
  });
}
