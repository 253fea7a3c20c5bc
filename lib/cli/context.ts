import type { CommandContext } from "@stricli/core";
import type { CommandPorts } from "../commands/context.ts";
import type { ColorChoice } from "../ui/style.ts";

/** Flags that every command has. */
export interface CommonFlags {
  readonly json: boolean;
  readonly verbose: boolean;
  readonly color: ColorChoice;
}

/** What a parsed command is given: the way to its ports, once its common flags are known, and the words behind `--`. */
export interface CliContext extends CommandContext {
  readonly passedThrough: readonly string[];
  /** Runs the command and keeps its exit code or error for the caller of the parser. */
  perform(flags: CommonFlags, command: (ports: CommandPorts) => Promise<number>): Promise<void>;
}
