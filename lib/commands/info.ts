import { EXIT, Failure, type Problem, type Where } from "../errors.ts";
import { refuseUnavailable } from "../manifest/available.ts";
import type { Manifest } from "../manifest/model.ts";
import { table } from "../ui/table.ts";
import type { CommandPorts } from "./context.ts";
import { type Grant, grantsOf, type Origin } from "./grants.ts";
import { namedOrOnlyAgent, shownManifest, warnUnlessApproved } from "./manifest_choice.ts";
import { jsonText } from "./json_text.ts";

export interface InfoOptions {
  /** Not needed when there is one agent. */
  readonly agent: string | undefined;
  readonly manifest: string | undefined;
  readonly json: boolean;
}

/** `info`: every grant of an agent and where it comes from. @throws Failure */
export async function info(options: InfoOptions, ports: CommandPorts): Promise<number> {
  const { host } = ports;
  const manifest = await shownManifest(host, options.manifest);
  const agent = namedOrOnlyAgent(manifest, { name: options.agent, command: "info" });
  const grants = grantsOf(manifest, agent, host.environment);
  const missing = unavailable(manifest, agent);
  host.terminal.out(
    options.json ? infoJson(manifest, { agent, grants, missing }) : infoText(grants, missing),
  );
  if (!options.json) await warnUnlessApproved(manifest, ports);
  return EXIT.done;
}

/** What `start` would refuse the agent for. */
function unavailable(manifest: Manifest, agent: string): readonly Problem[] {
  try {
    refuseUnavailable(manifest, agent);
    return [];
  } catch (error) {
    if (error instanceof Failure && error.code === "not-available-yet") return error.problems;
    throw error;
  }
}

function infoText(grants: readonly Grant[], missing: readonly Problem[]): string {
  return table([
    ...grants.map(({ of, label, text, origin }) => [
      of === "bottle" && label !== "bottle" ? `  ${label}` : label,
      text,
      originText(origin),
    ]),
    ...missing.map(({ message, where }) => [
      "not yet",
      message,
      where === undefined ? "" : placeText(where),
    ]),
  ]);
}

function originText(origin: Origin): string {
  switch (origin.kind) {
    case "manifest":
      return placeText(origin.where);
    case "default":
      return "default";
    case "environment":
      return origin.variable;
    default:
      return origin satisfies never;
  }
}

function placeText({ file, line }: Where): string {
  return `${file}:${line}`;
}

interface Told {
  readonly agent: string;
  readonly grants: readonly Grant[];
  readonly missing: readonly Problem[];
}

function infoJson(manifest: Manifest, { agent, grants, missing }: Told): string {
  return jsonText({
    agent,
    bottle: manifest.agents.get(agent)?.bottle,
    manifest: manifest.files,
    grants: grants.map(({ of, label, data, origin }) => ({
      of,
      kind: label,
      ...data,
      ...originData(origin),
    })),
    unavailable: missing.map(({ message, where }) => ({
      message,
      ...(where === undefined ? {} : { where: placeData(where) }),
    })),
  });
}

function originData(origin: Origin): Readonly<Record<string, unknown>> {
  if (origin.kind === "manifest") return { from: origin.kind, where: placeData(origin.where) };
  if (origin.kind === "environment") return { from: origin.kind, variable: origin.variable };
  return { from: origin.kind };
}

/** Without the source line: it may hold a literal's value. */
function placeData({ file, line, column }: Where): unknown {
  return { file, line, column };
}
