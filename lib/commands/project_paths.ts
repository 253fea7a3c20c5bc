import { contentMark } from "../bottle/content_marks.ts";
import { EXIT, Failure, oneLine, type Problem } from "../errors.ts";
import type { Files } from "../host/files.ts";
import type { Host } from "../host/host.ts";
import { dirname, isWithin, join, resolve } from "../host/paths.ts";
import type { Manifest, Project } from "../manifest/model.ts";
import { expandTilde } from "./authorities.ts";
import { hostPath } from "./host_paths.ts";

/** Larger files are no scripts. */
const CONTENT_BYTES = 16 * 1024 * 1024;
/** The most files and words of commands that are looked for: each takes a while. */
const LOOK_LIMIT = 10_000;
/** Longer words are no paths. */
const PATH_LIMIT = 4096;

type Path = readonly (string | number)[];

/** Where a path leads, or would lead if what is missing were made. */
export async function nearestRealPath(files: Files, path: string): Promise<string> {
  let real = "/";
  const parts = resolve(path).split("/").slice(1);
  for (const [index, part] of parts.entries()) {
    const next = await files.realPath(join(real, part));
    // From the root down: most of a path that is missing is not there to be asked for.
    if (next === undefined) return join(real, ...parts.slice(index));
    real = next;
  }
  return real;
}

/** What is wrong with a path that a manifest names. */
export class PathProblem extends Error {
  override readonly name = "PathProblem";
  readonly problem: Omit<Problem, "where">;

  constructor(message: string, hint: string) {
    super(message);
    this.problem = { message, hints: [hint] };
  }
}

/** A file that was found. */
export interface FoundPath {
  /** Without links; where it would be when it is missing. */
  readonly path: string;
  readonly isMissing: boolean;
}

export interface PathsOptions {
  readonly host: Host;
  readonly manifest: Manifest;
  readonly project: Project;
}

/** Finds the files of the host that a manifest names, each where it really is. */
export class ProjectPaths {
  readonly #host: Host;
  readonly #manifest: Manifest;
  readonly #project: Project;
  readonly #home: string;
  readonly #contents = new Map<string, Promise<string>>();
  #looks = 0;

  constructor({ host, manifest, project }: PathsOptions) {
    this.#host = host;
    this.#manifest = manifest;
    this.#project = project;
    this.#home = host.environment.get("HOME") || "/";
  }

  /** Whether something is the project's own. */
  isProjects(real: string): boolean {
    return isWithin(real, this.#project.root);
  }

  /**
   * Where a path of the manifest leads. One that the project's file writes relative to itself must stay in the project:
   * whoever reads the path could not know where a link takes it.
   *
   * @throws PathProblem
   */
  async found(written: string, at: Path): Promise<FoundPath> {
    const { environment, files } = this.#host;
    const named = expandTilde(hostPath(written, { manifest: this.#manifest, at }), { environment });
    this.look();
    const isRelative = !written.startsWith("/") && !written.startsWith("~/") &&
      this.#manifest.where(at)?.file === this.#project.file;
    const real = await following(named, () => files.realPath(named));
    if (isRelative) {
      const leads = real ?? await following(named, () => nearestRealPath(files, named));
      if (!this.isProjects(leads)) {
        throw new PathProblem(
          `${JSON.stringify(written)} leads out of the project, to ${oneLine(leads)}`,
          "Write where it really is, so that whoever approves it sees that",
        );
      }
    }
    return { path: real ?? named, isMissing: real === undefined };
  }

  /**
   * The project's program of a name, looked up as the launch will, from the home; `undefined` when the name leads to
   * another one. A link that stands in the project is the project's, wherever it leads.
   */
  async program(name: string): Promise<string | undefined> {
    const { environment, files } = this.#host;
    for (const folder of (environment.get("PATH") ?? "").split(":")) {
      const path = resolve(this.#home, folder, name);
      const status = await quietly(() => files.status(path));
      if (status?.kind !== "file" || (status.mode & 0o111) === 0) continue;
      const [real, beside] = await Promise.all([files.realPath(path), files.realPath(dirname(path))]);
      const isProjects = [real, beside].some((one) => one !== undefined && this.isProjects(one));
      return isProjects ? real : undefined;
    }
    return undefined;
  }

  /** What counts of the project's files that a command's words name; the text that a shell is given is looked through too. */
  async marksOf(words: readonly string[]): Promise<readonly string[]> {
    const marks = new Set<string>();
    for (const name of new Set(words.flatMap(namesIn))) {
      if (name === "" || name.length > PATH_LIMIT) continue;
      this.look();
      // A shell, `env` and their like look up what they are told to run.
      const program = name.includes("/") ? undefined : await this.program(name);
      if (program !== undefined) marks.add(await this.content(program));
      const path = resolve(this.#home, expandTilde(name, this.#host));
      const real = await quietly(() => this.#host.files.realPath(path));
      if (!this.isProjects(path) && !(real !== undefined && this.isProjects(real))) continue;
      if (real !== undefined) marks.add(await this.content(real));
      else if (name.includes("/")) marks.add(missing(path));
    }
    return [...marks];
  }

  /** Counts what is looked for. @throws Failure `project-asks-too-much` */
  look(): void {
    if (++this.#looks <= LOOK_LIMIT) return;
    throw new Failure(
      "project-asks-too-much",
      `${oneLine(this.#project.file)} names more files and words of commands than anybody can look through`,
      { exit: EXIT.failed, hints: [`At most ${LOOK_LIMIT} are looked at`] },
    );
  }

  /** A file's content as it is compared. @throws PathProblem for one that others may change, or that is none */
  content(real: string): Promise<string> {
    const known = this.#contents.get(real) ?? this.#content(real);
    this.#contents.set(real, known);
    return known;
  }

  async #content(real: string): Promise<string> {
    const { files, uid } = this.#host;
    const status = await following(real, () => files.status(real));
    if (status === undefined) return missing(real);
    if (status.kind === "directory") return `folder ${real}`;
    const refused = (why: string, hint: string): PathProblem =>
      new PathProblem(`${oneLine(real)} ${why}`, hint);
    if (status.kind !== "file") throw refused("is no regular file", "Name a file");
    if (uid !== undefined && status.uid !== uid && status.uid !== 0) {
      throw refused(
        "belongs to neither you nor root, so others may change it",
        "Copy it to a file of your own",
      );
    }
    if (uid !== undefined && (status.mode & 0o002) !== 0) {
      throw refused("can be written by everyone", "Take that right away with `chmod o-w`");
    }
    if (status.size > CONTENT_BYTES) throw refused("is larger than 16 MiB", "Name a script");
    const bytes = await following(real, () => files.readBytes(real));
    if (bytes === undefined) return missing(real);
    return await contentMark(real, bytes);
  }
}

/** What may be a path in a word of a command, also behind an option's letter and from the home on. */
function namesIn(word: string): readonly string[] {
  return [word, ...word.split(/[\s"'`;|&()<>=:,]+/)].flatMap((piece) => {
    const name = piece.replaceAll(/\$(HOME|\{HOME\})(?=\/)/g, "~");
    const start = name.search(/~?\//);
    return start > 0 ? [name, name.slice(start)] : [name];
  });
}

function missing(path: string): string {
  return `missing ${path}`;
}

/** @throws PathProblem for what the platform refuses to follow or read */
export async function following<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new PathProblem(`${oneLine(path)} cannot be looked at: ${oneLine(why)}`, "Name a file of your own");
  }
}

/** What cannot be looked at is not there. */
async function quietly<T>(work: () => Promise<T | undefined>): Promise<T | undefined> {
  try {
    return await work();
  } catch {
    return undefined;
  }
}
