import type { ColorChoice } from "../ui/style.ts";
import { EXIT, Failure } from "../errors.ts";

/** Parsers get one string and return it, or refuse it. */
export function text(input: string): string {
  return input;
}

/** A flag without its value, such as `--manifest=`, would otherwise be taken for the agent's name. */
export function agentName(input: string): string {
  if (input.startsWith("-")) throw new Failure("usage", "it begins with a dash", { exit: EXIT.usage });
  return input;
}

/** Refuses a value that is empty. */
export function requireValue(input: string): string {
  if (input === "") throw new Failure("usage", "it is empty", { exit: EXIT.usage });
  return input;
}

/** A file, for the same reason not beginning with a dash. `./-x` names one that does. */
export function fileName(input: string): string {
  if (input.startsWith("-")) throw new Failure("usage", "it begins with a dash", { exit: EXIT.usage });
  return requireValue(input);
}

/** The flags that every command has. */
export const COMMON_FLAGS = {
  json: { kind: "boolean", brief: "Results and errors as JSON", default: false, withNegated: false },
  verbose: { kind: "boolean", brief: "Show each docker call", default: false, withNegated: false },
  color: {
    kind: "enum",
    values: ["auto", "always", "never"] satisfies ColorChoice[],
    brief: "Colored messages; NO_COLOR is respected",
    default: "auto",
  },
} as const;

/** The flags of commands that talk to an engine. */
export const ENGINE_FLAGS = {
  backend: {
    kind: "parsed",
    parse: requireValue,
    brief: "The backend; only docker so far",
    placeholder: "name",
    optional: true,
  },
  context: {
    kind: "parsed",
    parse: requireValue,
    brief: "The docker context, i.e. which engine",
    placeholder: "name",
    optional: true,
  },
} as const;

/** The same for commands that ask several engines at once. */
export const ENGINES_FLAGS = {
  ...ENGINE_FLAGS,
  context: {
    ...ENGINE_FLAGS.context,
    brief: "The docker context, i.e. which engine; may be given several times",
    variadic: true,
  },
} as const;

/** Names a file. */
export const MANIFEST_FLAG = {
  kind: "parsed",
  parse: requireValue,
  brief: "Use this manifest, and only this one, as your own",
  placeholder: "file",
  optional: true,
} as const;
