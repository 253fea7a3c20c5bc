import { hostGitIdentity } from "../bottle/git_identity.ts";
import { requireHostVariables } from "../bottle/env.ts";
import { examineSecretFiles } from "../bottle/secret_sources.ts";
import { SkillFolders } from "../bottle/skill_folders.ts";
import { isUnpinned, readSshKeys } from "../bottle/ssh_keys.ts";
import { Failure, oneLine, type Problem } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { Interrupted } from "../host/interrupts.ts";
import { secretPlace } from "../manifest/host_places.ts";
import type { Agent, Bottle, EnvSource, Manifest } from "../manifest/model.ts";
import type { Path } from "../manifest/node.ts";
import { oncePerPlace, type Remark, remarkAt } from "../manifest/problems.ts";
import { extraAuthorities } from "./authorities.ts";
import { parentsFirst } from "./entry_order.ts";
import { absoluteHostPath, hostEnv, injectedSources } from "./host_paths.ts";
import { missingProgram } from "./host_programs.ts";

/** One thing of the host that a manifest names. */
interface Check {
  /** Where it is named. */
  readonly path: Path;
  /** The same for one and the same question. */
  readonly key: string;
  readonly look: () => Promise<Remark | undefined>;
}

/**
 * What `start` would not find on this host, or not as it must be: skills, keys, files, variables, programs. The
 * launch's own checks are asked, each question once. No engine is asked, no secret's command is run, and no file's
 * content is told.
 */
export async function hostProblems(manifest: Manifest, host: Host): Promise<readonly Problem[]> {
  const folders = skillFolders(host);
  const checks = [
    ...parentsFirst(manifest.bottles).flatMap((bottle) => bottleChecks(bottle, { manifest, host })),
    ...parentsFirst(manifest.agents).flatMap((agent) => agentChecks(agent, folders)),
  ];
  const answers = new Map<string, Promise<Remark | undefined>>();
  for (const { key, look } of checks) if (!answers.has(key)) answers.set(key, look());
  const remarks = await Promise.all(checks.map(({ key }) => answers.get(key)));
  const problems = checks.flatMap(({ path }, index) => {
    const remark = remarks[index];
    return remark === undefined ? [] : [remarkAt(manifest, path, remark)];
  });
  return oncePerPlace(problems);
}

/** Made when the first skill is looked for: it needs a home. */
function skillFolders(host: Host): () => SkillFolders {
  let folders: SkillFolders | undefined;
  return () => folders ??= new SkillFolders(host);
}

/** The reason for which something is refused. */
async function remarkOf(work: () => Promise<unknown>): Promise<Remark | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof Failure) return { message: error.message, hints: error.hints };
    if (error instanceof Interrupted) throw error;
    return {
      message: `cannot be looked at: ${oneLine(error instanceof Error ? error.message : `${error}`)}`,
    };
  }
}

function agentChecks({ name, skills }: Agent, folders: () => SkillFolders): readonly Check[] {
  return skills.map((skill, index) => ({
    path: ["agents", name, "skills", index],
    key: `skill ${skill}`,
    look: () => remarkOf(() => folders().find(skill)),
  }));
}

interface Context {
  readonly manifest: Manifest;
  readonly host: Host;
}

function bottleChecks(bottle: Bottle, context: Context): readonly Check[] {
  const { manifest, host } = context;
  const path = ["bottles", bottle.name];
  const { signal } = host.interrupts;
  return [
    ...[...hostEnv(manifest, bottle, host)].flatMap(([name, source]) =>
      sourceChecks(source, {
        name,
        path: [...path, "env", name],
        secret: [...path, "env", name, "secret"],
        host,
      })
    ),
    ...injectionChecks(bottle, context),
    ...sshChecks(bottle, context),
    ...(bottle.gitIdentity === undefined ? [] : [{
      path: [...path, "git", "identity"],
      key: "git identity",
      look: () => remarkOf(() => hostGitIdentity(host, signal)),
    }]),
    ...imageChecks(bottle, context),
  ];
}

/** What only the sidecar is given is fetched on this host all the same. */
function injectionChecks(bottle: Bottle, { manifest, host }: Context): readonly Check[] {
  const sources = injectedSources(manifest, bottle, host);
  return bottle.egress.allowlist.flatMap((allowed) => {
    const name = allowed.inject?.env;
    const source = name === undefined ? undefined : sources.get(name);
    if (name === undefined || source === undefined) return [];
    const path = ["bottles", bottle.name, ...secretPlace(allowed)];
    return sourceChecks(source, { name, path, secret: path, host });
  });
}

interface Variable {
  readonly name: string;
  readonly path: Path;
  /** Of its file or command. */
  readonly secret: Path;
  readonly host: Host;
}

function sourceChecks(source: EnvSource, { name, path, secret, host }: Variable): readonly Check[] {
  const only = new Map([[name, source]]);
  switch (source.kind) {
    case "literal":
    case "prompt":
      return [];
    case "host": {
      const look = (): Promise<Remark | undefined> =>
        remarkOf(() => Promise.resolve(requireHostVariables(only, host.environment)));
      return [{ path, key: `variable ${name} ${source.variable}`, look }];
    }
    case "file":
      return [{
        path: [...secret, "file"],
        key: `secret ${name} ${source.path}`,
        look: () => fileRemark(only, host),
      }];
    case "command":
      return [{
        path: [...secret, "command", 0],
        key: `command ${JSON.stringify(source.argv)}`,
        look: () => missingProgram(source.argv, host),
      }];
    default:
      return source satisfies never;
  }
}

/** A file that others can read is used all the same, and the launch says so too. */
async function fileRemark(
  only: ReadonlyMap<string, EnvSource>,
  host: Host,
): Promise<Remark | undefined> {
  let notice: string | undefined;
  const refused = await remarkOf(async () => {
    [notice] = await examineSecretFiles(only, host.files);
  });
  return refused ?? (notice === undefined ? undefined : { message: notice });
}

function sshChecks({ name, ssh }: Bottle, { manifest, host }: Context): readonly Check[] {
  const entries = ssh.map((entry, index) => {
    const path = ["bottles", name, "ssh", index, "IdentityFile"];
    return {
      path,
      entry: { ...entry, identityFile: absoluteHostPath(entry.identityFile, { manifest, host, at: path }) },
    };
  });
  const all = entries.map(({ entry }) => entry);
  // One key for a host that is known and for any other.
  const mixed = all.some(isUnpinned) && !all.every(isUnpinned);
  return [
    ...entries.map(({ path, entry }) => ({
      path,
      key: `ssh key ${entry.host} ${entry.identityFile}`,
      look: () => remarkOf(() => readSshKeys([entry], host.files)),
    })),
    ...(mixed
      ? [{ path: ["bottles", name, "ssh"], key: `ssh keys of ${name}`, look: () => conflict(all, host) }]
      : []),
  ];
}

/** What each key is refused for alone is told where that key is named. */
async function conflict(entries: Bottle["ssh"], host: Host): Promise<Remark | undefined> {
  try {
    await readSshKeys(entries, host.files);
    return undefined;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return error.code === "ssh-key-conflict" ? { message: error.message, hints: error.hints } : undefined;
  }
}

function imageChecks({ name, image }: Bottle, { manifest, host }: Context): readonly Check[] {
  const check = (key: "ca" | "dockerfile", look: (path: string) => Check["look"]): readonly Check[] => {
    const named = image[key];
    if (named === undefined) return [];
    const path = ["bottles", name, "image", key];
    const file = absoluteHostPath(named, { manifest, host, at: path });
    return [{ path, key: `${key} ${file}`, look: look(file) }];
  };
  return [
    ...check("ca", (file) => () => remarkOf(() => extraAuthorities(host, file))),
    ...check("dockerfile", (file) => () => missingFile(file, host)),
  ];
}

async function missingFile(path: string, { files }: Host): Promise<Remark | undefined> {
  const look = async (): Promise<void> => {
    const kind = (await files.status(path))?.kind;
    if (kind === "file") return;
    const what = kind === undefined ? "there is no file at" : "this is no regular file:";
    throw new Failure("file-missing", `${what} ${oneLine(path)}`, {
      hints: ["Correct the path: a relative one begins where the manifest is"],
    });
  };
  return await remarkOf(look);
}
