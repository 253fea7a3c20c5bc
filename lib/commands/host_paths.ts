import type { Host } from "../host/host.ts";
import { dirname, resolve } from "../host/paths.ts";
import { secretPlace } from "../manifest/host_places.ts";
import type { Bottle, EnvSource, Manifest } from "../manifest/model.ts";
import type { Path } from "../manifest/node.ts";
import { expandTilde } from "./authorities.ts";

/** A path of the manifest, a relative one from the folder of the file that names it. */
export function hostPath(
  path: string,
  { manifest, at }: { readonly manifest: Manifest; readonly at: Path },
): string {
  if (path.startsWith("~/")) return path;
  const file = manifest.where(at)?.file;
  return file === undefined ? path : resolve(dirname(file), path);
}

/** The same, with a leading `~/` as the user's home. */
export function absoluteHostPath(
  path: string,
  { host, ...named }: {
    readonly manifest: Manifest;
    readonly host: Pick<Host, "environment">;
    readonly at: Path;
  },
): string {
  return expandTilde(hostPath(path, named), host);
}

/** A bottle's variables with absolute paths: of files, and of a command that is no name to look up. */
export function hostEnv(
  manifest: Manifest,
  bottle: Bottle,
  host: Host,
): ReadonlyMap<string, EnvSource> {
  const absolute = (path: string, name: string): string =>
    absoluteHostPath(path, { manifest, host, at: ["bottles", bottle.name, "env", name] });
  return new Map(
    [...bottle.env].map(([name, source]) => [name, located(source, (path) => absolute(path, name))]),
  );
}

/** The sources of a bottle's injected secrets, by the variables that hold their placeholders, with absolute paths. */
export function injectedSources(
  manifest: Manifest,
  bottle: Bottle,
  host: Host,
): ReadonlyMap<string, EnvSource> {
  const entries = bottle.egress.allowlist.flatMap((allowed) => {
    const { inject } = allowed;
    if (inject === undefined) return [];
    const at = ["bottles", bottle.name, ...secretPlace(allowed)];
    const absolute = (path: string): string => absoluteHostPath(path, { manifest, host, at });
    return [[inject.env, located(inject.secret, absolute)] as const];
  });
  return new Map(entries);
}

function located(source: EnvSource, absolute: (path: string) => string): EnvSource {
  if (source.kind === "file") return { ...source, path: absolute(source.path) };
  if (source.kind !== "command") return source;
  const [program = "", ...rest] = source.argv;
  return program.includes("/") ? { ...source, argv: [absolute(program), ...rest] } : source;
}
