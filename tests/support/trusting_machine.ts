import { type CliOptions, type CliRun, runCli } from "./cli_harness.ts";
import type { MemoryFile } from "./memory_files.ts";
import { PERSON } from "./memory_terminal.ts";

/** The working directory, which is no repository, and the manifest in it. */
export const ROOT = "/home/somebody/project";
export const PROJECT_FILE = `${ROOT}/claude-bottle.yaml`;

/** A machine in memory that keeps the approvals that a command stores for the next one. */
export class TrustingMachine {
  readonly files: Record<string, string | MemoryFile>;
  /** Paths of what was stored, in order. */
  readonly stored: string[] = [];

  constructor(manifest: string, files: Readonly<Record<string, string | MemoryFile>> = {}) {
    this.files = { [PROJECT_FILE]: manifest, ...files };
  }

  /** One command line, by default of a person who answers nothing. */
  async run(argv: readonly string[], options: CliOptions = {}): Promise<CliRun> {
    const run = await runCli(argv, { ...options, files: { ...this.files, ...options.files } });
    for (const { program, args, input } of run.host.processes.calls) {
      const [, , , folder = "", name = "", mode = ""] = args;
      if (program !== "sh" || !folder.endsWith("/claude-bottle/trust") || input === undefined) continue;
      this.files[`${folder}/${name}`] = { bytes: input, mode: parseInt(mode, 8) };
      this.stored.push(`${folder}/${name}`);
    }
    return run;
  }

  /** The same at a terminal, with what the person types. */
  person(argv: readonly string[], ...answers: readonly string[]): Promise<CliRun> {
    return this.run([...argv, "--color", "never"], { terminals: PERSON, answers });
  }

  /** What `trust` asks for beyond what is approved, each as `SUBJECT: KIND TEXT`. */
  async asked(options: CliOptions = {}): Promise<readonly string[]> {
    const { stdout, stderr } = await this.run(["trust", "--json"], options);
    if (stdout === "") throw new Error(stderr);
    const { grants }: { readonly grants: readonly Shown[] } = JSON.parse(stdout);
    return grants.filter(({ change }) => change === "added")
      .map(({ subject, kind, text }) => `${subject}: ${kind} ${text}`);
  }
}

interface Shown {
  readonly subject: string;
  readonly kind: string;
  readonly text: string;
  readonly change: string;
}
