import * as z from "zod";
import { bad, type Checked, checkPath, checkWord, good, PATH_LIMIT, WORD_LIMIT } from "./names.ts";
import { PATTERNS } from "./patterns.ts";

/** The parameter of an issue under which a hint travels. */
export const HINT = "hint";

/** What the JSON Schema says of a field besides its type: a text for people, and whatever editors check. */
export interface Facts extends Record<string, unknown> {
  readonly description: string;
  readonly examples?: readonly unknown[];
}

/** The same of text. */
export interface TextFacts extends Facts {
  /** The check as a regular expression. */
  readonly pattern: string;
  /** What editors say instead of showing the regular expression. */
  readonly patternErrorMessage: string;
}

/** Text that passes a check. */
export function text(check: (value: string) => Checked<unknown>, facts: TextFacts): z.ZodString {
  return z.string().superRefine(reasons(check)).meta(facts);
}

/** A number that passes a check. */
export function number(check: (value: number) => Checked<unknown>, facts: Facts): z.ZodNumber {
  return z.number().superRefine(reasons(check)).meta(facts);
}

/** A switch that is off or on unless it is given. */
export function flag(byDefault: boolean, description: string): z.ZodDefault<z.ZodBoolean> {
  return z.boolean().meta({ description: `${description} Default: \`${byDefault}\`.` }).default(byDefault);
}

/** Turns a check into zod's form. */
export function reasons<T>(
  check: (value: T) => Checked<unknown>,
): (value: T, context: z.RefinementCtx) => void {
  return (value, context) => {
    const checked = check(value);
    if (checked.kind === "good") return;
    const params = checked.hint === undefined ? {} : { [HINT]: checked.hint };
    context.addIssue({ code: "custom", message: checked.message, params });
  };
}

/** A list of which no two items are equal: the later one is refused. */
export function distinctList(item: z.ZodString, facts: Facts): z.ZodArray<z.ZodString> {
  return z.array(item).superRefine((items, context) => {
    const seen = new Set<string>();
    items.forEach((item, index) => {
      if (seen.has(item)) {
        context.addIssue({ code: "custom", message: "stands in the list twice", path: [index] });
      }
      seen.add(item);
    });
  }).meta({ uniqueItems: true, ...facts });
}

/** The same with at least one item; `hint` is what to do about an empty one. */
export function filledDistinctList(item: z.ZodString, facts: Facts, hint?: string): z.ZodArray<z.ZodString> {
  return distinctList(item, { minItems: 1, ...facts }).superRefine(reasons((list) => nonEmpty(list, hint)));
}

/** A list with at least one item. */
export function filledList(item: z.ZodString, facts: Facts): z.ZodArray<z.ZodString> {
  return z.array(item).superRefine(reasons((list) => nonEmpty(list))).meta({ minItems: 1, ...facts });
}

function nonEmpty(list: readonly unknown[], hint?: string): Checked<unknown> {
  return list.length === 0 ? bad("must not be empty", hint) : good(list);
}

const word = text(checkWord, {
  id: "Word",
  description: "One word, passed on as it is: no shell looks at it.",
  pattern: PATTERNS.word,
  maxLength: WORD_LIMIT,
  patternErrorMessage: "A word must not be empty or contain a NUL character",
  examples: ["--model"],
});

const PROGRAM = "must not begin with a word that begins with `-`";

/** A command, as a list of words. */
export function commandLine(facts: Facts): z.ZodArray<z.ZodString> {
  const program = { type: "string", pattern: PATTERNS.program, patternErrorMessage: `A command ${PROGRAM}` };
  return z.array(word).superRefine(reasons(checkCommand)).meta({
    minItems: 1,
    // Editors that know older drafts only miss this one rule.
    prefixItems: [{ allOf: [{ $ref: "#/$defs/Word" }, program] }],
    ...facts,
  });
}

/** A shell that becomes the program would take a dash before its name for an option of its own. */
function checkCommand(words: readonly string[]): Checked<unknown> {
  return words[0]?.startsWith("-") ? bad(PROGRAM) : nonEmpty(words);
}

const path = text(checkPath, {
  id: "HostPath",
  description: "A path on your machine; a relative one begins in the manifest's folder.",
  pattern: PATTERNS.path,
  maxLength: PATH_LIMIT,
  patternErrorMessage: "A path without control characters; of homes only your own, `~/…`, and no variable",
  examples: ["~/some/file"],
});

/** A path on the host. */
export function hostPath(facts: Facts): z.ZodString {
  return path.meta(facts);
}
