import { type Finding, note, ok } from "../../../bottle/diagnosis.ts";
import type { Host } from "../../../host/host.ts";
import { clientConfigFile } from "../context_name.ts";

const CHECK = "client-proxies";
/** No configuration of a person is larger. */
const LIMIT = 1024 * 1024;

/** Whether the docker CLI would give its own proxy settings, credentials included, to containers. */
export async function clientProxiesFinding({ files, environment }: Host): Promise<Finding> {
  const path = clientConfigFile(environment);
  let proxies: unknown;
  try {
    const status = await files.status(path);
    if (status === undefined) return ok(CHECK, `${path} is not there, so it sets no proxies`);
    if (status.kind !== "file" || status.size > LIMIT) return note(CHECK, `${path} cannot be read`);
    const config: unknown = JSON.parse(new TextDecoder().decode(await files.readBytes(path)));
    proxies = typeof config === "object" && config !== null && "proxies" in config
      ? config.proxies
      : undefined;
  } catch {
    return note(CHECK, `${path} cannot be read`, "`docker info` says what is wrong with it");
  }
  const isSet = typeof proxies === "object" && proxies !== null && Object.keys(proxies).length > 0;
  return isSet
    ? note(CHECK, `${path} sets proxies; they are not passed on, a bottle leaves through its sidecar alone`)
    : ok(CHECK, `${path} sets no proxies`);
}
