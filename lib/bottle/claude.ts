import type { EgressPolicy } from "../egress/policy.ts";
import { EXIT, Failure } from "../errors.ts";
import { API_HOST } from "./claude_credentials.ts";

/** A file for Claude Code: in the agent's home it is the agent's, elsewhere root's. */
export interface HomeFile {
  /** Absolute. */
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  readonly text: string;
}

/** Where the agent's system prompt stands, by its home. */
export function promptFile(home: string): string {
  return `${home}/.claude-bottle-prompt.txt`;
}

/**
 * Keeps Claude Code from hosts that the bottle does not grant: telemetry, its updater and the release notes by
 * the first, the marketplace of plugins (github.com, downloads.claude.ai) by the second. A manifest's env wins.
 */
export const CLAUDE_ENVIRONMENT: Readonly<Record<string, string>> = {
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
  CLAUDE_CODE_DISABLE_OFFICIAL_MARKETPLACE_AUTOINSTALL: "1",
};

/**
 * The files that let Claude Code start at its prompt: welcome, login, the warning about skipped permissions and
 * the question whether to trust `workdir` count as answered. Other folders are asked about as ever.
 */
export function claudeHomeFiles(
  { home, workdir }: { readonly home: string; readonly workdir: string },
): readonly HomeFile[] {
  const state = {
    hasCompletedOnboarding: true,
    bypassPermissionsModeAccepted: true,
    projects: { [workdir]: { hasTrustDialogAccepted: true } },
  };
  // Claude Code writes the account and its history into it, and gives it this mode itself.
  return [{ path: `${home}/.claude.json`, mode: 0o600, text: `${JSON.stringify(state)}\n` }];
}

/**
 * Settings of the machine's, which the agent cannot change, for a bottle whose way to the model is inspected. WebFetch
 * asks the model's host beforehand whether a page may be fetched, without a credential, and would be refused; in a
 * bottle the allowlist says which pages may.
 */
export function claudeSystemFile({ hosts }: Pick<EgressPolicy, "hosts">): HomeFile | undefined {
  const isInspected = hosts.some(({ host, inspection }) => host === API_HOST && inspection !== undefined);
  if (!isInspected) return undefined;
  const text = `${JSON.stringify({ skipWebFetchPreflight: true })}\n`;
  return { path: "/etc/claude-code/managed-settings.d/claude-bottle.json", mode: 0o644, text };
}

export interface ClaudeArguments {
  /** The user's own, from behind `--`. */
  readonly args: readonly string[];
  /** Runs headless: the answer is printed and Claude Code ends. `undefined` for a session on the terminal. */
  readonly prompt?: string;
  /** A file in the bottle with the agent's prompt. */
  readonly systemPromptFile?: string;
  readonly remoteControl: boolean;
}

/**
 * What follows the agent's `command` when that is Claude Code. A prompt is one word behind `--`, where neither
 * a leading dash nor an option that takes several values changes what it is.
 *
 * @throws Failure `prompt-empty`, `prompt-conflict`: Claude Code would fail or silently take another prompt.
 */
export function claudeArguments(
  { args, prompt, systemPromptFile, remoteControl }: ClaudeArguments,
): readonly string[] {
  const ours = [
    // With `=`: its value is optional, and the next word would be taken for it.
    ...(remoteControl ? ["--remote-control="] : []),
    ...(systemPromptFile === undefined ? [] : ["--append-system-prompt-file", systemPromptFile]),
  ];
  if (prompt === undefined) return [...ours, ...args];
  if (prompt.trim() === "") {
    throw new Failure("prompt-empty", "--prompt is empty", {
      hints: ["Give the prompt's text, or leave --prompt out for a session on the terminal"],
      exit: EXIT.usage,
    });
  }
  if (args.includes("--")) {
    throw new Failure("prompt-conflict", "The agent's arguments contain -- although --prompt is given", {
      hints: ["Give the prompt either with --prompt or behind --, not both"],
      exit: EXIT.usage,
    });
  }
  return ["--print", ...ours, ...args, "--", prompt];
}
