import { shellQuoted } from "../bottle/invocation.ts";
import { EXIT, Failure, oneLine } from "../errors.ts";
import { basename, dirname, join } from "../host/paths.ts";
import { writeFile } from "../host/written_file.ts";
import { parseManifest } from "../manifest/load.ts";
import { checkAgentName } from "../manifest/names.ts";
import { type ManifestPlace, type Origin, placeOfManifest } from "../manifest/place.ts";
import { projectName, type Starter, starterManifest } from "../manifest/starter.ts";
import type { CommandPorts } from "./context.ts";
import { askedName, askedSkills, askedSsh, skillsOfHost } from "./init_questions.ts";
import { jsonText } from "./json_text.ts";
import { discoverOptions } from "./manifest_choice.ts";
import { schemaText } from "./schema.ts";

export interface InitOptions {
  /** Makes the user's manifest, the project's, or, unless told, the user's where there is no manifest at all. */
  readonly origin: Origin | undefined;
  readonly agent: string | undefined;
  /** Asks nothing. */
  readonly yes: boolean;
  readonly json: boolean;
}

const SCHEMA_NAME = "claude-bottle.schema.json";

/** `init`: writes a manifest that works, and its JSON Schema for editors; never over what is there. @throws Failure */
export async function init(options: InitOptions, ports: CommandPorts): Promise<number> {
  const { host, reporter } = ports;
  const origin = options.origin ?? "user";
  const place = await freePlace(options.origin, ports);
  const starter = await starterOf({ ...options, origin, place }, ports);
  if (starter === undefined) {
    reporter.info("aborted by user");
    return EXIT.done;
  }
  const content = starterManifest(starter);
  // Whatever a person may have called it: nothing is written that would not load.
  await parseManifest([{ path: place.path, bytes: new TextEncoder().encode(content) }]);
  await write({ path: place.path, content, mode: origin === "user" ? 0o600 : 0o644 }, ports);
  const schema = join(dirname(place.path), SCHEMA_NAME);
  await writeSchema(schema, ports);
  if (options.json) {
    const { agent, bottle, skills } = starter;
    host.terminal.out(jsonText({ path: place.path, schema, origin, agent, bottle, skills }));
    return EXIT.done;
  }
  host.terminal.out(`${oneLine(place.path)}\n`);
  for (const line of nextSteps(starter, origin)) reporter.info(line);
  return EXIT.done;
}

/** @throws Failure `manifest-exists` */
async function freePlace(origin: Origin | undefined, { host }: CommandPorts): Promise<ManifestPlace> {
  const options = discoverOptions(host, undefined);
  const place = await placeOfManifest(origin ?? "user", options);
  if (place.taken !== undefined) throw taken(place.taken);
  if (origin !== undefined) return place;
  // The home folder has no project's manifest, and then there is none in the way.
  const project = await placeOfManifest("project", options).catch((error: unknown) => {
    if (error instanceof Failure && error.code === "home-is-no-project") return undefined;
    throw error;
  });
  if (project?.taken === undefined) return place;
  throw taken(project.taken, ["`claude-bottle init --user` makes one of your own beside it"]);
}

function taken(path: string, hints: readonly string[] = []): Failure {
  return new Failure("manifest-exists", `There is a manifest already: ${path}`, {
    hints: ["`claude-bottle edit` opens it; nothing was changed", ...hints],
    exit: EXIT.failed,
  });
}

/** @throws Failure `usage` for a name that no agent can have */
async function starterOf(
  options: InitOptions & { readonly origin: Origin; readonly place: ManifestPlace },
  ports: CommandPorts,
): Promise<Starter | undefined> {
  const { stdinIsTerminal, stderrIsTerminal } = ports.host.terminal;
  const asks = !options.yes && !options.json && stdinIsTerminal && stderrIsTerminal;
  const isUser = options.origin === "user";
  const own = isUser ? "default" : projectName(basename(dirname(options.place.path)));
  const usual = isUser ? "claude" : own;
  if (options.agent !== undefined) requireName(options.agent);
  const agent = options.agent ?? (asks ? await askedName(usual, ports) : usual);
  if (agent === undefined) return undefined;
  // Skills and keys are this host's: others who have the project may not have them.
  const found = isUser ? await skillsOfHost(ports) : [];
  const skills = asks ? await askedSkills(found, ports) : found;
  if (skills === undefined) return undefined;
  const ssh = asks && isUser ? await askedSsh(ports) : { key: undefined };
  if (ssh === undefined) return undefined;
  return { agent, bottle: own, skills, ssh: ssh.key, schema: `./${SCHEMA_NAME}` };
}

function requireName(name: string): void {
  const checked = checkAgentName(name);
  if (checked.kind === "good") return;
  throw new Failure("usage", `The agent's name ${checked.message}: ${JSON.stringify(name)}`, {
    ...(checked.hint === undefined ? {} : { hints: [checked.hint] }),
    exit: EXIT.usage,
  });
}

interface NewFile {
  readonly path: string;
  readonly content: string;
  readonly mode: number;
}

async function write(file: NewFile, { host }: CommandPorts): Promise<void> {
  try {
    await writeFile(host, { ...file, replace: false });
  } catch (error) {
    if (error instanceof Failure && error.code === "file-exists") throw taken(file.path);
    throw error;
  }
}

/** The manifest is good without it: editors know less then. */
async function writeSchema(path: string, { host, reporter }: CommandPorts): Promise<void> {
  const content = schemaText();
  try {
    await writeFile(host, { path, content, mode: 0o644, replace: false });
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const bytes = await host.files.readBytes(path).catch(() => undefined);
    if (bytes !== undefined && new TextDecoder().decode(bytes) === content) return;
    reporter.info(`${error.message}: \`claude-bottle schema\` prints what editors would find there`);
  }
}

function nextSteps({ agent, skills, ssh }: Starter, origin: Origin): readonly string[] {
  const given = [
    ...(skills.length === 0 ? [] : [`the ${skills.length === 1 ? "skill" : "skills"} ${skills.join(", ")}`]),
    ...(ssh === undefined ? [] : [`the ssh key ${ssh.identityFile} for ${ssh.host}`]),
  ];
  const also = given.length === 0 ? "" : `, given ${given.join(" and ")}`;
  return [
    `agent ${agent}${also}; \`claude-bottle edit\` opens the manifest`,
    ...(origin === "user" ? [] : [
      "a project's manifest grants nothing until you approve it: `claude-bottle trust` shows what it grants, and asks",
    ]),
    `next: ${shellQuoted(["claude-bottle", "start", ...(origin === "user" ? [] : [agent])])}`,
  ];
}
