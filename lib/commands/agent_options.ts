import { EXIT, Failure } from "../errors.ts";

/** What is for an agent alone. */
export interface AgentOptions {
  /** Words behind `--`, for the agent's command. */
  readonly args: readonly string[];
  readonly prompt: string | undefined;
  readonly remoteControl: boolean;
}

/** It has no meaning beside a flag by which no agent is started. @throws Failure `usage` */
export function refuseAgentOptions(
  { prompt, remoteControl, args }: AgentOptions,
  { flag, hint }: { readonly flag: string; readonly hint: string },
): void {
  const given = [
    ...(prompt === undefined ? [] : ["--prompt"]),
    ...(remoteControl ? ["--remote-control"] : []),
    ...(args.length === 0 ? [] : ["-- ARGS"]),
  ];
  if (given.length === 0) return;
  throw new Failure("usage", `${flag} starts no agent, so ${given.join(" and ")} would have no effect`, {
    hints: [hint],
    exit: EXIT.usage,
  });
}
