import { VERSION } from "../lib/version.ts";
import { builtImages, docker, engineProxies } from "../tests/support/engine.ts";
import { ForeignObjects } from "../tests/support/foreign_objects.ts";
import { LAUNCHES, recordedCalls, type Strike, strikeAll } from "../tests/support/kill_points.ts";
import { strikeTable, wrongLines } from "../tests/support/kill_report.ts";
import { quantile, reapSeconds, strikeTimes } from "../tests/support/reaper_speed.ts";
import { type KilledLaunch, type KillPoint, MOMENTS, SIGNALS } from "../tests/support/shimmed_launch.ts";
import { fromFileUrl } from "./lint_paths.ts";

const USAGE =
  `usage: deno run -P=project scripts/kill_points.ts [--launch N] [--at-once N] [--kills N] [--output FILE]

Strikes the program with each signal before and after every docker call of some launches, on the engine that docker
talks to, looks 5 s later at what is left, and times how fast a killed bottle goes. Writes docs/kill-points.md.
With --launch only that launch, counted from 1. Exit code 1: something was left, or somebody else's objects were touched.`;

interface Options {
  readonly output: string;
  readonly launches: readonly KilledLaunch[];
  readonly atOnce: number;
  /** How many bottles are killed for their speed. */
  readonly kills: number;
}

/** What the command line asks for; `undefined` when it cannot be understood. */
export function options(args: readonly string[]): Options | undefined {
  let output = fromFileUrl(new URL("../docs/kill-points.md", import.meta.url));
  const counts = { "--at-once": 4, "--kills": 30, "--launch": 0 };
  for (let index = 0; index < args.length; index += 2) {
    const [name, value] = [args[index], args[index + 1]];
    if (!value) return undefined;
    if (name === "--output") output = value;
    else if (isCount(name, counts) && /^[1-9]\d{0,3}$/.test(value)) counts[name] = Number(value);
    else return undefined;
  }
  const { "--at-once": atOnce, "--kills": kills, "--launch": launch } = counts;
  if (launch > LAUNCHES.length) return undefined;
  return { output, atOnce, kills, launches: launch === 0 ? LAUNCHES : LAUNCHES.slice(launch - 1, launch) };
}

function isCount<T extends object>(name: string | undefined, counts: T): name is Extract<keyof T, string> {
  return name !== undefined && Object.hasOwn(counts, name);
}

/** One launch and what became of it at each of its points. */
export interface Matrix {
  readonly launch: KilledLaunch;
  readonly calls: readonly string[];
  readonly strikes: readonly Strike[];
}

async function matrixOf(launch: KilledLaunch, atOnce: number): Promise<Matrix> {
  const calls = await recordedCalls(launch);
  const points = calls.flatMap((call) =>
    SIGNALS.flatMap((signal) => MOMENTS.map((moment): KillPoint => ({ call, moment, signal })))
  );
  let done = 0;
  const strikes = await strikeAll(points.map((point) => ({ launch, point })), {
    atOnce,
    onStrike: (result) => {
      done++;
      for (const line of wrongLines([result])) say(`${launch.name}: ${line}`);
      if (done % 20 === 0) say(`${launch.name}: ${done} of ${points.length}`);
    },
  });
  return { launch, calls, strikes };
}

async function speeds(count: number): Promise<readonly number[]> {
  const seconds: number[] = [];
  for (const after of strikeTimes(count)) seconds.push(await reapSeconds({ after }));
  return seconds;
}

function speedLines(seconds: readonly number[]): readonly string[] {
  if (seconds.length === 0) return [];
  const [median, p95, most] = [0.5, 0.95, 1].map((part) => `${quantile(seconds, part).toFixed(1)} s`);
  return [
    `- ${seconds.length} bottles killed at random moments of launch and session were gone after a median of ` +
    `**${median}**, p95 **${p95}**, at most ${most}.`,
  ];
}

/** The whole document. */
export function document(
  matrices: readonly Matrix[],
  { seconds, touched, engine }: {
    readonly seconds: readonly number[];
    readonly touched: string;
    readonly engine: string;
  },
): string {
  const strikes = matrices.flatMap((matrix) => matrix.strikes);
  const clean = strikes.filter(({ wrong }) => wrong.length === 0).length;
  const late = strikes.filter(({ isLate }) => isLate).length;
  return [
    "# Kill points",
    "",
    "What is left of a launch whose program gets a signal at each of its docker calls, on a real engine. *Before* is",
    "before the docker client begins, which then goes on without the program; *after* is when the engine has done what",
    "was asked and the program does not know. 5 s after the signal containers, networks, volumes, images, temporary",
    "files and processes are looked for. *nothing* also means: of an agent that has begun, exactly its workspace after",
    "KILL; after the other signals its workspace if it has changed, and the program said so and ended as by that signal.",
    "Several are struck at a time; what is too slow beside others is struck again, alone. *late* was gone within 20 s.",
    "",
    `Version ${VERSION}, ${
      new Date().toISOString().slice(0, 10)
    }, engine ${engine}, docker CLI and program on the same ` +
    "machine. To repeat it, on Linux with docker and gVisor or without:",
    "",
    "```sh",
    "deno run -P=project scripts/kill_points.ts",
    "```",
    "",
    `- **${clean} of ${strikes.length}** points left nothing in 5 s; ${late} were late; ${
      strikes.length - clean - late
    } left something.`,
    `- Objects of others that were touched: **${touched === "" ? 0 : "some"}**.`,
    ...speedLines(seconds),
    "",
    ...matrices.flatMap(({ launch, calls, strikes }) => [
      `## ${launch.name.charAt(0).toUpperCase()}${
        launch.name.slice(1)
      } (${launch.proxy}): ${calls.length} calls × 8`,
      "",
      ...strikeTable(calls, strikes),
      "",
      ...wrongLines(strikes).map((line) => `- ${line}`),
      ...(wrongLines(strikes).length === 0 ? [] : [""]),
    ]),
  ].join("\n");
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

async function main(args: readonly string[]): Promise<number> {
  const chosen = options(args);
  if (chosen === undefined) {
    say(USAGE);
    return args.includes("--help") ? 0 : 2;
  }
  const { agent } = await builtImages();
  const proxies = await engineProxies();
  await using foreign = await ForeignObjects.create(agent);
  const engine = await docker("version", "--format", "{{.Server.Version}}");
  const matrices: Matrix[] = [];
  // What was found so far is kept, whatever comes.
  const write = async (seconds: readonly number[]): Promise<string> => {
    const touched = await foreign.touched();
    await Deno.writeTextFile(chosen.output, document(matrices, { seconds, touched, engine }));
    return touched;
  };
  for (const launch of chosen.launches.filter(({ proxy }) => proxies.includes(proxy))) {
    matrices.push(await matrixOf(launch, chosen.atOnce));
    await write([]);
  }
  // Alone, so that it is the reaper's speed and not that of its neighbours.
  const seconds = await speeds(chosen.kills);
  const touched = await write(seconds);
  say(`written: ${chosen.output}`);
  const isRight = matrices.every(({ strikes }) => strikes.every(({ wrong }) => wrong.length === 0));
  return isRight && touched === "" ? 0 : 1;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
