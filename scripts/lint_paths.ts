import { posix, sep } from "node:path";

/** The path of a `file:` URL, without a slash at its end. */
export function fromFileUrl(url: URL): string {
  const path = decodeURIComponent(url.pathname).replace(/\/$/, "");
  return sep === "\\" ? path.replace(/^\//, "") : path;
}

/** `file` relative to `root` with forward slashes, or `undefined` when it is not below it. */
export function posixRelative(root: string, file: string): string | undefined {
  const from = slashed(root);
  const path = posix.relative(from, slashed(file.startsWith("file:") ? fromFileUrl(new URL(file)) : file));
  return path !== "" && isWithin(path) ? path : undefined;
}

/** What a relative `specifier` in the file `path` names, both relative to the root. */
export function resolvePosix(path: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(path), specifier));
}

/** Whether a path relative to the root stays below it. */
export function isWithin(path: string): boolean {
  return path !== ".." && !path.startsWith("../") && !posix.isAbsolute(path);
}

function slashed(path: string): string {
  return sep === "\\" ? path.replaceAll("\\", "/") : path;
}
