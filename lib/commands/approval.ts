import { letsTokenEnter } from "./claude_injection.ts";
import { shellQuoted } from "../bottle/invocation.ts";
import { DEFAULT_DISK } from "../bottle/disk_limit.ts";
import { DEFAULT_MEMORY, DEFAULT_PIDS } from "../bottle/default_limits.ts";
import { DEFAULT_HOSTS } from "../egress/allowlist.ts";
import { Declined, EXIT, Failure, oneLine } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { type Difference, difference } from "../manifest/approvals.ts";
import {
  capabilitiesOf,
  type Facts,
  projectSubjects,
  type Requested,
  type Subjects,
  TOKEN_INSIDE,
} from "../manifest/capabilities.ts";
import type { Manifest, Project } from "../manifest/model.ts";
import { DEFAULT_COMMAND } from "../manifest/schema.ts";
import { confirmed } from "../ui/question.ts";
import {
  type ApprovalPlace,
  approvalPlace,
  storeApproval,
  type StoredApproval,
  storedApproval,
} from "./approval_store.ts";
import type { CommandPorts } from "./context.ts";
import type { GrantedOptions } from "./manifest_choice.ts";
import { reviewText } from "./review_text.ts";
import { settledManifest } from "./settled_manifest.ts";

/** More than anybody can look through. */
const REQUESTED_LIMIT = 100_000;

const USUAL: Facts["usual"] = {
  hosts: DEFAULT_HOSTS,
  command: DEFAULT_COMMAND,
  memory: DEFAULT_MEMORY,
  pids: DEFAULT_PIDS,
  disk: DEFAULT_DISK,
};

/** What a project's manifest asks for, beside what was approved of it. */
export interface Review {
  /** To act on once nothing is missing: its host paths are those that were looked at. */
  readonly manifest: Manifest;
  readonly project: Project;
  readonly requested: readonly Requested[];
  readonly difference: Difference<Requested>;
  /** What a person should know besides, by the text of a place. */
  readonly notes: ReadonlyMap<string, string>;
  readonly place: ApprovalPlace;
  readonly stored: StoredApproval;
}

/**
 * Compares what a project's file grants with what the user approved. Nothing is read again afterwards: what is acted on
 * is what was compared.
 *
 * @returns `undefined` for a manifest that is the user's alone
 * @throws Failure `project-path-refused`, `project-asks-too-much`, `state-folder-refused`
 */
export async function reviewed(host: Host, manifest: Manifest): Promise<Review | undefined> {
  const { project } = manifest;
  if (project === undefined) return undefined;
  const subjects = projectSubjects(manifest);
  const { manifest: settled, notes, ...facts } = await settledManifest(manifest, { project, subjects, host });
  const requested = [
    ...capabilitiesOf(settled, { subjects, facts: { ...facts, usual: USUAL } }),
    ...tokenCapabilities(settled, subjects),
  ];
  if (requested.length > REQUESTED_LIMIT) throw tooMuch(project, requested.length);
  const place = await approvalPlace(host, project);
  const stored = await storedApproval(host, place);
  const approved = stored.kind === "good" ? stored.approved : [];
  return {
    manifest: settled,
    project,
    requested,
    difference: difference(requested, approved),
    notes,
    place,
    stored,
  };
}

function tooMuch({ file }: Project, count: number): Failure {
  return new Failure(
    "project-asks-too-much",
    `${oneLine(file)} asks for ${count} grants, more than anybody can look through`,
    { exit: EXIT.failed, hints: [`At most ${REQUESTED_LIMIT} can be approved`] },
  );
}

/** Remembers that the user approved all that was asked for, and nothing else. @throws Failure `file-not-written` */
export async function approve(host: Host, { place, requested }: Review): Promise<void> {
  await storeApproval(host, place, requested);
}

/** Whether a project has a say in what an agent is given, or in that of any agent. */
export function needsApproval(manifest: Manifest, agent: string | undefined): boolean {
  return agent === undefined || projectSubjects(manifest).agents.includes(agent);
}

/**
 * A project's manifest with all that it grants approved: it was before, or a person who may be asked says yes now.
 *
 * @throws Failure `project-not-approved`, `approval-unusable`, and as {@link reviewed}; Declined
 */
export async function approvedManifest(
  { manifest, agent, mayAsk }: GrantedOptions,
  { host, reporter }: Pick<CommandPorts, "host" | "reporter">,
): Promise<Manifest> {
  if (!needsApproval(manifest, agent)) return manifest;
  const review = await reviewed(host, manifest);
  if (review === undefined) return manifest;
  if (review.difference.added.length === 0) return review.manifest;
  if (review.stored.kind === "unusable") throw review.stored.failure;
  const { terminal } = host;
  if (!mayAsk || !terminal.stdinIsTerminal || !terminal.stderrIsTerminal) throw notApproved(review);
  showReview(review, { verbose: false, ports: { host, reporter } });
  if (!await isApprovedNow(host)) throw new Declined("The grants were not approved");
  // A person takes their time: what they saw must be what the files still are.
  const now = await reviewed(host, manifest);
  if (now === undefined || difference(now.requested, review.requested).added.length > 0) {
    throw new Failure("project-changed", `${oneLine(review.project.file)} asks for something else by now`, {
      hints: ["A file that it names has changed meanwhile: run again to see what is asked for"],
    });
  }
  await approve(host, review);
  return now.manifest;
}

/**
 * What lets Claude's token into a bottle although squid could inject it: fewer hosts, or others, than the defaults. With
 * pipelock it enters every bottle.
 */
function tokenCapabilities(manifest: Manifest, { bottles }: Subjects): readonly Requested[] {
  return bottles.flatMap((name) => manifest.bottles.get(name) ?? []).filter((bottle) =>
    bottle.egress.proxy === "squid" && letsTokenEnter(bottle)
  ).map(({ name }) => ({
    subject: `bottle ${name}`,
    kind: TOKEN_INSIDE,
    parts: ["inside"],
    at: ["bottles", name, "egress"],
    usual: false,
  }));
}

/** Shows on stderr, where the question follows, what a project asks for. */
export function showReview(
  review: Review,
  { verbose, ports: { host, reporter } }: {
    readonly verbose: boolean;
    readonly ports: Pick<CommandPorts, "host" | "reporter">;
  },
): void {
  const { terminal, environment } = host;
  const columns = terminal.stderrIsTerminal ? terminal.columns() : Infinity;
  reporter.info(`${oneLine(review.project.file)} comes with the project and asks for:`);
  reporter.line("");
  terminal.err(reviewText(review, { columns, paint: reporter.paint, verbose }));
  reporter.line("");
  const isSet = Boolean(environment.get("CLAUDE_BOTTLE_OAUTH_TOKEN"));
  const when = isSet ? "" : ", once that is set";
  reporter.info(`each of these agents also works with your CLAUDE_BOTTLE_OAUTH_TOKEN${when}`);
}

/** @throws Failure `no-terminal` */
export async function isApprovedNow({ terminal, interrupts: { signal } }: Host): Promise<boolean> {
  return await confirmed(terminal, { question: "claude-bottle: approve these grants?", signal });
}

/** Whether `start` would take a manifest as it is; `missing` is how many of its grants are not approved. */
type ApprovalState = "not needed" | "approved" | { readonly missing: number };

/** For commands that only show a manifest. @throws Failure as {@link reviewed} */
async function approvalState(host: Host, manifest: Manifest): Promise<ApprovalState> {
  const review = await reviewed(host, manifest);
  if (review === undefined) return "not needed";
  const missing = review.difference.added.length;
  return missing === 0 ? "approved" : { missing };
}

/** The same as a sentence that a person should know, with what to do; `undefined` when there is nothing to say. */
export async function approvalWarning(host: Host, manifest: Manifest): Promise<ApprovalWarning | undefined> {
  try {
    const state = await approvalState(host, manifest);
    if (typeof state === "string") return undefined;
    const file = oneLine(manifest.project?.file ?? "");
    const which = state.missing === 1 ? "1 grant is" : `${state.missing} grants are`;
    return { sentence: `${file} comes with the project, and ${which} not approved`, remedy: SHOW };
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const [problem] = error.problems;
    const sentence = problem === undefined ? error.message : `${error.message}: ${problem.message}`;
    return { sentence: oneLine(sentence), remedy: "`claude-bottle trust` tells all of it" };
  }
}

/** Something that keeps `start` from taking a manifest. */
export interface ApprovalWarning {
  readonly sentence: string;
  readonly remedy: string;
}

const SHOW = "`claude-bottle trust` shows what is asked for, and asks for your approval";

/** What is said where nobody can be asked. */
function notApproved({ project, difference: { added } }: Review): Failure {
  const file = oneLine(project.file);
  const them = added.length === 1 ? "1 grant that is" : `${added.length} grants that are`;
  return new Failure(
    "project-not-approved",
    `${file} comes with the project and asks for ${them} not approved`,
    {
      exit: EXIT.failed,
      hints: [
        "`claude-bottle trust` shows what is asked for",
        "`claude-bottle trust --yes` approves it",
        `Or, for once, \`${oneLine(shellQuoted(["--manifest", project.file]))}\` uses it as your own`,
      ],
    },
  );
}
