import { agentUserOf } from "./account.ts";
import { sidecarHost } from "./arguments.ts";
import type { InspectedContainer } from "./inspected.ts";
import { LABEL } from "./labels.ts";

/** What is read of a container. */
interface Labelled {
  readonly Config?: { readonly Labels?: Readonly<Record<string, string>> | null };
  readonly HostConfig?: InspectedContainer["HostConfig"];
}

/**
 * Whether a container that carries our labels was made by a launch. `docker commit` copies the labels of a bottle
 * into an image, and whatever is run from that has them as well; what a container is created with is no image's to say.
 *
 * Each role has two marks: an engine that ignores one, for which a launch refuses it, must not keep what it made.
 */
export function isMadeByLaunch({ Config, HostConfig }: Labelled): boolean {
  if (HostConfig === undefined) return false;
  const { [LABEL.role]: role, [LABEL.run]: run = "" } = Config?.Labels ?? {};
  if (role === "agent") {
    return agentUserOf({ HostConfig }) !== undefined ||
      (HostConfig.ExtraHosts ?? []).some((host) => host.startsWith(sidecarHost("")));
  }
  // Engines name all capabilities as one, or each of them.
  if ((HostConfig.CapDrop ?? []).length > 0) return true;
  const isOfRun = (HostConfig.Mounts ?? []).some(({ VolumeOptions }) =>
    VolumeOptions?.Labels?.[LABEL.run] === run
  );
  return run !== "" && (isOfRun || (HostConfig.NetworkMode ?? "").endsWith(`-${run}`));
}
