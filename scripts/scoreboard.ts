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
Without --engine: on the engine that docker talks to.`;

/** Where bottles are attacked. */
interface Place {
  readonly engine: string;
  readonly runtime: "runc" | "runsc";
  readonly runtimeVersion: string;
  readonly proxy: ProxyName;
}

interface Row {
  readonly place: Place;
  readonly outcome: SuiteOutcome;
}

/** What the command line asks for; `undefined` when it cannot be understood. */
function options(
  args: readonly string[],
): { readonly engines: readonly (string | undefined)[]; readonly output: string } | undefined {
  const engines: string[] = [];
  let output = fromFileUrl(new URL("../docs/scoreboard.md", import.meta.url));
  for (let index = 0; index < args.length; index += 2) {
    const value = args[index + 1];
    if (value === undefined) return undefined;
    if (args[index] === "--engine") engines.push(value);
    else if (args[index] === "--output") output = value;
    else return undefined;
  }
  return { engines: engines.length === 0 ? [undefined] : engines, output };
}

async function attackOn(engine: string | undefined): Promise<readonly Row[]> {
  if (engine !== undefined) Deno.env.set("DOCKER_HOST", engine);
  const { agent: image } = await builtImages();
  const version = await docker("version", "--format", "{{.Server.Version}}");
  const rows: Row[] = [];
  for (const runtime of ["runc", "runsc"] as const) {
    if (!(await engineRuntimes()).includes(runtime)) continue;
    const runtimeVersion = await versionOf(runtime);
    for (const proxy of await engineProxies() as readonly ProxyName[]) {
      const outcome = await runSuite({ image, proxy, runtime });
      say(`engine ${version}: ${summary(outcome, { proxy, runtime })}`);
      rows.push({ place: { engine: version, runtime, runtimeVersion, proxy }, outcome });
    }
  }
  return rows;
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

function scoreboard(rows: readonly Row[]): string {
  return [
    "# Scoreboard",
    "",
    `What ${ATTEMPTS.length} attempts to get out of a bottle came to, on real engines. Each is made from inside a bottle as its agent,`,
    "and a recording canary says whether it got through: a host outside, the engine's host, a name server, another bottle.",
    "*Live* are those that do get through once the protections that stop them are taken off, so that the attempt is known",
    `to be one. *Controls* are ${CONTROLS.length} uses that are granted, which must get through in the same run.`,
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
    "Numbers are those of the columns above. **x** got through.",
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
        rows.flatMap(({ outcome }, index) => isThrough(outcome.live, id) ? [String(index + 1)] : []).join(
          " ",
        ),
        ...rows.map(({ outcome }) => isThrough(outcome.held, id) ? "**x**" : "stopped"),
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

function counted(results: Results, verdict: Results[number]["verdict"]): number {
  return results.filter((result) => result.verdict === verdict).length;
}

function isThrough(results: Results, id: string): boolean {
  return results.some((result) => result.id === id && result.verdict === "through");
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

async function main(args: readonly string[]): Promise<number> {
  const chosen = options(args);
  if (chosen === undefined) {
    say(USAGE);
    return 2;
  }
  const rows: Row[] = [];
  for (const engine of chosen.engines) rows.push(...await attackOn(engine));
  await Deno.writeTextFile(chosen.output, scoreboard(rows));
  say(`written: ${chosen.output}`);
  const broken = rows.flatMap(({ place, outcome }) => {
    const lets = place.proxy === "pipelock" ? exceptions(outcome.held) : [];
    return outcome.held.filter(({ id, verdict }) => verdict !== "stopped" && !lets.includes(id));
  });
  return broken.length === 0 ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
