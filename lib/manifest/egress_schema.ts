import * as z from "zod";
import { checkEnvName, checkEnvText, ENTRY_LIMIT, NAME_LIMIT } from "./env_entries.ts";
import { distinctList, flag, text } from "./fields.ts";
import { checkHost, checkHostname, isAddress } from "./hosts.ts";
import { type Checked, checkInjectionForm, checkNetwork, checkRule, good } from "./names.ts";
import { PATTERNS } from "./patterns.ts";
import { secret } from "./secret_schema.ts";

const host = text(checkHost, {
  id: "Host",
  description:
    "A host name, or `*.name` for it and all names below it. International names are kept in ASCII.",
  pattern: PATTERNS.host,
  patternErrorMessage:
    "A host name such as `git.example.com`, or `*.example.com` for it and all names below it",
  examples: ["github.com", "*.example.com"],
});

const rule = text(
  checkRule,
  {
    id: "Rule",
    description: "A method and a path: a request that is let through.",
    pattern: PATTERNS.rule,
    patternErrorMessage: "A method and a path, such as `POST /v1/messages`",
    examples: ["POST /v1/messages", "GET /v1/models"],
  },
);

const injection = z.strictObject({
  env: text(checkEnvName, {
    description: "The agent's variable that holds a placeholder instead of the secret.",
    pattern: PATTERNS.envName,
    maxLength: NAME_LIMIT,
    patternErrorMessage:
      "A variable's name: letters, digits and `_`, not beginning with a digit; not a proxy's",
    examples: ["CLAUDE_CODE_OAUTH_TOKEN"],
  }),
  secret: z.union([
    text(checkEnvText, {
      description: "`${NAME}` for a variable of your machine, or `?text` to be asked at launch.",
      pattern: PATTERNS.envText,
      maxLength: ENTRY_LIMIT,
      patternErrorMessage: "No NUL character, and a question in one line",
      examples: ["${CLAUDE_BOTTLE_OAUTH_TOKEN}", "?Anthropic key"],
    }),
    secret,
  ]).meta({
    description: "Where the secret comes from: text as in `env`, or a command or file of your machine.",
    examples: ["${CLAUDE_BOTTLE_OAUTH_TOKEN}", { command: ["op", "read", "op://dev/claude"] }],
  }),
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

const allowedHost = z.strictObject({
  host,
  http: flag(false, "Whether plain HTTP to port 80 is allowed as well."),
  allow: z.array(rule).default([]).meta({
    description:
      "The only requests that are let through; the sidecar then opens TLS. Not available yet. Default: all, unopened.",
    examples: [["POST /v1/messages", "GET /v1/models"]],
  }),
  inject: injection.optional().meta({
    description:
      "A secret that the sidecar puts into the requests to this host, so that the agent never has it. Not available yet.",
    examples: [{
      env: "CLAUDE_CODE_OAUTH_TOKEN",
      secret: "${CLAUDE_BOTTLE_OAUTH_TOKEN}",
      as: "bearer",
    }],
  }),
}).meta({
  id: "AllowedHost",
  description: "A host and what else is allowed there.",
  examples: [{ host: "deb.example.org", http: true }],
});

/** What a bottle can reach. */
export const egress = z.strictObject({
  defaults: flag(true, "Whether the hosts that Claude Code itself needs are allowed besides the allowlist."),
  allowlist: z.array(
    z.union([host, allowedHost]).meta({ description: "A host, alone or with what else is allowed there." }),
  ).default([]).meta({
    description:
      "The hosts that can be reached, over TLS on port 443. Default: none but those of `defaults`.",
    examples: [["github.com", { host: "deb.example.org", http: true }]],
  }),
  private: z.array(text(checkPrivate, {
    description:
      "A host that is allowed by `allowlist` or has an `ssh` entry; for the latter, its address also.",
    pattern: PATTERNS.private,
    patternErrorMessage: "A host name such as `git.lan`, or the address of an ssh entry",
    examples: ["git.lan"],
  })).default([]).meta({
    description: "Allowed hosts that may be at private addresses, such as 10.0.0.7. Default: none.",
    examples: [["git.lan"]],
  }),
  networks: distinctList(
    text(checkNetwork, {
      description: "An existing network of the engine.",
      pattern: PATTERNS.network,
      maxLength: 128,
      patternErrorMessage: "A network's name, such as `myapp_default`; not `host` or `none`",
      examples: ["myapp_default"],
    }),
    {
      description:
        "Existing docker networks that the sidecar joins, such as a compose project's. Default: none.",
      examples: [["myapp_default"]],
    },
  ).default([]),
  proxy: z.enum(["pipelock", "squid"]).optional().meta({
    description:
      "What runs in the sidecar: `squid` is built from Debian's packages, `pipelock` is pulled. Default: `pipelock`.",
  }),
}).meta({
  id: "Egress",
  description: "What can be reached from the bottle. Everything else is refused.",
});

function checkPrivate(value: string): Checked<string> {
  return isAddress(value) ? good(value) : value.startsWith("*.") ? checkHost(value) : checkHostname(value);
}
