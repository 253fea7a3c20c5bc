import * as z from "zod";
import { checkPort, MOST_PORT } from "./amounts.ts";
import { filledList, flag, hostPath, number, text } from "./fields.ts";
import { checkSshHostname, checkSshName } from "./hosts.ts";
import { checkKnownHostKey } from "./known_host_keys.ts";
import { checkSshWord } from "./names.ts";
import { PATTERNS } from "./patterns.ts";

const hostKey = text(checkKnownHostKey, {
  id: "HostKey",
  description: "A host's public key as `ssh-keyscan HOST` prints it, without the host's name: `TYPE BASE64`.",
  pattern: PATTERNS.hostKey,
  patternErrorMessage: "A whole key, `TYPE BASE64`, without a host name before it",
});

const user = text(checkSshWord, {
  description: "The user to connect as. Default: `git`.",
  pattern: PATTERNS.sshWord,
  patternErrorMessage: "Letters, digits, `.`, `_` and `-`, not beginning with a dash",
  examples: ["git"],
}).default("git");

const port = z.union([
  number(checkPort, {
    description: "A port.",
    type: "integer",
    minimum: 1,
    maximum: MOST_PORT,
  }),
  text(checkPort, {
    description: "A port in digits.",
    pattern: PATTERNS.port,
    patternErrorMessage: `A port from 1 to ${MOST_PORT}`,
  }),
]).default(22).meta({ description: "The port to connect to. Default: 22.", examples: [2222, "2222"] });

/** One SSH identity. */
export const sshEntry = z.strictObject({
  Host: text(checkSshName, {
    description: "The name under which the agent connects: `ssh NAME`, `git clone NAME:me/app`.",
    pattern: PATTERNS.sshWord,
    patternErrorMessage: "Letters, digits, `.`, `_` and `-`, not beginning with a dash",
    examples: ["gitea"],
  }),
  IdentityFile: hostPath({
    description: "The private key on your machine. The agent can sign in with it, and never reads it.",
    examples: ["~/.ssh/gitea_ed25519"],
  }),
  Hostname: text(checkSshHostname, {
    description: "The host to connect to: a name or an IPv4 address. Default: `Host`.",
    pattern: PATTERNS.sshHostname,
    patternErrorMessage: "A host name such as `git.example.com`, or an IPv4 address",
    examples: ["git.example.com", "10.0.0.7"],
  }).optional(),
  User: user,
  Port: port,
  KnownHostKey: z.union([
    hostKey,
    filledList(hostKey, { description: "Several keys of the host." }),
  ]).optional().meta({
    description:
      "The host's public key, or a list of them. Without it the key is looked up and you are asked.",
    examples: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAgDZRIRbqP2k/JMt1/4TsT8moet4ZOI+/Q3Mcpw8Vkl"],
  }),
  unpinned: flag(false, "Whether to connect without a known host key where nobody can be asked."),
  sign: flag(false, "Whether the key also signs the agent's git commits and tags."),
}).superRefine((entry, context) => {
  if (entry.Hostname !== undefined || checkSshWord(entry.Host).kind === "bad") return;
  const checked = checkSshHostname(entry.Host);
  if (checked.kind === "bad") {
    const message = `is also the Hostname while that is not given, and as such ${checked.message}`;
    context.addIssue({ code: "custom", message, path: ["Host"] });
  }
}).meta({
  id: "SshEntry",
  description: "One SSH identity: a host and the key for it.",
  if: { not: { required: ["Hostname"] } },
  then: {
    properties: {
      Host: {
        type: "string",
        pattern: PATTERNS.sshHostname,
        patternErrorMessage: "Without `Hostname` this must be a host name or an IPv4 address itself",
      },
    },
  },
});
