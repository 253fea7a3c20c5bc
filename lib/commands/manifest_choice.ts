import { EXIT, Failure } from "../errors.ts";
import type { Host } from "../host/host.ts";
import type { DiscoverOptions } from "../manifest/discover.ts";
import { loadManifest } from "../manifest/load.ts";
import type { Manifest } from "../manifest/model.ts";

/** Where a command looks for its manifest. */
export function discoverOptions(host: Host, manifestFile: string | undefined): DiscoverOptions {
  const { files, environment, cwd, uid } = host;
  return { files, environment, cwd, uid, ...(manifestFile === undefined ? {} : { manifestFile }) };
}

/** The manifest that `start` would use, for commands that only show it: whoever acts on it takes {@link grantedManifest}. @throws Failure */
export async function shownManifest(host: Host, manifestFile: string | undefined): Promise<Manifest> {
  return await loadManifest(discoverOptions(host, manifestFile));
}

/** The manifest to act on: what a project's file grants in it has been approved. @throws Failure */
export async function grantedManifest(host: Host, manifestFile: string | undefined): Promise<Manifest> {
  const manifest = await shownManifest(host, manifestFile);
  if (manifest.project === undefined) return manifest;
  const { file } = manifest.project;
  throw new Failure(
    "project-manifest-untrusted",
    `${file} comes with the project, and nobody has approved what it grants`,
    { exit: EXIT.failed, hints: [`Read it; then \`--manifest ${file}\` uses it as your own`] },
  );
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
