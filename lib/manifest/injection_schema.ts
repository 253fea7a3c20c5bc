import * as z from "zod";
import { checkEnvText, checkInjectedName, ENTRY_LIMIT, NAME_LIMIT } from "./env_entries.ts";
import { text } from "./fields.ts";
import { checkInjectionForm } from "./names.ts";
import { PATTERNS } from "./patterns.ts";
import { secret } from "./secret_schema.ts";

const SOURCE = {
  description: "Where the secret comes from: text as in `env`, or a command or file of your machine.",
  examples: ["${CLAUDE_BOTTLE_OAUTH_TOKEN}", { command: ["op", "read", "op://dev/claude"] }],
};

/** Where a secret comes from that only the sidecar is given. */
export const injectedSecret = z.union([
  text(checkEnvText, {
    description: "`${NAME}` for a variable of your machine, or `?text` to be asked at launch.",
    pattern: PATTERNS.envText,
    maxLength: ENTRY_LIMIT,
    patternErrorMessage: "No NUL character, and a question in one line",
    examples: ["${CLAUDE_BOTTLE_OAUTH_TOKEN}", "?Anthropic key"],
  }),
  secret,
]).meta({ id: "InjectedSecret", ...SOURCE });

/** How a secret is put into the requests to one host. */
export const injection = z.strictObject({
  env: text(checkInjectedName, {
    description: "The agent's variable that holds a placeholder instead of the secret.",
    pattern: PATTERNS.injectedName,
    maxLength: NAME_LIMIT,
    patternErrorMessage:
      "A variable's name: letters, digits and `_`, not beginning with a digit; none that the bottle needs itself",
    examples: ["CLAUDE_CODE_OAUTH_TOKEN"],
  }),
  secret: injectedSecret.meta(SOURCE),
  as: text(
    checkInjectionForm,
    {
      description:
        "How the secret is put into a request: `bearer`, `basic:USER` (it is the password) or `header:NAME`.",
      pattern: PATTERNS.injectionForm,
      patternErrorMessage:
        "Must be `bearer`, `basic:USER` or `header:NAME`, and no header of the connection's or the message's own",
      examples: ["bearer", "basic:oauth2", "header:X-Api-Key"],
    },
  ),
}).meta({
  id: "Injection",
  description: "A secret that only the sidecar holds: it puts it into the requests to this host.",
});
