import type { OnEvent } from "../../bottle/events.ts";
import { EXIT, Failure } from "../../errors.ts";
import { ENV_DIRECTORY } from "./arguments.ts";
import type { DockerClient } from "./client.ts";
import { inspected } from "./engine.ts";
import { engineFailure } from "./failures.ts";
import { sidecarFailure } from "./sidecar_log.ts";
import type { InspectedContainer } from "./inspected.ts";

/** What the client reports of a process that SIGKILL ended. */
const KILLED = 137;
/** How long the engine is given to notice that a container is dead. */
const SETTLE_MS = 300;

/** The exit code of a container's first process that found no program to run. */
const NOT_FOUND = 127;

/** What the client reports of a command that could not be run in a container. */
const CANNOT_RUN: readonly number[] = [126, NOT_FOUND];

/** What is known of the run that ended. */
export interface EndedRun {
  /** The client's exit code; not 0. */
  readonly code: number;
  readonly agentId: string;
  readonly sidecarId: string;
  readonly proxy: string;
  /** `uid:gid` of the agent. */
  readonly user: string;
  /** Names the file by which the wrapper says that it handed over to the agent. */
  readonly envToken: string;
}

export interface EndPorts {
  readonly client: DockerClient;
  readonly onEvent: OnEvent;
  sleep(ms: number): Promise<void>;
}

/**
 * Tells the agent's own code from a bottle that failed before or under it: the client's code alone does not.
 *
 * @returns whether the code is the agent's own; if not, the wrapper refused to run it and said why itself
 * @throws Failure with exit code 125 when the agent never ran, with the client's when its container is gone
 */
export async function explainEnd(run: EndedRun, ports: EndPorts): Promise<boolean> {
  // An exec dies a moment before its container counts as dead.
  if (run.code === KILLED) await ports.sleep(SETTLE_MS);
  const containers = await answerTo(() => bothContainers(run, ports.client), { run, ...ports });
  if (containers === undefined) return true;
  const agent = containers.find(({ Id }) => Id === run.agentId);
  const sidecarRuns = containers.find(({ Id }) => Id === run.sidecarId)?.State.Running === true;
  if (agent?.State.Running !== true) throw bottleEnded(run, agent);
  const began = await answerTo(() => agentBegan(run, ports.client), { run, ...ports });
  if (began === undefined) return true;
  if (began) {
    if (!sidecarRuns) {
      ports.onEvent({ kind: "notice", text: `The sidecar (${run.proxy}) ended while the agent ran` });
    }
    return true;
  }
  if (!sidecarRuns) throw await sidecarFailure(ports.client, { id: run.sidecarId, proxy: run.proxy });
  // The wrapper's own refusals say why themselves.
  if (run.code !== EXIT.beforeAgent) {
    throw new Failure("agent-not-started", "The engine could not start the agent's command in the bottle", {
      hints: ["The agent image needs perl in /usr/bin; the engine's own words are above"],
      exit: EXIT.beforeAgent,
    });
  }
  return false;
}

/**
 * What the engine says; `undefined`, with a notice, when it cannot be asked: the agent's code then stands.
 *
 * @throws Failure `engine-gone` when there is no engine: the client ended because of that
 */
async function answerTo<T>(
  question: () => Promise<T>,
  { run, onEvent }: { readonly run: EndedRun; readonly onEvent: OnEvent },
): Promise<T | undefined> {
  try {
    return await question();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.code === "engine-unreachable") throw engineGone(run, error);
    onEvent({ kind: "notice", text: error.message });
    return undefined;
  }
}

function engineGone({ code }: EndedRun, { message, hints }: Failure): Failure {
  const said = message.replace(/^The engine does not answer: /, "");
  return new Failure("engine-gone", `The engine went away while the agent ran: ${said}`, {
    hints: [...hints, "Once it answers, `claude-bottle cleanup` removes what is left of the bottle"],
    exit: code,
  });
}

/** Both, as far as they are there. */
async function bothContainers(run: EndedRun, client: DockerClient): Promise<readonly InspectedContainer[]> {
  const what = "asking how the bottle is";
  const outcome = await client.outcome({ what, args: ["container", "inspect", run.agentId, run.sidecarId] });
  if (outcome.code !== 0 && !/no such (container|object)/i.test(outcome.stderr)) {
    throw engineFailure(what, outcome);
  }
  return inspected<InspectedContainer>(what, outcome.stdout);
}

/** The failure of an agent's container that could not stay: what its image lacks is not the engine's doing. */
export function agentEnded(): Failure {
  return new Failure("agent-ended", "The agent's container ended as soon as it started", {
    hints: ["The agent image needs `/bin/sh`, `/bin/cat` and `/bin/sleep`, which every Debian image has"],
    exit: EXIT.beforeAgent,
  });
}

function bottleEnded({ code }: EndedRun, agent: InspectedContainer | undefined): Failure {
  if (agent?.State.ExitCode === NOT_FOUND) return agentEnded();
  return new Failure("bottle-ended", "The bottle was stopped or removed while the agent ran", {
    hints: [
      agent?.State.OOMKilled === true
        ? "It ran out of memory: raise resources.memory in the manifest"
        : "Perhaps `claude-bottle stop` or `cleanup` in another window; `docker events` may tell",
    ],
    exit: code,
  });
}

async function agentBegan({ user, agentId, envToken }: EndedRun, client: DockerClient): Promise<boolean> {
  const what = "asking whether the agent began";
  const outcome = await client.outcome({
    what,
    args: ["container", "exec", "--user", user, agentId, "test", "-h", `${ENV_DIRECTORY}/${envToken}.began`],
  });
  // `test` says no in silence, and where it cannot be run nothing can; all else is the engine not answering.
  const isNo = (outcome.code === 1 && outcome.stderr.trim() === "") || CANNOT_RUN.includes(outcome.code);
  if (outcome.code !== 0 && !isNo) throw engineFailure(what, outcome);
  return outcome.code === 0;
}
