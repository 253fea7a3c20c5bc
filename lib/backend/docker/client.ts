import { EXIT, Failure } from "../../errors.ts";
import type { Environment } from "../../host/environment.ts";
import type { HeldProcess, Outcome, ProcessCall, Processes } from "../../host/processes.ts";
import type { OnEvent } from "../../bottle/events.ts";
import { shellQuoted } from "../../bottle/invocation.ts";
import { type DeadlineName, DEADLINES, type Deadlines } from "./deadlines.ts";
import { engineFailure } from "./failures.ts";
import type { StdinContent } from "./stdin.ts";

/**
 * All that the docker CLI inherits. A fixed list: were a name of the manifest ever to enter this environment,
 * `LD_PRELOAD` would run code on the host and `DOCKER_HOST` would send every secret to another engine.
 */
const PASSED_ON = [
  "PATH",
  "HOME",
  "DOCKER_HOST",
  "DOCKER_CONTEXT",
  "DOCKER_CONFIG",
  "DOCKER_TLS_VERIFY",
  "DOCKER_CERT_PATH",
  "SSH_AUTH_SOCK",
  "XDG_RUNTIME_DIR",
  "TMPDIR",
  "LANG",
] as const;

/** The environment of the docker CLI, from the host's. */
export function clientEnvironment(environment: Environment): Readonly<Record<string, string>> {
  const passed: Record<string, string> = {};
  for (const name of PASSED_ON) {
    const value = environment.get(name);
    if (value !== undefined) passed[name] = value;
  }
  return passed;
}

export interface DockerCall {
  /** What is being done, for messages. */
  readonly what: string;
  readonly args: readonly string[];
  readonly input?: StdinContent;
  readonly signal?: AbortSignal;
  /** How long it may take; a question unless told. */
  readonly deadline?: DeadlineName;
  /** Its output, passed on line by line. */
  readonly onLine?: (line: string, stream: "stdout" | "stderr") => void;
  /** Bytes of its output that are kept; see the port. */
  readonly kept?: number;
}

/** A call with the user's own streams. */
export interface AttachCall {
  readonly args: readonly string[];
  readonly input?: Uint8Array;
  readonly signal?: AbortSignal;
}

/** The engine, through the docker CLI. */
export class DockerClient {
  readonly #processes: Processes;
  readonly #environment: Readonly<Record<string, string>>;
  readonly #context: string | undefined;
  readonly #onEvent: OnEvent;
  readonly #deadlines: Deadlines;

  constructor(options: {
    readonly processes: Processes;
    readonly environment: Environment;
    readonly context: string | undefined;
    readonly onEvent: OnEvent;
    /** {@link DEADLINES} unless told. */
    readonly deadlines?: Deadlines | undefined;
  }) {
    this.#processes = options.processes;
    this.#environment = clientEnvironment(options.environment);
    this.#context = options.context;
    this.#onEvent = options.onEvent;
    this.#deadlines = options.deadlines ?? DEADLINES;
  }

  /** The words before every subcommand: which engine. */
  get globalArguments(): readonly string[] {
    return this.#context === undefined ? [] : ["--context", this.#context];
  }

  /** One call, whatever its exit code. @throws Failure when there is no docker CLI or it takes too long. */
  async outcome(call: DockerCall): Promise<Outcome> {
    const { onLine } = call;
    try {
      return await this.#processes.run(this.#call(call.args), {
        ...(call.input === undefined ? {} : { input: call.input }),
        ...(call.signal === undefined ? {} : { signal: call.signal }),
        ...(call.kept === undefined ? {} : { kept: call.kept }),
        ...(onLine === undefined ? {} : { onLine }),
        ...this.#deadlines[call.deadline ?? "question"],
      });
    } catch (error) {
      throw withClientHints(error, call.what);
    }
  }

  /** One call that must succeed; its stdout. @throws Failure as {@link engineFailure} words it. */
  async run(call: DockerCall): Promise<string> {
    const outcome = await this.outcome(call);
    if (outcome.code !== 0) throw engineFailure(call.what, outcome);
    return outcome.stdout;
  }

  /** One call with the user's own streams; `input` replaces stdin. */
  async attach(call: AttachCall): Promise<Outcome> {
    try {
      return await this.#processes.attach(this.#call(call.args), {
        ...(call.input === undefined ? {} : { input: call.input }),
        ...(call.signal === undefined ? {} : { signal: call.signal }),
      });
    } catch (error) {
      throw withClientHints(error, "running the agent");
    }
  }

  /**
   * One call that goes on beside us, once it has said its first line or ended.
   *
   * @throws Failure `docker-missing`, `engine-slow`
   */
  async hold({ what, args }: Pick<DockerCall, "what" | "args">): Promise<HeldProcess> {
    try {
      const held = this.#processes.hold(this.#call(args), this.#deadlines.change);
      await held.firstLine;
      return held;
    } catch (error) {
      throw withClientHints(error, what);
    }
  }

  /** What the docker CLI is run with, for who runs it when we are gone. */
  get environment(): Readonly<Record<string, string>> {
    return this.#environment;
  }

  #call(args: readonly string[]): ProcessCall {
    const words = [...this.globalArguments, ...args];
    this.#onEvent({ kind: "call", text: shellQuoted(["docker", ...words]) });
    return { program: "docker", args: words, env: this.#environment };
  }
}

function withClientHints(error: unknown, what: string): unknown {
  if (!(error instanceof Failure)) return error;
  switch (error.code) {
    case "program-missing":
      return new Failure("docker-missing", "The docker CLI is not on PATH", {
        hints: ["Install the docker CLI and an engine, then run again"],
        exit: EXIT.beforeAgent,
      });
    case "timed-out": {
      // Its words are full of ids.
      const late = error.message.replace(/^`.*` /s, "the call ");
      return new Failure("engine-slow", `The engine gave no answer at ${what}: ${late}`, {
        hints: ["`docker version` shows whether the engine answers; restart it if it does not"],
        exit: EXIT.beforeAgent,
      });
    }
    default:
      return error;
  }
}
