import type { Ref } from "../../bottle/invocation.ts";
import type { ImageChoice } from "./image_steps.ts";
import { containerName, runNames } from "./names.ts";

/** A ref to one of the objects of a run. */
export const REF = {
  agent: "agent",
  sidecar: "sidecar",
  internal: "internal",
  egress: "egress",
  agentImage: "agent-image",
  sidecarImage: "sidecar-image",
} as const;

/** The refs of one run, with their names. */
export interface Names {
  readonly agent: Ref;
  readonly sidecar: Ref;
  readonly internal: Ref;
  readonly egress: Ref;
  readonly agentImage: Ref;
  readonly sidecarImage: Ref;
  /** A volume has no id but its name. */
  readonly workspace: string;
}

/** The refs of a run. */
export function refsOf(
  inputs: {
    readonly images: { readonly agent: ImageChoice; readonly sidecar: ImageChoice };
    readonly attempt: number;
    readonly pinnedName: string | undefined;
    readonly slug: string;
    readonly run: { readonly run: string };
  },
): Names {
  const names = runNames(inputs.slug, inputs.run.run);
  return {
    agent: { ref: REF.agent, name: inputs.pinnedName ?? containerName(inputs.slug, inputs.attempt) },
    sidecar: { ref: REF.sidecar, name: names.sidecar },
    internal: { ref: REF.internal, name: names.internal },
    egress: { ref: REF.egress, name: names.egress },
    agentImage: { ref: REF.agentImage, name: inputs.images.agent.name },
    sidecarImage: { ref: REF.sidecarImage, name: inputs.images.sidecar.name },
    workspace: names.workspace,
  };
}
