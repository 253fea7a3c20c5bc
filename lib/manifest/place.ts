import { EXIT, Failure } from "../errors.ts";
import { join } from "../host/paths.ts";
import {
  configFolder,
  type DiscoverOptions,
  homeOf,
  looking,
  manifestIn,
  nearestManifest,
  realCwd,
  repositoryRoot,
} from "./discover.ts";

/** Whose a manifest is. */
export type Origin = "user" | "project";

/** Where a new manifest belongs. */
export interface ManifestPlace {
  /** Absolute. */
  readonly path: string;
  /** The manifest of that kind that there is already. */
  readonly taken: string | undefined;
}

const NAME = "claude-bottle.yaml";

/** Where a new manifest belongs, so that it is found. @throws Failure where it would be another kind of manifest */
export async function placeOfManifest(origin: Origin, options: DiscoverOptions): Promise<ManifestPlace> {
  return await looking(() => place(origin, options));
}

async function place(origin: Origin, options: DiscoverOptions): Promise<ManifestPlace> {
  const home = homeOf(options.environment);
  if (origin === "user") {
    const folder = join(configFolder(options.environment, home), "claude-bottle");
    const taken = await manifestIn(options.files, folder) ?? await manifestIn(options.files, home);
    return { path: join(folder, NAME), taken };
  }
  const root = await repositoryRoot(options);
  const folder = root ?? await realCwd(options);
  if (folder === await options.files.realPath(home)) {
    throw new Failure("home-is-no-project", `${folder} is your home: a manifest there would be your own`, {
      hints: ["Change to the project's folder, or leave `--project` out"],
      exit: EXIT.failed,
    });
  }
  return { path: join(folder, NAME), taken: await nearestManifest(options, { home, root }) };
}
