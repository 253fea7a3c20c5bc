import agentExec from "../../../assets/agent_exec.pl" with { type: "text" };
import trustAuthority from "../../../assets/trust_authority.pl" with { type: "text" };
import workspaceRecord from "../../../assets/workspace_record.pl" with { type: "text" };
import { claudeHomeFiles, claudeSystemFile, promptFile } from "../../../bottle/claude.ts";
import { identityConfig } from "../../../bottle/git_identity.ts";
import type { TarFile } from "../../../bottle/invocation.ts";
import type { BottleSpec } from "../../../bottle/spec.ts";
import { inspects } from "../../../egress/policy.ts";

/** Where the wrapper stands in a bottle; the agent can run it and not change it. */
export const AGENT_EXEC = "/usr/local/bin/claude-bottle-exec";

/** What remembers and compares the workspace; the agent can run it and not change it. */
export const WORKSPACE_RECORD = "/usr/local/share/claude-bottle/workspace_record.pl";

/** What makes a bottle trust its sidecar's authority; root runs it, and nobody else could do anything with it. */
export const TRUST_AUTHORITY = "/usr/local/share/claude-bottle/trust_authority.pl";

/** Where the extra certificate authorities stand in a bottle; the wrapper joins them to the image's own. */
export const CA_FILE = "/usr/local/share/claude-bottle/ca.pem";

/** Everything that enters the agent container in the one stream before it starts. */
export function agentFiles(
  spec: BottleSpec,
  user: { readonly uid: number; readonly gid: number },
): readonly TarFile[] {
  const root = { uid: 0, gid: 0 };
  const files: TarFile[] = [{ path: relative(AGENT_EXEC), mode: 0o755, ...root, text: agentExec }];
  if (spec.workspace !== undefined) {
    files.push({ path: relative(WORKSPACE_RECORD), mode: 0o644, ...root, text: workspaceRecord });
  }
  if (inspects(spec.policy)) {
    files.push({ path: relative(TRUST_AUTHORITY), mode: 0o644, ...root, text: trustAuthority });
  }
  if (spec.ca !== undefined) files.push({ path: relative(CA_FILE), mode: 0o644, ...root, text: spec.ca });
  const system = claudeSystemFile(spec.policy);
  if (system !== undefined) {
    files.push({ path: relative(system.path), mode: system.mode, ...root, text: system.text });
  }
  for (const { path, mode, text } of claudeHomeFiles({ home: spec.home, workdir: spec.workdir })) {
    files.push({ path: relative(path), mode, ...user, text });
  }
  files.push(provisionPrompt(spec, user), ...provisionGit(spec, user));
  return files;
}

/** The prompt is delivered even when it is empty, so the path always exists; only the agent may read it. */
export function provisionPrompt(
  spec: BottleSpec,
  user: { readonly uid: number; readonly gid: number },
): TarFile {
  return { path: relative(promptFile(spec.home)), mode: 0o600, ...user, text: spec.prompt };
}

/** The agent's own configuration of git: a repository's counts more, as it does on the host. */
export function provisionGit(
  { home, gitIdentity }: Pick<BottleSpec, "home" | "gitIdentity">,
  user: { readonly uid: number; readonly gid: number },
): readonly TarFile[] {
  if (gitIdentity === undefined) return [];
  return [{ path: relative(`${home}/.gitconfig`), mode: 0o644, ...user, text: identityConfig(gitIdentity) }];
}

function relative(path: string): string {
  return path.replace(/^\/+/, "");
}
