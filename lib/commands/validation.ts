import { EXIT, Failure, type Problem } from "../errors.ts";
import type { FileStatus } from "../host/files.ts";
import type { Host } from "../host/host.ts";
import { resolve } from "../host/paths.ts";
import { unavailable } from "../manifest/available.ts";
import { BUILTIN_FILE } from "../manifest/builtin.ts";
import { discoverManifests, type DiscoverOptions, leadsOut } from "../manifest/discover.ts";
import { loadManifest, manifestInvalid, parseManifest, readManifest } from "../manifest/load.ts";
import type { Agent, Manifest } from "../manifest/model.ts";
import { inOrder, linesOf, oncePerPlace, remarkAt, withoutLines } from "../manifest/problems.ts";
import { manifestWarnings } from "../manifest/warnings.ts";
import { parentsFirst } from "./entry_order.ts";
import { hostProblems } from "./host_checks.ts";
import { discoverOptions } from "./manifest_choice.ts";

/** What keeps nobody from using a manifest, here or elsewhere. */
export interface Warning extends Problem {
  /** `host`: another host may have what this one has not. */
  readonly concerns: "manifest" | "host";
}

/** What came of checking manifests. */
export interface Validation {
  readonly files: readonly string[];
  readonly bottles: number;
  readonly agents: number;
  readonly problems: readonly Problem[];
  readonly warnings: readonly Warning[];
}

/** Checks the files that `start` would use, merged as it would. @throws Failure of discovery */
export async function validationOf(host: Host, options: DiscoverOptions): Promise<Validation> {
  const found = await discoverManifests(options);
  const files = found.length === 0 ? [BUILTIN_FILE] : found.map(({ path }) => path);
  return { ...await counted(host, () => loadManifest(options)), files };
}

/** Checks each file alone. Whose it is does not matter: nothing is granted by it. */
export async function validationOfFiles(host: Host, files: readonly string[]): Promise<Validation> {
  const checked = await Promise.all(files.map((file) => checkedFile(host, file)));
  return {
    files,
    bottles: checked.reduce((sum, { bottles }) => sum + bottles, 0),
    agents: checked.reduce((sum, { agents }) => sum + agents, 0),
    problems: checked.flatMap(({ problems }) => problems),
    warnings: checked.flatMap(({ warnings }) => warnings),
  };
}

/** In what is told the file's name stays as it was given: that is what editors and people look for. */
async function checkedFile(host: Host, file: string): Promise<Counted> {
  const path = resolve(host.cwd, file);
  const result = await counted(host, async () => await parseManifest([await readFile(host, path)]));
  const named = <T extends Problem>(problem: T): T =>
    problem.where?.file === path ? { ...problem, where: { ...problem.where, file } } : problem;
  return { ...result, problems: result.problems.map(named), warnings: result.warnings.map(named) };
}

async function readFile(host: Host, path: string): ReturnType<typeof readManifest> {
  const kind = await kindOf(host, path);
  if (kind === undefined) throw manifestInvalid([{ message: `There is no file at ${path}` }]);
  // Reading a pipe or a device might never end.
  if (kind !== "file") throw manifestInvalid([{ message: `${path} is not a regular file` }]);
  // What is wrong in it would be shown, line by line, wherever this is run.
  if (await leadsOut(discoverOptions(host, undefined), path)) {
    throw manifestInvalid([{
      message: `${path} leads out of the project by a link`,
      hints: ["Name the file that it leads to"],
    }]);
  }
  return await readManifest(host.files, path);
}

async function kindOf({ files }: Host, path: string): Promise<FileStatus["kind"] | undefined> {
  try {
    return (await files.status(path))?.kind;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw manifestInvalid([{ message: `Cannot read ${path}: ${reason}` }]);
  }
}

type Counted = Omit<Validation, "files">;

/** What cannot be read is one more problem, and keeps nobody from the other files' problems. */
async function counted(host: Host, load: () => Promise<Manifest>): Promise<Counted> {
  try {
    const manifest = await load();
    const { bottles, agents } = manifest;
    const warnings = await warningsOf(manifest, host);
    return { bottles: bottles.size, agents: agents.size, problems: [], warnings };
  } catch (error) {
    return { bottles: 0, agents: 0, problems: problemsOf(error), warnings: [] };
  }
}

function problemsOf(error: unknown): readonly Problem[] {
  if (!(error instanceof Failure)) throw error;
  if (error.problems.length > 0) return error.problems;
  if (error.code !== "manifest-unreadable") throw error;
  return [{ message: error.message, hints: error.hints }];
}

async function warningsOf(manifest: Manifest, host: Host): Promise<readonly Warning[]> {
  const own = manifestWarnings(manifest);
  const found: readonly Warning[] = [
    ...[...own, ...await refusals(manifest, host)].map((problem) =>
      ({ ...problem, concerns: "manifest" }) as const
    ),
    ...[...await hostProblems(manifest, host), ...await unapproved(manifest, host)].map((problem) =>
      ({ ...problem, concerns: "host" }) as const
    ),
  ];
  // A line that one of them does not show holds a secret, and is shown by no other one.
  const hidden = linesOf(own.filter(({ where }) => where?.snippet === undefined));
  return inOrder(withoutLines(found, hidden), manifest.files);
}

/** What the user has not approved of a project's grants. */
async function unapproved(manifest: Manifest, host: Host): Promise<readonly Problem[]> {
  if (manifest.project === undefined) return [];
  const { approvalWarning } = await import("./approval.ts");
  const warning = await approvalWarning(host, manifest);
  return warning === undefined ? [] : [{ message: warning.sentence, hints: [warning.remedy] }];
}

/** What `start` refuses agents for, whatever the host; what several of them take over is told once. */
async function refusals(manifest: Manifest, host: Host): Promise<readonly Problem[]> {
  const agents = parentsFirst(manifest.agents);
  const users = new Map(agents.map((agent) => [agent.bottle, agent.name]));
  const found = [
    ...[...users.values()].flatMap((name) => unavailable(manifest, name)),
    ...await unusableCommands(manifest, agents, host),
  ];
  return oncePerPlace(found);
}

async function unusableCommands(
  manifest: Manifest,
  agents: readonly Agent[],
  host: Host,
): Promise<readonly Problem[]> {
  // What makes command lines has much to load, and Claude Code's are good as they are.
  const others = agents.filter(({ command }) => command[0] !== "claude");
  if (others.length === 0) return [];
  const { agentRun } = await import("./spec.ts");
  const options = { args: [], prompt: undefined, remoteControl: false, host, home: "/" };
  return others.flatMap((agent) => {
    const refused = refusal(() => agentRun(agent, options));
    if (refused === undefined) return [];
    const below = ["agents", agent.name, refused.code === "not-claude" ? "prompt" : "command"];
    return [remarkAt(manifest, below, refused)];
  });
}

function refusal(work: () => unknown): Failure | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof Failure && error.exit === EXIT.usage) return error;
    throw error;
  }
}
