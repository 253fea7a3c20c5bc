import { EXIT, Failure, oneLine } from "../errors.ts";
import { userEnvironment } from "../host/environment.ts";
import { discoverManifests } from "../manifest/discover.ts";
import type { Origin } from "../manifest/place.ts";
import { manifestInvalid } from "../manifest/load.ts";
import { choose, confirmed } from "../ui/question.ts";
import type { CommandPorts } from "./context.ts";
import { discoverOptions } from "./manifest_choice.ts";
import { type Validation, validationOf } from "./validation.ts";
import { showGood, showWarnings } from "./validation_text.ts";

export interface EditOptions {
  readonly manifest: string | undefined;
  /** Whose manifest is meant where there are two. */
  readonly origin: Origin | undefined;
}

/** `edit`: opens a manifest in the user's editor, then tells what is wrong with it. @throws Failure */
export async function edit(options: EditOptions, ports: CommandPorts): Promise<number> {
  const { host, reporter } = ports;
  const { terminal, interrupts: { signal } } = host;
  const path = await manifestToEdit(options, ports);
  requireTerminal(ports);
  for (;;) {
    await runEditor(path, ports);
    const result = await checked(options, ports);
    showWarnings(result.warnings, ports);
    if (result.problems.length === 0) {
      showGood(result, ports);
      return EXIT.done;
    }
    reporter.failure(manifestInvalid(result.problems));
    if (!await confirmed(terminal, { question: "claude-bottle: edit it again?", signal })) return EXIT.usage;
  }
}

/** What `start` would read now: also what discovery refuses is a problem of what was edited. */
async function checked(options: EditOptions, { host }: CommandPorts): Promise<Validation> {
  try {
    return await validationOf(host, discoverOptions(host, options.manifest));
  } catch (error) {
    if (!(error instanceof Failure) || error.exit !== EXIT.usage) throw error;
    const problem = { message: error.message, hints: error.hints };
    return { files: [], bottles: 0, agents: 0, problems: [problem], warnings: [] };
  }
}

/** The one manifest that is meant. @throws Failure `manifest-missing`, `manifest-unnamed` */
async function manifestToEdit(options: EditOptions, ports: CommandPorts): Promise<string> {
  const { host } = ports;
  const all = await discoverManifests(discoverOptions(host, options.manifest));
  const found = options.origin === undefined ? all : all.filter(({ origin }) => origin === options.origin);
  const [first, second] = found.map(({ path }) => path);
  if (first === undefined) throw missing(options.origin);
  if (second === undefined) return first;
  const { signal } = host.interrupts;
  const choices = [first, second];
  const choice = await choose(host.terminal, { question: "which manifest?", choices, signal });
  if (choice !== undefined) return choice;
  throw new Failure("manifest-unnamed", `There are two manifests: ${choices.map(oneLine).join(" and ")}`, {
    hints: ["`--user` means your own, `--project` the project's"],
    exit: EXIT.usage,
  });
}

function missing(origin: Origin | undefined): Failure {
  const flag = origin === undefined ? "" : ` --${origin}`;
  const whose = origin === undefined
    ? "no manifest"
    : `no manifest of ${origin === "user" ? "your own" : "the project"}`;
  return new Failure("manifest-missing", `There is ${whose} to edit`, {
    hints: [`claude-bottle init${flag}`],
    exit: EXIT.failed,
  });
}

function requireTerminal({ host: { terminal } }: CommandPorts): void {
  if (terminal.stdinIsTerminal && terminal.stdoutIsTerminal && terminal.stderrIsTerminal) return;
  throw new Failure("no-terminal", "An editor needs a terminal: stdin, stdout or stderr is none", {
    hints: ["Change the file in another way, then `claude-bottle validate`"],
    exit: EXIT.usage,
  });
}

/** The user's own words for an editor may have arguments: a shell reads them, as git has it. */
async function runEditor(path: string, { host }: CommandPorts): Promise<void> {
  const { environment } = host;
  const editor = environment.get("VISUAL") || environment.get("EDITOR") || "vi";
  const args = ["-c", `${editor} "$@"`, editor, path];
  const call = { program: "sh", args, env: userEnvironment(environment) };
  await using _terminal = await host.terminal.saved();
  const { code, signal } = await host.processes.attach(call);
  host.interrupts.signal.throwIfAborted();
  if (code === 0) return;
  const how = signal === null ? `failed with code ${code}` : `was ended by ${signal}`;
  throw new Failure(
    "editor-failed",
    `The editor ${code === 127 ? "is not there" : how}: ${oneLine(editor)}`,
    {
      hints: ["Name another one: `EDITOR=nano claude-bottle edit`"],
      exit: EXIT.failed,
    },
  );
}
