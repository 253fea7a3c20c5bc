import { join } from "node:path";
import { countTests, failedFiles, type TestCounts } from "./junit.ts";
import { fromFileUrl } from "./lint_paths.ts";
import { LONGEST_ENGINE_TESTS, longestLine } from "./longest_tests.ts";
import { secondEngine } from "./second_engine.ts";

const MINUTES = 60_000;

/** One step of CI: a check that counts as one, or a folder of tests that are counted each. */
type Leg =
  | { readonly kind: "check"; readonly name: string; run(root: string): Promise<Finished> }
  | {
    readonly kind: "tests";
    readonly name: string;
    readonly folder: string;
    readonly permissions: string;
    readonly deadline: number;
    /** How many files run at once; one unless told. */
    readonly jobs?: number;
    /** Those of the folder that begin first. */
    readonly first?: readonly string[];
    /** Those of the folder that run again, on the second engine. */
    readonly second?: readonly string[];
    /** Set for its tests. */
    readonly env?: Readonly<Record<string, string>>;
  };

/** What a child left behind. */
interface Finished {
  readonly code: number;
  readonly output: string;
}

/** How a child is run. */
interface RunOptions {
  readonly cwd: string;
  readonly deadline: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Shows the output as it comes: for legs that take long. */
  readonly live?: boolean;
}

/** What every leg of one run shares. */
interface RunContext {
  readonly root: string;
  /** Whether the types leg is part of this run. */
  readonly typesChecked: boolean;
}

/** Where engines differ: networks, limits, what they say of a container. */
const SECOND_ENGINE_TESTS = [
  "attack_suite",
  "cis",
  "contexts",
  "doctor",
  "egress",
  "image",
  "lifecycle",
  "protection",
  "provision",
  "skills",
];

/** Counts, and what there is to say about them. */
interface LegResult extends TestCounts {
  readonly note: string;
  readonly output: string;
}

/** The most files of a leg that run once more: where more fail, it is not by chance. */
const MOST_AGAIN = 3;

/** Bottles are mostly waited for, and each test owns what it labels. */
const ENGINE_JOBS = 2;

const LEGS: readonly Leg[] = [
  { kind: "check", name: "fmt", run: (root) => deno(["fmt", "--check"], checking(root)) },
  { kind: "check", name: "lint", run: (root) => deno(["lint"], checking(root)) },
  { kind: "check", name: "types", run: (root) => deno(["check", "--quiet"], checking(root)) },
  { kind: "check", name: "layering", run: rejectsBadLayering },
  { kind: "tests", name: "unit", folder: "tests/unit", permissions: "unit", deadline: 10 * MINUTES, jobs: 2 },
  { kind: "tests", name: "cli", folder: "tests/cli", permissions: "unit", deadline: 10 * MINUTES, jobs: 2 },
  {
    kind: "tests",
    name: "e2e",
    folder: "tests/e2e",
    permissions: "project",
    deadline: 15 * MINUTES,
    jobs: 2,
  },
  {
    kind: "tests",
    name: "engine",
    folder: "tests/engine",
    permissions: "project",
    deadline: 60 * MINUTES,
    jobs: ENGINE_JOBS,
    first: LONGEST_ENGINE_TESTS,
  },
  {
    kind: "tests",
    name: "second",
    folder: "tests/engine",
    permissions: "project",
    deadline: 30 * MINUTES,
    jobs: ENGINE_JOBS,
    second: SECOND_ENGINE_TESTS.map((name) => `tests/engine/${name}_test.ts`),
  },
  // Alone: what it launches keeps a machine busy.
  { kind: "tests", name: "alone", folder: "tests/alone", permissions: "project", deadline: 15 * MINUTES },
  {
    kind: "tests",
    name: "pools",
    folder: "tests/alone",
    permissions: "project",
    deadline: 15 * MINUTES,
    second: ["tests/alone/parallel_test.ts"],
    // Fewer: the engine before has shown how many fit.
    env: { CLAUDE_BOTTLE_TEST_FULL_POOLS: "1", CLAUDE_BOTTLE_TEST_CROWD: "8" },
  },
];

function checking(root: string): RunOptions {
  return { cwd: root, deadline: 5 * MINUTES };
}

async function deno(args: readonly string[], options: RunOptions): Promise<Finished> {
  const child = new Deno.Command(Deno.execPath(), {
    args: [...args],
    cwd: options.cwd,
    env: { NO_COLOR: "1", ...options.env },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  let late = false;
  const timers = [
    setTimeout(() => {
      late = true;
      child.kill("SIGTERM");
    }, options.deadline),
    setTimeout(() => child.kill("SIGKILL"), options.deadline + 10_000),
  ];
  const texts: string[] = [];
  const collect = async (stream: ReadableStream<Uint8Array>): Promise<void> => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      texts.push(text);
      if (options.live) await Deno.stderr.write(new TextEncoder().encode(text));
    }
  };
  // Not the end of the streams: what a killed child started may hold them open.
  const reading = Promise.all([collect(child.stdout), collect(child.stderr)]);
  const status = await child.status;
  await Promise.race([reading, new Promise((resolve) => timers.push(setTimeout(resolve, 2_000)))]);
  timers.forEach(clearTimeout);
  if (late) texts.push(`\nended after ${options.deadline / MINUTES} minutes, its deadline\n`);
  return { code: late ? 124 : status.code, output: texts.join("") };
}

/** Lints a file that breaks the layering, in a checkout of its own: the plugin must be wired and must refuse it. */
async function rejectsBadLayering(root: string): Promise<Finished> {
  const copy = await Deno.makeTempDir({ prefix: "claude-bottle-ci-" });
  try {
    for (const folder of ["scripts", "lib/manifest"]) {
      await Deno.mkdir(join(copy, folder), { recursive: true });
    }
    for (const file of ["deno.json", "scripts/lint_plugin.ts", "scripts/lint_paths.ts"]) {
      await Deno.copyFile(join(root, file), join(copy, file));
    }
    const source = `import { x } from "../backend/docker/x.ts";\n\nexport const y = x;\n`;
    await Deno.writeTextFile(join(copy, "lib/manifest/bad.ts"), source);
    const { code, output } = await deno(["lint", "lib"], checking(copy));
    const refused = code !== 0 && output.includes("manifest must not import backend");
    return { code: refused ? 0 : 1, output: `a file that breaks the layering was not refused:\n${output}` };
  } finally {
    await Deno.remove(copy, { recursive: true });
  }
}

async function hasTests(folder: string): Promise<boolean> {
  try {
    for await (const entry of Deno.readDir(folder)) {
      const found = entry.isDirectory
        ? await hasTests(join(folder, entry.name))
        : /(^|[._])test\.(ts|js|mjs)$/.test(entry.name);
      if (found) return true;
    }
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  }
  return false;
}

async function runTests(
  leg: Leg & { readonly kind: "tests" },
  { root, typesChecked }: RunContext,
): Promise<LegResult> {
  if (!(await hasTests(join(root, leg.folder)))) {
    return { passed: 0, failed: 0, skipped: 0, note: "no tests yet", output: "" };
  }
  const env: Record<string, string> = {
    ...leg.env,
    ...(leg.jobs === undefined ? {} : { DENO_JOBS: String(leg.jobs) }),
  };
  if (leg.second !== undefined) {
    const engine = await secondEngine(root);
    if (engine.kind === "absent") return absent(leg.second, engine.reason);
    if (engine.kind === "failed") throw new Error(`the second engine: ${engine.output}`);
    env["DOCKER_HOST"] = engine.address;
    // gVisor is the same program on either; what differs between engines shows with runc.
    env["CLAUDE_BOTTLE_TEST_RUNTIMES"] = "runc";
    // Set for the engine at hand, where it is.
    env["DOCKER_TLS_VERIFY"] = "";
  }
  // What does not type-check is the business of the types leg, and must not keep the tests from running.
  const check = typesChecked ? ["--no-check"] : [];
  const args = [`-P=${leg.permissions}`, "--no-prompt", ...check];
  const live = /^tests\/(engine|alone)$/.test(leg.folder);
  const options = { cwd: root, deadline: leg.deadline, env, live };
  const parallel = leg.jobs === undefined ? [] : ["--parallel"];
  const first = await testRun(
    [...args, ...parallel, ...leg.second ?? [...leg.first ?? [], leg.folder]],
    options,
  );
  if (leg.jobs !== undefined) {
    say(`ci: ${leg.name}: the longest files, in seconds: ${longestLine(first.report)}`);
  }
  // The others, unit and cli, know neither clock nor other processes.
  const { passed, failed, skipped, output } = leg.permissions === "project"
    ? await triedAgain(first, { args, options, name: leg.name })
    : first;
  const note = `${passed} passed, ${failed} failed, ${skipped} skipped`;
  return { passed, failed, skipped, note, output: failed > 0 && !live ? failuresOf(output) : "" };
}

/** One run of tests. */
interface TestRun extends TestCounts {
  /** JUnit's, as text. */
  readonly report: string;
  readonly output: string;
}

async function testRun(args: readonly string[], options: RunOptions): Promise<TestRun> {
  const file = await Deno.makeTempFile({ prefix: "claude-bottle-ci-", suffix: ".xml" });
  try {
    const { code, output } = await deno(["test", `--junit-path=${file}`, ...args], options);
    const report = await Deno.readTextFile(file);
    const counts = countTests(report);
    // A module that does not load or a deadline is in no report.
    return { ...counts, failed: code !== 0 && counts.failed === 0 ? 1 : counts.failed, report, output };
  } finally {
    await Deno.remove(file);
  }
}

/**
 * Runs the few files that failed once more, alone: beside an engine under load a test may come too late for what it
 * waits for. What passes only then is named, since somebody should look at it.
 */
async function triedAgain(
  first: TestRun,
  { args, options, name }: {
    readonly args: readonly string[];
    readonly options: RunOptions;
    readonly name: string;
  },
): Promise<TestRun> {
  const uncaught = Array.from(
    first.output.matchAll(/^\.\/(\S+) \(uncaught error\)$/gm),
    ([, file = ""]) => file,
  );
  const files = [...new Set([...failedFiles(first.report), ...uncaught])];
  if (files.length === 0 || files.length > MOST_AGAIN) return first;
  say(`ci: ${name}: failed, and run again: ${files.join(", ")}`);
  const second = await testRun([...args, ...files], options);
  if (second.failed > 0) return first;
  const rest = countTests(first.report, { but: files });
  say(`ci: ${name}: passed only when run again: ${files.join(", ")}`);
  return {
    ...second,
    passed: rest.passed + second.passed,
    failed: rest.failed,
    skipped: rest.skipped + second.skipped,
  };
}

/** Each file counts as one: how many tests it would have is known only when it runs. */
function absent(files: readonly string[], reason: string): LegResult {
  const note = `${files.length} files skipped: no second engine on this machine: ${reason}`;
  return { passed: 0, failed: 0, skipped: files.length, note, output: "" };
}

/** The part of a test run's output that tells what went wrong: all of it when there is no such part. */
function failuresOf(output: string): string {
  const start = output.search(/^ ERRORS $/m);
  return start === -1 ? output : output.slice(start);
}

async function runLeg(leg: Leg, context: RunContext): Promise<LegResult> {
  if (leg.kind === "tests") return await runTests(leg, context);
  const { code, output } = await leg.run(context.root);
  if (code === 0) return { passed: 1, failed: 0, skipped: 0, note: "passed", output: "" };
  return { passed: 0, failed: 1, skipped: 0, note: "failed", output };
}

/** The legs that `--only` names, or all; a message when it names none. */
function chosenLegs(args: readonly string[]): readonly Leg[] | string {
  const names = LEGS.map(({ name }) => name);
  if (args.length === 0) return LEGS;
  const [flag = "", inline] = (args[0] ?? "").split("=", 2);
  const value = inline ?? args[1];
  if (flag !== "--only" || value === undefined || args.length > (inline === undefined ? 2 : 1)) {
    return `usage: ci.ts [--only ${names.join(",")}]`;
  }
  const wanted = value.split(",");
  const unknown = wanted.filter((name) => !names.includes(name));
  if (unknown.length > 0) return `There is no leg named ${unknown.join(", ")}; there are ${names.join(", ")}`;
  return LEGS.filter(({ name }) => wanted.includes(name));
}

function say(line: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(`${line}\n`));
}

async function main(args: readonly string[]): Promise<number> {
  const legs = chosenLegs(args);
  if (typeof legs === "string") {
    say(legs);
    return 2;
  }
  const context = {
    root: fromFileUrl(new URL("..", import.meta.url)),
    typesChecked: legs.some(({ name }) => name === "types"),
  };
  let [passed, failed, skipped, tests] = [0, 0, 0, 0];
  for (const leg of legs) {
    const start = performance.now();
    const result = await runLeg(leg, context).catch((error: unknown): LegResult => (
      { passed: 0, failed: 1, skipped: 0, note: "failed", output: String(error) }
    ));
    const seconds = ((performance.now() - start) / 1000).toFixed(1).padStart(6);
    if (result.output !== "") say(`\n${result.output.trimEnd()}\n`);
    say(`ci: ${leg.name.padEnd(9)}${seconds} s  ${result.note}`);
    passed += result.passed;
    failed += result.failed;
    skipped += result.skipped;
    if (leg.kind === "tests") tests += result.passed + result.failed;
  }
  const testsWanted = legs.some(({ kind }) => kind === "tests");
  if (testsWanted && tests === 0) say("ci: no test ran");
  const closing = `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`;
  await Deno.stdout.write(new TextEncoder().encode(closing));
  return failed > 0 || (testsWanted && tests === 0) ? 1 : 0;
}

if (import.meta.main) Deno.exit(await main(Deno.args));
