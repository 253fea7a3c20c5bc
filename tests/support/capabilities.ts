import {
  capabilitiesOf,
  type Capability,
  type Facts,
  projectSubjects,
} from "../../lib/manifest/capabilities.ts";
import { parseManifest } from "../../lib/manifest/load.ts";
import type { Manifest } from "../../lib/manifest/model.ts";

/** Where the project of {@link projectManifest} is. */
export const PROJECT = { root: "/repo", file: "/repo/claude-bottle.yaml" };
const USER_FILE = "/home/somebody/.config/claude-bottle/claude-bottle.yaml";

export const USUAL: Facts["usual"] = {
  hosts: ["api.test", "update.test"],
  command: ["claude", "--dangerously-skip-permissions"],
  memory: 4 * 1024 ** 3,
  pids: 2048,
  disk: 20 * 1024 ** 3,
};

/** A project's manifest, beside the user's own where there is one. */
export async function projectManifest(text: string, user?: string): Promise<Manifest> {
  const file = (path: string, text: string) => ({ path, bytes: new TextEncoder().encode(text) });
  return await parseManifest(
    [...(user === undefined ? [] : [file(USER_FILE, user)]), file(PROJECT.file, text)],
    PROJECT,
  );
}

/** What it asks for. */
export function requestedBy(manifest: Manifest, facts: Partial<Facts> = {}): readonly Capability[] {
  const all = { usual: USUAL, fingerprints: new Map(), marks: new Map(), ...facts };
  return capabilitiesOf(manifest, { subjects: projectSubjects(manifest), facts: all })
    .map(({ subject, kind, parts }) => ({ subject, kind, parts }));
}

/** A capability as one line. */
export function line({ subject, kind, parts }: Capability): string {
  return [subject, kind, ...parts].join(" | ");
}
