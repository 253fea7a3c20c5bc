import type { LaunchQuestions } from "../bottle/backend.ts";
import type { PlannedSsh } from "../bottle/plan.ts";
import { EXIT, Failure, oneLine, type Problem } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { requireAgent } from "../manifest/agents.ts";
import type { Manifest, SshEntry } from "../manifest/model.ts";
import { askSecret, confirmed } from "../ui/question.ts";
import type { CommandPorts } from "./context.ts";

/** Whether a launch may ask about host keys and passphrases: `--prompt` is for when nobody is there. */
export function canAsk({ terminal }: Pick<Host, "terminal">, prompt: string | undefined): boolean {
  return prompt === undefined && terminal.stdinIsTerminal && terminal.stderrIsTerminal;
}

/** The questions of a launch, on the terminal. */
export function launchQuestions({ host, reporter }: CommandPorts): LaunchQuestions {
  const { terminal, interrupts: { signal } } = host;
  return {
    secret(question): Promise<string | undefined> {
      reporter.quiet();
      return askSecret(terminal, { question, signal });
    },
    confirm(question): Promise<boolean> {
      reporter.quiet();
      return confirmed(terminal, { question: `claude-bottle: ${oneLine(question)}`, signal });
    },
  };
}

/** A host key that is not known needs a person. @throws Failure `host-key-unknown` with one problem for each entry */
export function requireKnownHostKeys(manifest: Manifest, agentName: string): void {
  const { bottle } = requireAgent(manifest, agentName);
  const problems = bottle.ssh.flatMap((entry, index) =>
    entry.knownHostKeys.length > 0 || entry.unpinned
      ? []
      : [unknownHostKey(entry, manifest.where(["bottles", bottle.name, "ssh", index]))]
  );
  const [first] = problems;
  if (first === undefined) return;
  throw new Failure("host-key-unknown", "An ssh host's key is not known, and nobody can be asked about it", {
    exit: EXIT.usage,
    problems,
    ...(first.where === undefined ? {} : { where: first.where }),
  });
}

function unknownHostKey({ host, hostname, port }: SshEntry, where: Problem["where"]): Problem {
  return {
    message: `${host}: has no KnownHostKey`,
    hints: [
      `Add its KnownHostKey: compare what \`ssh-keyscan -p ${port} ${hostname}\` prints with what the host's owner says`,
      "Or start it once on a terminal without `--prompt`: it is asked, and the line to add is printed",
      "Or write `unpinned: true`: the key then signs for anything while the bottle runs",
    ],
    ...(where === undefined ? {} : { where }),
  };
}

/** A passphrase needs a person. @throws Failure `ssh-key-encrypted` */
export function requireOpenKeys(ssh: readonly PlannedSsh[]): void {
  const entry = ssh.find(({ passphrase }) => passphrase);
  if (entry === undefined) return;
  throw new Failure(
    "ssh-key-encrypted",
    `The ssh key for host '${entry.host}' has a passphrase, and nobody can be asked for it: ${
      oneLine(entry.key)
    }`,
    {
      hints: [
        "Run it on a terminal without `--prompt`",
        "Or make a key for the bottle without one: `ssh-keygen -t ed25519 -N ''`",
      ],
      exit: EXIT.usage,
    },
  );
}
