import type { BuiltImage } from "../bottle/backend.ts";
import { EXIT } from "../errors.ts";
import { extraAuthorities } from "./authorities.ts";
import { loadBackend } from "./backend_choice.ts";
import type { CommandPorts } from "./context.ts";
import { jsonText } from "./json_text.ts";
import { withoutAgent } from "./upkeep.ts";

export interface BuildOptions {
  readonly backend: string | undefined;
  readonly context: string | undefined;
  /** Builds even what is there. */
  readonly force: boolean;
  readonly json: boolean;
}

/** `build`: builds the images that are missing, or all. @throws Failure, Interrupted */
export async function build(options: BuildOptions, ports: CommandPorts): Promise<number> {
  const { host, reporter } = ports;
  const backend = await loadBackend(ports, options);
  const ca = await extraAuthorities(host, undefined);
  const images = await withoutAgent(() =>
    backend.build({
      signal: host.interrupts.signal,
      onEvent: reporter.onEvent,
      ca,
      force: options.force,
    })
  );
  reporter.quiet();
  host.terminal.out(options.json ? jsonText({ images }) : imagesText(images));
  return EXIT.done;
}

function imagesText(images: readonly BuiltImage[]): string {
  return images.map(({ role, name, built, seconds }) =>
    `${role.padEnd(8)} ${name}  ${built ? `built in ${seconds.toFixed(1)} s` : "was there"}\n`
  ).join("");
}
