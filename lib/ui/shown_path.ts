/** Where a person is. */
export interface Standpoint {
  /** Absolute. */
  readonly cwd: string;
  /** `undefined` where there is none. */
  readonly home: string | undefined;
}

/** An absolute path as a person would write it: from the working directory, from the home folder, or as it is. */
export function shownPath(path: string, { cwd, home }: Standpoint): string {
  const here = below(path, cwd);
  if (here !== undefined) return here;
  const own = home === undefined ? undefined : below(path, home);
  return own === undefined ? path : `~/${own}`;
}

function below(path: string, folder: string): string | undefined {
  const isFolder = folder.startsWith("/") && folder !== "/";
  return isFolder && path.startsWith(`${folder}/`) ? path.slice(folder.length + 1) : undefined;
}

/** The shortest end of each path that no other one has: `b/x` and `c/x`. */
export function shortPaths(paths: readonly string[]): ReadonlyMap<string, string> {
  const distinct = [...new Set(paths)];
  const ends = distinct.map((path) => {
    const parts = path.split("/");
    return parts.map((_, index) => parts.slice(index).join("/")).filter((end) => end !== "").toReversed();
  });
  return new Map(distinct.map((path, own) => {
    const isUnique = (end: string): boolean => ends.every((of, index) => index === own || !of.includes(end));
    return [path, ends[own]?.find(isUnique) ?? path];
  }));
}
