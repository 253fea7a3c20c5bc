import type { Act, Sent, Trial, World } from "./attempt.ts";
import { clientHello } from "./client_hello.ts";

/** An attempt that is about to be made. */
export interface Marked {
  readonly attempt: Trial;
  /** Lower-case letters and digits that stand in whatever it sends, and nowhere else. */
  readonly mark: string;
}

/** What the probe says of one attempt. */
export interface Observation {
  /** How each of its acts ended, e.g. `connected`, `refused`, `no route`. */
  readonly outcome: string;
  /** The beginning of all that came back, as bytes of a Latin-1 string. */
  readonly answer: string;
}

/** What the attempt's braces name that this world does not have. */
export function missingIn(attempt: Trial, world: World): readonly string[] {
  const names = new Set(attempt.acts.flatMap((act) => textsOf(act).flatMap(namesIn)));
  return [...names].filter((name) => name !== "mark" && world[name] === undefined).sort();
}

/** The argument of `attack_probe.pl` for one attempt: words without spaces, its acts separated by `;`. */
export function probeArgument({ attempt, mark }: Marked, world: World): string {
  const values: Readonly<Record<string, string | undefined>> = { ...world, mark };
  const words = attempt.acts.map((act) => wordsOf(act, { values, mark }).map(encoded).join(" "));
  return [attempt.id, words.join(" ; ")].join(" ");
}

/** Reads what the probe printed: a line for each attempt. */
export function readObservations(stdout: string): ReadonlyMap<string, Observation> {
  const found = new Map<string, Observation>();
  for (const line of stdout.split("\n")) {
    const [id, outcome, answer] = line.split("\t");
    if (id === undefined || outcome === undefined || answer === undefined) continue;
    found.set(id, { outcome: decoded(outcome), answer: decoded(answer) });
  }
  return found;
}

/** A control or an attempt with a mark in it: what arrived at a canary, percent-encoded bytes a line. */
export function arrivedMarks(records: string, marked: readonly Marked[]): ReadonlySet<string> {
  return new Set(marked.filter(({ mark }) => records.includes(mark)).map(({ attempt }) => attempt.id));
}

function textsOf(act: Act): readonly string[] {
  return Object.entries(act).flatMap(([key, value]) => {
    if (key === "kind") return [];
    if (typeof value === "string") return [value];
    return Array.isArray(value)
      ? value.map((sent: Sent) => typeof sent === "string" ? sent : sent.hello ?? "")
      : [];
  });
}

function namesIn(text: string): readonly string[] {
  return [...text.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
}

interface Filling {
  readonly values: Readonly<Record<string, string | undefined>>;
  readonly mark: string;
}

function wordsOf(act: Act, filling: Filling): readonly string[] {
  const fill = (text: string): string => filled(text, filling.values);
  const sends = (all: readonly Sent[]): readonly string[] =>
    all.map((sent) =>
      typeof sent === "string"
        ? fill(sent)
        : clientHello(sent.hello === undefined ? undefined : fill(sent.hello), filling.mark)
    );
  switch (act.kind) {
    case "tcp":
      return [act.kind, fill(act.via ?? ""), fill(act.host), fill(act.port), ...sends(act.sends)];
    case "udp":
      return [act.kind, fill(act.host), fill(act.port), fill(act.data)];
    case "icmp":
    case "raw":
      return [act.kind, fill(act.host), fill(act.data)];
    case "frame":
      return [act.kind, fill(act.data)];
    case "unix":
      return [act.kind, fill(act.path), ...sends(act.sends)];
    case "resolve":
      return [act.kind, fill(act.name)];
    case "query":
      return [act.kind, act.over, fill(act.server), fill(act.port ?? "53"), fill(act.name), act.type];
    case "sh":
      return [act.kind, fill(act.script)];
  }
}

/** @throws RangeError for a name that has no value */
function filled(text: string, values: Readonly<Record<string, string | undefined>>): string {
  return text.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new RangeError(`No value for {${name}}`);
    return value;
  });
}

/** Percent-encoded but for letters, digits and what is harmless; empty text is `%`. */
function encoded(text: string): string {
  if (text === "") return "%";
  return text.replaceAll(/[^A-Za-z0-9._:/-]/g, (char) => {
    const code = char.charCodeAt(0);
    if (code > 0xff) throw new RangeError("Text of an attempt is bytes, a character each");
    return `%${code.toString(16).padStart(2, "0")}`;
  });
}

function decoded(text: string): string {
  return text === "%"
    ? ""
    : text.replaceAll(/%([0-9a-f]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}
