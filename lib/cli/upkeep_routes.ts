import { buildCommand } from "@stricli/core";
import type { CliContext, CommonFlags } from "./context.ts";
import { agentName, COMMON_FLAGS, ENGINE_FLAGS, MANIFEST_FLAG } from "./flags.ts";

interface EngineFlags extends CommonFlags {
  readonly backend?: string;
  readonly context?: string;
}

/** `stop`: the end of one bottle. */
export const stopCommand = buildCommand<EngineFlags, [bottle: string], CliContext>({
  loader: async () => {
    const { stop } = await import("../commands/stop.ts");
    return function (flags, bottle): Promise<void> {
      return this.perform(
        flags,
        (ports) => stop({ bottle, backend: flags.backend, context: flags.context, json: flags.json }, ports),
      );
    };
  },
  parameters: {
    flags: { ...ENGINE_FLAGS, ...COMMON_FLAGS },
    aliases: { v: "verbose" },
    positional: {
      kind: "tuple",
      parameters: [{
        parse: agentName,
        brief: "Its name, the beginning of its name, or its agent when only one of it is there",
        placeholder: "bottle",
      }],
    },
  },
  docs: {
    brief: "End a bottle and remove everything of it",
    customUsage: ["BOTTLE [flags]"],
    fullDescription: [
      "Removes the bottle's containers, networks and volumes, whoever owns it. A workspace that holds what is nowhere",
      "else stays, and the command that brings it home is shown.",
      "",
      "EXAMPLES",
      "  claude-bottle stop reviewer",
      "  claude-bottle stop claude-bottle-reviewer-2",
    ].join("\n"),
  },
});

interface CleanupFlags extends EngineFlags {
  readonly all: boolean;
  readonly yes: boolean;
}

/** `cleanup`: the end of what ended runs left. */
export const cleanupCommand = buildCommand<CleanupFlags, [], CliContext>({
  loader: async () => {
    const { cleanup } = await import("../commands/cleanup.ts");
    return function (flags): Promise<void> {
      return this.perform(flags, (ports) =>
        cleanup({
          all: flags.all,
          yes: flags.yes,
          backend: flags.backend,
          context: flags.context,
          json: flags.json,
        }, ports));
    };
  },
  parameters: {
    flags: {
      all: {
        kind: "boolean",
        brief: "Everything of every bottle, running ones and other people's included",
        default: false,
        withNegated: false,
      },
      yes: { kind: "boolean", brief: "Remove without asking", default: false, withNegated: false },
      ...ENGINE_FLAGS,
      ...COMMON_FLAGS,
    },
    aliases: { v: "verbose", y: "yes" },
  },
  docs: {
    brief: "Remove what bottles left whose owner is gone",
    customUsage: ["[flags]"],
    fullDescription: [
      "Lists what would go, asks, then removes it. Without --all only what belongs to no living process: bottles",
      "in use, detached ones, and those of other machines and users stay.",
      "",
      "EXAMPLES",
      "  claude-bottle cleanup",
      "  claude-bottle cleanup --yes --json   what would go, then what went",
    ].join("\n"),
  },
});

interface LogsFlags extends EngineFlags {
  readonly follow: boolean;
  readonly blocked: boolean;
}

/** `logs`: what a bottle tried to reach. */
export const logsCommand = buildCommand<LogsFlags, [bottle: string], CliContext>({
  loader: async () => {
    const { logs } = await import("../commands/logs.ts");
    return function (flags, bottle): Promise<void> {
      const { backend, context, json, follow, blocked } = flags;
      return this.perform(flags, (ports) => logs({ bottle, backend, context, json, follow, blocked }, ports));
    };
  },
  parameters: {
    flags: {
      follow: { kind: "boolean", brief: "Go on with what is to come", default: false, withNegated: false },
      blocked: { kind: "boolean", brief: "Only what was refused", default: false, withNegated: false },
      ...ENGINE_FLAGS,
      ...COMMON_FLAGS,
    },
    aliases: { v: "verbose", f: "follow" },
    positional: {
      kind: "tuple",
      parameters: [{
        parse: agentName,
        brief: "Its name, the beginning of its name, or its agent when only one of it is there",
        placeholder: "bottle",
      }],
    },
  },
  docs: {
    brief: "Show what a bottle tried to reach: allowed and refused",
    customUsage: ["BOTTLE [flags]"],
    fullDescription: [
      "One line for each connection that the sidecar let through or refused, and why. Equal ones in a row are one",
      "line with their number. What went through in both directions is told once a connection has ended; --follow",
      "shows it when it is opened, and closed with its bytes.",
      "",
      "EXAMPLES",
      "  claude-bottle logs reviewer",
      "  claude-bottle logs reviewer --blocked --follow",
    ].join("\n"),
  },
});

interface DoctorFlags extends EngineFlags {
  readonly manifest?: string;
}

/** `doctor`: whether this machine can run bottles. */
export const doctorCommand = buildCommand<DoctorFlags, [], CliContext>({
  loader: async () => {
    const { doctor } = await import("../commands/doctor.ts");
    return function (flags): Promise<void> {
      const { manifest, backend, context, json } = flags;
      return this.perform(flags, (ports) => doctor({ manifest, backend, context, json }, ports));
    };
  },
  parameters: {
    flags: { manifest: MANIFEST_FLAG, ...ENGINE_FLAGS, ...COMMON_FLAGS },
    aliases: { v: "verbose" },
  },
  docs: {
    brief: "Check everything that bottles depend on, and say what to do",
    customUsage: ["[flags]"],
    fullDescription: [
      "Looks at the docker CLI, the engine and what it can bound, runtimes, images, subnets, leftovers, the",
      "manifest and the token (never its value). Changes nothing. Exits 1 when there is a problem; a note keeps no",
      "bottle from starting.",
      "",
      "EXAMPLES",
      "  claude-bottle doctor",
      "  claude-bottle doctor --context other-machine --json",
    ].join("\n"),
  },
});
