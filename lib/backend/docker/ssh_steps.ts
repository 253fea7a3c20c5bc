import { hostKeyAlgorithms } from "../../bottle/host_keys.ts";
import type { Step } from "../../bottle/invocation.ts";
import { PROXY_PORT } from "../../egress/proxy.ts";
import { OPEN_SIDECAR } from "./inspection_steps.ts";
import type { PlanInputs } from "./plan.ts";
import { SSH_AGENT, SSH_HOST_KEYS } from "./provision/ssh.ts";
import type { ContainerStepOptions } from "./steps.ts";

/** What asks hosts for their keys. */
export const HOST_KEYS = "host-keys";
/** What loads the keys. */
export const LOAD_KEYS = "ssh-agent";

/**
 * Asks the hosts whose keys are not known, as the agent's user: what reads a foreign host's words holds nothing. None
 * where all are known.
 */
function hostKeySteps(
  { unknownHosts, user }: PlanInputs,
  { names, expected, step }: Pick<ContainerStepOptions, "names" | "expected" | "step">,
): readonly Step[] {
  if (unknownHosts.length === 0) return [];
  return [step(HOST_KEYS, {
    // A sidecar with inspected hosts lets nothing through before.
    after: ["verify", ...(expected.sidecarProgram.open === undefined ? [] : [OPEN_SIDECAR])],
    args: [
      ...["container", "exec", "--user", `${user.uid}:${user.gid}`],
      ...[names.agent, "/usr/bin/perl", SSH_HOST_KEYS, expected.sidecarAddress, String(PROXY_PORT)],
      ...unknownHosts.flatMap((host) => [
        host.hostname,
        String(host.port),
        host.user,
        hostKeyAlgorithms(host),
      ]),
    ],
    why: "the hosts' keys, through the sidecar, before any key of yours enters",
  })];
}

/**
 * Root's one step in the bottle, after the bottle was compared with the plan; none without ssh entries. Its group is
 * the agent's, so that what the agent may talk to is the agent's group's: no root of a bottle can change an owner.
 */
export function sshAgentSteps(
  inputs: PlanInputs,
  options: Pick<ContainerStepOptions, "names" | "expected" | "step">,
): readonly Step[] {
  const { sshKeys, user, images } = inputs;
  const { names, step } = options;
  if (sshKeys.length === 0) return [];
  const hostKeys = hostKeySteps(inputs, options);
  const start = step(LOAD_KEYS, {
    after: ["verify", ...hostKeys.map(({ id }) => id)],
    args: [
      ...["container", "exec", "--interactive", "--user", `0:${user.gid}`],
      ...[names.agent, "/usr/bin/perl", SSH_AGENT],
    ],
    input: { kind: "keys", names: sshKeys.map(({ path }) => path) },
    why: "the keys, over stdin into an ssh-agent that root alone reaches",
  });
  if (images.agent.build !== undefined) return [...hostKeys, start];
  const remedy = `For ssh the image needs perl, ssh-agent and ssh-add in /usr/bin: ${images.agent.name}`;
  return [...hostKeys, { ...start, remedy }];
}
