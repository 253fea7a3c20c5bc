import { buildCommand } from "@stricli/core";
import type { CliContext, CommonFlags } from "./context.ts";
import { agentName, COMMON_FLAGS, ENGINE_FLAGS, MANIFEST_FLAG, text } from "./flags.ts";

interface EntryFlags extends CommonFlags {
  readonly backend?: string;
  readonly context?: string;
  readonly manifest?: string;
  readonly secrets: boolean;
}

const BOTTLE = {
  parse: agentName,
  brief: "Its name, the beginning of its name, or its agent when only one of it is there",
  placeholder: "bottle",
} as const;

interface AttachFlags extends EntryFlags {
  readonly shell: boolean;
  readonly prompt?: string;
  readonly remoteControl: boolean;
}

/** `attach`: the agent, or a shell, in a bottle that is there. */
export const attachCommand = buildCommand<AttachFlags, [bottle: string], CliContext>({
  loader: async () => {
    const { attach } = await import("../commands/attach.ts");
    return function (flags, bottle): Promise<void> {
      const { backend, context, manifest, prompt, remoteControl, shell, secrets } = flags;
      const args = this.passedThrough;
      const mayAsk = prompt === undefined && !flags.json;
      return this.perform(flags, (ports) =>
        attach(
          { bottle, mayAsk, args, backend, context, manifest, prompt, remoteControl, shell, secrets },
          ports,
        ));
    };
  },
  parameters: {
    flags: {
      shell: {
        kind: "boolean",
        brief: "A second terminal, with bash or sh, instead of the agent",
        default: false,
        withNegated: false,
      },
      secrets: {
        kind: "boolean",
        brief: "Give the shell the secrets of the env as well; the agent always has them",
        default: false,
        withNegated: false,
      },
      prompt: {
        kind: "parsed",
        parse: text,
        brief: "Run headless with this prompt, print the answer, exit with the agent's code",
        placeholder: "text",
        optional: true,
      },
      remoteControl: {
        kind: "boolean",
        brief: "Start Claude Code with remote control",
        default: false,
        withNegated: false,
      },
      manifest: MANIFEST_FLAG,
      ...ENGINE_FLAGS,
      ...COMMON_FLAGS,
    },
    aliases: { v: "verbose", p: "prompt" },
    positional: { kind: "tuple", parameters: [BOTTLE] },
  },
  docs: {
    brief: "Run the agent, or a shell, in a bottle that is there; the bottle stays",
    customUsage: ["BOTTLE [flags] [-- ARGS…]"],
    fullDescription: [
      "Runs the agent in a bottle that `start --detach` or `start --keep` left, its env taken from the host and asked",
      "for again. Words behind `--` go to the agent's command. The manifest must be the one of the launch, unchanged.",
      "",
      "EXAMPLES",
      "  claude-bottle attach reviewer",
      '  claude-bottle attach reviewer --prompt "Review the last commit"',
      "  claude-bottle attach reviewer -- --continue  an argument for Claude Code",
      "  claude-bottle attach reviewer --shell        a second terminal",
    ].join("\n"),
  },
});

interface ExecFlags extends EntryFlags {
  readonly user?: string;
}

/** `exec`: one command in a bottle that is there. */
export const execCommand = buildCommand<ExecFlags, [bottle: string], CliContext>({
  loader: async () => {
    const { exec } = await import("../commands/exec.ts");
    return function (flags, bottle): Promise<void> {
      const { backend, context, manifest, secrets, user } = flags;
      const command = this.passedThrough;
      return this.perform(
        flags,
        (ports) =>
          exec({ bottle, mayAsk: !flags.json, command, backend, context, manifest, secrets, user }, ports),
      );
    };
  },
  parameters: {
    flags: {
      secrets: {
        kind: "boolean",
        brief: "Give the command the secrets of the env as well, not only its literals",
        default: false,
        withNegated: false,
      },
      // People look for it: it is there to say why it is not.
      user: {
        kind: "parsed",
        parse: text,
        brief: "Refused",
        placeholder: "name",
        optional: true,
        hidden: true,
      },
      manifest: MANIFEST_FLAG,
      ...ENGINE_FLAGS,
      ...COMMON_FLAGS,
    },
    aliases: { v: "verbose", u: "user" },
    positional: { kind: "tuple", parameters: [BOTTLE] },
  },
  docs: {
    brief: "Run a command in a bottle that is there",
    customUsage: ["BOTTLE [flags] -- CMD"],
    fullDescription: [
      "Runs the words behind `--` as the agent's user, in the directory that the agent starts in, and exits with their",
      "code. On a terminal the command gets one; else stdin, stdout and stderr are passed on as they are. The manifest",
      "must be the one of the launch, unchanged.",
      "",
      "EXAMPLES",
      "  claude-bottle exec reviewer -- git status",
      "  claude-bottle exec reviewer -- tar -c . > work.tar",
      "  claude-bottle exec reviewer --secrets -- npm publish --dry-run",
    ].join("\n"),
  },
});

interface SecretsFlags extends Omit<EntryFlags, "secrets"> {
  readonly refresh: boolean;
}

/** `secrets`: those that the sidecar of a bottle injects. */
export const secretsCommand = buildCommand<SecretsFlags, [bottle: string], CliContext>({
  loader: async () => {
    const { secrets } = await import("../commands/secrets.ts");
    return function (flags, bottle): Promise<void> {
      const { backend, context, json, manifest, refresh } = flags;
      return this.perform(
        flags,
        (ports) => secrets({ bottle, mayAsk: !json, backend, context, json, manifest, refresh }, ports),
      );
    };
  },
  parameters: {
    flags: {
      refresh: {
        kind: "boolean",
        brief: "Take them from their sources again and give them to the sidecar",
        default: false,
        withNegated: false,
      },
      manifest: MANIFEST_FLAG,
      ...ENGINE_FLAGS,
      ...COMMON_FLAGS,
    },
    aliases: { v: "verbose" },
    positional: { kind: "tuple", parameters: [BOTTLE] },
  },
  docs: {
    brief: "Show or renew the secrets that a bottle's sidecar puts into requests",
    customUsage: ["BOTTLE [flags]"],
    fullDescription: [
      "Shows which secrets the sidecar of a bottle that is there puts into which requests, by name alone. With --refresh",
      "they are taken from their sources again, as they are now: connections go on, and what the agent holds stays the",
      "same. The manifest must be the one of the launch, unchanged.",
      "",
      "EXAMPLES",
      "  claude-bottle secrets reviewer",
      "  claude-bottle secrets reviewer --refresh   after a token was renewed",
    ].join("\n"),
  },
});
