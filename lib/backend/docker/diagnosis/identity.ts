import type { EngineIdentity } from "../../../bottle/backend.ts";
import type { DockerClient } from "../client.ts";
import { engineInfo, inspected } from "../engine.ts";
import type { EngineContext } from "./engine_findings.ts";

/** @throws Failure as `engineInfo` */
export async function engineIdentity(client: DockerClient, signal: AbortSignal): Promise<EngineIdentity> {
  const [info, context] = await Promise.all([
    engineInfo(client, { signal, deadline: "ping" }),
    engineContext(client, signal),
  ]);
  return { version: info.ServerVersion ?? "of unknown version", context: context?.name };
}

/** Which engine the client asks; `undefined` when it does not say. */
export async function engineContext(
  client: DockerClient,
  signal: AbortSignal,
): Promise<EngineContext | undefined> {
  const what = "asking which context is used";
  const outcome = await client.outcome({
    what,
    args: ["context", "inspect"],
    signal,
    deadline: "ping",
  });
  if (outcome.code !== 0) return undefined;
  const [context] = inspected<InspectedContext | null>(what, outcome.stdout);
  const name = context?.Name;
  const endpoint = context?.Endpoints?.docker?.Host;
  return name === undefined || endpoint === undefined ? undefined : { name, endpoint };
}

/** The part of `docker context inspect` that is read here. */
interface InspectedContext {
  readonly Name?: string;
  readonly Endpoints?: { readonly docker?: { readonly Host?: string } };
}
