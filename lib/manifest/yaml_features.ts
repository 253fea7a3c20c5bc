import { type Range, shortened, SyntaxProblem } from "./text.ts";

/** An alias within the value that it stands for. */
export function endlessAlias(name: string, range: Range): SyntaxProblem {
  return new SyntaxProblem(`The alias *${shortened(name, 60)} contains itself`, range, [
    "Write the value out",
  ]);
}

/** An alias without an anchor: mostly a wildcard that lacks its quotes. */
export function danglingAlias(name: string, range: Range): SyntaxProblem {
  const shown = shortened(name, 60);
  return new SyntaxProblem(`The alias *${shown} refers to nothing`, range, [
    /^\w+$/.test(name)
      ? `Define it further up with &${shown}, or put it in quotes if the * is part of the text`
      : `A value that begins with * must stand in quotes: "*${shown}"`,
  ]);
}

/** An alias that multiplies what it stands for beyond all measure. */
export function hugeAlias(name: string, range: Range): SyntaxProblem {
  return new SyntaxProblem(`The alias *${shortened(name, 60)} makes the manifest too large`, range, [
    "Write out the values that are needed",
  ]);
}

/** A value that begins with `!` by mistake, or a type that nobody needs here. */
export function unknownTag(content: string, range: Range): SyntaxProblem {
  const tag = shortened(content.slice(range.start, range.end), 60);
  const rest = /^[^\n#,}\]]*/.exec(content.slice(range.end, range.end + 500))?.[0].trimEnd() ?? "";
  return new SyntaxProblem(`The tag ${tag} is not known here`, range, [
    tag.startsWith("!!") || /["'{[]/.test(rest)
      ? "Remove it"
      : `Put it in quotes if it is part of the value: "${shortened(tag + rest, 60)}"`,
  ]);
}
