import reaperScript from "../../assets/reaper.sh" with { type: "text" };
import { EXIT, Failure } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { DockerClient } from "./client.ts";
import { type Leftover, removeRun, type TeardownPorts } from "./teardown.ts";

/** What a process list shows it as, before the run's id. */
const REAPER_NAME = "claude-bottle-reaper";
/** What it says once it listens, and nothing can stop it but SIGKILL. */
const READY = "ready";
/** Seconds that it tries for: an engine that restarts is back by then. */
const DEADLINE_S = 120;
/** A shell that does not come up by then never will. */
const READY_DEADLINE_MS = 10_000;

/** A process that removes everything of one run once this one is gone, however it ended. */
export interface Reaper {
  /** From here on the agent may have made what is nowhere else: the run's workspace stays. */
  keepWorkspace(): Promise<void>;
  /** Ends it: there is nothing left of the run, or no process owns it any more. */
  dismiss(): Promise<void>;
}

/**
 * Starts the reaper of a run, before anything of that exists. It is in a session of its own, so that neither the
 * terminal's end nor the death of our process group reaches it.
 *
 * @throws Failure `reaper-failed`
 */
export async function openReaper(
  { host, client }: { readonly host: Pick<Host, "processes">; readonly client: DockerClient },
  run: string,
): Promise<Reaper> {
  const held = host.processes.hold({
    program: "sh",
    args: ["-c", reaperScript, REAPER_NAME, run, String(DEADLINE_S), ...client.globalArguments],
    env: client.environment,
  }, { deadlineMs: READY_DEADLINE_MS });
  if (await held.firstLine.catch(() => undefined) !== READY) {
    held.kill();
    throw new Failure("reaper-failed", "The process that removes a bottle when we are killed did not start", {
      hints: ["It is run by `sh`: is that on PATH, and a shell?"],
      exit: EXIT.beforeAgent,
    });
  }
  return {
    keepWorkspace: () => held.say("keep\n"),
    async dismiss(): Promise<void> {
      await held.say("done\n");
      await held.ended;
    },
  };
}

/** Removes a run whose workspace nobody needs; what cannot be removed its reaper tries again once we are gone. Never throws. */
export async function removeReaped(
  ports: TeardownPorts,
  { run, reaper }: { readonly run: string; readonly reaper: Reaper },
): Promise<Leftover> {
  const leftover = await removeRun(ports, { run, keepWorkspace: false });
  if (leftover === "") await reaper.dismiss();
  return leftover;
}
