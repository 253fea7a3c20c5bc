import assert from "node:assert/strict";
import type { Fault } from "./fake_docker.ts";
import { PATIENCE_MS } from "./hasty_program.ts";
import {
  type Place,
  placesOf,
  play,
  type Played,
  SAID,
  type Scenario,
  SCENARIOS,
} from "./fault_scenarios.ts";

/** What every call of a launch is tried with. The last four happen after the work was done. */
export const FAULTS = [
  "exit1",
  "exit125",
  "hang",
  "empty",
  "bad-json",
  "truncated",
] as const satisfies readonly Fault[];
export type MatrixFault = typeof FAULTS[number];

/**
 * What a fault comes to. `refused`: a sentence that names the step, code 125, no agent, nothing left. `unharmed`: the
 * same end as without it. `kept`: that too, but for the workspace, which stays because nobody can tell what is in it.
 * `garbled`: the agent's own output is what the fault is about. `unlimited`: it lasts until somebody ends it.
 */
export type Expected = "refused" | "unharmed" | "kept" | "garbled" | "unlimited";

interface Row {
  /** Words that name the step; empty where no fault is told. */
  readonly words: string;
  readonly expected: Readonly<Record<MatrixFault, Expected>>;
}

/** Whose every answer is read. */
function read(words: string, otherwise: Partial<Row["expected"]> = {}): Row {
  return { words, expected: { ...all("refused"), ...otherwise } };
}

/** Whose answer says no more than its exit code. */
function unread(words: string, otherwise: Partial<Row["expected"]> = {}): Row {
  const answers = { empty: "unharmed", "bad-json": "unharmed", truncated: "unharmed" } as const;
  return { words, expected: { ...all("refused"), ...answers, ...otherwise } };
}

/** What stands beside the launch, behind the agent, or is made good for. */
function harmless(otherwise: Partial<Row["expected"]> = {}): Row {
  return { words: "", expected: { ...all("unharmed"), ...otherwise } };
}

function all(expected: Expected): Row["expected"] {
  const entries = FAULTS.map((fault) => [fault, expected]);
  return Object.fromEntries(entries);
}

/** Every kind of call that a launch makes; one that is missing here fails the test. */
const ROWS: Readonly<Record<string, Row>> = {
  "info": read("asking the engine what it is"),
  "find-agent-image": read("looking for the images"),
  "find-sidecar-image": read("looking for the images"),
  "find-pipelock-image": read("looking for the images"),
  "find-other-image": read("looking for the images"),
  "find-network": read("looking for the network app_back"),
  // No container and no network is an answer as well.
  "ps": read("listing the containers", { empty: "unharmed" }),
  "find-networks": read("listing the networks", { empty: "unharmed" }),
  "find-subnets": read("listing the networks"),
  "base-image": unread("pulling the base image"),
  "agent-build": unread("building the agent image"),
  "agent-image": read("looking at the agent image"),
  "sidecar-build": unread("building the sidecar image"),
  "sidecar-pull": unread("pulling the sidecar's image"),
  "sidecar-image": read("looking at the sidecar's image"),
  "internal-network": read("creating the internal network"),
  "egress-network": read("creating the egress network"),
  // It is known by its name.
  "workspace-volume": unread("creating the workspace's volume"),
  "agent-create": read("creating the agent container"),
  "agent-files": unread("copying files into the agent container"),
  "workspace-files": unread("copying the workspace"),
  "agent-start": read("starting the agent container"),
  "workspace-record": unread("recording the workspace"),
  "sidecar-create": read("creating the sidecar"),
  "sidecar-config": unread("copying the sidecar's configuration"),
  "sidecar-connect": unread("joining the sidecar to the internal network"),
  "sidecar-join": unread("egress.networks"),
  "sidecar-start": unread("starting the sidecar"),
  "verify": read("comparing the bottle with the plan"),
  "sidecar-open": read("giving the sidecar its secrets"),
  "authority": unread("trusting the sidecar's authority"),
  "host-keys": read("asking ssh hosts for their keys"),
  "ssh-agent": unread("loading the ssh keys"),
  "ready": unread("ready once the sidecar answers"),
  "agent-env": unread("its environment"),
  "agent": unread("the agent's command", {
    hang: "unlimited",
    empty: "garbled",
    "bad-json": "garbled",
    truncated: "garbled",
  }),
  "watch-disk": harmless(),
  "survey-containers": harmless(),
  "survey-networks": harmless(),
  "survey-volumes": harmless(),
  "logs": harmless(),
  "explain": harmless(),
  "began": harmless(),
  "workspace-compare": harmless(all("kept")),
  "remove-containers": harmless(),
  "remove-networks": harmless(),
  "remove-volumes": harmless(),
  "list-containers": harmless(),
  "list-networks": harmless(),
  "list-volumes": harmless(),
};

/** The words of the seed, for what the engine will not run; and the client's own, where the agent's would be. */
const OTHER_WORDS: Readonly<Record<string, readonly string[]>> = {
  "agent-create": ["docker run failed for container 'claude-bottle-bench'"],
  "agent-start": ["docker run failed for container 'claude-bottle-bench'", "ended as soon as it started"],
  // It succeeded, and said something else.
  "sidecar-open": ["did not say that it is ready for inspected hosts"],
  "agent": ["docker: injected fault"],
  "ready": ["could not start the agent's command", "injected fault"],
};

/** One call with one fault. */
export interface Trial {
  readonly scenario: Scenario;
  readonly place: Place;
  readonly fault: MatrixFault;
}

/** What a trial came to. */
export interface Verdict extends Trial {
  readonly expected: Expected;
  readonly played: Played;
  /** The errors that it told; one at most. */
  readonly errors: readonly { readonly code: string; readonly message: string }[];
}

/**
 * The trials of every scenario: each call that a clean run makes, in the first scenario that makes it. Nothing is listed
 * beforehand but what is to be expected.
 *
 * @throws AssertionError when a run without faults does not go well, or makes a call that {@link ROWS} does not know
 */
export async function trialsOf(faults: readonly MatrixFault[]): Promise<readonly Trial[]> {
  const seen = new Set<string>();
  const trials: Trial[] = [];
  for (const scenario of SCENARIOS) {
    const played = await play(scenario);
    assertSameEnd(scenario, played);
    for (const place of placesOf(played)) {
      const { kind, nth } = place;
      assert.ok(
        Object.hasOwn(ROWS, kind),
        `no row for the call ${kind}: ${played.calls.find((call) => call.kind === kind)?.args.join(" ")}`,
      );
      if (seen.has(`${kind} ${nth}`)) continue;
      seen.add(`${kind} ${nth}`);
      trials.push(...faults.map((fault) => ({ scenario, place, fault })));
    }
  }
  const kinds = new Set(trials.map(({ place }) => place.kind));
  assert.deepEqual(Object.keys(ROWS).filter((kind) => !kinds.has(kind)), [], "rows that no launch makes");
  return trials;
}

/** Tries one. */
export async function tried({ scenario, place, fault }: Trial): Promise<Verdict> {
  const row = ROWS[place.kind] ?? read("");
  const expected = row.expected[fault];
  const played = await play(scenario, {
    fault: { ...place, fault },
    ...(expected === "unlimited"
      ? {
        meanwhile: async (sandbox, interrupts): Promise<void> => {
          await sandbox.docker.begun(place.kind);
          await new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
          interrupts.raise("SIGTERM");
        },
      }
      : {}),
  });
  const errors = played.stderr.split("\n").filter((line) => line.startsWith('{"error":')).map((line) =>
    JSON.parse(line).error
  );
  return { scenario, place, fault, expected, played, errors };
}

/** Why a verdict is not what was expected; `undefined` when it is. */
export function mismatch(verdict: Verdict): string | undefined {
  const { place: { kind, nth }, fault, expected, scenario, played } = verdict;
  try {
    assertNoTrace(verdict);
    ASSERTIONS[expected](verdict);
    return undefined;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    const what = `${kind} ${nth} with ${fault}, ${scenario.name}, is not ${expected}`;
    return `${what}: ${why}\ncode ${played.code}, left: ${played.left.join(", ")}\n${played.stderr}`;
  }
}

/** A stack trace, in Deno's words. */
const STACK = /\bat (async )?(file|ext):|^ +at .*:\d+:\d+|Uncaught|This is a bug/m;

function assertNoTrace({ played, errors }: Verdict): void {
  assert.doesNotMatch(played.stderr, STACK);
  assert.ok(errors.length <= 1, "several errors");
  assert.ok(errors.every(({ message }) => !message.includes("\n")), "an error of several lines");
}

const ASSERTIONS: Readonly<Record<Expected, (verdict: Verdict) => void>> = {
  refused({ place: { kind }, played, errors }): void {
    assert.equal(played.code, 125);
    assert.deepEqual(played.left, []);
    assert.equal(played.stdout, "");
    const words = [ROWS[kind]?.words ?? "", ...OTHER_WORDS[kind] ?? []];
    const said = `${errors[0]?.message}\n${played.stderr}`;
    assert.ok(words.some((one) => said.includes(one)), `it does not say ${words.join(" or ")}`);
    assert.ok(kind === "agent" || !played.calls.some((call) => call.kind === "agent"), "the agent ran");
  },
  unharmed({ scenario, played }): void {
    assertSameEnd(scenario, played);
  },
  kept({ scenario, played }): void {
    assertSameEnd(scenario, { ...played, left: [] });
    assert.deepEqual(played.left, ["workspace"]);
    assert.match(played.stderr, /docker run --rm .*-workspace/);
  },
  garbled({ scenario, played }): void {
    assert.equal(played.code, scenario.code);
    assert.deepEqual(played.left, []);
  },
  unlimited({ played }): void {
    assert.ok(Number.isNaN(played.code), "it ended by itself");
    assert.deepEqual(played.left, []);
  },
};

function assertSameEnd(scenario: Scenario, played: Played): void {
  assert.equal(played.code, scenario.code);
  assert.equal(played.left.length === 0, scenario.stays !== true);
  if (scenario.startsAgent) {
    assert.ok(played.stdout.endsWith(SAID), `the agent said ${JSON.stringify(played.stdout)}`);
  }
}

/** Tries several at once: most of them wait most of the time. */
export async function tryAll(
  trials: readonly Trial[],
  report: (verdict: Verdict) => void,
): Promise<void> {
  const waiting = [...trials];
  await Promise.all([1, 2, 3, 4].map(async () => {
    for (let trial = waiting.shift(); trial !== undefined; trial = waiting.shift()) {
      report(await tried(trial));
    }
  }));
}
