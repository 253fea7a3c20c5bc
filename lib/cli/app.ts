import { buildApplication, run } from "@stricli/core";
import type { BackendLoader, CommandPorts } from "../commands/context.ts";
import { Declined, EXIT, Failure } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { Interrupted } from "../host/interrupts.ts";
import { Reporter } from "../ui/reporter.ts";
import { type Paint, painter } from "../ui/style.ts";
import { VERSION } from "../version.ts";
import type { CliContext, CommonFlags } from "./context.ts";
import { helpText } from "./help_text.ts";
import { routes } from "./routes.ts";
import { misplacedVerbose, usageFailure } from "./usage.ts";

const PROGRAM = "claude-bottle";

/** Exit code of a bug: EX_SOFTWARE of sysexits.h. */
const EXIT_BUG = 70;

/** How a run ended: with a code, or to be ended as by a signal. */
export type AppOutcome =
  | { readonly kind: "exit"; readonly code: number }
  | { readonly kind: "interrupted"; readonly by: Interrupted["by"] };

export interface AppPorts {
  readonly host: Host;
  readonly backends: ReadonlyMap<string, BackendLoader>;
}

/** Flags as they count before, or without, any parsing: for messages about the parsing itself. */
function flagsOf(argv: readonly string[]): CommonFlags {
  return {
    json: argv.includes("--json"),
    verbose: false,
    color: argv.includes("--color=never") ? "never" : "auto",
  };
}

/** Runs one command line. Never throws: whatever happens becomes a message and an {@link AppOutcome}. */
export async function runApp(argv: readonly string[], ports: AppPorts): Promise<AppOutcome> {
  const { own, passedThrough } = splitAt(argv);
  const result: { value: number | unknown; failed: boolean } = { value: EXIT.done, failed: false };
  let reporter = reporterFor(flagsOf(own), ports.host);
  const streams = bufferedStreams();
  const context: CliContext = {
    process: streams,
    passedThrough,
    async perform(flags, command): Promise<void> {
      reporter = reporterFor(flags, ports.host);
      const { stdoutIsTerminal } = ports.host.terminal;
      const paint = paintFor(flags, { host: ports.host, isTerminal: stdoutIsTerminal });
      const commandPorts: CommandPorts = { ...ports, reporter, paint };
      try {
        result.value = await command(commandPorts);
      } catch (error) {
        result.value = error;
        result.failed = true;
      }
    },
  };
  if (own[0] === "-v" && own.length > 1) return outcomeOf(misplacedVerbose(PROGRAM), reporter);
  await run(application(), own.length === 0 ? ["--help"] : own, context);
  if (result.failed) return outcomeOf(result.value, reporter);
  const parserCode = Number(streams.exitCode ?? 0);
  if (parserCode !== 0) {
    return outcomeOf(usageFailure(streams.stderr.text, { program: PROGRAM, own }), reporter);
  }
  const { terminal } = ports.host;
  terminal.out(helpText(streams.stdout.text, terminal.columns()));
  terminal.err(streams.stderr.text);
  return { kind: "exit", code: Number(result.value) };
}

/** The words before and behind the first `--`; the latter are the agent's, whatever they look like. */
function splitAt(
  argv: readonly string[],
): { readonly own: readonly string[]; readonly passedThrough: readonly string[] } {
  const index = argv.indexOf("--");
  return index < 0
    ? { own: argv, passedThrough: [] }
    : { own: argv.slice(0, index), passedThrough: argv.slice(index + 1) };
}

function application(): ReturnType<typeof buildApplication<CliContext>> {
  return buildApplication(routes, {
    name: PROGRAM,
    versionInfo: { currentVersion: VERSION },
    scanner: { caseStyle: "allow-kebab-for-camel" },
    documentation: {
      caseStyle: "convert-camel-to-kebab",
      disableAnsiColor: true,
      onlyRequiredInUsageLine: true,
    },
  });
}

interface BufferedStream {
  text: string;
  write(text: string): void;
}

/** The parser's own output is held back until it is known whether it is help or an error. */
function bufferedStreams(): {
  stdout: BufferedStream;
  stderr: BufferedStream;
  exitCode?: number | string | null;
} {
  const stream = (): BufferedStream => ({
    text: "",
    write(text): void {
      this.text += text;
    },
  });
  return { stdout: stream(), stderr: stream() };
}

function reporterFor(flags: CommonFlags, host: Host): Reporter {
  const { terminal } = host;
  const paint = paintFor(flags, { host, isTerminal: terminal.stderrIsTerminal });
  return new Reporter({ terminal, paint, verbose: flags.verbose, json: flags.json, now: host.now });
}

function paintFor(
  flags: CommonFlags,
  { host, isTerminal }: { readonly host: Host; readonly isTerminal: boolean },
): Paint {
  return painter({ choice: flags.color, isTerminal, noColor: host.environment.get("NO_COLOR") });
}

function outcomeOf(error: unknown, reporter: Reporter): AppOutcome {
  if (error instanceof Interrupted) {
    reporter.quiet();
    return { kind: "interrupted", by: error.by };
  }
  if (error instanceof Declined) {
    reporter.quiet();
    reporter.info("aborted by user");
    return { kind: "exit", code: EXIT.done };
  }
  if (error instanceof Failure) {
    reporter.failure(error);
    return { kind: "exit", code: error.exit };
  }
  const detail = error instanceof Error ? error.stack ?? error.message : String(error);
  reporter.failure(
    new Failure("internal", `This is a bug in ${PROGRAM}: ${detail}`, {
      hints: ["Please report it with the command line and this text"],
      exit: EXIT_BUG,
    }),
  );
  return { kind: "exit", code: EXIT_BUG };
}
