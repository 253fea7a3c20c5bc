import { oneLine, type Problem } from "../errors.ts";
import { isAbsolute, relative, resolve } from "../host/paths.ts";
import { BUILTIN_FILE } from "../manifest/builtin.ts";

/** How bad it is: the names of GitHub's workflow commands. */
export type Severity = "error" | "warning";

/** Where relative names of files begin. */
export interface AnnotationFolders {
  readonly cwd: string;
  /** The repository as a workflow has checked it out; the working directory where there is none. */
  readonly workspace: string | undefined;
}

/**
 * A problem as a GitHub workflow command, a line without its line feed. GitHub shows it beside the source line; a
 * file's name counts from the repository's root.
 */
export function annotation(problem: Problem, severity: Severity, folders: AnnotationFolders): string {
  const { where, path } = problem;
  const properties = [
    ...(where === undefined || where.file === BUILTIN_FILE ? [] : [
      ["file", fileName(where.file, folders)],
      ["line", String(where.line)],
      ["col", String(where.column)],
      ["endColumn", String(where.column + (where.length ?? 1))],
    ]),
    ["title", path === undefined ? "claude-bottle" : `claude-bottle: ${path}`],
  ].map(([name, value = ""]) => `${name}=${escapedProperty(value)}`);
  const lines = [withoutPath(problem), ...(problem.hints ?? []).map((hint) => `hint: ${hint}`)];
  return `::${severity} ${properties.join(",")}::${escapedData(lines.map(oneLine).join("\n"))}`;
}

/** The title has it already. */
function withoutPath({ message, path }: Problem): string {
  return path !== undefined && message.startsWith(`${path}: `) ? message.slice(path.length + 2) : message;
}

function fileName(file: string, { cwd, workspace }: AnnotationFolders): string {
  const path = resolve(cwd, file);
  const root = workspace !== undefined && isAbsolute(workspace) ? workspace : cwd;
  const below = relative(root, path);
  return below === ".." || below.startsWith("../") ? path : below;
}

function escapedData(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function escapedProperty(text: string): string {
  return escapedData(oneLine(text)).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
