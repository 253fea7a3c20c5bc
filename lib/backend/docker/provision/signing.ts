import keygenProgram from "../../../assets/ssh_keygen.sh" with { type: "text" };
import type { GitSetting } from "../../../bottle/git_config.ts";
import type { TarFile } from "../../../bottle/invocation.ts";
import { signs, type SshKey } from "../../../bottle/ssh_keys.ts";
import { SSH_DIRECTORY, SSH_PROGRAMS } from "./ssh.ts";

const KEYGEN = `${SSH_PROGRAMS}/ssh_keygen.sh`;

/** The program that git has signed with: root's. None unless a key signs. */
export function signingFiles(keys: readonly SshKey[]): readonly TarFile[] {
  if (!keys.some(signs)) return [];
  return [{ path: KEYGEN.slice(1), mode: 0o755, uid: 0, gid: 0, text: keygenProgram }];
}

/** What makes git sign. The first key that signs is the one git takes unless told otherwise. */
export function signingSettings(keys: readonly SshKey[]): readonly GitSetting[] {
  if (!keys.some(signs)) return [];
  const number = keys.findIndex(signs) + 1;
  const setting = (section: string, key: string, value: string, subsection?: string) =>
    ({ section, subsection, key, value }) as const;
  return [
    setting("user", "signingkey", `${SSH_DIRECTORY}/key${number}.pub`),
    setting("gpg", "format", "ssh"),
    setting("gpg", "program", KEYGEN, "ssh"),
    setting("gpg", "allowedSignersFile", `${SSH_DIRECTORY}/allowed_signers`, "ssh"),
    setting("commit", "gpgsign", "true"),
    // A tag then needs a message. `forceSignAnnotated` would leave the tags of `git tag -a` unsigned without a word.
    setting("tag", "gpgsign", "true"),
  ];
}
