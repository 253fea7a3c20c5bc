import { buildCommand } from "@stricli/core";
import type { ProxyName, RuntimeChoice } from "../manifest/model.ts";
import type { CliContext, CommonFlags } from "./context.ts";
import { agentName, COMMON_FLAGS, ENGINE_FLAGS, ENGINES_FLAGS, MANIFEST_FLAG } from "./flags.ts";

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

interface CleanupFlags extends CommonFlags {
  readonly backend?: string;
  readonly context?: readonly string[];
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
          contexts: flags.context ?? [],
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
      ...ENGINES_FLAGS,
      ...COMMON_FLAGS,
    },
    aliases: { v: "verbose", y: "yes" },
  },
  docs: {
    brief: "Remove what bottles left whose owner is gone",
    customUsage: ["[flags]"],
    fullDescription: [
      "Lists what would go, asks, then removes it. Without --all only what belongs to no living process: bottles",
      "in use, detached ones, and those of other machines and users stay. Every `start` does the same beside its launch.",
      "",
      "EXAMPLES",
      "  claude-bottle cleanup",
      "  claude-bottle cleanup --yes --json   what would go, then what went",
      "  claude-bottle cleanup --context default --context other-machine",
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
  readonly probe: boolean;
  readonly proxy?: ProxyName;
  readonly runtime?: RuntimeChoice;
}

/** `doctor`: whether this machine can run bottles, and whether they hold. */
export const doctorCommand = buildCommand<DoctorFlags, [], CliContext>({
  loader: async () => {
    const { doctor } = await import("../commands/doctor.ts");
    return function (flags): Promise<void> {
      const { manifest, probe, proxy, runtime, backend, context, json } = flags;
      return this.perform(
        flags,
        (ports) => doctor({ manifest, probe, proxy, runtime, backend, context, json }, ports),
      );
    };
  },
  parameters: {
    flags: {
      probe: {
        kind: "boolean",
        brief: "Attack a bottle from inside, and tell which protections hold",
        default: false,
        withNegated: false,
      },
      proxy: {
        kind: "enum",
        values: ["pipelock", "squid"],
        brief: "The probe's egress proxy; what start would take unless told",
        optional: true,
      },
      runtime: {
        kind: "enum",
        values: ["auto", "runc", "runsc"],
        brief: "The probe's OCI runtime, likewise",
        optional: true,
      },
      manifest: MANIFEST_FLAG,
      ...ENGINE_FLAGS,
      ...COMMON_FLAGS,
    },
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
      "With --probe it launches a bottle that is there for this alone, and tries from inside to get out of it, past",
      "the sidecar and through it, then kills the sidecar and tries again. What gets out arrives at a host of the",
      "probe's own; nothing is sent anywhere else but to the engine's host. Each protection is held, not held, let",
      "through by the proxy as it is known to (excepted), or not testable here; an attempt may be stopped by several.",
      "Takes about 20 seconds, removes everything, exits 1 when one is not held or when what is granted does not get",
      "through either.",
      "",
      "EXAMPLES",
      "  claude-bottle doctor",
      "  claude-bottle doctor --probe",
      "  claude-bottle doctor --probe --runtime runsc --proxy squid --json",
      "  claude-bottle doctor --context other-machine --json",
    ].join("\n"),
  },
});
