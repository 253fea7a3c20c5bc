import * as z from "zod";
import { injectedSecret } from "../injection_schema.ts";
import { ANTHROPIC_RULES } from "./anthropic_rules.ts";
import type { ReadyMadeHost, Service } from "./service.ts";

const HOST = "api.anthropic.com";

const options = z.strictObject({
  token: injectedSecret.optional().meta({
    description: "The token of a Claude subscription; the bottle's CLAUDE_CODE_OAUTH_TOKEN is a placeholder.",
    examples: ["${CLAUDE_BOTTLE_OAUTH_TOKEN}"],
  }),
  key: injectedSecret.optional().meta({
    description: "An API key; the bottle's ANTHROPIC_API_KEY is a placeholder.",
    examples: ["${ANTHROPIC_API_KEY}"],
  }),
}).superRefine(({ token, key }, context) => {
  if (token === undefined || key === undefined) return;
  context.addIssue({ code: "custom", message: "must have `token` or `key`, not both" });
}).meta({
  id: "Anthropic",
  description: "The model's API without its files and batches: nothing is stored there for somebody else.",
  not: { required: ["token", "key"] },
});

type Options = z.output<typeof options>;

/** The model's API: messages, and no files. */
export const anthropic: Service<Options> = {
  options,
  description: "The model's API: messages, counting tokens, the list of models, what an organization allows.",
  hosts: [HOST],
  expand: (options) => [{ host: HOST, allow: ANTHROPIC_RULES, ...injection(options) }],
};

function injection({ token, key }: Options): Pick<ReadyMadeHost, "inject"> {
  if (token !== undefined) {
    const inject = { env: "CLAUDE_CODE_OAUTH_TOKEN", as: "bearer", secret: token, option: "token" };
    return { inject };
  }
  if (key === undefined) return {};
  return { inject: { env: "ANTHROPIC_API_KEY", as: "header:X-Api-Key", secret: key, option: "key" } };
}
