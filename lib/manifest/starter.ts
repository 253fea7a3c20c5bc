import { nameSlug } from "./names.ts";

/** What a first manifest is made of. Every value has passed the checks of a manifest. */
export interface Starter {
  readonly agent: string;
  readonly bottle: string;
  readonly skills: readonly string[];
  readonly ssh: StarterSsh | undefined;
  /** Where the JSON Schema stands, for editors: a path from the manifest's folder. */
  readonly schema: string;
}

/** A key for one host. */
export interface StarterSsh {
  readonly host: string;
  readonly identityFile: string;
  readonly knownHostKeys: readonly string[];
}

/** The text of a first manifest. What is not granted stands in it as a comment, ready to be used. */
export function starterManifest({ agent, bottle, skills, ssh, schema }: Starter): string {
  return `# yaml-language-server: $schema=${schema}
#
# A bottle is what an agent may use, an agent is who works in one. What is not
# written here is not in the bottle. \`claude-bottle info\` shows what counts,
# \`claude-bottle validate\` what is wrong or missing.

bottles:
  ${word(bottle)}:
    egress:
      # What all traffic goes through. With squid your Claude token stays outside
      # the bottle, which has a placeholder; with pipelock, the default, it
      # enters, and nothing can be inspected.
      proxy: squid
      # Hosts besides those that Claude Code needs. The last one is inspected:
      # only these requests pass, and the sidecar alone has the key.
      # allowlist:
      #   - github.com
      #   - host: api.example.com
      #     allow: [GET /v1/*]
      #     inject: { env: API_KEY, secret: "\${API_KEY}", as: bearer }

    # Variables. The first is taken from your environment, the second asked at
    # each start and never stored:
    # env:
    #   GITHUB_TOKEN: \${GITHUB_TOKEN}
    #   API_TOKEN: "?paste the API token"

${sshLines(ssh).map((line) => `    ${line}\n`).join("")}
    # Your name and address for commits, as the host's git has them:
    # git: { identity: host }

agents:
  ${word(agent)}:
    bottle: ${word(bottle)}
${skillLines(skills).map((line) => `    ${line}\n`).join("")}
    # What the agent is told before anything else:
    # prompt: |
    #   You review pull requests. Be brief.
`;
}

function skillLines(skills: readonly string[]): readonly string[] {
  const about = "# Folders of ~/.claude/skills, copied into the bottle:";
  return skills.length === 0
    ? [about, "# skills: [code-review]"]
    : [about, "skills:", ...skills.map((skill) => `  - ${word(skill)}`)];
}

function sshLines(ssh: StarterSsh | undefined): readonly string[] {
  const about = "# A key for git over ssh. The agent can use it for this host, never read it:";
  if (ssh === undefined) {
    return [about, "# ssh:", "#   - Host: github.com", "#     IdentityFile: ~/.ssh/id_ed25519"];
  }
  const keys = ssh.knownHostKeys.length === 0
    ? [
      "    # `start` asks whether the host's key is right, and shows the line to add",
      "    # here: KnownHostKey",
    ]
    : ["    KnownHostKey:", ...ssh.knownHostKeys.map((key) => `      - ${key}`)];
  return [
    about,
    "ssh:",
    `  - Host: ${word(ssh.host)}`,
    `    IdentityFile: ${word(ssh.identityFile)}`,
    ...keys,
  ];
}

/** Text that YAML might take for something else has quotes. */
function word(text: string): string {
  const isPlain = /^[A-Za-z~/][A-Za-z0-9~/._-]*$/.test(text) &&
    !/^(~|true|false|null|yes|no|on|off|y|n)$/i.test(text);
  return isPlain ? text : JSON.stringify(text);
}

/** A name for a project's bottle and agent, made from that of its folder. */
export function projectName(folder: string): string {
  const slug = nameSlug(folder).slice(0, 64).replace(/-$/, "");
  return slug === "" || slug === "demo" ? "project" : slug;
}
