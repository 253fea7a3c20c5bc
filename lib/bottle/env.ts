import { Failure } from "../errors.ts";
import type { Environment } from "../host/environment.ts";
import type { EnvSource } from "../manifest/model.ts";

/** A value that must not be seen: whatever prints it prints `***`. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** The value itself, for the one place that writes it to a bottle's stdin. */
  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return "***";
  }

  toJSON(): string {
    return "***";
  }

  [Symbol.for("Deno.customInspect")](): string {
    return "Secret(***)";
  }
}

/** The variables of an agent's process, all values known. */
export type ResolvedEnv = ReadonlyMap<string, Secret>;

/**
 * The most bytes of `NAME=VALUE`: Linux refuses to start a program with a longer string (MAX_ARG_STRLEN,
 * 32 pages, its terminator included).
 */
export const ENV_ENTRY_LIMIT = 131_071;

/** The most bytes of an agent's whole environment: with a command line it must fit what Linux gives a program. */
export const ENV_LIMIT = 1_000_000;

/** The variables whose values stand in the manifest: what is no secret. */
export function literalsOf(env: ReadonlyMap<string, EnvSource>): ReadonlyMap<string, EnvSource> {
  return new Map([...env].filter(([, source]) => source.kind === "literal"));
}

/** Their values. @throws Failure `env-invalid` */
export function literalValues(env: ReadonlyMap<string, EnvSource>): ResolvedEnv {
  const values = new Map<string, Secret>();
  for (const [name, source] of env) {
    if (source.kind === "literal") values.set(name, new Secret(checkedValue(name, source.value)));
  }
  return values;
}

/** Asks the person for one value. */
export type Ask = (question: string) => Promise<string | undefined>;

/** What only the host can tell: the output of a command, the content of a file. */
export type FetchedSource = Extract<EnvSource, { readonly kind: "command" | "file" }>;

/** Where values come from. */
export interface EnvPorts {
  readonly environment: Environment;
  readonly ask: Ask;
  /** Fetches the value of the variable `name`. @throws Failure, Interrupted */
  readonly fetch: (name: string, source: FetchedSource) => Promise<string>;
}

/** Names of host variables that the agent's env wants and the host does not have. */
export function missingHostVariables(
  env: ReadonlyMap<string, EnvSource>,
  environment: Environment,
): readonly { readonly name: string; readonly variable: string }[] {
  const missing: { name: string; variable: string }[] = [];
  for (const [name, source] of env) {
    if (source.kind === "host" && environment.get(source.variable) === undefined) {
      missing.push({ name, variable: source.variable });
    }
  }
  return missing;
}

/** @throws Failure `env-unset` naming every host variable that is missing: nothing is launched half provided. */
export function requireHostVariables(env: ReadonlyMap<string, EnvSource>, environment: Environment): void {
  const missing = missingHostVariables(env, environment);
  if (missing.length === 0) return;
  const list = missing.map(({ name, variable }) => `${name} (from ${variable})`).join(", ");
  throw new Failure("env-unset", `The host does not set what the bottle's env takes from it: ${list}`, {
    hints: [
      `Set ${missing.map(({ variable }) => variable).join(", ")}, or change where the manifest takes it from`,
    ],
  });
}

/** Resolves every variable: literals as they are, host variables read, the rest asked and fetched in the manifest's order. @throws Failure */
export async function resolveEnv(
  env: ReadonlyMap<string, EnvSource>,
  ports: EnvPorts,
): Promise<ResolvedEnv> {
  requireHostVariables(env, ports.environment);
  const resolved = new Map<string, Secret>();
  for (const [name, source] of env) {
    resolved.set(name, new Secret(checkedValue(name, await valueOf(name, source, ports))));
  }
  const bytes = [...resolved].reduce(
    (sum, [name, value]) => sum + byteLength(`${name}=${value.reveal()}`),
    0,
  );
  if (bytes > ENV_LIMIT) {
    throw new Failure(
      "env-invalid",
      `The bottle's env has ${bytes} bytes, more than the ${ENV_LIMIT} it may have`,
      {
        hints: ["Put large values into files of the image instead"],
      },
    );
  }
  return resolved;
}

function byteLength(text: string): number {
  return new TextEncoder().encode(text).length;
}

async function valueOf(name: string, source: EnvSource, ports: EnvPorts): Promise<string> {
  switch (source.kind) {
    case "literal":
      return source.value;
    case "host":
      return ports.environment.get(source.variable) ?? "";
    case "prompt": {
      const answer = await ports.ask(
        source.text === "" ? `value of ${name}` : `value of ${name} (${source.text})`,
      );
      if (answer === undefined) {
        throw new Failure("env-unanswered", `No value was given for ${name}`, {
          hints: ["Answer the question, or take the value from a host variable with ${NAME}"],
        });
      }
      return answer;
    }
    case "command":
    case "file":
      return await ports.fetch(name, source);
    default:
      return source satisfies never;
  }
}

/** A value that a process can be given. @throws Failure `env-invalid` */
export function checkedValue(name: string, value: string): string {
  if (value.includes("\0")) {
    throw new Failure(
      "env-invalid",
      `The value of ${name} contains a NUL byte, which no environment can hold`,
    );
  }
  if (byteLength(`${name}=${value}`) > ENV_ENTRY_LIMIT) {
    throw new Failure(
      "env-invalid",
      `The value of ${name} is longer than the ${ENV_ENTRY_LIMIT} bytes Linux allows`,
    );
  }
  return value;
}
