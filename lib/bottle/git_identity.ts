import { Failure } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { gitConfigText } from "./git_config.ts";

/** Who commits. */
export interface GitIdentity {
  readonly name: string;
  readonly email: string;
}

/** Asks git and not its files, for they may include others; the user's configuration alone. */
const READ = "cd / && exec git config --global --includes --null --get-regexp '^user\\.(name|email)$'";

/** Keeps git from looking for a repository, whose settings could run programs. */
const NO_REPOSITORY = "/nonexistent";

/** Nothing is slow about it but a disk that is. */
const DEADLINE_MS = 10_000;

/** The host's `user.name` and `user.email`. @throws Failure `git-identity-…` */
export async function hostGitIdentity(
  { processes, environment }: Pick<Host, "processes" | "environment">,
  signal: AbortSignal,
): Promise<GitIdentity> {
  const env: Record<string, string> = { LC_ALL: "C", GIT_DIR: NO_REPOSITORY };
  for (const name of ["PATH", "HOME", "XDG_CONFIG_HOME"]) {
    const value = environment.get(name);
    if (value !== undefined) env[name] = value;
  }
  const call = { program: "sh", args: ["-c", READ], env };
  const { code, stdout } = await processes.run(call, { signal, deadlineMs: DEADLINE_MS });
  if (code === 127) {
    throw refused("missing", "There is no git on the host", "Install it");
  }
  // 1: nothing found.
  if (code !== 0 && code !== 1) {
    throw refused(
      "unreadable",
      "The host's git cannot read its configuration",
      "`git config --global --list` says why",
    );
  }
  const found = settingsOf(stdout);
  return { name: checked("user.name", found), email: checked("user.email", found) };
}

/** `KEY`, a line feed and the value, each ended by a NUL; a later one counts more. */
function settingsOf(stdout: string): ReadonlyMap<string, string> {
  return new Map(
    stdout.split("\0").flatMap((entry) => {
      const at = entry.indexOf("\n");
      return at < 0 ? [] : [[entry.slice(0, at), entry.slice(at + 1)] as const];
    }),
  );
}

const EXAMPLES = { "user.name": "'Your Name'", "user.email": "you@example.com" } as const;

function checked(key: keyof typeof EXAMPLES, found: ReadonlyMap<string, string>): string {
  const value = found.get(key) ?? "";
  const remedy = `\`git config --global ${key} ${EXAMPLES[key]}\``;
  if (value.trim() === "") throw refused("missing", `The host's git has no ${key}`, remedy);
  // What git would leave out of a commit, and what stands for bytes that are no UTF-8.
  if (/[\p{Cc}<>\ufffd]/u.test(value)) {
    throw refused("unusable", `The ${key} of the host's git has characters that no commit can have`, remedy);
  }
  return value;
}

function refused(code: string, what: string, hint: string): Failure {
  return new Failure(
    `git-identity-${code}`,
    `${what}, and \`git: { identity: host }\` takes the bottle's from there`,
    {
      hints: [hint, "Or leave `git.identity` out of the bottle"],
    },
  );
}

/** A git configuration with that identity. */
export function identityConfig({ name, email }: GitIdentity): string {
  const of = { section: "user", subsection: undefined };
  return gitConfigText([{ ...of, key: "name", value: name }, { ...of, key: "email", value: email }]);
}
