import { EXIT, Failure } from "../errors.ts";
import type { ProxyName } from "../manifest/model.ts";

/** What counts where neither command line nor manifest names a proxy. */
export function proxyDefault(value: string | undefined): ProxyName | undefined {
  if (!value) return undefined;
  if (value === "squid" || value === "pipelock") return value;
  throw new Failure("usage", `CLAUDE_BOTTLE_PROXY must be pipelock or squid, not ${JSON.stringify(value)}`, {
    exit: EXIT.usage,
  });
}
