import type { FileStatus } from "../host/files.ts";
import type { Host } from "../host/host.ts";
import type { Outcome } from "../host/processes.ts";

/** Settings of the user's that count here too: where the engine's objects come from, not what a bottle is. */
const RESPECTED: ReadonlySet<string> = new Set([
  "CLAUDE_BOTTLE_BASE_IMAGE",
  "CLAUDE_BOTTLE_PIPELOCK_IMAGE",
  "CLAUDE_BOTTLE_SUBNETS",
]);

export interface ThrowawayHostOptions {
  /** Text of files that are there for this launch alone, by absolute path. */
  readonly files: ReadonlyMap<string, string>;
  /** Variables that are set for this launch alone. */
  readonly environment: ReadonlyMap<string, string>;
  /** Takes what the agent prints. */
  readonly onOutput: (text: string) => void;
}

/**
 * The host as the launch of a bottle for the moment sees it: with a manifest, and what else it needs, that exist in
 * memory only, so that it goes the way of any launch without a file being written; and with the agent's output kept
 * instead of shown.
 */
export function throwawayHost(
  host: Host,
  { files, environment, onOutput }: ThrowawayHostOptions,
): Host {
  const status = (text: string, path: string): FileStatus => ({
    kind: "file",
    size: new TextEncoder().encode(text).length,
    mode: 0o600,
    uid: host.uid ?? 0,
    modified: 0,
    identity: `memory ${path}`,
    birth: `memory ${path}`,
  });
  const either = <T>(
    path: string,
    ours: (text: string, path: string) => T,
    real: () => Promise<T>,
  ): Promise<T> => {
    const text = files.get(path);
    return text === undefined ? real() : Promise.resolve(ours(text, path));
  };
  return {
    ...host,
    environment: {
      get: (name) =>
        environment.get(name) ??
          (name.startsWith("CLAUDE_BOTTLE_") && !RESPECTED.has(name)
            ? undefined
            : host.environment.get(name)),
      all: () => host.environment.all(),
    },
    files: {
      ...host.files,
      readBytes: (path) =>
        either(path, (text) => new TextEncoder().encode(text), () => host.files.readBytes(path)),
      status: (path) => either(path, status, () => host.files.status(path)),
      linkStatus: (path) => either(path, status, () => host.files.linkStatus(path)),
      realPath: (path) => either(path, () => path, () => host.files.realPath(path)),
    },
    processes: {
      ...host.processes,
      async attach(call, options): Promise<Outcome> {
        const outcome = await host.processes.run(call, options ?? {});
        onOutput(outcome.stdout + outcome.stderr);
        return outcome;
      },
    },
  };
}
