import type { Environment } from "../../host/environment.ts";
import type { Host } from "../../host/host.ts";
import { join } from "../../host/paths.ts";

/** No configuration of a person is larger. */
const LIMIT = 1024 * 1024;

/** The docker CLI's own configuration. */
export function clientConfigFile(environment: Environment): string {
  const folder = environment.get("DOCKER_CONFIG") || join(environment.get("HOME") || "/", ".docker");
  return join(folder, "config.json");
}

/**
 * How the docker CLI names the engine that it asks: the context that it is told, or finds where it looks for one in the
 * same order; an engine that `DOCKER_HOST` names has no other name than its address. Asks nobody.
 */
export async function contextName(
  { environment, files }: Pick<Host, "environment" | "files">,
  told: string | undefined,
): Promise<string> {
  return told || environment.get("DOCKER_HOST") || environment.get("DOCKER_CONTEXT") ||
    await configuredContext(files, clientConfigFile(environment)) || "default";
}

/** The context that was chosen by `docker context use`; `undefined` too where that cannot be read. */
async function configuredContext(files: Host["files"], path: string): Promise<string | undefined> {
  try {
    const status = await files.status(path);
    if (status?.kind !== "file" || status.size > LIMIT) return undefined;
    const config: unknown = JSON.parse(new TextDecoder().decode(await files.readBytes(path)));
    const isNamed = typeof config === "object" && config !== null && "currentContext" in config;
    return isNamed && typeof config.currentContext === "string" ? config.currentContext : undefined;
  } catch {
    return undefined;
  }
}
