import { unknownHosts } from "../bottle/host_keys.ts";
import { SkillFolders } from "../bottle/skill_folders.ts";
import { readSshKeys } from "../bottle/ssh_keys.ts";
import { Failure, oneLine } from "../errors.ts";
import { resolve } from "../host/paths.ts";
import type { SshEntry } from "../manifest/model.ts";
import { checkHostname, checkSshHostname } from "../manifest/hosts.ts";
import { checkKnownHostKey } from "../manifest/known_host_keys.ts";
import { checkAgentName, type Checked, checkPath, checkSkill, checkSshWord } from "../manifest/names.ts";
import type { StarterSsh } from "../manifest/starter.ts";
import { askLine } from "../ui/question.ts";
import { expandTilde } from "./authorities.ts";
import type { CommandPorts } from "./context.ts";

/** What stands for no answer at all, in the place of a name. */
const NONE = "none";
const ALL = "all";

/** Asked again until `read` takes the answer; `undefined` at the end of input. */
async function asked<T>(
  { host, reporter }: CommandPorts,
  options: {
    readonly question: string;
    readonly usual: string;
    readonly read: (answer: string) => Checked<T> | Promise<Checked<T>>;
  },
): Promise<{ readonly value: T } | undefined> {
  for (;;) {
    const { signal } = host.interrupts;
    const answer = await askLine(host.terminal, {
      ...options,
      question: `claude-bottle: ${options.question}`,
      signal,
    });
    if (answer === undefined) return undefined;
    const checked = await options.read(answer);
    if (checked.kind === "good") return checked;
    const hint = checked.hint === undefined ? "" : `. ${checked.hint}`;
    reporter.info(oneLine(`${checked.message}${hint}`));
  }
}

/** Asks for the agent's name. */
export async function askedName(usual: string, ports: CommandPorts): Promise<string | undefined> {
  const read = (answer: string): Checked<string> => {
    const checked = checkAgentName(answer);
    return checked.kind === "good" ? checked : { ...checked, message: `the name ${checked.message}` };
  };
  return (await asked(ports, { question: "what is the agent called?", usual, read }))?.value;
}

/** The host's skills that a launch would take. */
export async function skillsOfHost({ host }: Pick<CommandPorts, "host">): Promise<readonly string[]> {
  try {
    const folders = new SkillFolders(host);
    const names = (await folders.names()).filter((name) => checkSkill(name).kind === "good");
    const found = await Promise.all(names.map(async (name) => await isUsable(folders, name) ? [name] : []));
    return found.flat();
  } catch {
    // There is an agent without skills too; `start` says what is wrong with them once one is named.
    return [];
  }
}

async function isUsable(folders: SkillFolders, name: string): Promise<boolean> {
  try {
    await folders.find(name);
    return true;
  } catch (error) {
    if (error instanceof Failure) return false;
    throw error;
  }
}

/** Asks which of the host's skills the agent is given. */
export async function askedSkills(
  found: readonly string[],
  ports: CommandPorts,
): Promise<readonly string[] | undefined> {
  if (found.length === 0) return [];
  ports.reporter.info(`skills of this host: ${found.join(", ")}`);
  const read = (answer: string): Checked<readonly string[]> => {
    if (answer === ALL || answer === NONE) return { kind: "good", value: answer === ALL ? found : [] };
    const names = [...new Set(answer.split(/[\s,]+/).filter((name) => name !== ""))];
    const unknown = names.find((name) => !found.includes(name));
    return unknown === undefined
      ? { kind: "good", value: names }
      : { kind: "bad", message: `no skill of this host is named ${JSON.stringify(unknown)}` };
  };
  const question = `which of them is it given: ${ALL}, ${NONE}, or names?`;
  return (await asked(ports, { question, usual: ALL, read }))?.value;
}

/** Asks for an ssh key and its host, where there are keys; `key` is undefined when none is wanted. */
export async function askedSsh(
  ports: CommandPorts,
): Promise<{ readonly key: StarterSsh | undefined } | undefined> {
  const names = await keyNames(ports);
  if (names.length === 0) return { key: undefined };
  ports.reporter.info(`ssh keys of this host: ${names.map((name) => `~/.ssh/${name}`).join(", ")}`);
  const file = await asked(ports, {
    question: "which of them may it use, for git over ssh?",
    usual: NONE,
    read: (answer) =>
      answer === NONE ? { kind: "good", value: undefined } : readKeyFile(answer, { names, ports }),
  });
  if (file === undefined || file.value === undefined) return file && { key: undefined };
  const host = await asked(ports, {
    question: "for which host?",
    usual: "github.com",
    read: readHost,
  });
  if (host === undefined) return undefined;
  const entry = sshEntry(host.value, file.value);
  return {
    key: { host: entry.host, identityFile: entry.identityFile, knownHostKeys: await knownKeys(entry, ports) },
  };
}

/** Both what ssh calls Host and the name that it connects to. */
function readHost(answer: string): Checked<string> {
  const word = /[/@:]/.test(answer) ? checkHostname(answer) : checkSshWord(answer);
  const checked = word.kind === "good" ? checkSshHostname(answer) : word;
  return checked.kind === "good"
    ? word
    : { ...checked, message: `${JSON.stringify(answer)} ${checked.message}` };
}

/** Private keys by their names: what has a public half beside it. Nothing is read. */
async function keyNames({ host: { files, environment } }: CommandPorts): Promise<readonly string[]> {
  const entries = await files.readDirectory(`${environment.get("HOME")}/.ssh`).catch(() => undefined) ?? [];
  const names = new Set(entries.map(({ name }) => name));
  return [...names].filter((name) => names.has(`${name}.pub`) && checkPath(name).kind === "good").toSorted();
}

/** Stands for the host of a key while that is not known. */
const ANY_HOST = "any";

/** A key's path for the manifest, once the launch would take it. */
async function readKeyFile(
  answer: string,
  { names, ports }: { readonly names: readonly string[]; readonly ports: CommandPorts },
): Promise<Checked<string>> {
  const { host } = ports;
  const path = names.includes(answer)
    ? `~/.ssh/${answer}`
    : answer.startsWith("~/")
    ? answer
    : resolve(host.cwd, answer);
  const checked = checkPath(path);
  if (checked.kind === "bad") return { ...checked, message: `the path ${checked.message}` };
  try {
    await readSshKeys([sshEntry(ANY_HOST, expandTilde(path, host))], host.files);
    return { kind: "good", value: path };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.code === "ssh-key-missing") {
      return { kind: "bad", message: `there is no ${path}`, hint: `\`${NONE}\` goes on without a key` };
    }
    const [hint] = error.hints;
    const message = error.message.replace(` for host '${ANY_HOST}'`, "");
    return { kind: "bad", message, ...(hint === undefined ? {} : { hint }) };
  }
}

function sshEntry(host: string, identityFile: string): SshEntry {
  return {
    host,
    identityFile,
    hostname: host,
    user: "git",
    port: 22,
    knownHostKeys: [],
    unpinned: false,
    sign: false,
  };
}

/** What the user's own known_hosts says of a host: those keys that no line of it revokes. */
async function knownKeys(entry: SshEntry, { host }: CommandPorts): Promise<readonly string[]> {
  try {
    const [found] = await unknownHosts([entry], { files: host.files, home: host.environment.get("HOME") });
    const known = found?.known ?? [];
    const revoked = new Set(known.filter(({ kind }) => kind === "revoked").map(({ key }) => key));
    const keys = known.filter(({ kind, exact }) => kind === "key" && exact).map(({ key }) => key);
    return [...new Set(keys)].filter((key) => !revoked.has(key) && checkKnownHostKey(key).kind === "good");
  } catch (error) {
    // The launch asks about a host whose key is not in the manifest.
    if (error instanceof Failure) return [];
    throw error;
  }
}
