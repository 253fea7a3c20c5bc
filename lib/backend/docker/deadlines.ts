import type { Patience } from "../../host/deadline.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

/**
 * How long a call of the docker CLI may take, by what it does. Short ones fit an engine that thirty launches keep busy;
 * what takes as long as it has work is ended only once it makes no progress.
 */
export const DEADLINES = {
  /** Whether the engine is there at all: one behind a slow line may take seconds, one that takes longer is of no use. */
  ping: { deadlineMs: 10 * SECOND },
  /** Asks for what the engine knows by heart. */
  question: { deadlineMs: MINUTE },
  /** Creates, starts or joins something. */
  change: { deadlineMs: 2 * MINUTE },
  /** Sends files: as long as the engine takes them. */
  copy: { silenceMs: 2 * MINUTE, deadlineMs: 6 * HOUR },
  /** Builds or pulls: a step that installs, or a layer on a slow line, says nothing for long. */
  image: { silenceMs: 20 * MINUTE, deadlineMs: 3 * HOUR },
  /** Reads every file of a workspace, which may be large. */
  record: { deadlineMs: 30 * MINUTE },
  /** Reads a log to its end. */
  log: { silenceMs: MINUTE, deadlineMs: 10 * MINUTE },
  /** A command whose output is kept; also all attempts of a probe, made at the same time. */
  capture: { deadlineMs: 2 * MINUTE },
  /** Compares a workspace at the end: a person waits for the shell, and what takes longer is kept. */
  compare: { deadlineMs: MINUTE },
  /** Ends or removes something: a person waits for the shell. */
  removal: { deadlineMs: 30 * SECOND },
  /** Runs beside the agent, and is ended with it. */
  held: {},
} as const satisfies Readonly<Record<string, Patience>>;

/** What a call does, as far as its deadline is concerned. */
export type DeadlineName = keyof typeof DEADLINES;

/** The deadlines of all calls. */
export type Deadlines = Readonly<Record<DeadlineName, Patience>>;
