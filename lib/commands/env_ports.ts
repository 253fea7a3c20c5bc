import type { EnvPorts } from "../bottle/env.ts";
import { fetchedValue } from "../bottle/secret_sources.ts";
import { askSecret } from "../ui/question.ts";
import type { CommandPorts } from "./context.ts";

/** Where the values of variables come from: the host, and the person. */
export function envPorts({ host, reporter }: CommandPorts): EnvPorts {
  const { signal } = host.interrupts;
  return {
    environment: host.environment,
    ask: (question) => askSecret(host.terminal, { question, signal }),
    fetch(name, source): Promise<string> {
      // What may be drawn would hide what the program asks.
      reporter.quiet();
      return fetchedValue(name, source, { ...host, signal, say: (text) => reporter.info(text) });
    },
  };
}

/** Where nothing but literals is to be resolved. */
export function literalPorts({ host }: Pick<CommandPorts, "host">): EnvPorts {
  return {
    environment: host.environment,
    ask: () => Promise.resolve(undefined),
    fetch: () => Promise.reject(new RangeError("Not a literal")),
  };
}
