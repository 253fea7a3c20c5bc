import { buildCommand } from "@stricli/core";
import type { CliContext, CommonFlags } from "./context.ts";
import { COMMON_FLAGS } from "./flags.ts";

interface TrustFlags extends CommonFlags {
  readonly yes: boolean;
  readonly revoke: boolean;
}

/** `trust`: the approval of what a project's manifest grants. */
export const trustCommand = buildCommand<TrustFlags, [], CliContext>({
  loader: async () => {
    const { trust } = await import("../commands/trust.ts");
    return function (flags): Promise<void> {
      const { yes, revoke, verbose, json } = flags;
      return this.perform(flags, (ports) => trust({ yes, revoke, verbose, json }, ports));
    };
  },
  parameters: {
    flags: {
      yes: { kind: "boolean", brief: "Approve without asking", default: false, withNegated: false },
      revoke: {
        kind: "boolean",
        brief: "Forget what was approved for this project",
        default: false,
        withNegated: false,
      },
      ...COMMON_FLAGS,
      verbose: { ...COMMON_FLAGS.verbose, brief: "Show the grants that are unchanged, too" },
    },
    aliases: { v: "verbose", y: "yes" },
  },
  docs: {
    brief: "Review and approve what the project's manifest would grant",
    customUsage: ["[flags]"],
    fullDescription: [
      "A manifest that comes with a project grants nothing until you have approved exactly what it grants. Shows that",
      "as a difference to your last approval, with file and line, and asks. Later changes that grant no more need no",
      "new approval; one more host asks for that host. An exclamation mark stands before what reaches your secrets,",
      "keys or files, what runs on this machine, private networks, whole domains or images. Where nobody can be asked",
      "it shows the same and exits 2.",
      "",
      "Approvals are kept in $XDG_STATE_HOME/claude-bottle/trust (~/.local/state), for one folder each: a copy of the",
      "project elsewhere asks again. Scripts and Dockerfiles of the project are approved with their content.",
      "",
      "EXAMPLES",
      "  claude-bottle trust",
      "  claude-bottle trust --yes          where nobody can be asked",
      "  claude-bottle trust --json         what is asked for; approves nothing",
      "  claude-bottle trust --revoke",
    ].join("\n"),
  },
});
