import type { BottleBackend } from "../bottle/backend.ts";
import { EXIT, Failure } from "../errors.ts";
import type { CommandPorts } from "./context.ts";

const DEFAULT_BACKEND = "docker";

/** The backend that `--backend` or `CLAUDE_BOTTLE_BACKEND` names. @throws Failure `backend-unknown` */
export async function loadBackend(
  { host, reporter, backends }: CommandPorts,
  options: { readonly backend: string | undefined; readonly context: string | undefined },
): Promise<BottleBackend> {
  const name = options.backend ?? (host.environment.get("CLAUDE_BOTTLE_BACKEND") || DEFAULT_BACKEND);
  const load = backends.get(name);
  if (load === undefined) {
    throw new Failure("backend-unknown", `There is no backend ${JSON.stringify(name)}`, {
      hints: [`Backends: ${[...backends.keys()].join(", ")}`],
      exit: EXIT.usage,
    });
  }
  if (options.context !== undefined && !/^[A-Za-z0-9][A-Za-z0-9_.+-]*$/.test(options.context)) {
    throw new Failure(
      "context-invalid",
      `Not the name of a docker context: ${JSON.stringify(options.context)}`,
      {
        hints: ["`docker context ls` lists them"],
        exit: EXIT.usage,
      },
    );
  }
  return await load({ host, context: options.context, onEvent: reporter.onEvent });
}
