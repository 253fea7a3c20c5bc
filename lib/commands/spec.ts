import { claudeArguments } from "../bottle/claude.ts";
import type { AgentMode, BottleSpec } from "../bottle/spec.ts";
import { allowlistSummary, egressPolicy } from "../egress/allowlist.ts";
import type { EgressProxy } from "../egress/proxy.ts";
import { squid } from "../egress/squid/squid.ts";
import { EXIT, Failure } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { requireAgent } from "../manifest/agents.ts";
import type { Agent, Manifest, ProxyName, RuntimeChoice } from "../manifest/model.ts";
import { extraAuthorities } from "./authorities.ts";

/** The longest prompt an argument can carry (MAX_ARG_STRLEN, its terminator included). */
const PROMPT_LIMIT = 131_071;

const DEFAULT_HOME = "/home/node";

export interface SpecOptions {
  readonly agent: string;
  readonly args: readonly string[];
  readonly prompt: string | undefined;
  readonly remoteControl: boolean;
  /** The egress proxy that was settled on. */
  readonly proxy: ProxyName | undefined;
  readonly runtime: RuntimeChoice | undefined;
  readonly host: Host;
}

/** What is asked for, from the manifest and the command line. @throws Failure */
export async function bottleSpec(manifest: Manifest, options: SpecOptions): Promise<BottleSpec> {
  const { host } = options;
  const { agent, bottle } = requireAgent(manifest, options.agent);
  const home = homeOf(host.environment.get("CLAUDE_BOTTLE_CONTAINER_HOME") || DEFAULT_HOME);
  const mode = modeOf(agent, options);
  const policy = egressPolicy(bottle.egress, bottle.ssh);
  return {
    agent: agent.name,
    bottle: bottle.name,
    manifestFiles: manifest.files,
    mode,
    command: commandOf(agent, { ...options, home }),
    prompt: agent.prompt,
    remoteControl: options.remoteControl,
    env: bottle.env,
    forwardOauthToken: Boolean(host.environment.get("CLAUDE_BOTTLE_OAUTH_TOKEN")),
    proxy: proxyNamed(options.proxy),
    policy,
    egressSummary: allowlistSummary(policy),
    networks: bottle.egress.networks,
    runtime: options.runtime ?? bottle.runtime,
    resources: bottle.resources,
    ca: await extraAuthorities(host, bottle.image.ca),
    home,
    workdir: home,
  };
}

function homeOf(path: string): string {
  if (/^(\/[A-Za-z0-9._-]+)+$/.test(path) && !/\/\.{1,2}(\/|$)/.test(path)) return path;
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
function modeOf(agent: Agent, { prompt, host }: SpecOptions): AgentMode {
  if (prompt !== undefined) return "headless";
  if (isClaude(agent)) return "attached";
  return host.terminal.stdinIsTerminal && host.terminal.stdoutIsTerminal ? "attached" : "headless";
}

function commandOf(agent: Agent, options: SpecOptions & { readonly home: string }): readonly string[] {
  const { prompt, remoteControl, args } = options;
  if (!isClaude(agent)) {
    requireClaudeFor(agent, [
      ...(prompt === undefined ? [] : ["--prompt"]),
      ...(remoteControl ? ["--remote-control"] : []),
      ...(agent.prompt === "" ? [] : ["the agent's prompt"]),
    ]);
    return [...agent.command, ...args];
  }
  if (prompt !== undefined && new TextEncoder().encode(prompt).length > PROMPT_LIMIT) {
    throw new Failure(
      "prompt-too-long",
      `The prompt is longer than the ${PROMPT_LIMIT} bytes an argument can have`,
      {
        exit: EXIT.usage,
      },
    );
  }
  const tail = claudeArguments({
    args,
    remoteControl,
    ...(prompt === undefined ? {} : { prompt }),
    ...(agent.prompt === "" ? {} : { systemPromptFile: `${options.home}/.claude-bottle-prompt.txt` }),
  });
  return [...agent.command, ...tail];
}

function requireClaudeFor(agent: Agent, wants: readonly string[]): void {
  if (wants.length === 0) return;
  throw new Failure(
    "not-claude",
    `${wants.join(" and ")} is for Claude Code, but ${agent.name} runs ${agent.command[0]}`,
    {
      hints: ["Give the command's own arguments after `--`"],
      exit: EXIT.usage,
    },
  );
}

function proxyNamed(name: ProxyName | undefined): EgressProxy {
  if (name === "squid") return squid;
  throw new Failure("not-available-yet", `The egress proxy ${name ?? "pipelock"} is not available yet`, {
    hints: ["Use squid: `proxy: squid` in the manifest, or `--proxy squid`"],
    exit: EXIT.usage,
  });
}
