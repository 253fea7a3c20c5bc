import { buildCommand, buildRouteMap } from "@stricli/core";
import type { ProxyName, RuntimeChoice } from "../manifest/model.ts";
import type { CliContext, CommonFlags } from "./context.ts";
import { cleanupCommand, doctorCommand, logsCommand, stopCommand } from "./upkeep_routes.ts";
import { attachCommand, execCommand, secretsCommand } from "./entry_routes.ts";
import { agentName, COMMON_FLAGS, ENGINE_FLAGS, MANIFEST_FLAG, requireValue, text } from "./flags.ts";
import { infoCommand, listCommand, schemaCommand, validateCommand } from "./manifest_routes.ts";
import { trustCommand } from "./trust_routes.ts";
import { editCommand, initCommand } from "./writing_routes.ts";

interface EngineFlags extends CommonFlags {
  readonly backend?: string;
  readonly context?: string;
}

interface StartFlags extends EngineFlags {
  readonly dryRun: boolean;
  readonly format?: "text" | "json";
  readonly yes: boolean;
  readonly prompt?: string;
  readonly remoteControl: boolean;
  readonly cwd: boolean;
  readonly exclude?: readonly string[];
  readonly manifest?: string;
  readonly proxy?: ProxyName;
  readonly runtime?: RuntimeChoice;
  readonly detach: boolean;
  readonly keep: boolean;
}

const startCommand = buildCommand<StartFlags, [agent?: string], CliContext>({
  loader: async () => {
    const { start } = await import("../commands/start.ts");
    return function (flags, agent): Promise<void> {
      return this.perform(flags, (ports) =>
        start({
          agent,
          args: this.passedThrough,
          dryRun: flags.dryRun,
          format: flags.format ?? (flags.json && flags.dryRun ? "json" : undefined),
          yes: flags.yes,
          prompt: flags.prompt,
          remoteControl: flags.remoteControl,
          cwd: flags.cwd,
          exclude: flags.exclude ?? [],
          manifest: flags.manifest,
          backend: flags.backend,
          context: flags.context,
          proxy: flags.proxy,
          runtime: flags.runtime,
          detach: flags.detach,
          keep: flags.keep,
          json: flags.json,
        }, ports));
    };
  },
  parameters: {
    flags: {
      dryRun: { kind: "boolean", brief: "Show the plan and do nothing", default: false, withNegated: false },
      format: {
        kind: "enum",
        values: ["text", "json"],
        brief: "How the plan of a dry run is shown",
        optional: true,
      },
      yes: {
        kind: "boolean",
        brief: "Launch without asking; a project's grants must be approved before: `trust`",
        default: false,
        withNegated: false,
      },
      prompt: {
        kind: "parsed",
        parse: text,
        brief: "Run headless with this prompt, print the answer, exit with the agent's code; implies --yes",
        placeholder: "text",
        optional: true,
      },
      detach: {
        kind: "boolean",
        brief: "Make the bottle ready for `attach` and print its name; no agent is started",
        default: false,
        withNegated: false,
      },
      keep: {
        kind: "boolean",
        brief: "Leave the bottle for `attach` when the agent has ended",
        default: false,
        withNegated: false,
      },
      remoteControl: {
        kind: "boolean",
        brief: "Start Claude Code with remote control",
        default: false,
        withNegated: false,
      },
      cwd: {
        kind: "boolean",
        brief: "Copy the working directory into the bottle and start there",
        default: false,
        withNegated: false,
      },
      exclude: {
        kind: "parsed",
        parse: requireValue,
        brief: "With --cwd: leave out a name, or with a slash a path; * is any text in a name",
        placeholder: "pattern",
        variadic: true,
        optional: true,
      },
      manifest: MANIFEST_FLAG,
      proxy: {
        kind: "enum",
        values: ["pipelock", "squid"],
        brief: "The egress proxy, whatever the manifest names",
        optional: true,
      },
      runtime: {
        kind: "enum",
        values: ["auto", "runc", "runsc"],
        brief: "The OCI runtime, whatever the manifest names",
        optional: true,
      },
      ...ENGINE_FLAGS,
      ...COMMON_FLAGS,
    },
    aliases: { v: "verbose", y: "yes", p: "prompt" },
    positional: {
      kind: "tuple",
      parameters: [{
        parse: agentName,
        brief: "The agent; not needed when there is one",
        placeholder: "agent",
        optional: true,
      }],
    },
  },
  docs: {
    brief: "Run an agent in a new bottle, then remove the bottle",
    customUsage: ["[AGENT] [flags] [-- ARGS…]", "demo"],
    fullDescription: [
      "Prepares a bottle, shows what it grants, asks, launches it, attaches you to the agent, and removes",
      "everything when the agent ends. Words behind `--` go to the agent's command. With --detach or --keep the",
      "bottle stays until `claude-bottle stop`.",
      "",
      "With --cwd the agent works in a copy of the working directory. When it ends and nothing in the copy is new,",
      "the copy goes with the bottle; otherwise it stays, and the command that brings it home is shown.",
      "",
      "EXAMPLES",
      "  claude-bottle start demo                   a tour; needs no account",
      "  claude-bottle start                        the built-in agent, or the only one",
      "  claude-bottle start reviewer --dry-run     what would be done, step by step",
      '  claude-bottle start reviewer --prompt "Review the last commit"',
      "  claude-bottle start reviewer --cwd --exclude node_modules",
      "  claude-bottle start reviewer -- --resume   an argument for Claude Code",
      "  claude-bottle start reviewer --detach      a bottle for `attach` and `exec`",
    ].join("\n"),
  },
});

interface BuildFlags extends EngineFlags {
  readonly force: boolean;
}

const buildImagesCommand = buildCommand<BuildFlags, [], CliContext>({
  loader: async () => {
    const { build } = await import("../commands/build.ts");
    return function (flags): Promise<void> {
      return this.perform(flags, (ports) =>
        build({
          backend: flags.backend,
          context: flags.context,
          force: flags.force,
          json: flags.json,
        }, ports));
    };
  },
  parameters: {
    flags: {
      force: { kind: "boolean", brief: "Build even what is there", default: false, withNegated: false },
      ...ENGINE_FLAGS,
      ...COMMON_FLAGS,
    },
    aliases: { v: "verbose" },
  },
  docs: {
    brief: "Build the images that bottles are made from",
    customUsage: ["[flags]"],
    fullDescription: [
      "Builds the agent's and the sidecar's image where they are missing. `start` does the same when it must.",
      "",
      "EXAMPLES",
      "  claude-bottle build",
      "  claude-bottle build --force --json",
    ].join("\n"),
  },
});

/** Every command by its name. */
export const routes = buildRouteMap({
  routes: {
    start: startCommand,
    init: initCommand,
    edit: editCommand,
    list: listCommand,
    info: infoCommand,
    validate: validateCommand,
    schema: schemaCommand,
    trust: trustCommand,
    attach: attachCommand,
    exec: execCommand,
    secrets: secretsCommand,
    build: buildImagesCommand,
    logs: logsCommand,
    stop: stopCommand,
    doctor: doctorCommand,
    cleanup: cleanupCommand,
  },
  docs: {
    brief:
      "Run a coding agent in a bottle: exactly the env and hosts that a manifest grants, nothing left behind",
    fullDescription: [
      "Runs a coding agent in a bottle: a container with exactly the skills, env, ssh keys and hosts that a",
      "manifest grants, and nothing left behind.",
      "",
      "EXAMPLES",
      "  claude-bottle start demo        a tour of a real bottle; needs no account",
      "  claude-bottle start             Claude Code in a bottle",
      "  claude-bottle doctor            what is missing, and what to do",
      "  claude-bottle start --help      every flag of a command, with examples",
    ].join("\n"),
  },
});
