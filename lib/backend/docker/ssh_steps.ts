import type { Step } from "../../bottle/invocation.ts";
import type { PlanInputs } from "./plan.ts";
import { SSH_AGENT } from "./provision/ssh.ts";
import type { ContainerStepOptions } from "./steps.ts";

/**
 * Root's one step in the bottle, after the bottle was compared with the plan; none without ssh entries. Its group is
 * the agent's, so that what the agent may talk to is the agent's group's: no root of a bottle can change an owner.
 */
export function sshAgentSteps(
  { sshKeys, user, images }: PlanInputs,
  { names, step }: Pick<ContainerStepOptions, "names" | "step">,
): readonly Step[] {
  if (sshKeys.length === 0) return [];
  const start = step("ssh-agent", {
    after: ["verify"],
    args: [
      ...["container", "exec", "--interactive", "--user", `0:${user.gid}`],
      ...[names.agent, "/usr/bin/perl", SSH_AGENT],
    ],
    input: { kind: "keys", names: sshKeys.map(({ path }) => path) },
    why: "the keys, over stdin into an ssh-agent that root alone reaches",
  });
  if (images.agent.build !== undefined) return [start];
  return [{
    ...start,
    remedy: `For ssh the image needs perl, ssh-agent and ssh-add in /usr/bin: ${images.agent.name}`,
  }];
}
