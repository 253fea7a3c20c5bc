import { EXIT, Failure, oneLine } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { discoverManifests } from "../manifest/discover.ts";
import { approve, isApprovedNow, type Review, reviewed, showReview } from "./approval.ts";
import { approvalPlace, storeApproval, storedApproval } from "./approval_store.ts";
import type { CommandPorts } from "./context.ts";
import { jsonText } from "./json_text.ts";
import { discoverOptions, shownManifest } from "./manifest_choice.ts";
import { reviewJson } from "./review_text.ts";

export interface TrustOptions {
  /** Approves without asking. */
  readonly yes: boolean;
  /** Forgets what was approved. */
  readonly revoke: boolean;
  /** Shows what is unchanged, too. */
  readonly verbose: boolean;
  readonly json: boolean;
}

/** `trust`: shows what the project's manifest would grant, and remembers the user's approval of it. @throws Failure, Interrupted */
export async function trust(options: TrustOptions, ports: CommandPorts): Promise<number> {
  const { host } = ports;
  if (options.revoke && options.yes) {
    throw new Failure("usage", "--yes approves and --revoke takes that back: give one of them", {
      exit: EXIT.usage,
    });
  }
  if (options.revoke) return await revoke(options, ports);
  const review = await reviewed(host, await shownManifest(host, undefined));
  if (review === undefined) throw noProject(host);
  return options.json ? await inJson(review, options, ports) : await inText(review, options, ports);
}

function noProject({ cwd }: Host): Failure {
  return new Failure("project-manifest-missing", `There is no project's manifest for ${oneLine(cwd)}`, {
    exit: EXIT.failed,
    hints: [
      "It is looked for from the working directory up to the repository's root; without a repository, only there",
      "`claude-bottle init --project` writes one; your own manifest needs no approval",
    ],
  });
}

/** Nothing is asked: whoever reads JSON is no person. */
async function inJson(
  review: Review,
  { yes }: TrustOptions,
  { host }: CommandPorts,
): Promise<number> {
  if (yes) await approve(host, review);
  const shown = reviewJson(review);
  host.terminal.out(jsonText(yes ? { ...shown, approved: true } : shown));
  return EXIT.done;
}

async function inText(
  review: Review,
  { yes, verbose }: TrustOptions,
  ports: CommandPorts,
): Promise<number> {
  const { host, reporter } = ports;
  const { requested, difference: { added, removed }, stored } = review;
  if (stored.kind === "unusable") {
    reporter.info(`${stored.failure.message}: nothing counts as approved`);
  }
  if (requested.length > 0 && (added.length > 0 || removed.length > 0 || verbose)) {
    showReview(review, { verbose, ports });
  }
  if (added.length === 0 && !(yes && removed.length > 0)) {
    reporter.info(
      requested.length === 0
        ? "nothing to approve: no agent uses what the project defines"
        : sayNothingNew(review),
    );
    return EXIT.done;
  }
  if (!yes && !await isApprovedNow(host)) {
    reporter.info("aborted by user");
    return EXIT.done;
  }
  await approve(host, review);
  reporter.info(
    `${counted(requested.length)} of ${
      oneLine(review.project.file)
    } approved; \`claude-bottle trust --revoke\` takes that back`,
  );
  return EXIT.done;
}

function sayNothingNew({ requested, project }: Review): string {
  return `nothing new to approve: ${counted(requested.length)} of ${oneLine(project.file)}, all approved`;
}

function counted(count: number): string {
  return count === 1 ? "1 grant" : `${count} grants`;
}

/** Does not read the manifest: what was approved is forgotten even when that is broken by now. */
async function revoke({ json }: TrustOptions, { host, reporter }: CommandPorts): Promise<number> {
  const found = await discoverManifests(discoverOptions(host, undefined));
  const project = found.find((file) => file.origin === "project");
  if (project === undefined) throw noProject(host);
  const place = await approvalPlace(host, { root: project.root, file: project.path });
  const stored = await storedApproval(host, place);
  const count = stored.kind === "good" ? stored.approved.length : 0;
  if (stored.kind === "unusable" || count > 0) await storeApproval(host, place, []);
  if (json) host.terminal.out(jsonText({ root: project.root, file: project.path, revoked: count }));
  else {
    const file = oneLine(project.path);
    reporter.info(
      count === 0 ? `nothing was approved of ${file}` : `${counted(count)} of ${file} not approved any more`,
    );
  }
  return EXIT.done;
}
