import { hanging, wrapped } from "../ui/wrap.ts";

/** Wider text is harder to read, however wide the terminal. */
const WIDEST = 80;

/** In the parser's text, the row that every table of flags has. */
const HELP_BRIEF = "Print help information and exit";

/** The parser's help for a terminal of `columns`: it breaks no line, and tells a default that needs no telling. */
export function helpText(help: string, columns: number): string {
  const width = Math.min(columns, WIDEST);
  const lines = help.split("\n");
  const briefAt = lines.find((line) => line.endsWith(HELP_BRIEF))?.indexOf(HELP_BRIEF) ?? 0;
  const fitted: string[] = [];
  let section = "";
  let prose: string[] = [];
  const endProse = (): void => {
    if (prose.length > 0) fitted.push(...wrapped(prose.join(" "), width));
    prose = [];
  };
  for (const line of lines) {
    if (line === "" || /^[A-Z]+$/.test(line)) {
      endProse();
      section = line;
      fitted.push(line);
    } else if (section === "") prose.push(line);
    else if (section === "FLAGS") fitted.push(flagRow(line, { briefAt, width }));
    else if (section === "ARGUMENTS" || section === "COMMANDS") fitted.push(row(line, width));
    else fitted.push(line);
  }
  endProse();
  return fitted.join("\n");
}

/** Name, what it does, and the choices in one column: the parser has them in a third. */
function flagRow(
  line: string,
  { briefAt, width }: { readonly briefAt: number; readonly width: number },
): string {
  const brief = line.slice(briefAt).replace(/ +\[default = false\]$/, "").replaceAll(/ {2,}/g, " ");
  return hanging(line.slice(0, briefAt), brief, width);
}

function row(line: string, width: number): string {
  const [, head = "", brief = ""] = /^( +\S+ +)(.*)$/.exec(line) ?? [];
  return head === "" ? line : hanging(head, brief, width);
}
