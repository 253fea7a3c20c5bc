import keygenProgram from "../../../assets/ssh_keygen.sh" with { type: "text" };
import { gitConfigText } from "../../../bottle/git_config.ts";
import type { TarFile } from "../../../bottle/invocation.ts";
import { signs, type SshKey } from "../../../bottle/ssh_keys.ts";
import { SSH_DIRECTORY, SSH_PROGRAMS } from "./ssh.ts";

const KEYGEN = `${SSH_PROGRAMS}/ssh_keygen.sh`;
const GIT_CONFIG = `${SSH_PROGRAMS}/gitconfig`;

/**
 * What makes git sign: root's program and configuration, which takes the place of the image's `/etc/gitconfig` and
 * reads it first. The agent's own `~/.gitconfig` and the repository's win over it.
 */
export function provisionSigning(keys: readonly SshKey[]): readonly TarFile[] {
  if (!keys.some(signs)) return [];
  const root = { uid: 0, gid: 0 };
  return [
    { path: KEYGEN.slice(1), mode: 0o755, ...root, text: keygenProgram },
    { path: GIT_CONFIG.slice(1), mode: 0o644, ...root, text: signingConfig(keys) },
  ];
}

/** The variables of the whole bottle by which git finds that configuration. */
export function signingEnvironment(keys: readonly SshKey[]): Readonly<Record<string, string>> {
  return keys.some(signs) ? { GIT_CONFIG_SYSTEM: GIT_CONFIG } : {};
}

/** The first key that signs is the one git takes unless told otherwise. */
function signingConfig(keys: readonly SshKey[]): string {
  const number = keys.findIndex(signs) + 1;
  const setting = (section: string, key: string, value: string, subsection?: string) =>
    ({ section, subsection, key, value }) as const;
  return gitConfigText([
    setting("include", "path", "/etc/gitconfig"),
    setting("user", "signingkey", `${SSH_DIRECTORY}/key${number}.pub`),
    setting("gpg", "format", "ssh"),
    setting("gpg", "program", KEYGEN, "ssh"),
    setting("gpg", "allowedSignersFile", `${SSH_DIRECTORY}/allowed_signers`, "ssh"),
    setting("commit", "gpgsign", "true"),
    // A tag then needs a message. `forceSignAnnotated` would leave the tags of `git tag -a` unsigned without a word.
    setting("tag", "gpgsign", "true"),
  ]);
}
