/*
 * What `node:path` does for POSIX paths: loading that takes as long as everything else `--version` does.
 */

/** A path without empty parts, `.`, and `..` where a part before it can be left out; `.` for nothing. */
function normalized(path: string): string {
  const absolute = path.startsWith("/");
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (!absolute) parts.push(part);
  }
  return `${absolute ? "/" : ""}${parts.join("/")}` || ".";
}

/** Whether a path begins at the root. */
export function isAbsolute(path: string): boolean {
  return path.startsWith("/");
}

/** Parts one below the other; a slash at the end stays. */
export function join(...parts: readonly string[]): string {
  const whole = parts.filter((part) => part !== "").join("/");
  const path = normalized(whole);
  return whole.endsWith("/") && path !== "/" ? `${path}/` : path;
}

/** An absolute path of parts that each begin where the one before leads. The first must be absolute. */
export function resolve(base: string, ...parts: readonly string[]): string {
  if (!isAbsolute(base)) throw new RangeError(`Not an absolute path: ${base}`);
  return normalized(parts.reduce((path, part) => isAbsolute(part) ? part : `${path}/${part}`, base));
}

/** Whether an absolute path is a folder or below it, as both are written. */
export function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder === "/" ? "/" : `${folder}/`);
}

/** The folder of a path as it is written; `.` for a name alone. */
export function dirname(path: string): string {
  const trimmed = path.replace(/\/+$/, "");
  const slash = trimmed.lastIndexOf("/");
  if (slash === -1) return trimmed === "" && path !== "" ? "/" : ".";
  return trimmed.slice(0, slash).replace(/\/+$/, "") || "/";
}

/** The last part of a path. */
export function basename(path: string): string {
  const trimmed = path.replace(/\/+$/, "");
  return trimmed.slice(trimmed.lastIndexOf("/") + 1);
}

/** The way from one absolute path to another; empty when they are the same. */
export function relative(from: string, to: string): string {
  const [here, there] = [from, to].map((path) => resolve(path).split("/").filter((part) => part !== ""));
  const [up = [], down = []] = [here, there];
  let same = 0;
  while (same < up.length && same < down.length && up[same] === down[same]) same++;
  return [...up.slice(same).map(() => ".."), ...down.slice(same)].join("/");
}
