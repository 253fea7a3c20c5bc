import { oneLine, type Where } from "../errors.ts";
import { relative } from "../host/paths.ts";
import type { Capability, Requested } from "../manifest/capabilities.ts";
import { pathKey } from "../manifest/node.ts";
import type { Paint, Style } from "../ui/style.ts";
import { displayWidth } from "../manifest/diagnostics.ts";
import { hanging } from "../ui/wrap.ts";
import type { Review } from "./approval.ts";
import { grantText } from "./grant_text.ts";
import { placeData } from "./json_text.ts";

export interface ReviewTextOptions {
  /** Of the terminal. */
  readonly columns: number;
  readonly paint: Paint;
  /** Shows what is unchanged one by one, too. */
  readonly verbose: boolean;
}

/** One line of a review, before it is broken. */
interface Row {
  readonly sign: "+" | "-" | " ";
  readonly label: string;
  readonly text: string;
  readonly isFar: boolean;
}

const STYLES: Readonly<Record<Row["sign"], Style>> = { "+": "success", "-": "faint", " ": "faint" };

/**
 * What a project asks for as a difference to what was approved last, by agent and bottle. All of it is there, however
 * long it is, and safe for a terminal.
 */
export function reviewText(review: Review, { columns, paint, verbose }: ReviewTextOptions): string {
  const sections = sectionsOf(review).map((section) => ({
    subject: section.subject,
    rows: rowsOf(review, { section, verbose }),
  }));
  const width = sections.flatMap(({ rows }) => rows)
    .reduce((widest, { label }) => Math.max(widest, displayWidth(label)), 0);
  const lines = sections.flatMap(({ subject, rows }) => [
    paint("strong", oneLine(subject)),
    ...rows.map((row) => rowText(row, { width, columns, paint })),
  ]);
  return `${[...lines, ...summary(review, { columns, paint })].join("\n")}\n`;
}

function rowText(
  { sign, label, text, isFar }: Row,
  { width, columns, paint }: { readonly width: number; readonly columns: number; readonly paint: Paint },
): string {
  const isAlarming = sign === "+" && isFar;
  const head = `${isAlarming ? "!" : " "} ${sign} ${label.padEnd(width)}  `;
  const room = Math.max(NARROWEST_TEXT, columns - displayWidth(head));
  return paint(isAlarming ? "warning" : STYLES[sign], hanging(head, unforged(text, room), columns));
}

/** As little room as lines that hang below others get. */
const NARROWEST_TEXT = 20;
/** Blanks that nobody could tell from others, or from an empty line: all but the space, and what only looks empty. */
const BLANK = /(?! )[\p{Zs}\u034f\u115f\u1160\u2800\u3164\uffa0]/gu;

/**
 * Foreign text in which no row can be forged and none lost: a long word is broken before the terminal breaks it at its
 * own first column, and rows of spaces, which would push the rest out of sight, can be seen.
 */
function unforged(text: string, room: number): string {
  const seen = oneLine(text).replaceAll(BLANK, "·").replaceAll(
    / {2,}/g,
    (spaces) => "·".repeat(spaces.length),
  );
  return seen.split(" ").map((word) => displayWidth(word) <= room ? word : broken(word, room)).join(" ");
}

function broken(word: string, room: number): string {
  const pieces = [""];
  let width = 0;
  for (const character of word) {
    const more = Math.max(displayWidth(character), 1);
    if (width + more > room) {
      pieces.push("");
      width = 0;
    }
    pieces[pieces.length - 1] += character;
    width += more;
  }
  return pieces.join(" ");
}

/** What concerns one agent or bottle. */
interface Section {
  readonly subject: string;
  readonly added: readonly Requested[];
  readonly kept: readonly Requested[];
  readonly removed: readonly Capability[];
  /** Whether nothing of it was approved before. */
  readonly isNew: boolean;
}

function sectionsOf({ requested, difference, stored }: Review): readonly Section[] {
  const bySubject = <T extends Capability>(all: readonly T[]): ReadonlyMap<string, readonly T[]> =>
    Map.groupBy(all, ({ subject }) => subject);
  const added = bySubject(difference.added);
  const kept = bySubject(difference.kept);
  const removed = bySubject(difference.removed);
  const approved = bySubject(stored.kind === "good" ? stored.approved : []);
  const subjects = new Set([...requested, ...difference.removed].map(({ subject }) => subject));
  return [...subjects].map((subject) => ({
    subject,
    added: added.get(subject) ?? [],
    kept: kept.get(subject) ?? [],
    removed: removed.get(subject) ?? [],
    isNew: !approved.has(subject),
  }));
}

function rowsOf(
  review: Review,
  { section, verbose }: { readonly section: Section; readonly verbose: boolean },
): readonly Row[] {
  const { added, kept, removed, isNew } = section;
  const isUsual = (one: Requested): boolean => isNew && one.usual;
  return [
    ...added.filter((one) => !isUsual(one)).map((one) => requestedRow(review, "+", one)),
    ...usualRows(added.filter(isUsual)),
    ...removed.map((one) => row("-", one, "")),
    ...(verbose ? kept.map((one) => requestedRow(review, " ", one)) : []),
    ...(verbose || kept.length === 0
      ? []
      : [{ sign: " ", label: "unchanged", text: String(kept.length), isFar: false } as const]),
  ];
}

function row(sign: Row["sign"], one: Capability, behind: string): Row {
  const { label, text, isFar } = grantText(one);
  return { sign, label, text: `${text}${behind}`, isFar };
}

function requestedRow(review: Review, sign: Row["sign"], one: Requested): Row {
  const note = review.notes.get(pathKey(one.at));
  const where = review.manifest.where(one.at);
  const place = where === undefined ? [] : [placeText(review, where)];
  return row(sign, one, ` (${[...(note === undefined ? [] : [note]), ...place].join("; ")})`);
}

function placeText({ project }: Review, { file, line }: Where): string {
  const path = relative(project.root, file);
  return `${path.startsWith("../") ? file : path}:${line}`;
}

/** What everybody has, in one row. */
function usualRows(usual: readonly Requested[]): readonly Row[] {
  if (usual.length === 0) return [];
  const texts = usual.map((one) => {
    const { label, text } = grantText(one);
    return `${label} ${text}`;
  });
  return [{ sign: "+", label: "as usual", text: texts.join(", "), isFar: false }];
}

function summary(
  { difference: { added, removed } }: Review,
  { columns, paint }: { readonly columns: number; readonly paint: Paint },
): readonly string[] {
  const count = added.filter((one) => grantText(one).isFar).length;
  if (count > 0) {
    const which = count === 1
      ? "1 grant has an exclamation mark: it reaches"
      : `${count} grants have an exclamation mark: they reach`;
    const text =
      `${which} your secrets, keys or files, what runs on this machine, private networks, whole domains or images`;
    return ["", paint("warning", hanging("! ", text, columns))];
  }
  if (added.length > 0 || removed.length === 0) return [];
  const text = "approved before, and not asked for any more; `claude-bottle trust --yes` forgets it";
  return ["", paint("faint", hanging("- ", text, columns))];
}

/** A review for programs. */
export function reviewJson(
  { manifest, project, requested, difference, notes }: Review,
): Readonly<Record<string, unknown>> {
  const added = new Set(difference.added);
  return {
    root: project.root,
    file: project.file,
    approved: added.size === 0,
    grants: [
      ...requested.map((one) => {
        const where = manifest.where(one.at);
        return {
          ...grantJson(one),
          change: added.has(one) ? "added" : "kept",
          usual: one.usual,
          note: notes.get(pathKey(one.at)) ?? null,
          where: where === undefined ? null : placeData(where),
        };
      }),
      ...difference.removed.map((one) => ({ ...grantJson(one), change: "removed" })),
    ],
  };
}

function grantJson(one: Capability): Readonly<Record<string, unknown>> {
  const { text, isFar } = grantText(one);
  const { subject, kind, parts } = one;
  return { subject, kind, value: parts, text, caution: isFar };
}
