import { eventually } from "./engine.ts";
import { type KilledLaunch, type KillPoint, ShimmedLaunch } from "./shimmed_launch.ts";

/** What an agent prints once its workspace has changed. */
export const WROTE = "wrote";

/** The call from which on a workspace is kept. */
const AGENT_CALL = "container exec claude-bottle-exec headless";
const REMOVE_WORKSPACE_CALL = "volume rm";

/** What a launch does: every way of provisioning, and both ends of a workspace. */
export const LAUNCHES: readonly KilledLaunch[] = [
  {
    name: "an agent that changes its workspace",
    proxy: "squid",
    inspects: true,
    args: ["--cwd"],
    // Long enough for its disk to be measured.
    script: `echo more > made && echo ${WROTE} && sleep 2.5`,
  },
  { name: "an agent that changes nothing", proxy: "pipelock", args: ["--cwd"], script: "sleep 2.5" },
  { name: "a detached bottle", proxy: "squid", args: ["--detach"], script: "true" },
];

/** What became of a launch that was struck. */
export interface Strike {
  readonly point: KillPoint;
  /** What there is 5 s later and should not be, or is not and should: empty when all is as promised. */
  readonly wrong: readonly string[];
  /** Whether that was gone at last, too late. */
  readonly isLate: boolean;
}

/** How soon after the signal nothing may be left, and how much longer a slow end is waited for. */
const PROMISED_MS = 5000;
const LATE_MS = 15_000;

/** The calls of a launch that nobody disturbs, in the order they begin. @throws Error when it does not end well */
export async function recordedCalls(launch: KilledLaunch): Promise<readonly string[]> {
  await using run = await ShimmedLaunch.begin(launch);
  const { code } = await run.ended;
  if (code !== 0) throw new Error(`${launch.name}: ${await run.text("stderr")}`);
  return (await run.calls("began")).map(({ call }) => call);
}

/** Launches, strikes at a point, and looks at what is left 5 s later. */
export async function strike(launch: KilledLaunch, point: KillPoint): Promise<Strike> {
  await using run = await ShimmedLaunch.begin(launch, { point });
  let hasEnded = false;
  const ended = run.ended.then((status) => {
    hasEnded = true;
    return status;
  });
  const at = await eventually(`${point.call} is struck`, async () => {
    if ((await run.calls("struck")).length > 0) return Date.now();
    return hasEnded ? 0 : undefined;
  }, 60_000);
  if (at === 0) return { point, wrong: [`not reached: ${await run.text("stderr")}`], isLate: false };
  await pause(at + PROMISED_MS - Date.now());
  const wrong = [...hasEnded ? [] : ["the program runs"], ...await wrongOf(run, point)];
  if (hasEnded) {
    const { signal, code } = await ended;
    if (signal !== point.signal) wrong.push(`it ended with ${signal ?? code}`);
  }
  if (wrong.length === 0) return { point, wrong, isLate: false };
  await pause(LATE_MS);
  return { point, wrong, isLate: (await wrongOf(run, point)).length === 0 };
}

/** What is there and should not be, or the other way round. */
async function wrongOf(run: ShimmedLaunch, point: KillPoint): Promise<readonly string[]> {
  const [left, stdout, stderr, began] = await Promise.all([
    run.leftovers(),
    run.text("stdout"),
    run.text("stderr"),
    run.calls("began"),
  ]);
  const [workspaces, wrong] = partition(left, (line) => /^volume \S+-workspace$/.test(line));
  const has = (call: string): boolean => began.some((one) => one.call === call);
  const isThere = workspaces.length === 1;
  if (workspaces.length > 1) return [...wrong, ...workspaces];
  if (!run.launch.args.includes("--cwd") || !has(AGENT_CALL)) {
    return [...wrong, ...workspaces.map((line) => `${line}, though no agent began`)];
  }
  if (point.signal === "SIGKILL") {
    // Nobody compares: whatever an agent may have touched stays, unless that was under way to be removed.
    const stays = !has(REMOVE_WORKSPACE_CALL);
    return isThere === stays
      ? wrong
      : [...wrong, stays ? "its workspace is gone" : "a workspace that was being removed"];
  }
  // An agent that was struck early may not have written yet: what it says and what is left must agree.
  const isTold = stderr.includes(`${run.bench.agent}-`) && /keeping/.test(stderr);
  if (stdout.includes(WROTE) && !isThere) return [...wrong, "its workspace is gone"];
  return isThere === isTold
    ? wrong
    : [...wrong, isThere ? "an untold workspace" : "a told workspace is gone"];
}

function partition<T>(list: readonly T[], is: (one: T) => boolean): readonly [readonly T[], readonly T[]] {
  return [list.filter(is), list.filter((one) => !is(one))];
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A point of one of several launches. */
export interface LaunchPoint {
  readonly launch: KilledLaunch;
  readonly point: KillPoint;
}

/** Strikes at points, so many at a time; what was too slow beside others is struck up to twice again, alone. */
export async function strikeAll(
  points: readonly LaunchPoint[],
  { atOnce, onStrike = () => {} }: { readonly atOnce: number; readonly onStrike?: (result: Strike) => void },
): Promise<readonly Strike[]> {
  const firsts = await severalAtOnce(points, atOnce, async ({ launch, point }) => {
    const result = await strike(launch, point);
    onStrike(result);
    return result;
  });
  const results: Strike[] = [];
  for (const [index, first] of firsts.entries()) {
    let result = first;
    for (let time = 0; time < 2 && result.isLate; time++) {
      result = await strike((points[index] as LaunchPoint).launch, result.point);
      onStrike(result);
    }
    results.push(result);
  }
  return results;
}

/** Does something with each of many, so many at a time; the results in their order. */
export async function severalAtOnce<T, R>(
  list: readonly T[],
  count: number,
  work: (one: T) => Promise<R>,
): Promise<readonly R[]> {
  const results: R[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let index = next++; index < list.length; index = next++) {
      results[index] = await work(list[index] as T);
    }
  };
  await Promise.all(Array.from({ length: count }, worker));
  return results;
}
