import { EXIT, Failure, printable } from "../../errors.ts";
import type { DockerClient } from "./client.ts";

/** Lines of the log that are shown when a sidecar died. */
const DEATH_TAIL = 10;

/** The sidecar's log, or its last lines; empty when it cannot be read. */
export async function sidecarLog(
  client: DockerClient,
  options: { readonly id: string; readonly tail?: number },
): Promise<readonly string[]> {
  const tail = options.tail === undefined ? [] : ["--tail", String(options.tail)];
  const outcome = await client.outcome({
    what: "reading the sidecar's log",
    args: ["container", "logs", ...tail, options.id],
  });
  if (outcome.code !== 0) return [];
  return `${outcome.stdout}\n${outcome.stderr}`.split("\n").filter((line) => line !== "");
}

/** The failure of a sidecar that died before the agent could run, with its last words. */
export async function sidecarFailure(
  client: DockerClient,
  sidecar: { readonly id: string; readonly proxy: string },
): Promise<Failure> {
  const lines = await sidecarLog(client, { id: sidecar.id, tail: DEATH_TAIL });
  return new Failure(
    "sidecar-failed",
    `The sidecar (${sidecar.proxy}) did not stay up; the end of its log:`,
    {
      problems: lines.map((line) => ({ message: printable(line) })),
      exit: EXIT.beforeAgent,
    },
  );
}
