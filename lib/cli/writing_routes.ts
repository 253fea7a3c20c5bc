import { buildCommand } from "@stricli/core";
import { EXIT, Failure } from "../errors.ts";
import type { CliContext, CommonFlags } from "./context.ts";
import { COMMON_FLAGS, MANIFEST_FLAG, requireValue } from "./flags.ts";

interface OriginFlags extends CommonFlags {
  readonly user: boolean;
  readonly project: boolean;
}

/** Whose manifest is meant. @throws Failure `usage` */
function originOf({ user, project }: OriginFlags): "user" | "project" | undefined {
  if (user && project) {
    throw new Failure("usage", "--user and --project contradict each other", {
      hints: ["Leave one of them out"],
      exit: EXIT.usage,
    });
  }
  if (user) return "user";
  return project ? "project" : undefined;
}

interface InitFlags extends OriginFlags {
  readonly agent?: string;
  readonly yes: boolean;
}

/** `init` */
export const initCommand = buildCommand<InitFlags, [], CliContext>({
  loader: async () => {
    const { init } = await import("../commands/init.ts");
    return function (flags): Promise<void> {
      const { agent, yes, json } = flags;
      return this.perform(
        flags,
        async (ports) => await init({ origin: originOf(flags), agent, yes, json }, ports),
      );
    };
  },
  parameters: {
    flags: {
      user: { kind: "boolean", brief: "Your own manifest", default: false, withNegated: false },
      project: {
        kind: "boolean",
        brief: "One that comes with the repository, in its root",
        default: false,
        withNegated: false,
      },
      agent: {
        kind: "parsed",
        parse: requireValue,
        brief: "What the agent is called",
        placeholder: "name",
        optional: true,
      },
      yes: { kind: "boolean", brief: "Ask nothing", default: false, withNegated: false },
      ...COMMON_FLAGS,
    },
    aliases: { v: "verbose", y: "yes" },
  },
  docs: {
    brief: "Write a manifest that works, to begin with",
    customUsage: ["[flags]"],
    fullDescription: [
      "Writes a manifest with one agent in one bottle, and comments that show what else there is. On a terminal it",
      "asks for the agent's name, its skills and an ssh key; else, or with --yes, the agent is given the skills of",
      "`~/.claude/skills` and no key. A JSON Schema is put beside it, by which editors complete and check what you write.",
      "",
      "Your own manifest is ~/.config/claude-bottle/claude-bottle.yaml. A project's has neither skills nor keys, which",
      "are this host's alone, and grants nothing until `claude-bottle trust` has approved it. Nothing is overwritten.",
      "",
      "EXAMPLES",
      "  claude-bottle init",
      "  claude-bottle init --yes --agent reviewer",
      "  claude-bottle init --project",
    ].join("\n"),
  },
});

interface EditFlags extends OriginFlags {
  readonly manifest?: string;
}

/** `edit` */
export const editCommand = buildCommand<EditFlags, [], CliContext>({
  loader: async () => {
    const { edit } = await import("../commands/edit.ts");
    return function (flags): Promise<void> {
      return this.perform(
        flags,
        async (ports) => await edit({ origin: originOf(flags), manifest: flags.manifest }, ports),
      );
    };
  },
  parameters: {
    flags: {
      user: { kind: "boolean", brief: "Your own manifest", default: false, withNegated: false },
      project: { kind: "boolean", brief: "The project's manifest", default: false, withNegated: false },
      manifest: { ...MANIFEST_FLAG, brief: "This file, wherever it is" },
      ...COMMON_FLAGS,
    },
    aliases: { v: "verbose" },
  },
  docs: {
    brief: "Open the manifest in your editor, then check it",
    customUsage: ["[flags]"],
    fullDescription: [
      "Opens the manifest that `start` would use in $VISUAL, else $EDITOR, else vi, and then tells what `validate`",
      "would. When there are problems it offers to open it again; exits 2 when they stay.",
      "",
      "EXAMPLES",
      "  claude-bottle edit",
      "  claude-bottle edit --project",
      "  EDITOR='code --wait' claude-bottle edit",
    ].join("\n"),
  },
});
