import { EXIT, Failure } from "../errors.ts";
import type { CommandPorts } from "./context.ts";
import { enteredBottle, type EntryOptions, grantedEnv } from "./opened_bottle.ts";
import { checkedCommand } from "./spec.ts";

export interface ExecOptions extends EntryOptions {
  /** Words behind `--`: the command. */
  readonly command: readonly string[];
  /** Gives it the secrets too. */
  readonly secrets: boolean;
  /** What `--user` asks for; always refused. */
  readonly user: string | undefined;
}

/** `exec`: one command in a bottle that is there. Returns its exit code. @throws Failure, Interrupted */
export async function exec(options: ExecOptions, ports: CommandPorts): Promise<number> {
  if (options.user !== undefined) {
    throw new Failure(
      "user-refused",
      "Everything in a bottle runs as the agent's user: root there could undo its protections",
      { hints: ["Leave --user out"], exit: EXIT.usage },
    );
  }
  if (options.command.length === 0) {
    throw new Failure("command-missing", "There is no command behind `--`", {
      hints: [`claude-bottle exec ${options.bottle} -- ls -l`],
      exit: EXIT.usage,
    });
  }
  const command = checkedCommand(options.command);
  const entry = await enteredBottle(options, { command: "exec", judge: () => {} }, ports);
  const granted = await grantedEnv(entry, { secrets: options.secrets }, ports);
  const { stdinIsTerminal, stdoutIsTerminal } = ports.host.terminal;
  ports.reporter.quiet();
  const mode = stdinIsTerminal && stdoutIsTerminal ? "attached" : "piped";
  const { code } = await entry.bottle.run({ command, mode, ...granted });
  return code;
}
