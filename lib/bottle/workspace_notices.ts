import { oneLine } from "../errors.ts";
import { shellQuoted } from "./invocation.ts";
import { counted, megabytes } from "./workspace.ts";
import { looksSecret } from "./workspace_exclude.ts";
import { excludeOption } from "./workspace_listing.ts";

/** How many paths of one sort are named. */
const NAMED = 10;
/** From how many bytes on the copy is worth a warning. */
const LARGE = 500_000_000;

/** What was met on the way that the user should know. */
export class WorkspaceFindings {
  readonly skipped: string[] = [];
  readonly linksOut: string[] = [];
  /** Nested `.git` files whose repository is not copied. */
  readonly strayGitFiles: string[] = [];
  readonly secrets: string[] = [];
  /** The directory above whose repository this one is a part of. */
  repositoryAbove: string | undefined;
  /** Patterns of `--exclude` that matched nothing. */
  unmatched: readonly string[] = [];
  settingsDropped = 0;
  addressesStripped = 0;

  /** Remembers a file whose name is one that secrets have. */
  file(path: string): void {
    if (looksSecret(path.slice(path.lastIndexOf("/") + 1))) this.secrets.push(path);
  }

  /** A line for each thing to know. */
  notices({ directory, bytes }: { readonly directory: string; readonly bytes: number }): readonly string[] {
    const { skipped, linksOut, strayGitFiles, secrets, repositoryAbove, unmatched } = this;
    return [
      ...(repositoryAbove === undefined ? [] : [
        `workspace: the repository in ${
          oneLine(repositoryAbove)
        } is not copied: start there if the agent needs git`,
      ]),
      ...unmatched.map((pattern) => `workspace: --exclude ${shellQuoted([pattern])} matches nothing`),
      ...secrets.slice(0, NAMED).map((path) =>
        `workspace: ${oneLine(path)} may hold a secret; ${excludeOption(path)} leaves it out`
      ),
      ...(secrets.length > NAMED
        ? [`workspace: ${secrets.length - NAMED} more files may hold secrets, by their names`]
        : []),
      ...listed("neither file, directory nor link, left out", skipped),
      ...listed(
        `${linksOut.length === 1 ? "a link" : "links"} out of ${directory}, broken in the bottle`,
        linksOut,
      ),
      ...listed("belongs to a repository that is not copied", strayGitFiles),
      ...(this.addressesStripped > 0
        ? [`workspace: credentials left out of ${counted(this.addressesStripped, "git address", "es")}`]
        : []),
      ...(this.settingsDropped > 0
        ? [`workspace: ${counted(this.settingsDropped, "setting")} of .git/config left out`]
        : []),
      ...(bytes > LARGE
        ? [`workspace: ${megabytes(bytes)} to copy; --exclude leaves out what the agent does not need`]
        : []),
    ];
  }
}

function listed(what: string, paths: readonly string[]): readonly string[] {
  if (paths.length === 0) return [];
  const more = paths.length > NAMED ? ` and ${paths.length - NAMED} more` : "";
  return [`workspace: ${what}: ${paths.slice(0, NAMED).map(oneLine).join(", ")}${more}`];
}
