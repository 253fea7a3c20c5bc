import { EXIT, Failure, type Problem } from "../errors.ts";
import { BUILTIN_FILE, BUILTIN_MANIFEST } from "./builtin.ts";
import { discoverManifests, type DiscoverOptions } from "./discover.ts";
import { sha256 } from "../host/digest.ts";
import type { Files } from "../host/files.ts";
import type { Manifest, Project } from "./model.ts";
import { inOrder } from "./problems.ts";
import { suffixProblems } from "./public_suffixes.ts";
import { MANIFEST_BYTES, readSource } from "./source.ts";
import { validate, type ValidSource } from "./validate.ts";

/** The most problems that are listed: those of a file that is no manifest at all would have no end. */
const PROBLEMS_SHOWN = 200;

/** A manifest's bytes and the name of the file they are from. */
export interface ManifestBytes {
  readonly path: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * Finds, reads, checks and merges the manifest; without any file it is the built-in one.
 *
 * @throws Failure `manifest-invalid` with every problem of every file, and those of {@link discoverManifests}
 */
export async function loadManifest(options: DiscoverOptions): Promise<Manifest> {
  const found = await discoverManifests(options);
  const files = await Promise.all(found.map(({ path }) => readManifest(options.files, path)));
  const project = found.find((file) => file.origin === "project");
  return await parseManifest(
    files.length === 0 ? [builtinManifest()] : files,
    project === undefined ? undefined : { root: project.root, file: project.path },
  );
}

/** Checks and merges files in order of rising precedence. @throws Failure `manifest-invalid` */
export async function parseManifest(files: readonly ManifestBytes[], project?: Project): Promise<Manifest> {
  let problems: readonly Problem[] = [];
  const sources: ValidSource[] = [];
  for (const { path, bytes } of files) {
    const reading = readSource(path, bytes);
    problems = [...problems, ...reading.problems];
    if (reading.source !== undefined) sources.push({ source: reading.source, digest: await sha256(bytes) });
  }
  const validation = validate(sources, { complete: sources.length === files.length, project });
  if (validation.kind === "invalid") problems = [...problems, ...validation.problems];
  problems = [...problems, ...await suffixProblems(sources.map(({ source }) => source))];
  if (problems.length === 0 && validation.kind === "valid") return validation.manifest;
  throw manifestInvalid(inOrder(problems, files));
}

/** The manifest in the program. */
export function builtinManifest(): ManifestBytes {
  return { path: BUILTIN_FILE, bytes: new TextEncoder().encode(BUILTIN_MANIFEST) };
}

/** What is thrown for a manifest with problems; at least one. */
export function manifestInvalid(problems: readonly Problem[]): Failure {
  const [first] = problems;
  return new Failure("manifest-invalid", summary(problems.length), {
    exit: EXIT.usage,
    problems: problems.slice(0, PROBLEMS_SHOWN),
    ...(first?.where === undefined ? {} : { where: first.where }),
  });
}

function summary(count: number): string {
  if (count > PROBLEMS_SHOWN) return `The manifest has more than ${PROBLEMS_SHOWN} problems`;
  return count === 1 ? "The manifest has a problem" : `The manifest has ${count} problems`;
}

/** Reads one file, whoever it belongs to. @throws Failure `manifest-invalid`, `manifest-unreadable` */
export async function readManifest(files: Files, path: string): Promise<ManifestBytes> {
  const size = (await files.status(path))?.size ?? 0;
  if (size > MANIFEST_BYTES) throw manifestInvalid([{ message: `${path} is larger than 1 MiB` }]);
  const bytes = await read(files, path);
  if (bytes === undefined) throw unreadable(path, "it is gone");
  return { path, bytes: new Uint8Array(bytes) };
}

async function read(files: Files, path: string): Promise<Uint8Array | undefined> {
  try {
    return await files.readBytes(path);
  } catch (error) {
    throw unreadable(path, error instanceof Error ? error.message : String(error));
  }
}

function unreadable(path: string, reason: string): Failure {
  return new Failure("manifest-unreadable", `Cannot read ${path}: ${reason}`, { exit: EXIT.usage });
}
