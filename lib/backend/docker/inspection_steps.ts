import type { Step } from "../../bottle/invocation.ts";
import { TRUST_AUTHORITY } from "./provision/files.ts";
import type { PlanInputs } from "./plan.ts";
import type { ContainerStepOptions } from "./steps.ts";

/** What gives the sidecar its secrets; until then it lets nothing through. */
export const OPEN_SIDECAR = "sidecar-open";
/** What makes the bottle trust its sidecar's authority. */
const TRUST_STEP = "authority";

/** Names of the variables that a launch gives its agent placeholders in: none where no agent is started yet. */
function injectedNames(
  { startsAgent, injected }: Pick<PlanInputs["spec"], "startsAgent" | "injected">,
): readonly string[] {
  return startsAgent ? [...injected.keys()] : [];
}

/**
 * The steps of a bottle with inspected hosts, once it was compared with the plan: no secret enters anything else.
 * None without such hosts.
 */
export function inspectionSteps(
  { spec, user }: Pick<PlanInputs, "spec" | "user">,
  { names, expected: { sidecarProgram }, step }: Pick<ContainerStepOptions, "names" | "expected" | "step">,
): readonly Step[] {
  const { open, uid, gid } = sidecarProgram;
  if (open === undefined) return [];
  return [
    step(OPEN_SIDECAR, {
      after: ["verify"],
      args: ["container", "exec", "--interactive", "--user", `${uid}:${gid}`, names.sidecar, ...open],
      input: { kind: "secrets", names: injectedNames(spec) },
      why: "its secrets over stdin, into its own memory; it makes the bottle's own authority",
    }),
    step(TRUST_STEP, {
      after: [OPEN_SIDECAR],
      args: [
        ...["container", "exec", "--interactive", "--user", `0:${user.gid}`],
        ...[names.agent, "/usr/bin/perl", TRUST_AUTHORITY],
      ],
      input: { kind: "authority" },
      why: "what it signs for the inspected hosts is trusted in this bottle",
    }),
  ];
}
