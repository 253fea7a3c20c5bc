import { shortened } from "./text.ts";
import { openAt } from "./yaml_open.ts";
import { LONGEST, PAIR, type Slip, type Stop, valueFrom } from "./yaml_lines.ts";

/** A text as YAML can be given it, for hints. */
export function inYamlQuotes(text: string): string {
  const shown = shortened(text, 60);
  return /["\\]/.test(shown) ? `'${shown.replaceAll("'", "''")}'` : `"${shown}"`;
}

/** What a character says about what was meant. */
export function characterSlip(stop: Stop): Slip | undefined {
  if (stop.line.text.length > LONGEST) return undefined;
  return beginning(stop) ?? behindQuote(stop) ?? stray(stop) ?? colonInValue(stop);
}

function beforeIn({ line, at }: Stop): string {
  return line.text.slice(0, at - line.start);
}

/** A value that begins with a character that YAML has a use for. */
export function reserved(stop: Stop, start: number): Slip {
  const rest = valueFrom(stop, start);
  const inFlow = openAt(stop.content, start).length > 0;
  const value = inFlow ? rest.split(/[,\]}]/, 1)[0]?.trimEnd() ?? "" : rest;
  return {
    message: `A value cannot begin with ${stop.content[start] ?? ""}`,
    range: { start, end: start + Math.max(1, value.length) },
    hints: [`Put it in quotes: ${inYamlQuotes(value)}`],
  };
}

function beginning(stop: Stop): Slip | undefined {
  const { content, at } = stop;
  const next = content.slice(at, at + 2);
  if (!/(?:^|[:-])\s*$/.test(beforeIn(stop))) return undefined;
  if (/^[@`%]/.test(next) || /^[?|>]\s/.test(next)) return reserved(stop, at);
  const behindKey = /:\s+$/.test(beforeIn(stop));
  if (behindKey && /^[,}\]]/.test(next)) return reserved(stop, at);
  if (!behindKey || !/^-\s/.test(next)) return undefined;
  const item = valueFrom(stop, at).slice(1).trim();
  return {
    message: "A list begins on the line after its key",
    range: { start: at, end: at + 1 },
    hints: [`Move it to the next line, or write [${shortened(item, 40)}]`],
  };
}

/** More text behind a quote that ended too early. */
function behindQuote(stop: Stop): Slip | undefined {
  const { at, content } = stop;
  const quote = /(?:^\s*|[:-]\s+)(["']).*\1\s*$/.exec(beforeIn(stop))?.[1];
  if (quote === undefined || content[at] === ":" || content[at] === ",") return undefined;
  const hint = quote === "'"
    ? "An apostrophe within ' ' is written twice; or put all of the text in \" \""
    : 'Put all of the value in the quotes; a " within them is written \\"';
  const value = valueFrom(stop, at);
  return {
    message: "Nothing may follow the closing quote",
    range: { start: at, end: at + Math.max(1, value.length) },
    hints: [hint],
  };
}

/** Punctuation of other formats. */
function stray({ content, at }: Stop): Slip | undefined {
  const range = { start: at, end: at + 1 };
  const next = content[at] ?? "";
  if (content.startsWith("//", at) || content.startsWith("/*", at)) {
    return {
      message: "A comment begins with # in YAML",
      range: { start: at, end: at + 2 },
      hints: ["Write #"],
    };
  }
  if (next === "#") {
    return { message: "A space must come before a comment", range, hints: ["Write one before #"] };
  }
  if (next === ",") {
    const hints = ["Lines of YAML end without one: remove it"];
    return { message: "A comma that separates nothing", range, hints };
  }
  if (next === "}" || next === "]") {
    const opening = next === "}" ? "{" : "[";
    return { message: `No ${opening} is open for this ${next}`, range, hints: ["Remove it"] };
  }
  return undefined;
}

function colonInValue(stop: Stop): Slip | undefined {
  const { content, at, line } = stop;
  const pair = PAIR.exec(line.text);
  if (content[at] !== ":" || pair === null) return undefined;
  const [, dashes = "", key = "", colon = "", rest = ""] = pair;
  const start = dashes.length + key.length + colon.length;
  if (at - line.start < start) return undefined;
  const value = rest.replace(/\s+#.*$/, "").trimEnd();
  return {
    message: "A value with a colon and a space in it must stand in quotes",
    range: { start: line.start + start, end: line.start + start + value.length },
    hints: [`Write \`${key}: ${inYamlQuotes(value)}\``],
  };
}
