import { EXIT, oneLine, type Problem, type Where } from "../errors.ts";
import type { Host } from "../host/host.ts";
import { unavailable } from "../manifest/available.ts";
import { displayWidth } from "../manifest/diagnostics.ts";
import type { Manifest } from "../manifest/model.ts";
import { type Column, fittedTable, longestWord } from "../ui/fitted_table.ts";
import { shortPaths, shownPath } from "../ui/shown_path.ts";
import { resultColumns } from "../ui/wrap.ts";
import type { CommandPorts } from "./context.ts";
import type { Grant, GrantOrigin } from "./grant_rows.ts";
import { grantsOf } from "./grants.ts";
import { namedOrOnlyAgent, shownManifest, warnUnlessApproved } from "./manifest_choice.ts";
import { jsonText, placeData } from "./json_text.ts";

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
  if (options.json) {
    host.terminal.out(infoJson(manifest, { agent, grants, missing }));
    return EXIT.done;
  }
  host.terminal.out(infoText({ agent, grants, missing }, host));
  await warnUnlessApproved(manifest, ports, agent);
  return EXIT.done;
}

const COLUMNS: readonly Column[] = [
  { heading: "GRANT" },
  { heading: "VALUE", isText: true },
  { heading: "FROM" },
];

interface Told {
  readonly agent: string;
  readonly grants: readonly Grant[];
  readonly missing: readonly Problem[];
}

/** Every file's name as people are shown it; where there is no room, as much of it as tells it from the others. */
function infoText(told: Told, { cwd, environment, terminal }: Host): string {
  const width = resultColumns(terminal);
  const standpoint = { cwd, home: environment.get("HOME") };
  const whole = (file: string): string => shownPath(file, standpoint);
  const rows = rowsOf(told, whole);
  if (leastWidth(rows) <= width) return fittedTable(COLUMNS, rows, width);
  const short = shortPaths(filesOf(told).map(whole));
  const legend = [...short].filter(([path, name]) => path !== name)
    .map(([path, name]) => `${oneLine(name)} is ${oneLine(path)}\n`);
  const named = (file: string): string => short.get(whole(file)) ?? whole(file);
  return `${fittedTable(COLUMNS, rowsOf(told, named), width)}${legend.join("")}`;
}

function filesOf({ grants, missing }: Told): readonly string[] {
  return [
    ...grants.flatMap(({ origin }) => origin.kind === "manifest" ? [origin.where.file] : []),
    ...missing.flatMap(({ where }) => where === undefined ? [] : [where.file]),
  ];
}

/** What the rows take when their values are broken between all words. */
function leastWidth(rows: readonly Row[]): number {
  const [labels, values, places] = [0, 1, 2].map((index) => rows.map((row) => row[index] ?? ""));
  const widest = (cells: readonly string[] = []): number =>
    cells.reduce((most, cell) => Math.max(most, displayWidth(cell)), 0);
  return widest(labels) + longestWord(values ?? []) + widest(places) + 4;
}

type Row = readonly string[];

/** How a file is named. */
type Named = (file: string) => string;

function rowsOf({ grants, missing }: Told, named: Named): readonly Row[] {
  return [
    ...grants.map(({ of, label, text, origin }) => [
      of === "bottle" && label !== "bottle" ? `  ${label}` : label,
      text,
      originText(origin, named),
    ]),
    ...missing.map(({ message, where }) => [
      "not yet",
      message,
      where === undefined ? "" : placeText(where, named),
    ]),
  ];
}

function originText(origin: GrantOrigin, named: Named): string {
  switch (origin.kind) {
    case "manifest":
      return placeText(origin.where, named);
    case "default":
      return "default";
    case "environment":
      return origin.variable;
    default:
      return origin satisfies never;
  }
}

function placeText({ file, line }: Where, named: Named): string {
  return `${named(file)}:${line}`;
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

function originData(origin: GrantOrigin): Readonly<Record<string, unknown>> {
  if (origin.kind === "manifest") return { from: origin.kind, where: placeData(origin.where) };
  if (origin.kind === "environment") return { from: origin.kind, variable: origin.variable };
  return { from: origin.kind };
}
