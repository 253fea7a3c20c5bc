import { gitConfigText, type GitSetting } from "../../../bottle/git_config.ts";
import type { TarFile } from "../../../bottle/invocation.ts";
import type { SshKey } from "../../../bottle/ssh_keys.ts";
import type { EgressPolicy, HostRule } from "../../../egress/policy.ts";
import { signingFiles, signingSettings } from "./signing.ts";
import { SSH_PROGRAMS } from "./ssh.ts";

const GIT_CONFIG = `${SSH_PROGRAMS}/gitconfig`;

/**
 * What git finds by itself: how to sign, and the credentials of inspected hosts. It is root's configuration, which takes
 * the place of the image's `/etc/gitconfig` and reads it first. The agent's own `~/.gitconfig` and the repository's win
 * over it.
 */
export function provisionSystemGit(
  keys: readonly SshKey[],
  policy: Pick<EgressPolicy, "hosts">,
): readonly TarFile[] {
  const settings = ourSettings(keys, policy);
  if (settings.length === 0) return [];
  const image: GitSetting = {
    section: "include",
    subsection: undefined,
    key: "path",
    value: "/etc/gitconfig",
  };
  const text = gitConfigText([image, ...settings]);
  return [
    ...signingFiles(keys),
    { path: GIT_CONFIG.slice(1), mode: 0o644, uid: 0, gid: 0, text },
  ];
}

/** The variables of the whole bottle by which git finds that configuration. */
export function systemGitEnvironment(
  keys: readonly SshKey[],
  policy: Pick<EgressPolicy, "hosts">,
): Readonly<Record<string, string>> {
  return ourSettings(keys, policy).length > 0 ? { GIT_CONFIG_SYSTEM: GIT_CONFIG } : {};
}

function ourSettings(
  keys: readonly SshKey[],
  { hosts }: Pick<EgressPolicy, "hosts">,
): readonly GitSetting[] {
  return [...signingSettings(keys), ...hosts.flatMap(credentialSettings)];
}

/**
 * The placeholder as the password of git over HTTPS. No other helper is asked for these hosts: none could know one that
 * counts there. A variable that a command was not given answers nothing.
 */
function credentialSettings({ host, inspection }: HostRule): readonly GitSetting[] {
  const secret = inspection?.secret;
  if (secret?.form.kind !== "basic") return [];
  const { env, form: { user } } = secret;
  // Both are checked where they are read, and checked again: this is a shell's text.
  if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(env) || !/^[A-Za-z0-9._@+-]+$/.test(user)) return [];
  const helper = `!f() { test "$1" = get && test -n "$${env}" && ` +
    `printf 'username=%s\\npassword=%s\\n' '${user}' "$${env}"; }; f`;
  // git's `*` is one label, ours is the name itself and all below it.
  const names = host.startsWith("*.") ? [host.slice(2), host] : [host];
  return names.flatMap((name) =>
    ["", helper].map((value) => ({
      section: "credential",
      subsection: `https://${name}`,
      key: "helper",
      value,
    }))
  );
}
