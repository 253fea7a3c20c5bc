import * as z from "zod";
import { allowedHost, host } from "./allowed_host_schema.ts";
import { distinctList, flag, text } from "./fields.ts";
import { checkHost, checkHostname, isAddress } from "./hosts.ts";
import { type Checked, checkNetwork, good } from "./names.ts";
import { PATTERNS } from "./patterns.ts";

/** What a bottle can reach. */
export const egress = z.strictObject({
  defaults: flag(true, "Whether the hosts that Claude Code itself needs are allowed besides the allowlist."),
  allowlist: z.array(
    z.union([host, allowedHost]).meta({
      description: "A host, alone or with what else is allowed there, or a service.",
    }),
  ).default([]).meta({
    description:
      "The hosts that can be reached, over TLS on port 443. Default: none but those of `defaults`.",
    examples: [["github.com", { host: "deb.example.org", http: true }, { use: "npm" }]],
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
      "What runs in the sidecar: `squid`, from Debian, which can inspect hosts, or `pipelock`, which is pulled. Default: `pipelock`.",
  }),
}).meta({
  id: "Egress",
  description: "What can be reached from the bottle. Everything else is refused.",
});

function checkPrivate(value: string): Checked<string> {
  return isAddress(value) ? good(value) : value.startsWith("*.") ? checkHost(value) : checkHostname(value);
}
