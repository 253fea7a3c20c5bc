import { EXIT, Failure } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { DiscoverOptions } from "../manifest/discover.ts";
import { loadManifest } from "../manifest/load.ts";
import type { Manifest } from "../manifest/model.ts";
import type { CommandPorts } from "./context.ts";

/** Where a command looks for its manifest. */
export function discoverOptions(host: Host, manifestFile: string | undefined): DiscoverOptions {
  const { files, environment, cwd, uid } = host;
  return { files, environment, cwd, uid, ...(manifestFile === undefined ? {} : { manifestFile }) };
}

/** The manifest that `start` would use, for commands that only show it: whoever acts on it takes {@link grantedManifest}. @throws Failure */
export async function shownManifest(host: Host, manifestFile: string | undefined): Promise<Manifest> {
  return await loadManifest(discoverOptions(host, manifestFile));
}

/** Says on stderr that `start` would not take a manifest as it is; `agent` is the one that is shown, if only one is. */
export async function warnUnlessApproved(
  manifest: Manifest,
  { host, reporter }: Pick<CommandPorts, "host" | "reporter">,
  agent?: string,
): Promise<void> {
  if (manifest.project === undefined) return;
  const { approvalWarning, needsApproval } = await import("./approval.ts");
  if (!needsApproval(manifest, agent)) return;
  const warning = await approvalWarning(host, manifest);
  if (warning !== undefined) reporter.info(`${warning.sentence}: ${warning.remedy}`);
}

/** What is asked of {@link grantedManifest}. */
export interface GrantedOptions {
  readonly manifest: Manifest;
  /** Whom it is for: the user's own agents in bottles of the user's need no approval. All of them unless told. */
  readonly agent: string | undefined;
  /** Whether a person may be asked to approve what a project's file grants. */
  readonly mayAsk: boolean;
}

/**
 * The manifest to act on: all that a project's file grants in it has been approved, or is approved now.
 *
 * @throws Failure `project-not-approved`, Declined
 */
export async function grantedManifest(
  ports: Pick<CommandPorts, "host" | "reporter">,
  options: GrantedOptions,
): Promise<Manifest> {
  if (options.manifest.project === undefined) return options.manifest;
  const { approvedManifest } = await import("./approval.ts");
  return await approvedManifest(options, ports);
}

/** The agent that is named, or the only one there is. @throws Failure `agent-missing`, `agent-unnamed` */
export function namedOrOnlyAgent(
  manifest: Manifest,
  { name, command }: { readonly name: string | undefined; readonly command: string },
): string {
  const names = [...manifest.agents.keys()];
  const [only] = names;
  if (name !== undefined) return name;
  if (only === undefined) {
    throw new Failure("agent-missing", "The manifest defines no agents", {
      hints: ["Add one below `agents:`, e.g. `me: { bottle: dev }`"],
      exit: EXIT.usage,
    });
  }
  if (names.length === 1) return only;
  throw new Failure("agent-unnamed", `Name one of the agents: ${names.join(", ")}`, {
    hints: [`claude-bottle ${command} ${only}`],
    exit: EXIT.usage,
  });
}
