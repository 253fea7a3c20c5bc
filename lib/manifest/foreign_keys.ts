import { sameLetters } from "./nearest.ts";
import type { Path } from "./node.ts";

/** Words that other tools have, the key that is meant, or none of the same mapping, and a sentence that helps. */
type Row = readonly [words: readonly string[], key: string, hint?: string];

/** By the level at which they are written: names are `*`, items `[]`. */
const FOREIGN: ReadonlyMap<string, readonly Row[]> = new Map(Object.entries<readonly Row[]>({
  "": [
    [["version", "apiVersion", "kind", "name"], "", "A manifest has no such line: remove it"],
    [
      ["services", "containers", "jobs"],
      "agents",
      "What runs is an agent, under `agents`; what it may use is its bottle, under `bottles`",
    ],
    [["boxes", "box", "sandboxes", "environments"], "bottles"],
    [["environment", "envVars", "variables"], "", "Variables belong under `bottles.NAME.env`"],
    [
      ["hosts", "allow", "domains", "whitelist"],
      "",
      "Hosts belong in the list `bottles.NAME.egress.allowlist`",
    ],
  ],
  "bottles.*": [
    [
      ["environment", "environments", "envs", "vars", "variables", "envVars", "containerEnv", "remoteEnv"],
      "env",
    ],
    [
      [
        "hosts",
        "allow",
        "allowed",
        "allowedHosts",
        "allowedDomains",
        "domains",
        "whitelist",
        "network",
        "firewall",
      ],
      "egress",
      "Hosts that can be reached stand in the list `egress.allowlist`",
    ],
    [
      ["secrets", "secret", "envFile"],
      "env",
      "A secret is the value of a variable: `env: { NAME: { secret: { file: PATH } } }`",
    ],
    [
      ["limits", "deploy", "memLimit", "mem", "ram", "cpuLimit"],
      "resources",
      "Limits are `resources: { cpus: 2, memory: 4g }`",
    ],
    [
      ["keys", "sshKeys", "identities"],
      "ssh",
      "Keys are entries of the list `ssh`: `- { Host: NAME, IdentityFile: ~/.ssh/KEY }`",
    ],
    [["build", "from"], "image"],
    [["inherits", "parent", "inherit"], "extends"],
    [["gitConfig", "gitIdentity"], "git"],
  ],
  "bottles.*.ssh[]": [
    [["key", "keyFile", "identity", "privateKey", "path", "file"], "IdentityFile"],
    [["name", "alias"], "Host"],
    [["address", "server"], "Hostname"],
    [["hostKey", "knownHosts", "knownHost", "publicKey", "fingerprint"], "KnownHostKey"],
    [["username", "login"], "User"],
    [
      ["StrictHostKeyChecking", "UserKnownHostsFile"],
      "KnownHostKey",
      "Give the host's key as `KnownHostKey`, or write `unpinned: true`",
    ],
  ],
  "bottles.*.git": [
    [
      ["user", "name", "email", "userName", "userEmail", "author"],
      "identity",
      "`identity: host` takes name and email from the host's git",
    ],
  ],
  "bottles.*.egress": [
    [
      ["allow", "allowed", "hosts", "domains", "allowedHosts", "allowedDomains", "whitelist", "rules"],
      "allowlist",
    ],
    [
      ["deny", "denylist", "block", "blocklist", "blacklist"],
      "",
      "Only what is allowed can be reached: remove it",
    ],
  ],
  "bottles.*.egress.allowlist[]": [
    [["name", "hostname", "domain", "url", "address"], "host"],
    [
      ["port", "ports", "https", "tls"],
      "",
      "A host is reached over TLS on port 443: remove it; `http: true` adds port 80",
    ],
    [
      ["methods", "paths", "rules", "allowed", "path", "method"],
      "allow",
      "Requests are rules of the list `allow`, such as `POST /v1/messages`",
    ],
    [["auth", "token", "header", "headers"], "inject"],
  ],
  "bottles.*.egress.allowlist[].inject": [
    [["token", "value", "from"], "secret"],
    [["header", "auth", "scheme", "type"], "as"],
    [["variable", "name", "placeholder"], "env"],
  ],
  "bottles.*.resources": [
    [["ram", "mem", "memLimit", "memoryLimit"], "memory"],
    [["cpuLimit", "cores", "processors", "vcpus"], "cpus"],
    [["storage", "diskSize", "size", "volume"], "disk"],
    [["pidsLimit", "processes", "nproc"], "pids"],
  ],
  "bottles.*.image": [
    [["name", "from", "image", "tag"], "base"],
    [["apt", "aptPackages", "install", "deb"], "packages"],
    [["build", "file", "containerfile"], "dockerfile"],
    [["cert", "certificates", "caFile", "caCert"], "ca"],
  ],
  "agents.*": [
    [["systemPrompt", "instructions", "appendSystemPrompt", "message"], "prompt"],
    [["cmd", "entrypoint", "run", "args", "exec"], "command"],
    [
      ["model"],
      "command",
      "Give it to Claude Code in `command`: [claude, --model, NAME, --dangerously-skip-permissions]",
    ],
    [["box", "container", "sandbox"], "bottle"],
  ],
}));

/** What a word of another tool is called here; `undefined` for words nobody would expect. */
export function foreignKeyHint(
  parent: Path,
  key: string,
): { readonly hint: string; readonly meant?: string } | undefined {
  const rows = FOREIGN.get(levelOf(parent)) ?? [];
  const row = rows.find(([words]) => words.some((word) => sameLetters(word, key)));
  if (row === undefined) return undefined;
  const [, meant, hint = `Did you mean \`${meant}\`?`] = row;
  return meant === "" ? { hint } : { hint, meant };
}

/** A path without the names and numbers that are the user's own. */
function levelOf(path: Path): string {
  return path.map((step, index) => {
    if (typeof step === "number") return "[]";
    return index === 0 ? step : index === 1 ? ".*" : `.${step}`;
  }).join("");
}
