import type { EngineIdentity } from "../bottle/backend.ts";
import type { BottlePlan } from "../bottle/plan.ts";
import { oneLine } from "../errors.ts";
import type { ProtectionFinding } from "../isolation/findings.ts";
import type { Style } from "../ui/style.ts";
import { hanging, resultColumns, wrapped } from "../ui/wrap.ts";
import type { CommandPorts } from "./context.ts";
import { jsonText } from "./json_text.ts";

/** A use that is granted, and whether it got through. */
export interface Control {
  readonly id: string;
  readonly title: string;
  readonly passed: boolean;
  /** What its own process saw: foreign text. */
  readonly said: string;
}

/** All that a probe found out. */
export interface ProbeOutcome {
  readonly engine: EngineIdentity;
  readonly plan: BottlePlan;
  readonly controls: readonly Control[];
  readonly findings: readonly ProtectionFinding[];
  /** Why what was stopped proves nothing. */
  readonly doubt: string | undefined;
  /** What the engine still has of it. */
  readonly left: readonly string[];
  readonly seconds: number;
}

/** How each status is shown. */
const SHOWN: Readonly<Record<ProtectionFinding["status"], { readonly word: string; readonly style: Style }>> =
  {
    held: { word: "held", style: "success" },
    "not held": { word: "NOT HELD", style: "error" },
    excepted: { word: "excepted", style: "warning" },
    "not testable": { word: "not testable", style: "warning" },
  };

const STATUS_WIDTH = 14;
/** What tries the rest. */
const ELSEWHERE = "`scripts/scoreboard.ts` tests it, with hosts and bottles of its own";
const AGAIN = "Run it again on a quiet machine; `claude-bottle doctor` may tell why";
const LEFT = "`claude-bottle cleanup` removes it";

/** Prints it: a table for people, one object for programs. */
export function reportProbe(
  outcome: ProbeOutcome,
  { json, ports }: { readonly json: boolean; readonly ports: CommandPorts },
): void {
  const { terminal } = ports.host;
  if (json) {
    terminal.out(jsonText(probeJson(outcome)));
    return;
  }
  terminal.out(probeText(outcome, ports));
  ports.reporter.info(summary(outcome));
}

function probeJson(outcome: ProbeOutcome): unknown {
  const { engine, plan, controls, findings, doubt, left, seconds } = outcome;
  return {
    engine: { version: engine.version, context: engine.context ?? null },
    runtime: plan.runtime,
    proxy: plan.spec.proxy.name,
    seconds,
    controls,
    doubt: doubt ?? null,
    protections: findings.map((finding) => {
      const { id, title, status, grounds, attempts } = finding;
      return { id, title, status, grounds, attempts, remedy: remedyFor(finding, outcome) };
    }),
    left,
  };
}

/** What to do about a protection; of one that held, what would be to do. */
function remedyFor({ status, remedy }: ProtectionFinding, { doubt }: Pick<ProbeOutcome, "doubt">): string {
  if (status !== "not testable") return remedy;
  return doubt === undefined ? ELSEWHERE : AGAIN;
}

function probeText(outcome: ProbeOutcome, { host, paint }: CommandPorts): string {
  const { engine, plan, controls, findings, doubt, left } = outcome;
  const width = resultColumns(host.terminal);
  const row = (word: string, style: Style, text: string): string =>
    paint(style, word) + hanging(word.padEnd(STATUS_WIDTH), oneLine(text), width).slice(word.length);
  const todo = (text: string): string => paint("hint", hanging(" ".repeat(STATUS_WIDTH), `→ ${text}`, width));
  const context = engine.context === undefined ? "" : `context ${engine.context}, `;
  const heading =
    `engine ${engine.version}, ${context}runtime ${plan.runtime}, proxy ${plan.spec.proxy.name}`;
  const passed = controls.filter(({ passed }) => passed).length;
  return [
    ...wrapped(oneLine(heading), width).map((line) => paint("strong", line)),
    ...findings.flatMap((finding) => {
      const { title, status, grounds } = finding;
      const { word, style } = SHOWN[status];
      const told = row(word, style, `${title}: ${grounds}`);
      // The same for all of them: said once, at the end.
      const isSaid = status === "held" || (status === "not testable" && doubt !== undefined);
      return isSaid ? [told] : [told, todo(remedyFor(finding, outcome))];
    }),
    row("controls", "faint", `${passed} of ${controls.length} uses that are granted got through`),
    ...controls.filter(({ passed }) => !passed)
      .map(({ title, said }) => row("NO CONTROL", "error", `${title} did not get through: ${said}`)),
    ...(doubt === undefined ? [] : [todo(AGAIN)]),
    ...left.flatMap((object) => [row("LEFT", "error", object), todo(LEFT)]),
    "",
  ].join("\n");
}

function summary({ findings, seconds }: ProbeOutcome): string {
  const counts = Map.groupBy(findings, ({ status }) => status);
  const parts = (["held", "not held", "excepted", "not testable"] as const).flatMap((status) => {
    const count = counts.get(status)?.length ?? 0;
    return count === 0 ? [] : [`${count} ${status}`];
  });
  const made = new Set(findings.flatMap(({ attempts }) => attempts.map(({ id }) => id))).size;
  return `${findings.length} protections, ${made} attempts, ${seconds.toFixed(1)} s: ${parts.join(", ")}`;
}
