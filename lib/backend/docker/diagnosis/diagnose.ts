import { failed, type Finding, note, notLookedAt, ok } from "../../../bottle/diagnosis.ts";
import type { OnEvent } from "../../../bottle/events.ts";
import { Failure } from "../../../errors.ts";
import type { SurveyPorts } from "../active.ts";
import { subnetPool } from "../addresses.ts";
import { prepareCleanup } from "../cleanup.ts";
import type { DockerClient } from "../client.ts";
import { engineInfo, findImages } from "../engine.ts";
import { takenRanges } from "../taken_subnets.ts";
import { clientProxiesFinding } from "./client_config.ts";
import {
  debugFinding,
  engineFinding,
  limitsFinding,
  runtimesFinding,
  seccompFinding,
} from "./engine_findings.ts";
import { engineContext } from "./identity.ts";
import { wantedImages } from "./image_findings.ts";
import { subnetsFinding } from "./subnet_findings.ts";

/** What each answer of the engine is read for. */
const ENGINE_CHECKS = {
  debug: debugFinding,
  limits: limitsFinding,
  seccomp: seccompFinding,
  runtimes: runtimesFinding,
} as const;

interface Survey extends SurveyPorts {
  readonly signal: AbortSignal;
}

/** Everything that a launch depends on, asked at the same time. What is wrong is a finding. @throws Interrupted */
export async function diagnose(
  { host, client, onEvent, signal }: Survey & { readonly onEvent: OnEvent },
): Promise<readonly Finding[]> {
  onEvent({ kind: "started", id: "doctor", title: "asking the engine", slow: false });
  // Without an engine nothing else can be asked of it: what is under way then ends at once.
  const gaveUp = new AbortController();
  const survey = { host, client, signal: AbortSignal.any([signal, gaveUp.signal]) };
  const images = await imageChecks(survey);
  const info = engineInfo(client, { signal, deadline: "ping" });
  info.catch(() => gaveUp.abort(new Failure("engine-unreachable", "The engine does not answer")));
  const [cli, engine, rest, proxies] = await Promise.all([
    looked("client", () => clientFinding(client, signal)),
    looked("engine", async () => engineFinding(await info, await engineContext(client, signal))),
    Promise.all([
      ...Object.entries(ENGINE_CHECKS).map(([check, finding]) =>
        looked(check, async () => finding(await info))
      ),
      ...images,
      looked("subnets", () => subnets(survey)),
      looked("leftovers", () => leftovers(survey)),
    ]),
    looked("client-proxies", () => clientProxiesFinding(host)),
  ]);
  onEvent({ kind: "finished", id: "doctor" });
  signal.throwIfAborted();
  if (cli.status === "problem") {
    const why = "the docker CLI cannot be run";
    return [cli, notLookedAt("engine", why), ...rest.map(({ check }) => notLookedAt(check, why)), proxies];
  }
  const answers = await info.then(() => true, () => false);
  return [
    cli,
    engine,
    ...rest.map((one) => answers ? one : notLookedAt(one.check, "the engine does not answer")),
    proxies,
  ];
}

/** What a check finds; what it fails with is a finding too. @throws Interrupted */
async function looked(check: string, look: () => Promise<Finding>): Promise<Finding> {
  try {
    return await look();
  } catch (error) {
    if (error instanceof Failure) return failed(check, error);
    throw error;
  }
}

/** The docker CLI, whether or not there is an engine. */
async function clientFinding(client: DockerClient, signal: AbortSignal): Promise<Finding> {
  const stdout = await client.run({
    what: "asking the docker CLI for its version",
    args: ["--version"],
    signal,
    deadline: "ping",
  });
  const version = /version ([^\s,]+)/i.exec(stdout)?.[1];
  return ok("client", version === undefined ? stdout.trim() : `docker CLI ${version}`);
}

/** A check for each image; one for all when their names are wrong. */
async function imageChecks({ host, client, signal }: Survey): Promise<readonly Promise<Finding>[]> {
  try {
    const images = await wantedImages(host.environment);
    const found = findImages(client, { names: images.map(({ name }) => name), signal });
    return images.map(({ check, finding }) => looked(check, async () => finding(await found)));
  } catch (error) {
    if (error instanceof Failure) return [Promise.resolve(failed("images", error))];
    throw error;
  }
}

/** @throws Failure */
async function subnets(survey: Survey): Promise<Finding> {
  const pool = subnetPool(survey.host.environment.get("CLAUDE_BOTTLE_SUBNETS") || undefined);
  return subnetsFinding(pool, await takenRanges(survey, survey.signal));
}

/** @throws Failure */
async function leftovers({ host, client, signal }: Survey): Promise<Finding> {
  const { items, kept, untouchedRuns } = await prepareCleanup({ host, client }, { all: false, signal });
  const parts = [
    ...(items.length === 0 ? [] : [`${counted(items.length, "object")} of bottles whose owner is gone`]),
    ...(kept.length === 0
      ? []
      : [`${counted(kept.length, "workspace")} that may hold work that is nowhere else`]),
  ];
  if (parts.length > 0) return note("leftovers", parts.join(", and "), "`claude-bottle cleanup` lists them");
  return ok(
    "leftovers",
    untouchedRuns === 0
      ? "nothing"
      : `nothing beside ${counted(untouchedRuns, "bottle")} in use or not known to be over`,
  );
}

function counted(count: number, what: string): string {
  return `${count} ${count === 1 ? what : `${what}s`}`;
}
