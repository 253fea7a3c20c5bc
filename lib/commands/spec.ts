import { claudeArguments, promptFile } from "../bottle/claude.ts";
import { API_HOST, forwardsOauthToken } from "../bottle/claude_credentials.ts";
import { hostGitIdentity } from "../bottle/git_identity.ts";
import type { AgentMode, BottleSpec, Lifetime, WorkspaceSource } from "../bottle/spec.ts";
import { untouchedNeighbours } from "../egress/neighbours.ts";
import { allowlistSummary, DEFAULT_HOSTS, egressPolicy } from "../egress/allowlist.ts";
import type { EgressPolicy } from "../egress/policy.ts";
import type { EgressProxy } from "../egress/proxy.ts";
import { pipelock } from "../egress/pipelock/pipelock.ts";
import { squid } from "../egress/squid/squid.ts";
import { EXIT, Failure, oneLine } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { requireAgent } from "../manifest/agents.ts";
import type { Agent, Bottle, Manifest, ProxyName, RuntimeChoice } from "../manifest/model.ts";
import { extraAuthorities } from "./authorities.ts";
import { claudeInjection, type InjectedClaude } from "./claude_injection.ts";
import { absoluteHostPath, hostEnv, hostPath, injectedSources } from "./host_paths.ts";

/** The most bytes of one argument: Linux refuses longer ones (MAX_ARG_STRLEN, its terminator included). */
const ARGUMENT_LIMIT = 131_071;
/** The most bytes of a whole command, well below what the docker CLI's own command line may have. */
const COMMAND_LIMIT = 1_000_000;

const DEFAULT_HOME = "/home/node";
/** What leaves room for a file's name below it in a tar entry. */
const HOME_LIMIT = 64;
/** What leaves room for a skill's own paths below it. */
const SKILLS_DIR_LIMIT = 255;
/** Folders of an image whose content is not the agent's, and those that a container hides behind mounts. */
const SYSTEM_FOLDERS =
  /^\/(bin|boot|dev|etc|lib|lib32|lib64|libx32|proc|root|run|sbin|sys|tmp|usr|var\/run)(\/|$)/;

/** What of the command line decides the agent's command. */
export interface RunOptions {
  readonly args: readonly string[];
  readonly prompt: string | undefined;
  readonly remoteControl: boolean;
  readonly host: Host;
}

export interface SpecOptions extends RunOptions {
  readonly agent: string;
  /** `session` unless told. */
  readonly lifetime?: Lifetime;
  /** True unless told. */
  readonly startsAgent?: boolean;
  /** Whether the working directory is copied into a workspace, and what of it is left out. */
  readonly cwd: boolean;
  readonly exclude: readonly string[];
  /** The egress proxy that was settled on; pipelock when none was. */
  readonly proxy: ProxyName | undefined;
  readonly runtime: RuntimeChoice | undefined;
}

/** The agent's command line and how it is run. @throws Failure */
export function agentRun(
  agent: Agent,
  options: RunOptions & { readonly home: string },
): { readonly command: readonly string[]; readonly mode: AgentMode } {
  return { command: checkedCommand(commandOf(agent, options)), mode: modeOf(agent, options) };
}

/** The hosts that nobody has by default; where Claude's credential is injected, that is its host alone. */
function namedHosts({ hosts }: EgressPolicy, claude: InjectedClaude | undefined): readonly string[] {
  const usual = claude === undefined ? DEFAULT_HOSTS : [API_HOST];
  return hosts.map(({ host }) => host).filter((host) => !usual.includes(host));
}

/** What is asked for, from the manifest and the command line. @throws Failure */
export async function bottleSpec(manifest: Manifest, options: SpecOptions): Promise<BottleSpec> {
  const { host } = options;
  const { agent, bottle: granted } = requireAgent(manifest, options.agent);
  const located = { ...granted, env: hostEnv(manifest, granted, host) };
  const proxy = proxyNamed(options.proxy);
  const { inspects } = proxy;
  const { remoteControl } = options;
  const { environment } = host;
  const claude = claudeInjection(located, { inspects, remoteControl, environment });
  const bottle = claude?.bottle ?? located;
  const injected = injectedSources(manifest, bottle, host);
  const home = homeOf(host.environment.get("CLAUDE_BOTTLE_CONTAINER_HOME") || DEFAULT_HOME);
  const policy = egressPolicy(bottle.egress, bottle.ssh);
  return {
    agent: agent.name,
    bottle: bottle.name,
    manifestFiles: manifest.files,
    ...agentRun(agent, { ...options, home }),
    skills: agent.skills,
    prompt: agent.prompt,
    remoteControl: options.remoteControl,
    lifetime: options.lifetime ?? "session",
    startsAgent: options.startsAgent ?? true,
    env: bottle.env,
    injected,
    gitIdentity: bottle.gitIdentity && await hostGitIdentity(host, host.interrupts.signal),
    ssh: bottle.ssh.map((entry, index) => ({
      ...entry,
      identityFile: absoluteHostPath(entry.identityFile, {
        manifest,
        host,
        at: ["bottles", bottle.name, "ssh", index, "IdentityFile"],
      }),
    })),
    workspace: options.cwd ? await workspaceSource(options) : undefined,
    claudeInjection: claude?.claude,
    forwardOauthToken: forwardsOauthToken(injected, environment),
    proxy,
    policy,
    namedHosts: namedHosts(policy, claude),
    egressSummary: allowlistSummary(policy),
    neighbours: untouchedNeighbours(policy),
    networks: bottle.egress.networks,
    runtime: options.runtime ?? bottle.runtime,
    resources: bottle.resources,
    ca: await extraAuthorities(host, caFile(manifest, bottle)),
    home,
    workdir: options.cwd ? `${home}/workspace` : home,
    skillsDir: skillsDirOf(host.environment.get("CLAUDE_BOTTLE_CONTAINER_SKILLS_DIR"), home),
  };
}

/** @throws Failure `workspace-refused` */
async function workspaceSource({ host, exclude }: SpecOptions): Promise<WorkspaceSource> {
  const directory = await host.files.realPath(host.cwd);
  // What stands for bytes that are no text: nothing below it could be opened.
  if (directory === undefined || directory.includes("\ufffd")) {
    throw new Failure("workspace-refused", "The working directory's path is gone, or is not UTF-8", {
      hints: ["Change to a directory whose path is UTF-8, and run again"],
    });
  }
  return { directory, exclude };
}

function caFile(manifest: Manifest, { name, image: { ca } }: Bottle): string | undefined {
  return ca === undefined ? undefined : hostPath(ca, { manifest, at: ["bottles", name, "image", "ca"] });
}

/** Where the skills go. @throws Failure for where a skill would be hidden, or become something else of the bottle's */
function skillsDirOf(value: string | undefined, home: string): string {
  if (!value) return `${home}/.claude/skills`;
  const path = value.replace(/\/+$/, "");
  const holdsHome = home === path || home.startsWith(`${path}/`);
  if (path.length <= SKILLS_DIR_LIMIT && isPlainPath(path) && !SYSTEM_FOLDERS.test(path) && !holdsHome) {
    return path;
  }
  throw new Failure(
    "skills-dir-invalid",
    `CLAUDE_BOTTLE_CONTAINER_SKILLS_DIR is not a folder for skills: ${JSON.stringify(value)}`,
    {
      hints: [`Give an absolute path outside the system's folders, such as ${home}/.claude/skills`],
      exit: EXIT.usage,
    },
  );
}

function isPlainPath(path: string): boolean {
  return /^(\/[A-Za-z0-9._-]+)+$/.test(path) && !/\/\.{1,2}(\/|$)/.test(path);
}

function homeOf(path: string): string {
  if (path.length <= HOME_LIMIT && isPlainPath(path)) return path;
  throw new Failure(
    "home-invalid",
    `CLAUDE_BOTTLE_CONTAINER_HOME is not an absolute path: ${JSON.stringify(path)}`,
    {
      hints: [`Give a path such as ${DEFAULT_HOME}`],
      exit: EXIT.usage,
    },
  );
}

function isClaude(agent: Agent): boolean {
  return agent.command[0] === "claude";
}

/** Claude Code without `--prompt` is a program for a terminal; anything else decides by what it is given. */
function modeOf(agent: Agent, { prompt, host }: RunOptions): AgentMode {
  if (prompt !== undefined) return "headless";
  if (isClaude(agent)) return "attached";
  return host.terminal.stdinIsTerminal && host.terminal.stdoutIsTerminal ? "attached" : "headless";
}

function commandOf(agent: Agent, options: RunOptions & { readonly home: string }): readonly string[] {
  const { prompt, remoteControl, args } = options;
  if (!isClaude(agent)) {
    requireClaudeFor(agent, [
      ...(prompt === undefined ? [] : ["--prompt"]),
      ...(remoteControl ? ["--remote-control"] : []),
      ...(agent.prompt === "" ? [] : ["the agent's prompt"]),
    ]);
    return [...agent.command, ...args];
  }
  const tail = claudeArguments({
    args,
    remoteControl,
    ...(prompt === undefined ? {} : { prompt }),
    ...(agent.prompt === "" ? {} : { systemPromptFile: promptFile(options.home) }),
  });
  return [...agent.command, ...tail];
}

/** A word that no process can be given would fail only after the launch, in words that nobody understands. */
export function checkedCommand(command: readonly string[]): readonly string[] {
  const lengths = command.map((word) => new TextEncoder().encode(word).length);
  const longest = lengths.reduce((most, length) => Math.max(most, length), 0);
  if (longest > ARGUMENT_LIMIT || lengths.reduce((sum, length) => sum + length, 0) > COMMAND_LIMIT) {
    throw new Failure("command-too-long", `The agent's command is too long: one word has ${longest} bytes`, {
      hints: [
        `A word may have ${ARGUMENT_LIMIT} bytes, a prompt among them, and all together ${COMMAND_LIMIT}`,
      ],
      exit: EXIT.usage,
    });
  }
  return command;
}

function requireClaudeFor(agent: Agent, wants: readonly string[]): void {
  if (wants.length === 0) return;
  throw new Failure(
    "not-claude",
    `${wants.join(" and ")} is for Claude Code, but ${agent.name} runs ${oneLine(agent.command[0] ?? "")}`,
    {
      hints: ["Give the command's own arguments after `--`"],
      exit: EXIT.usage,
    },
  );
}

function proxyNamed(name: ProxyName | undefined): EgressProxy {
  return name === "squid" ? squid : pipelock;
}
