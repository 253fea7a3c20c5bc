import { resolve } from "node:path";
import { EXIT, Failure, type Problem } from "../errors.ts";
import type { FileStatus } from "../host/files.ts";
import type { Host } from "../host/host.ts";
import { BUILTIN_FILE } from "../manifest/builtin.ts";
import { discoverManifests } from "../manifest/discover.ts";
import { loadManifest, manifestInvalid, parseManifest, readManifest } from "../manifest/load.ts";
import type { Manifest } from "../manifest/model.ts";
import type { CommandPorts } from "./context.ts";
import { discoverOptions, shownManifest, warnUnlessApproved } from "./manifest_choice.ts";
import { jsonText } from "./json_text.ts";

export interface ValidateOptions {
  /** Checked each for itself; what `start` would read when there are none. */
  readonly files: readonly string[];
  readonly json: boolean;
}

interface Result {
  readonly files: readonly string[];
  readonly bottles: number;
  readonly agents: number;
  readonly problems: readonly Problem[];
}

/** `validate`: tells every problem of every file. @throws Failure `manifest-invalid`, and those of discovery */
export async function validate(options: ValidateOptions, ports: CommandPorts): Promise<number> {
  const { host, reporter } = ports;
  const result = options.files.length === 0 ? await discovered(host) : await given(host, options.files);
  if (options.json) host.terminal.out(jsonText(result));
  if (result.problems.length > 0) throw manifestInvalid(result.problems);
  if (options.json) return EXIT.done;
  if (result.files.includes(BUILTIN_FILE)) reporter.info("there is no manifest: this is the built-in one");
  host.terminal.out(
    `${counted(result.bottles, "bottle")}, ${counted(result.agents, "agent")}: no problems\n`,
  );
  if (options.files.length === 0) await warnUnlessApproved(await shownManifest(host, undefined), ports);
  return EXIT.done;
}

/** The files that `start` would use, merged as it would. */
async function discovered(host: Host): Promise<Result> {
  const options = discoverOptions(host, undefined);
  const found = await discoverManifests(options);
  const files = found.length === 0 ? [BUILTIN_FILE] : found.map(({ path }) => path);
  return resultOf(files, await outcome(() => loadManifest(options)));
}

/** Each file alone. Whose it is does not matter: nothing is granted by it. */
async function given(host: Host, files: readonly string[]): Promise<Result> {
  const checked = await Promise.all(files.map((file) => outcome(() => checkedFile(host, file))));
  const results = checked.map((one) => resultOf([], one));
  return {
    files,
    bottles: results.reduce((sum, { bottles }) => sum + bottles, 0),
    agents: results.reduce((sum, { agents }) => sum + agents, 0),
    problems: results.flatMap(({ problems }) => problems),
  };
}

/** The file's name stays as it was given: that is what editors and people look for. */
async function checkedFile(host: Host, file: string): Promise<Manifest> {
  const path = resolve(host.cwd, file);
  const kind = await kindOf(host, path);
  if (kind === undefined) throw manifestInvalid([{ message: `There is no file at ${path}` }]);
  // Reading a pipe or a device might never end.
  if (kind !== "file") throw manifestInvalid([{ message: `${path} is not a regular file` }]);
  const { bytes } = await readManifest(host.files, path);
  return await parseManifest([{ path: file, bytes }]);
}

async function kindOf({ files }: Host, path: string): Promise<FileStatus["kind"] | undefined> {
  try {
    return (await files.status(path))?.kind;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw manifestInvalid([{ message: `Cannot read ${path}: ${reason}` }]);
  }
}

type Outcome = { readonly manifest: Manifest } | { readonly problems: readonly Problem[] };

/** What cannot be read is one more problem, and keeps nobody from the other files' problems. */
async function outcome(load: () => Promise<Manifest>): Promise<Outcome> {
  try {
    return { manifest: await load() };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.problems.length > 0) return { problems: error.problems };
    if (error.code !== "manifest-unreadable") throw error;
    return { problems: [{ message: error.message, hints: error.hints }] };
  }
}

function resultOf(files: readonly string[], one: Outcome): Result {
  if ("problems" in one) return { files, bottles: 0, agents: 0, problems: one.problems };
  const { bottles, agents } = one.manifest;
  return { files, bottles: bottles.size, agents: agents.size, problems: [] };
}

function counted(count: number, what: string): string {
  return `${count} ${count === 1 ? what : `${what}s`}`;
}
