import { VERSION } from "../lib/version.ts";
import {
  FAULTS,
  mismatch,
  type Trial,
  trialsOf,
  tryAll,
  type Verdict,
} from "../tests/support/fault_matrix.ts";
import { fromFileUrl } from "./lint_paths.ts";

/** What a launch comes to for every docker call that fails: tried, not asserted. Writes `docs/faults.md`. */

const USAGE = "usage: deno run -P=project scripts/faults.ts [--print]\n";

async function main(args: readonly string[]): Promise<number> {
  if (args.length > 1 || args.some((arg) => arg !== "--print")) {
    await say(USAGE);
    return 2;
  }
  const trials = await trialsOf(FAULTS);
  const verdicts: Verdict[] = [];
  let wrong = 0;
  await tryAll(trials, (verdict) => {
    verdicts.push(verdict);
    const why = mismatch(verdict);
    if (why !== undefined) wrong++;
    void say(why === undefined ? `${verdicts.length} of ${trials.length}\r` : `${why}\n`);
  });
  const text = page(trials, verdicts);
  if (args[0] === "--print") await Deno.stdout.write(new TextEncoder().encode(text));
  else await Deno.writeTextFile(fromFileUrl(new URL("../docs/faults.md", import.meta.url)), text);
  await say(`${trials.length} trials, ${wrong} of them not as expected\n`);
  return wrong === 0 ? 0 : 1;
}

async function say(text: string): Promise<void> {
  await Deno.stderr.write(new TextEncoder().encode(text));
}

/** The page: a row for each call, a column for each fault. */
function page(trials: readonly Trial[], verdicts: readonly Verdict[]): string {
  const calls = Map.groupBy(trials, ({ place }) => nameOf({ place }));
  const cell = (trial: Trial): string => {
    const verdict = verdicts.find(({ place, fault }) => place === trial.place && fault === trial.fault);
    return verdict === undefined ? "" : cellOf(verdict);
  };
  const rows = [...calls].map(([name, [first, ...others]]) =>
    first === undefined ? [] : [name, first.scenario.name, ...[first, ...others].map(cell)]
  );
  const counts = Map.groupBy(verdicts, ({ expected }) => expected);
  const told = verdicts.filter((verdict) => mismatch(verdict) !== undefined).map((verdict) =>
    `- ${nameOf(verdict)} with ${verdict.fault}`
  );
  return [
    "# Faults",
    "",
    "What a launch comes to when one docker call of it fails: every call that a launch makes, recorded from clean runs,",
    "with each of six faults. `exit1` and `exit125` fail before the work is done; `hang` does the work and never answers;",
    "`empty`, `bad-json` and `truncated` do the work and answer nothing, nonsense, or half. The program is the real one,",
    "the engine one that only pretends; deadlines are seconds instead of minutes.",
    "",
    `Version ${VERSION}, Deno ${Deno.version.deno}, ${new Date().toISOString().slice(0, 10)}. To repeat it:`,
    "",
    "```sh",
    "deno run -P=project scripts/faults.ts",
    "```",
    "",
    `${verdicts.length} trials of ${calls.size} calls; ${told.length} were not as expected.`,
    ...told,
    "",
    "- **125 CODE**: the launch ended with exit code 125 and that error, one sentence that names the step " +
    `(${counts.get("refused")?.length ?? 0})`,
    "- **7**: the agent's own code, and its output whole: the call is made good for, or its answer is not read. 0 is that " +
    `of a bottle that is only made ready; 125 without a word that of a launch that fails anyhow (${
      (counts.get("unharmed")?.length ?? 0) + (counts.get("garbled")?.length ?? 0)
    })`,
    `- **+ workspace**: nobody can tell what is new in it, so it stays and is told of (${
      counts.get("kept")?.length ?? 0
    })`,
    `- **until ended**: an agent may work as long as it likes (${counts.get("unlimited")?.length ?? 0})`,
    "",
    "Nothing else was left of any of them: no container, network, volume or file, but of those bottles that are to stay.",
    "",
    ...table(["call", "in a launch", ...FAULTS], rows),
    "",
  ].join("\n");
}

function nameOf({ place: { kind, nth } }: Pick<Trial, "place">): string {
  return nth === 1 ? kind : `${kind} (${nth})`;
}

function cellOf({ scenario, expected, played, errors }: Verdict): string {
  if (expected === "unlimited") return "until ended";
  const own = scenario.settings.faults === undefined ? errors.map(({ code }) => code) : [];
  const left = scenario.stays === true && expected === "unharmed" ? [] : played.left;
  return [String(played.code), ...own, ...left.map((name) => `+ ${name}`)].join(" ");
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length))
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(" | ")} |`;
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)];
}

if (import.meta.main) Deno.exit(await main(Deno.args));
