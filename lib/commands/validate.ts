import { EXIT, Failure, oneLine, type Problem } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { manifestInvalid } from "../manifest/load.ts";
import { annotation, type AnnotationFolders } from "./annotations.ts";
import type { CommandPorts } from "./context.ts";
import { jsonText } from "./json_text.ts";
import { discoverOptions } from "./manifest_choice.ts";
import { type Validation, validationOf, validationOfFiles } from "./validation.ts";
import { showGood, showWarnings } from "./validation_text.ts";

/** How problems are told. */
export type ValidateFormat = "text" | "json" | "github";

export interface ValidateOptions {
  /** Checked each for itself; what `start` would read when there are none. */
  readonly files: readonly string[];
  readonly format: ValidateFormat;
}

/** `validate`: tells every problem of every file. @throws Failure `manifest-invalid`, and those of discovery */
export async function validate(options: ValidateOptions, ports: CommandPorts): Promise<number> {
  const { host } = ports;
  const { format } = options;
  const result = await validation(options, host);
  if (format === "json") host.terminal.out(jsonText(validationData(result)));
  if (format === "github") host.terminal.out(annotations(result, host));
  if (format === "text") showWarnings(result.warnings, ports);
  if (result.problems.length > 0) throw refusal(result.problems, format);
  if (format !== "json") showGood(result, ports);
  return EXIT.done;
}

async function validation({ files, format }: ValidateOptions, host: Host): Promise<Validation> {
  if (files.length > 0) return await validationOfFiles(host, files);
  try {
    return await validationOf(host, discoverOptions(host, undefined));
  } catch (error) {
    if (format !== "github" || !(error instanceof Failure)) throw error;
    // No manifest is chosen, and then there is no place to tell.
    const { message, hints } = error;
    host.terminal.out(`${annotation({ message, hints }, "error", foldersOf(host))}\n`);
    throw new Failure(error.code, oneLine(message), { exit: error.exit });
  }
}

/** A workflow's log obeys what looks like a command on any line of any stream: no source line may be there. */
function refusal(problems: readonly Problem[], format: ValidateFormat): Failure {
  const failure = manifestInvalid(problems);
  return format === "github" ? new Failure(failure.code, failure.message, { exit: failure.exit }) : failure;
}

function validationData({ problems, warnings, ...counts }: Validation): unknown {
  return {
    ...counts,
    problems: problems.map((problem) => ({ severity: "error", ...problem })),
    warnings: warnings.map((warning) => ({ severity: "warning", ...warning })),
  };
}

function annotations({ problems, warnings }: Validation, host: Host): string {
  const folders = foldersOf(host);
  const lines = [
    ...problems.map((problem) => annotation(problem, "error", folders)),
    ...warnings.map((warning) => annotation(warning, "warning", folders)),
  ];
  return lines.map((line) => `${line}\n`).join("");
}

function foldersOf({ cwd, environment }: Host): AnnotationFolders {
  return { cwd, workspace: environment.get("GITHUB_WORKSPACE") };
}
