import * as z from "zod";
import { HINT, text } from "../fields.ts";
import { bad, type Checked, good } from "../names.ts";
import { nearest } from "../nearest.ts";
import { isMapping } from "../values.ts";
import { anthropic } from "./anthropic.ts";
import { github } from "./github.ts";
import { npm } from "./npm.ts";
import { openai } from "./openai.ts";
import { pypi } from "./pypi.ts";
import type { ReadyMadeHost } from "./service.ts";

const SERVICES = { github, npm, pypi, anthropic, openai } as const;

/** A service that the allowlist can name with `use`. */
export type ServiceName = keyof typeof SERVICES;

/** All of them, in the order they are shown. */
export const SERVICE_NAMES = Object.keys(SERVICES).filter(isService);

/** Whether a text names one. */
export function isService(text: unknown): text is ServiceName {
  return typeof text === "string" && Object.hasOwn(SERVICES, text);
}

const KNOWN = SERVICE_NAMES.map((name) => `\`${name}\``).join(", ");

function checkService(name: string): Checked<string> {
  if (isService(name)) return good(name);
  const [first = ""] = name.split(".");
  const near = nearest(name, SERVICE_NAMES) ?? nearest(first, SERVICE_NAMES);
  return bad(
    "is no service that is known here",
    near === undefined
      ? `Known are ${KNOWN}; any other host is an entry \`host: NAME\``
      : `Did you mean \`${near}\`?`,
  );
}

const withOptions = z.strictObject({
  github: github.options.optional().meta({
    description: github.description,
    examples: [{ repos: ["me/app"], push: true }],
  }),
  npm: npm.options.optional().meta({ description: npm.description, examples: [{ token: "${NPM_TOKEN}" }] }),
  pypi: pypi.options.optional().meta({ description: pypi.description, examples: [{}] }),
  anthropic: anthropic.options.optional().meta({
    description: anthropic.description,
    examples: [{ key: "${ANTHROPIC_API_KEY}" }],
  }),
  openai: openai.options.optional().meta({
    description: openai.description,
    examples: [{ key: "${OPENAI_API_KEY}" }],
  }),
}).superRefine((value, context) => {
  if (Object.keys(value).length === 1) return;
  context.addIssue({
    code: "custom",
    message: "must name one service",
    params: { [HINT]: "Write an entry for each: `- use: NAME`" },
  });
}).meta({ description: "A service with options.", minProperties: 1, maxProperties: 1 });

/** The value of `use`. */
export const use = z.union([
  text(checkService, {
    description: "A service without options.",
    pattern: `^(?:${SERVICE_NAMES.join("|")})$`,
    patternErrorMessage: `One of ${KNOWN}`,
    enum: SERVICE_NAMES,
    examples: ["npm"],
  }),
  withOptions,
]).meta({
  id: "Use",
  description:
    "A service whose hosts, requests and secret are known: `claude-bottle info` shows what it stands for.",
  examples: ["npm", { github: { repos: ["me/app"], push: false } }],
});

/** A service as a manifest names it, checked. */
export type Use = z.output<typeof use>;

/** What such an entry stands for. */
export interface Expansion {
  readonly service: ServiceName;
  readonly hosts: readonly ReadyMadeHost[];
}

/** What `use` stands for. */
export function expansionOf(use: Use): Expansion {
  if (typeof use === "string") {
    if (!isService(use)) throw new Error("An unchecked service was taken for a checked one");
    return expansionOf({ [use]: SERVICES[use].options.parse({}) });
  }
  if (use.github !== undefined) return { service: "github", hosts: github.expand(use.github) };
  if (use.npm !== undefined) return { service: "npm", hosts: npm.expand(use.npm) };
  if (use.pypi !== undefined) return { service: "pypi", hosts: pypi.expand(use.pypi) };
  if (use.anthropic !== undefined) return { service: "anthropic", hosts: anthropic.expand(use.anthropic) };
  if (use.openai !== undefined) return { service: "openai", hosts: openai.expand(use.openai) };
  throw new Error("An unchecked service was taken for a checked one");
}

/** The hosts of such an entry before it is checked, by its service alone; none for what names no service. */
export function hostsOfUse(use: unknown): readonly string[] {
  const names = isMapping(use) ? Object.keys(use) : [use];
  return names.flatMap((name) => isService(name) ? SERVICES[name].hosts : []);
}
