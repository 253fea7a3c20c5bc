import { Failure, oneLine } from "../errors.ts";
import { userEnvironment } from "../host/environment.ts";
import type { Files, FileStatus, OpenFile } from "../host/files.ts";
import type { Host } from "../host/host.ts";
import type { Outcome, ProcessCall } from "../host/processes.ts";
import type { EnvSource } from "../manifest/model.ts";
import { fromByteText } from "./byte_text.ts";
import { changedFile } from "./content_marks.ts";
import { ENV_ENTRY_LIMIT, type FetchedSource } from "./env.ts";
import { shellQuoted } from "./invocation.ts";

/** What fetching a value needs. */
export interface FetchPorts extends Pick<Host, "processes" | "environment" | "files" | "terminal" | "sleep"> {
  readonly signal: AbortSignal;
  /** Tells the person who waits. */
  readonly say: (text: string) => void;
}

/** Long enough to unlock a password manager. */
const COMMAND_DEADLINE_MS = 60_000;

/** How long a command that failed of Ctrl-C may be ahead of our own notice of it. */
const INTERRUPT_MS = 100;

/**
 * Looks the program up and becomes it. Not in the working directory, whose files (`.tool-versions`, `.git/config`) other
 * people's projects bring along and password managers' helpers read, nor with a variable that leads back there.
 */
const RUN = 'cd "${HOME:-/}" >/dev/null 2>&1 || cd /; unset OLDPWD; exec "$@"';

/** The value of a variable, fetched on the host. Paths are absolute. @throws Failure `env-…`, Interrupted */
export function fetchedValue(name: string, source: FetchedSource, ports: FetchPorts): Promise<string> {
  return source.kind === "command" ? commandValue(name, source, ports) : fileValue(name, source, ports.files);
}

async function commandValue(
  name: string,
  { argv, marks = [] }: Extract<FetchedSource, { readonly kind: "command" }>,
  ports: FetchPorts,
): Promise<string> {
  const program = oneLine(argv[0] ?? "");
  const words = oneLine(shellQuoted(argv));
  const failed = (
    code: string,
    what: string,
    hint = `Run it yourself to see what it says: ${words}`,
  ): Failure => new Failure(code, `The command of ${name} ${what}: ${program}`, { hints: [hint] });
  const changed = await changedFile(marks, ports.files);
  if (changed !== undefined) {
    throw failed(
      "env-command-changed",
      `is not what was approved any more, ${oneLine(changed)} has changed`,
      "Run again: it is shown, and asks for your approval",
    );
  }
  ports.say(`${name}: asking ${program} (${COMMAND_DEADLINE_MS / 1000} s at most)`);
  const ended = await outcomeOf(argv, ports);
  if (ended === "timed-out") {
    throw failed("env-command-slow", `did not end within ${COMMAND_DEADLINE_MS / 1000} s`);
  }
  if (ended === "output-too-long") {
    throw failed("env-command-invalid", `printed more than the ${ENV_ENTRY_LIMIT} bytes Linux allows`);
  }
  if (ended.code === 127) {
    throw failed(
      "env-command-missing",
      "is not on PATH, or something that it runs is not",
      `Install it, or correct the command: ${words}`,
    );
  }
  if (ended.code !== 0) {
    throw failed(
      "env-command-failed",
      ended.signal === null ? `failed with code ${ended.code}` : `was ended by ${ended.signal}`,
    );
  }
  return checkedText(fromByteText(ended.stdout), {
    name,
    of: `what ${program} printed`,
    hint: `Run it yourself to see what it prints: ${words}`,
  });
}

/** Its output is never part of a message: both streams may hold the secret. */
async function outcomeOf(
  argv: readonly string[],
  { processes, environment, terminal, sleep, signal }: FetchPorts,
): Promise<Outcome | "timed-out" | "output-too-long"> {
  const call: ProcessCall = {
    program: "sh",
    args: ["-c", RUN, "sh", ...argv],
    // A password manager needs it, and no name of a manifest is in it.
    env: userEnvironment(environment),
  };
  // What reads a password switches the echo off, and may not live to switch it on.
  await using _terminal = await terminal.saved();
  try {
    const outcome = await processes.run(call, {
      signal,
      deadlineMs: COMMAND_DEADLINE_MS,
      onTerminal: true,
      binary: true,
      limit: ENV_ENTRY_LIMIT + 1,
    });
    if (outcome.code !== 0) await sleep(INTERRUPT_MS, signal);
    return outcome;
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    if (error.code === "timed-out" || error.code === "output-too-long") return error.code;
    throw error;
  }
}

async function fileValue(
  name: string,
  { path, isReal = false }: Extract<FetchedSource, { readonly kind: "file" }>,
  files: Files,
): Promise<string> {
  await usableStatus({ name, path }, files);
  const real = isReal ? await reading({ name, path }, () => files.realPath(path)) : path;
  if (real !== path) {
    throw new Failure(
      "env-file-changed",
      `The file that ${name} comes from is not the approved one any more`,
      {
        hints: [`${oneLine(path)} has become a link: run again, and where it leads is shown`],
      },
    );
  }
  const bytes = await reading({ name, path }, async () => {
    using file = await files.open(path);
    // It may have become something else meanwhile.
    return file !== undefined && (await file.status()).kind === "file" ? await readAtMost(file) : undefined;
  });
  if (bytes === undefined) throw missing({ name, path });
  return checkedText(bytes, {
    name,
    of: `the file ${oneLine(path)}`,
    hint: "Put the value into it, or name another file",
  });
}

async function readAtMost(file: OpenFile): Promise<Uint8Array> {
  const buffer = new Uint8Array(ENV_ENTRY_LIMIT + 1);
  let length = 0;
  while (length < buffer.length) {
    const read = await file.read(buffer.subarray(length));
    if (read === undefined) break;
    length += read;
  }
  return buffer.subarray(0, length);
}

/** The text of bytes without one line feed at their end; every other byte counts. */
function checkedText(
  bytes: Uint8Array,
  { name, of, hint }: { readonly name: string; readonly of: string; readonly hint: string },
): string {
  const refused = (why: string): Failure =>
    new Failure("env-invalid", `${name}: ${of} ${why}`, { hints: [hint] });
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes).replace(/\n$/, "");
  } catch {
    throw refused("is not UTF-8");
  }
  if (text === "") throw refused("is empty");
  return text;
}

interface NamedFile {
  /** Of the variable. */
  readonly name: string;
  readonly path: string;
}

/**
 * Looks at the files that variables come from, before anything is asked.
 *
 * @returns what a person should know of them, a line each
 * @throws Failure `env-file-…`
 */
export async function examineSecretFiles(
  env: ReadonlyMap<string, EnvSource>,
  files: Files,
): Promise<readonly string[]> {
  const notices: string[] = [];
  for (const [name, source] of env) {
    if (source.kind !== "file") continue;
    const { mode } = await usableStatus({ name, path: source.path }, files);
    if ((mode & 0o077) === 0) continue;
    const bits = (mode & 0o777).toString(8).padStart(4, "0");
    notices.push(
      `${name}: others can read or change ${source.path} (mode ${bits}): ${
        shellQuoted(["chmod", "600", source.path])
      }`,
    );
  }
  return notices;
}

/** Asked before it is opened: opening a pipe would wait for whoever writes into it. */
async function usableStatus(file: NamedFile, files: Files): Promise<FileStatus> {
  const status = await reading(file, () => files.status(file.path));
  if (status === undefined) throw missing(file);
  if (status.kind !== "file") throw unusable(file, "it is no regular file");
  if (status.size > ENV_ENTRY_LIMIT + 1) {
    throw unusable(file, `it is longer than the ${ENV_ENTRY_LIMIT} bytes Linux allows`);
  }
  return status;
}

async function reading<T>(file: NamedFile, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    throw unusable(file, error instanceof Error ? oneLine(error.message) : "it cannot be read");
  }
}

function missing({ name, path }: NamedFile): Failure {
  return new Failure("env-file-missing", `The file that ${name} comes from is not there: ${oneLine(path)}`, {
    hints: [
      "Make it, readable for yourself alone, or correct its path: a relative one begins where the manifest is",
    ],
  });
}

function unusable({ name, path }: NamedFile, why: string): Failure {
  return new Failure(
    "env-file-unusable",
    `The file that ${name} comes from cannot be used: ${oneLine(path)}: ${why}`,
    {
      hints: ["Name a file that holds the value and nothing else, readable for yourself"],
    },
  );
}
