import { gitConfigText, type GitSetting, parseGitConfig } from "./git_config.ts";

/** A repository's configuration as a bottle gets it. */
export interface RewrittenConfig {
  /** A byte a character. */
  readonly text: string;
  /** How many settings are left out. */
  readonly dropped: number;
  /** How many addresses lost a password, a token or a query. */
  readonly stripped: number;
}

/** Settings of `core` that say how the repository and its files are to be read. */
const CORE: ReadonlySet<string> = new Set([
  "repositoryformatversion",
  "bare",
  "filemode",
  "symlinks",
  "ignorecase",
  "precomposeunicode",
  // Without them git would see other content than the host's does.
  "autocrlf",
  "eol",
  "logallrefupdates",
  "sparsecheckout",
  "sparsecheckoutcone",
]);

/** What a setting of `core` or `extensions` may be: a word, never a path or a command. */
const WORD = /^[A-Za-z0-9_-]{0,64}$/;

/**
 * The configuration of a copied repository, written afresh: what git needs to read it, its remotes and branches without
 * credentials, and who commits. Hooks, helpers, filters, includes, headers and all else stay behind.
 *
 * @throws GitConfigError for what git would not read either
 */
export function rewrittenGitConfig(
  text: string,
  { isModule }: { readonly isModule: boolean },
): RewrittenConfig {
  const settings = parseGitConfig(text);
  const kept: GitSetting[] = [];
  let stripped = 0;
  for (const setting of settings) {
    const value = keptValue(setting, isModule);
    if (value === null) continue;
    if (value !== setting.value) stripped++;
    kept.push({ ...setting, value });
  }
  return { text: gitConfigText(kept), dropped: settings.length - kept.length, stripped };
}

/** The value that a setting keeps; `null` for one that stays behind. */
function keptValue(setting: GitSetting, isModule: boolean): string | undefined | null {
  const { section, subsection, key, value } = setting;
  if (subsection === undefined) return plainValue(setting, isModule);
  // A name that is itself an address with a password in it.
  if (withoutCredentials(subsection) !== subsection) return null;
  switch (`${section}.${key}`) {
    case "remote.url":
    case "remote.pushurl":
    case "submodule.url":
    case "branch.remote":
    case "branch.pushremote":
      return value === undefined ? null : withoutCredentials(value) ?? null;
    case "remote.fetch":
    case "remote.promisor":
    case "remote.partialclonefilter":
    case "branch.merge":
    case "branch.rebase":
    case "submodule.active":
      return value === undefined || isHarmless(value) ? value : null;
    default:
      return null;
  }
}

function plainValue({ section, key, value }: GitSetting, isModule: boolean): string | undefined | null {
  if (section === "core" && key === "worktree") {
    // Where a submodule's files are; elsewhere another tree than the copied one would count.
    return isModule && value !== undefined && isHarmless(value) && !value.startsWith("/") ? value : null;
  }
  const isRead = (section === "core" && CORE.has(key)) ||
    // A configuration of the work tree's own is not copied.
    (section === "extensions" && key !== "worktreeconfig");
  if (isRead) return value === undefined || WORD.test(value) ? value : null;
  if (section === "user" && (key === "name" || key === "email")) {
    return value !== undefined && isHarmless(value) ? value : null;
  }
  return null;
}

// deno-lint-ignore no-control-regex -- they are what no setting of ours needs
const CONTROLS = /[\x00-\x1f\x7f]/;

function isHarmless(value: string): boolean {
  return !CONTROLS.test(value) && withoutCredentials(value) === value;
}

/**
 * An address without password, token and query: userinfo goes, but for ssh's user name. `undefined` where it cannot be
 * told what is the host and what a secret.
 */
export function withoutCredentials(address: string): string | undefined {
  if (CONTROLS.test(address)) return undefined;
  // `helper::address`: whatever that helper takes.
  if (/^[A-Za-z0-9][A-Za-z0-9+.-]*::/.test(address)) return undefined;
  const match = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)([^?#]*)/.exec(address);
  if (match === null) return scpAddress(address);
  const [whole, scheme = "", authority = "", path = ""] = match;
  const at = authority.lastIndexOf("@");
  const host = authority.slice(at + 1);
  // A password with a slash in it: what looks like the host is its beginning.
  if (!/^([^:[\]@]*|\[[0-9A-Fa-f:.%]+\])(:[0-9]*)?$/.test(host)) return undefined;
  const isSsh = /^(ssh|git\+ssh|ssh\+git)$/i.test(scheme);
  const user = isSsh && at >= 0 ? authority.slice(0, at).replace(/:.*$/s, "") : "";
  const plain = `${scheme}://${user === "" ? "" : `${user}@`}${host}${path}`;
  // Only web addresses have queries, and some servers take tokens there; a path may hold both signs.
  return /^https?$/i.test(scheme) ? plain : plain + address.slice(whole.length);
}

/** `user@host:path` keeps its user name; `user:password@host:path` is nobody's syntax and all the more a slip. */
function scpAddress(address: string): string | undefined {
  return /^[^/@]*:[^/@]*@[^/]*:/.test(address) ? undefined : address;
}
