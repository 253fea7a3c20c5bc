import { fingerprint } from "../bottle/known_hosts.ts";
import { EXIT, Failure, oneLine, type Problem } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { join } from "../host/paths.ts";
import type { Subjects } from "../manifest/capabilities.ts";
import { secretPlace } from "../manifest/host_places.ts";
import type {
  Agent,
  AllowedHost,
  Bottle,
  EnvSource,
  ImageSettings,
  Manifest,
  Project,
  SshEntry,
} from "../manifest/model.ts";
import { pathKey, pathText } from "../manifest/node.ts";
import { following, type FoundPath, PathProblem, ProjectPaths } from "./project_paths.ts";

type Path = readonly (string | number)[];

/** A manifest together with what the files of the host that it names are at this moment. */
export interface SettledManifest {
  /** Its paths are real ones: a link that is turned afterwards leads nobody elsewhere. */
  readonly manifest: Manifest;
  /** What counts of files besides their paths, by the {@link pathKey} of their place. */
  readonly marks: ReadonlyMap<string, readonly string[]>;
  /** What a person should know of something besides what it is, likewise. */
  readonly notes: ReadonlyMap<string, string>;
  /** Of known host keys. */
  readonly fingerprints: ReadonlyMap<string, string>;
}

/**
 * Looks at the files of the host that agents and bottles of a project's manifest name.
 *
 * @throws Failure `project-path-refused` with every path that may not be used, approved or not
 */
export async function settledManifest(
  manifest: Manifest,
  { project, subjects, host }: {
    readonly project: Project;
    readonly subjects: Subjects;
    readonly host: Host;
  },
): Promise<SettledManifest> {
  const settling = new Settling(manifest, { project, host });
  const bottles = new Map(manifest.bottles);
  for (const name of subjects.bottles) {
    const bottle = manifest.bottles.get(name);
    if (bottle !== undefined) bottles.set(name, await settling.bottle(bottle));
  }
  for (const name of subjects.agents) {
    const agent = manifest.agents.get(name);
    if (agent !== undefined) await settling.skills(agent);
  }
  settling.requireGood();
  const { marks, notes, fingerprints } = settling;
  return { manifest: { ...manifest, bottles }, marks, notes, fingerprints };
}

class Settling {
  readonly marks = new Map<string, readonly string[]>();
  readonly notes = new Map<string, string>();
  readonly fingerprints = new Map<string, string>();
  readonly #manifest: Manifest;
  readonly #host: Host;
  readonly #paths: ProjectPaths;
  readonly #problems: Problem[] = [];

  constructor(manifest: Manifest, { project, host }: { readonly project: Project; readonly host: Host }) {
    this.#manifest = manifest;
    this.#host = host;
    this.#paths = new ProjectPaths({ host, manifest, project });
  }

  async bottle(bottle: Bottle): Promise<Bottle> {
    const at = ["bottles", bottle.name];
    const env = new Map<string, EnvSource>();
    for (const [name, source] of bottle.env) {
      env.set(name, await this.#source(source, [...at, "env", name]));
    }
    const allowlist: AllowedHost[] = [];
    for (const host of bottle.egress.allowlist) {
      allowlist.push(await this.#allowed(host, [...at, ...secretPlace(host)]));
    }
    const ssh: SshEntry[] = [];
    for (const [index, entry] of bottle.ssh.entries()) {
      ssh.push(await this.#entry(entry, [...at, "ssh", index]));
    }
    return {
      ...bottle,
      env,
      ssh,
      egress: { ...bottle.egress, allowlist },
      image: await this.#image(bottle.image, [...at, "image"]),
    };
  }

  /** A skill is named, not where it is: that is the user's to say, and worth a look. */
  async skills({ name, skills }: Agent): Promise<void> {
    const folder = join(this.#host.environment.get("HOME") ?? "/", ".claude", "skills");
    for (const [index, skill] of skills.entries()) {
      const path = join(folder, skill);
      this.#paths.look();
      await this.#good(["agents", name, "skills", index], async () => {
        const real = await following(path, () => this.#host.files.realPath(path));
        if (real !== undefined && real !== path) {
          this.notes.set(pathKey(["agents", name, "skills", index]), `really ${real}`);
        }
      });
    }
  }

  /** @throws Failure `project-path-refused` */
  requireGood(): void {
    const [first] = this.#problems;
    if (first === undefined) return;
    throw new Failure(
      "project-path-refused",
      "The project's manifest names files that it may not name, whoever approves it",
      {
        exit: EXIT.failed,
        problems: this.#problems,
        ...(first.where === undefined ? {} : { where: first.where }),
      },
    );
  }

  async #allowed(host: AllowedHost, at: Path): Promise<AllowedHost> {
    if (host.inject === undefined) return host;
    const secret = await this.#source(host.inject.secret, at);
    return { ...host, inject: { ...host.inject, secret } };
  }

  async #entry(entry: SshEntry, at: Path): Promise<SshEntry> {
    for (const key of entry.knownHostKeys) this.fingerprints.set(key, await fingerprint(key));
    return { ...entry, identityFile: await this.#file(entry.identityFile, [...at, "IdentityFile"]) };
  }

  async #image(image: ImageSettings, at: Path): Promise<ImageSettings> {
    const { dockerfile, ca } = image;
    return {
      ...image,
      dockerfile: dockerfile && await this.#file(dockerfile, [...at, "dockerfile"], { content: "always" }),
      // Whoever's certificates these are can pass for any host.
      ca: ca && await this.#file(ca, [...at, "ca"], { content: "of the project's" }),
    };
  }

  async #source(source: EnvSource, at: Path): Promise<EnvSource> {
    if (source.kind === "file") return { ...source, path: await this.#file(source.path, at), isReal: true };
    if (source.kind !== "command") return source;
    const [program = "", ...rest] = source.argv;
    return await this.#good(at, async () => {
      const { path, marks: own } = await this.#program(program, at);
      const marks = [...own, ...await this.#paths.marksOf(rest)];
      this.#mark(at, marks);
      return { ...source, argv: [path, ...rest], ...(marks.length === 0 ? {} : { marks }) };
    }) ?? source;
  }

  /** What is looked up and found outside the project stays a name: where programs are is the user's to say. */
  async #program(
    program: string,
    at: Path,
  ): Promise<{ readonly path: string; readonly marks: readonly string[] }> {
    const isName = !program.includes("/");
    const looked = isName ? await this.#paths.program(program) : undefined;
    if (isName && looked === undefined) return { path: program, marks: [] };
    const found = looked === undefined
      ? await this.#paths.found(program, at)
      : { path: looked, isMissing: false };
    this.#note(at, { written: program, path: found.path });
    return { path: found.path, marks: await this.#contentOf(found, "of the project's") };
  }

  async #file(
    written: string,
    at: Path,
    { content }: { readonly content?: "always" | "of the project's" } = {},
  ): Promise<string> {
    return await this.#good(at, async () => {
      const found = await this.#paths.found(written, at);
      this.#note(at, { written, path: found.path });
      this.#mark(at, await this.#contentOf(found, content));
      return found.path;
    }) ?? written;
  }

  async #contentOf(
    { path, isMissing }: FoundPath,
    content: "always" | "of the project's" | undefined,
  ): Promise<readonly string[]> {
    if (isMissing) return ["missing"];
    const counts = content === "always" || (content !== undefined && this.#paths.isProjects(path));
    return counts ? [await this.#paths.content(path)] : [];
  }

  #mark(at: Path, marks: readonly string[]): void {
    if (marks.length > 0) this.marks.set(pathKey(at), marks);
  }

  #note(at: Path, { written, path }: { readonly written: string; readonly path: string }): void {
    if (written !== path) this.notes.set(pathKey(at), `written ${written}`);
  }

  /** Remembers what is wrong, and goes on with the next. */
  async #good<T>(at: Path, work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof PathProblem)) throw error;
      const where = this.#manifest.where(at);
      const { message, ...rest } = error.problem;
      this.#problems.push({
        ...rest,
        message: `${oneLine(pathText(at))}: ${message}`,
        ...(where === undefined ? {} : { where }),
      });
      return undefined;
    }
  }
}
