import * as z from "zod";
import { filledDistinctList, HINT, text } from "./fields.ts";
import { checkHost } from "./hosts.ts";
import { injection } from "./injection_schema.ts";
import { PATTERNS } from "./patterns.ts";
import { use } from "./ready_made/services.ts";
import { checkRule, METHODS } from "./rules.ts";
import { isMapping } from "./values.ts";

/** A host of the allowlist. */
export const host = text(checkHost, {
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
    description:
      "A method and a path. `*` at the end is whatever follows, elsewhere no slash; `%2f` has to be written.",
    pattern: PATTERNS.rule,
    patternErrorMessage: `A method (${
      METHODS.join(", ")
    }) and a path, such as \`POST /v1/messages\`, without \`//\`, \`/../\`, \`**\` and \`#\``,
    examples: ["POST /v1/messages", "GET /v1/models/*"],
  },
);

/** An entry of the allowlist that is more than a name. What is not given is filled in later: only what is counts here. */
export const allowedHost = z.strictObject({
  host: host.optional(),
  http: z.boolean().optional().meta({
    description: "Whether plain HTTP to port 80 is allowed as well; of no inspected host. Default: `false`.",
    default: false,
  }),
  allow: filledDistinctList(rule, {
    description:
      "The only requests that are let through: `squid` opens the host's TLS. Without it all are, unopened unless there is `inject`.",
    examples: [["POST /v1/messages", "GET /v1/models"]],
  }, "Leave `allow` out to let every request through, or the host to let none").optional(),
  inject: injection.optional().meta({
    description: "A secret that `squid` puts into the requests to this host, so that the agent never has it.",
    examples: [{
      env: "CLAUDE_CODE_OAUTH_TOKEN",
      secret: "${CLAUDE_BOTTLE_OAUTH_TOKEN}",
      as: "bearer",
    }],
  }),
  use: use.optional(),
}).superRefine(hostOrService, { when: ({ value }) => isMapping(value) }).meta({
  id: "AllowedHost",
  description: "A host and what else is allowed there, or a service.",
  oneOf: [{ required: ["host"] }, { required: ["use"] }],
  not: {
    anyOf: [
      { required: ["use"], minProperties: 2 },
      { properties: { http: { const: true } }, required: ["http", "allow"] },
      { properties: { http: { const: true } }, required: ["http", "inject"] },
    ],
  },
  examples: [{ host: "deb.example.org", http: true }, { use: "npm" }],
});

/** Said of whatever else is wrong with the entry as well. */
function hostOrService(
  entry: Readonly<Partial<Record<"host" | "http" | "allow" | "inject" | "use", unknown>>>,
  context: z.RefinementCtx,
): void {
  if (entry.use !== undefined) {
    for (const key of ["host", "http", "allow", "inject"] as const) {
      if (entry[key] === undefined) continue;
      context.addIssue({
        code: "custom",
        message: "stands beside `use`, which says all of it",
        path: [key],
        params: { [HINT]: "Remove one of them; a host of its own is another entry of the list" },
      });
    }
    return;
  }
  if (entry.host === undefined) {
    context.addIssue({ code: "invalid_type", expected: "string", input: undefined, path: ["host"] });
  }
  if (entry.http === true && (entry.allow !== undefined || entry.inject !== undefined)) {
    context.addIssue({
      code: "custom",
      message: "is for hosts that are not inspected: with `allow` or `inject` requests pass over TLS alone",
      path: ["http"],
      params: { [HINT]: "Remove it" },
    });
  }
}
