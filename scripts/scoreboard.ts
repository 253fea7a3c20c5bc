import { type Group, GROUPS } from "../lib/isolation/attempt.ts";
import { ATTEMPTS } from "../lib/isolation/attempts.ts";
import { CONTROLS } from "../lib/isolation/controls.ts";
import { PROTECTIONS } from "../lib/isolation/protections.ts";
import type { ProxyName } from "../lib/manifest/model.ts";
import { VERSION } from "../lib/version.ts";
import { exceptions, summary } from "../tests/support/attack/report.ts";
import { runSuite, type SuiteOutcome } from "../tests/support/attack/suite.ts";
import { builtImages, docker, engineProxies, engineRuntimes } from "../tests/support/engine.ts";
import { fromFileUrl } from "./lint_paths.ts";

const USAGE = `usage: deno run -P=project scripts/scoreboard.ts [--engine DOCKER_HOST]… [--output FILE]

Attacks bottles on each engine, with each of its runtimes and proxies, and writes the figures to docs/scoreboard.md.
Without --engine: on the engine that docker talks to. When an engine fails, what the others came to is written to
FILE.partial. Exit code 1: an engine failed, something got through that should not, or a control did not.`;

/** Where bottles are attacked. */
interface Place {
  readonly engine: string;
  readonly runtime: "runc" | "runsc";
  readonly runtimeVersion: string;
  readonly proxy: ProxyName;
}

export interface Row {
  readonly place: Place;
  readonly outcome: SuiteOutcome;
}

/** What the command line asks for; `undefined` when it cannot be understood. */
export function options(
  args: readonly string[],
): { readonly engines: readonly (string | undefined)[]; readonly output: string } | undefined {
  const engines: string[] = [];
  let output = fromFileUrl(new URL("../docs/scoreboard.md", import.meta.url));
  for (let index = 0; index < args.length; index += 2) {
    const value = args[index + 1];
    if (!value) return undefined;
    if (args[index] === "--engine") engines.push(value);
    else if (args[index] === "--output") output = value;
    else return undefined;
  }
  return { engines: engines.length === 0 ? [undefined] : engines, output };
}

/** A row as soon as it is known. @throws Error when the engine fails or has nothing that bottles run on */
async function* attackOn(engine: string | undefined): AsyncGenerator<Row> {
  if (engine !== undefined) Deno.env.set("DOCKER_HOST", engine);
  const version = await docker("version", "--format", "{{.Server.Version}}");
  const { agent: image } = await builtImages();
  const there = await engineRuntimes();
  const runtimes = (["runc", "runsc"] as const).filter((runtime) => there.includes(runtime));
  if (runtimes.length === 0) throw new Error("It has neither runc nor runsc");
  for (const runtime of runtimes) {
    const runtimeVersion = await versionOf(runtime);
    for (const proxy of await engineProxies() as readonly ProxyName[]) {
      const outcome = await runSuite({ image, proxy, runtime });
      say(`engine ${version}: ${summary(outcome, { proxy, runtime })}`);
      yield { place: { engine: version, runtime, runtimeVersion, proxy }, outcome };
    }
  }
}

/** Name and version of a runtime, as the engine knows them. */
async function versionOf(runtime: Place["runtime"]): Promise<string> {
  if (runtime === "runsc") {
    const path = await docker("info", "--format", '{{(index .Runtimes "runsc").Path}}');
    return `gVisor ${/v?\d[\d.]*-?\d{8}/.exec(path)?.[0] ?? ""}`.trim();
  }
  const components = await docker("version", "--format", "{{json .Server.Components}}");
  const parts: readonly { readonly Name: string; readonly Version: string }[] = JSON.parse(components);
  return `runc ${parts.find(({ Name }) => Name === "runc")?.Version ?? "of an unknown version"}`;
}

export function scoreboard(rows: readonly Row[]): string {
  return [
    "# Scoreboard",
    "",
    `What ${ATTEMPTS.length} attempts to get out of a bottle came to, on real engines. Each is made from inside a bottle as its agent,`,
    "and a recording canary says whether it got through: a host outside, the engine's host, a name server, another bottle.",
    "*Live* are those that get through only once the protections that stop them are taken off, so that the attempt is",
    `known to be one. *Controls* are ${CONTROLS.length} uses that are granted, which must get through in the same run.`,
    "",
    `Version ${VERSION}, ${
      new Date().toISOString().slice(0, 10)
    }. To repeat it, on Linux with docker, on your own engine:`,
    "",
    "```sh",
    "deno run -P=project scripts/scoreboard.ts",
    "```",
    "",
    ...figures(rows),
    "",
    ...named(rows),
    "## Attempts",
    "",
    "Numbers are those of the rows above. **x** got through; what was not made proves nothing.",
    "",
    ...(Object.keys(GROUPS) as Group[]).flatMap((group) => groupTable(group, rows)),
  ].join("\n");
}

function figures(rows: readonly Row[]): readonly string[] {
  const head = ["", "engine", "runtime", "proxy", "stopped", "named exceptions", "live", "controls"];
  return table(
    head,
    rows.map(({ place, outcome: { held, live, controls } }, index) => [
      String(index + 1),
      place.engine,
      place.runtimeVersion,
      place.proxy,
      `${counted(held, "stopped")} of ${held.length}`,
      place.proxy === "pipelock" ? String(exceptions(held).length) : "none",
      `${counted(live, "through")} of ${live.length}`,
      `${counted(controls, "through")} of ${controls.length}`,
    ]),
  );
}

/** Why the exceptions are there. */
function named(rows: readonly Row[]): readonly string[] {
  const ids = new Set(
    rows.flatMap(({ place, outcome }) => place.proxy === "pipelock" ? exceptions(outcome.held) : []),
  );
  if (ids.size === 0) return [];
  const reasons = new Set(ATTEMPTS.filter(({ id }) => ids.has(id)).map(({ pipelockLets }) => pipelockLets));
  return [`The exceptions: ${[...reasons].join("; ")}. The preflight of every such bottle says so.`, ""];
}

function groupTable(group: Group, rows: readonly Row[]): readonly string[] {
  const attempts = ATTEMPTS.filter((attempt) => attempt.group === group);
  return [
    `### ${GROUPS[group]} (${attempts.length})`,
    "",
    ...table(
      ["attempt", "what stops it", "live in", ...rows.map((_, index) => String(index + 1))],
      attempts.map(({ id, title, stoppedBy }) => [
        title,
        stoppedBy.map((protection) => PROTECTIONS[protection].title).join("; "),
        rows.flatMap(({ outcome }, index) =>
          verdictOf(outcome.live, id) === "through" ? [String(index + 1)] : []
        ).join(
          " ",
        ),
        ...rows.map(({ outcome }) => SHOWN[verdictOf(outcome.held, id)]),
      ]),
    ),
    "",
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)];
}

type Results = SuiteOutcome["held"];
type Verdict = Results[number]["verdict"];

/** How what became of an attempt is shown. */
const SHOWN: Readonly<Record<Verdict, string>> = {
  through: "**x**",
  stopped: "stopped",
  untried: "not made",
  unknown: "not known",
};

function counted(results: Results, verdict: Verdict): number {
  return results.filter((result) => result.verdict === verdict).length;
}

function verdictOf(results: Results, id: string): Verdict {
  return results.find((result) => result.id === id)?.verdict ?? "untried";
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

/** Whether all was stopped but what the proxy is known to let through, and all that is granted was not. */
export function isRight({ place, outcome: { held, controls } }: Row): boolean {
  const lets = place.proxy === "pipelock" ? exceptions(held) : [];
  return held.every(({ id, verdict }) => verdict === "stopped" || lets.includes(id)) &&
    controls.every(({ verdict }) => verdict === "through");
}

async function main(args: readonly string[]): Promise<number> {
  const chosen = options(args);
  if (chosen === undefined) {
    say(USAGE);
    return args.includes("--help") ? 0 : 2;
  }
  // Known before minutes are spent.
  if (!await isWritable(chosen.output)) {
    say(`error: ${chosen.output} cannot be written`);
    return 2;
  }
  const rows: Row[] = [];
  let output = chosen.output;
  for (const engine of chosen.engines) {
    try {
      for await (const row of attackOn(engine)) rows.push(row);
    } catch (error) {
      output = `${chosen.output}.partial`;
      say(
        `error: ${engine ?? "the engine"} failed: ${error instanceof Error ? error.message.trim() : error}`,
      );
    }
  }
  if (rows.length === 0) return 1;
  await Deno.writeTextFile(output, scoreboard(rows));
  say(`written: ${output}`);
  return output === chosen.output && rows.every(isRight) ? 0 : 1;
}

/** Whether a file can be written; one that is there stays as it is. */
async function isWritable(path: string): Promise<boolean> {
  try {
    const isThere = await Deno.stat(path).then(() => true, () => false);
    await Deno.writeTextFile(path, "", { append: true });
    if (!isThere) await Deno.remove(path);
    return true;
  } catch {
    return false;
  }
}

if (import.meta.main) Deno.exit(await main(Deno.args));
