import type { ActiveBottle } from "../bottle/active.ts";
import { shellQuoted } from "../bottle/invocation.ts";
import { EXIT, Failure, oneLine, type Problem } from "../errors.ts";
import { BUILTIN_FILE } from "../manifest/builtin.ts";
import type { Manifest, ManifestFile } from "../manifest/model.ts";

/**
 * Refuses a manifest that is not, byte for byte, the one that a bottle was launched from: what it grants now is
 * not what the bottle was made for. The bottle's label is only compared, never followed: anybody may write one.
 *
 * `file` is what `--manifest` named.
 *
 * @throws Failure `manifest-changed` naming what differs and the ways out
 */
export function requireSameManifest(
  bottle: ActiveBottle,
  manifest: Manifest,
  { file }: { readonly file: string | undefined },
): void {
  const launched = bottle.manifestFiles;
  const problems = differences(launched, manifest.files);
  if (problems.length === 0) return;
  const name = oneLine(bottle.name);
  const others = launched.filter(({ path }) => manifest.files.every((file) => file.path !== path));
  throw new Failure(
    "manifest-changed",
    `${name} was launched from another manifest than the one that counts now`,
    {
      problems,
      hints: [...others.map(otherHint), restartHint(bottle, file)],
      exit: EXIT.usage,
    },
  );
}

function differences(
  launched: readonly ManifestFile[],
  now: readonly ManifestFile[],
): readonly Problem[] {
  if (launched.length === 0) return [{ message: "the bottle does not say what it was launched from" }];
  const gone = launched.flatMap(({ path, digest }): readonly Problem[] => {
    const same = now.find((file) => file.path === path);
    if (same?.digest === digest) return [];
    if (same !== undefined) return [{ message: `${described(path)} has changed since the launch` }];
    return [{ message: `it was launched from ${described(path)}, which does not count now` }];
  });
  const added = now.filter(({ path }) => launched.every((file) => file.path !== path))
    .map(({ path }): Problem => ({ message: `${described(path)} counts now and did not at the launch` }));
  // The same files in another order merge to something else.
  const moved = launched.some(({ path }, index) => now[index]?.path !== path);
  const all = [...gone, ...added];
  return all.length === 0 && moved ? [{ message: "its files count in another order now" }] : all;
}

function described(path: string): string {
  return path === BUILTIN_FILE ? "the manifest in the program" : oneLine(path);
}

function otherHint({ path }: ManifestFile): string {
  if (path === BUILTIN_FILE) {
    return "The manifest in the program counts where there is no other one: try from another folder";
  }
  return `If you trust that file, name it: ${oneLine(shellQuoted(["--manifest", path]))}`;
}

function restartHint({ name, agent }: ActiveBottle, file: string | undefined): string {
  const stop = shellQuoted(["claude-bottle", "stop", name]);
  const start = shellQuoted([
    "claude-bottle",
    "start",
    agent,
    ...(file === undefined ? [] : ["--manifest", file]),
  ]);
  return oneLine(`Or make it anew: ${stop}, then ${start} --detach`);
}
