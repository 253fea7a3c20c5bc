import enderScript from "../../assets/ender.sh" with { type: "text" };
import { EXIT, Failure } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { DockerClient } from "./client.ts";
import { type CommandPlace, endArguments } from "./command.ts";

/** What a process list shows it as. */
const ENDER_NAME = "claude-bottle-ender";
/** What it says once it listens, and nothing can stop it but SIGKILL. */
const READY = "ready";
/** Seconds that it tries for: a bottle that is gone takes the command with it. */
const DEADLINE_S = 30;
/** A shell that does not come up by then never will. */
const READY_DEADLINE_MS = 10_000;

/** A process that ends a command in a bottle that stays once this one is gone; disposing of it ends only itself. */
export type Ender = AsyncDisposable;

/**
 * Starts the ender of a command, before that begins. A docker CLI outlives a killed caller, keeps the terminal, and
 * hands what is typed there next to the command: nobody would watch that any more, nor what it writes.
 *
 * @throws Failure `ender-failed`
 */
export async function openEnder(
  { host, client }: { readonly host: Pick<Host, "processes">; readonly client: DockerClient },
  { place, envToken }: { readonly place: CommandPlace; readonly envToken: string },
): Promise<Ender> {
  const words = [...client.globalArguments, ...endArguments(place, envToken)];
  const held = host.processes.hold({
    program: "sh",
    args: ["-c", enderScript, ENDER_NAME, String(DEADLINE_S), ...words],
    env: client.environment,
  }, { deadlineMs: READY_DEADLINE_MS });
  if (await held.firstLine.catch(() => undefined) !== READY) {
    held.kill();
    throw new Failure("ender-failed", "The process that ends a command when we are killed did not start", {
      hints: ["It is run by `sh`: is that on PATH, and a shell?"],
      exit: EXIT.beforeAgent,
    });
  }
  return {
    async [Symbol.asyncDispose](): Promise<void> {
      await held.say("done\n");
      await held.ended;
    },
  };
}
