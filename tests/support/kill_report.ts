import type { Strike } from "./kill_points.ts";
import { type KillPoint, MOMENTS, SIGNALS } from "./shimmed_launch.ts";

/** A table of Markdown: a row a call, a cell a point, and what is wrong below it. */
export function strikeTable(calls: readonly string[], strikes: readonly Strike[]): readonly string[] {
  const kinds = SIGNALS.flatMap((signal) => MOMENTS.map((moment) => ({ signal, moment })))
    .filter(({ signal, moment }) =>
      strikes.some(({ point }) => point.signal === signal && point.moment === moment)
    );
  const head = ["call", ...kinds.map(({ signal, moment }) => `${signal.slice(3)} ${moment}`)];
  const rows = calls.map((call) => [
    `\`${call}\``,
    ...kinds.map((kind) => {
      const found = strikes.find(({ point }) => isSame(point, { ...kind, call }));
      return found === undefined ? "" : cell(found);
    }),
  ]);
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
}

/** What each strike that is wrong left, a line each. */
export function wrongLines(strikes: readonly Strike[]): readonly string[] {
  return strikes.filter(({ wrong }) => wrong.length > 0).map(({ point, wrong, isLate }) =>
    `${point.signal} ${point.moment} \`${point.call}\`: ${isLate ? "late: " : ""}${wrong.join("; ")}`
  );
}

function cell({ wrong, isLate }: Strike): string {
  if (wrong.length === 0) return "nothing";
  return isLate ? "late" : `**${wrong.length} left**`;
}

function isSame(one: KillPoint, other: KillPoint): boolean {
  return one.call === other.call && one.moment === other.moment && one.signal === other.signal;
}
