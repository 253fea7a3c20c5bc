import { nearest, sameLetters } from "./nearest.ts";
import type { Path } from "./node.ts";

/** Words that other tools have, the key that is meant, or none of the same mapping, and a sentence that helps. */
type Row = readonly [words: readonly string[], key: string, hint?: string];

/** What other tools let people say of a box, and nobody can of a bottle. */
const NO_SUCH_THING: readonly Row[] = [
  [
    ["volumes", "volume", "mounts", "mount", "workspaceFolder", "workspaceMount", "workspace", "workdir"],
    "",
    "Nothing of this machine is mounted: remove it; `start --cwd` copies the working directory into the bottle",
  ],
  [["workingDir", "cwd"], "", "Remove it; `start --cwd` copies the working directory into the bottle"],
  [
    ["ports", "port", "expose", "forwardPorts", "appPort"],
    "",
    "Nobody connects to a bottle from outside: remove it",
  ],
  [
    ["privileged", "capAdd", "capDrop", "securityOpt", "user", "remoteUser", "containerUser", "runArgs"],
    "",
    "A bottle always runs as a plain user, without capabilities: remove it",
  ],
  [
    ["features", "postCreateCommand", "onCreateCommand", "setup", "install"],
    "",
    "What is installed in a bottle belongs to its image: `bottles.NAME.image`",
  ],
  [
    [
      "permissions",
      "permissionMode",
      "tools",
      "allowedTools",
      "disallowedTools",
      "mcpServers",
      "hooks",
      "settings",
      "sandbox",
    ],
    "",
    "It is a setting of Claude Code: give it as an argument in an agent's `command`",
  ],
];

/** Where a secret comes from is written as it is for `env`, but for one level. */
const INNER_SECRET: readonly Row[] = [
  [["secret"], "", "Write its `file` or `command` here, without a level between"],
  [["cmd", "exec", "run", "program", "shell"], "command"],
  [["path"], "file"],
];

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
    [
      ["environment", "envVars", "variables", "containerEnv", "remoteEnv"],
      "",
      "Variables belong under `bottles.NAME.env`",
    ],
    [
      ["hosts", "allow", "domains", "whitelist"],
      "",
      "Hosts belong in the list `bottles.NAME.egress.allowlist`",
    ],
    [
      ["include", "includes", "import", "imports"],
      "",
      "A manifest is one file; a bottle takes over another one of it with `extends: NAME`",
    ],
    [["default", "defaultAgent"], "", "No agent is the default one: `claude-bottle start NAME`"],
    [["model"], "", "Give it to Claude Code in an agent's `command`: [claude, --model, NAME, …]"],
    ...NO_SUCH_THING,
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
    [["name", "description"], "", "A bottle's name is the key that it stands under; a comment describes it"],
    ...NO_SUCH_THING,
  ],
  "bottles.*.env.*": [
    [["file"], "secret", "Write it within `secret`: `{ secret: { file: PATH } }`"],
    [["command"], "secret", "Write it within `secret`: `{ secret: { command: [PROGRAM, …] } }`"],
    [["prompt", "ask", "question"], "secret", 'To be asked, write the question as text: "?paste the token"'],
    [["value", "literal", "text"], "secret", "Write the value itself, without a mapping around it"],
    [
      ["from", "fromEnv", "env", "variable", "host", "valueFrom"],
      "secret",
      "What a variable of the host holds is written as text: `${NAME}`",
    ],
  ],
  "bottles.*.env.*.secret": [
    [["cmd", "exec", "run", "program", "shell"], "command"],
    [["path"], "file"],
    [
      ["env", "variable", "from", "name"],
      "",
      "What a variable of the host holds needs no `secret`: write `${NAME}` as the whole value",
    ],
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
    [["service", "preset", "template", "uses"], "use"],
  ],
  "bottles.*.egress.allowlist[].inject.secret": INNER_SECRET,
  "bottles.*.egress.allowlist[].use.github.token": INNER_SECRET,
  "bottles.*.egress.allowlist[].use.npm.token": INNER_SECRET,
  "bottles.*.egress.allowlist[].use.anthropic.token": INNER_SECRET,
  "bottles.*.egress.allowlist[].use.anthropic.key": INNER_SECRET,
  "bottles.*.egress.allowlist[].use.openai.key": INNER_SECRET,
  "bottles.*.egress.allowlist[].use.npm": [[["auth", "authToken", "secret", "key"], "token"]],
  "bottles.*.egress.allowlist[].use.anthropic": [
    [["apiKey", "secret"], "key"],
    [["oauth", "oauthToken"], "token"],
  ],
  "bottles.*.egress.allowlist[].use.openai": [[["token", "auth", "apiKey", "secret"], "key"]],
  "bottles.*.egress.allowlist[].use.github": [
    [["repositories", "repository", "projects"], "repos"],
    [["write", "pushes"], "push"],
    [["auth", "secret", "pat"], "token"],
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
    [["limits", "reservations", "requests"], "", "Write its keys here, without a level between"],
    [["gpu", "gpus", "devices"], "", "A bottle has no devices of this machine: remove it"],
  ],
  "bottles.*.image": [
    [["name", "from", "image", "tag"], "base"],
    [["apt", "aptPackages", "install", "deb"], "packages"],
    [["build", "file", "containerfile"], "dockerfile"],
    [["cert", "certificates", "caFile", "caCert"], "ca"],
    [["user"], "", "A bottle always runs as a plain user, without capabilities: remove it"],
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
    [["uses", "skillNames"], "skills"],
    [["name", "description"], "", "An agent's name is the key that it stands under; a comment describes it"],
    ...NO_SUCH_THING,
  ],
}));

/** What is said of such a word, and the known key of the same mapping that is meant, if any. */
export interface ForeignKeyAdvice {
  readonly hint: string;
  readonly meant?: string;
}

/** What a word of another tool is called here; `undefined` for words nobody would expect. */
export function foreignKeyHint(parent: Path, key: string): ForeignKeyAdvice | undefined {
  return adviceOf(rowsAt(parent).find(([words]) => words.some((word) => sameLetters(word, key))));
}

/** The same for a slip in such a word. */
export function nearForeignKeyHint(parent: Path, key: string): ForeignKeyAdvice | undefined {
  const rows = rowsAt(parent);
  const near = nearest(key, rows.flatMap(([words]) => words));
  return near === undefined ? undefined : adviceOf(rows.find(([words]) => words.includes(near)));
}

function rowsAt(parent: Path): readonly Row[] {
  return FOREIGN.get(levelOf(parent)) ?? [];
}

function adviceOf(row: Row | undefined): ForeignKeyAdvice | undefined {
  if (row === undefined) return undefined;
  const [, meant, hint = `Did you mean \`${meant}\`?`] = row;
  return meant === "" ? { hint } : { hint, meant };
}

/** A path without the names and numbers that are the user's own. */
function levelOf(path: Path): string {
  return path.map((step, index) => {
    if (typeof step === "number") return "[]";
    if (index === 1 || (index === 3 && path[2] === "env")) return ".*";
    return index === 0 ? step : `.${step}`;
  }).join("");
}
