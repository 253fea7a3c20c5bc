import { agentUserOf } from "./account.ts";
import type { InspectedContainer } from "./inspected.ts";

/**
 * Whether a container that carries our labels was made by a launch. `docker commit` copies the labels of a bottle
 * into an image, and whatever is run from that has them as well; how a container is confined is no image's to say.
 */
export function isMadeByLaunch(
  role: string,
  container: Partial<Pick<InspectedContainer, "HostConfig">>,
): boolean {
  const { HostConfig } = container;
  if (HostConfig === undefined) return false;
  // Engines name all capabilities as one, or each of them.
  const isConfined = (HostConfig.CapDrop ?? []).length > 0;
  return isConfined && (role !== "agent" || agentUserOf({ HostConfig }) !== undefined);
}
