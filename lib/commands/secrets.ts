import { literalValues, resolveEnv } from "../bottle/env.ts";
import { injectedUses, requireInjectable } from "../bottle/injected.ts";
import { injectedJson, injectedText } from "../bottle/render_inspection.ts";
import { EXIT, Failure, oneLine } from "../errors.ts";
import type { CommandPorts } from "./context.ts";
import { envPorts } from "./env_ports.ts";
import { jsonText } from "./json_text.ts";
import { enteredBottle, type Entry, type EntryOptions } from "./opened_bottle.ts";
import { withoutAgent } from "./upkeep.ts";

export interface SecretsOptions extends EntryOptions {
  /** Takes them from their sources again. */
  readonly refresh: boolean;
  readonly json: boolean;
}

/** `secrets`: what a bottle's sidecar injects, and its renewal. @throws Failure, Interrupted */
export async function secrets(options: SecretsOptions, ports: CommandPorts): Promise<number> {
  const { host, reporter } = ports;
  const { entry, renewed } = await withoutAgent(async () => {
    const entry = await enteredBottle(options, { command: "secrets", judge: () => {} }, ports);
    return { entry, renewed: options.refresh ? await refreshed(entry, ports) : [] };
  });
  host.interrupts.signal.throwIfAborted();
  reporter.quiet();
  const { name } = entry.bottle;
  if (options.json) {
    host.terminal.out(jsonText({ bottle: name, injected: injectedJson(entry), renewed }));
    return EXIT.done;
  }
  if (options.refresh) {
    for (const env of renewed) host.terminal.out(`renewed ${oneLine(env)}\n`);
    return EXIT.done;
  }
  const lines = injectedUses(entry.policy).map((use) => injectedText(use, entry));
  for (const line of lines) host.terminal.out(`${oneLine(line)}\n`);
  if (lines.length === 0) reporter.info(`the sidecar of ${oneLine(name)} injects no secret`);
  return EXIT.done;
}

/** The variables whose secrets were taken from their sources again. */
async function refreshed(
  { bottle, env, injected, policy }: Entry,
  ports: CommandPorts,
): Promise<readonly string[]> {
  if (injected.size === 0) {
    throw new Failure(
      "nothing-injected",
      `The sidecar of ${oneLine(bottle.name)} injects no secret: there is nothing to renew`,
      {
        hints: ["What stands in the bottle's `env` is taken from the host by each `attach`"],
        exit: EXIT.usage,
      },
    );
  }
  const values = await resolveEnv(injected, envPorts(ports));
  requireInjectable(values, { env: literalValues(env), policy });
  ports.reporter.quiet();
  return [...(await bottle.inject(values)).keys()];
}
