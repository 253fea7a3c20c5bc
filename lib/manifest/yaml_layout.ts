import { type Range, shortened } from "./text.ts";
import {
  above,
  type Line,
  lineRange,
  LINES_ABOVE,
  LONGEST,
  PAIR,
  type Slip,
  type Stop,
} from "./yaml_lines.ts";
import { indentationOf } from "./yaml_open.ts";

/** A key with a colon that no space follows. */
const UNSPACED = /^(\s*(?:-\s+)*)([A-Za-z_][\w.-]*):([^\s:/\\].*)$/;
/** The header of a block of text. */
const BLOCK = /[:-]\s+([|>])[+-]?\d?[+-]?\s*(?:#.*)?$/;

/** What a line's place among the others says about what was meant. */
export function layoutSlip(stop: Stop): Slip | undefined {
  if (stop.line.text.length > LONGEST) return undefined;
  return blockText(stop) ?? noSpace(stop) ?? noColon(stop) ?? tooDeep(stop) ?? fitsNothing(stop);
}

/** What ends a block of text in good order. */
const KEY_OR_ITEM = /^\s*(?:-\s|[\w"'.-]+\s*:(?:\s|$))/;

/** A line of a block of text that is indented less than the text's first line, or than all text must be. */
function blockText({ content, line }: Stop): Slip | undefined {
  for (const text of [line, above(content, line)]) {
    // A line that is a key ends the block in good order.
    if (text === undefined || KEY_OR_ITEM.test(text.text)) continue;
    const [header, first] = blockAround(content, text);
    if (header === undefined) continue;
    const least = indentationOf(header.text) + 1;
    const wanted = first === undefined ? 0 : indentationOf(first.text);
    const spaces = wanted >= least ? wanted : least + 1;
    if (indentationOf(text.text) >= Math.max(wanted, least)) continue;
    return {
      message: `The text of a ${
        BLOCK.exec(header.text)?.[1] ?? "|"
      } block must be indented deeper than its key`,
      range: lineRange(text),
      hints: [`Begin each of its lines ${after(spaces)}`],
    };
  }
  return undefined;
}

/** The header of the block of text that a line seems to belong to, and the block's first line. */
function blockAround(content: string, line: Line): readonly [header?: Line, first?: Line] {
  let first: Line | undefined;
  let one = above(content, line);
  for (let count = 0; one !== undefined && count < LINES_ABOVE; count++) {
    const isHeader = BLOCK.test(one.text);
    if (isHeader && (first === undefined || indentationOf(one.text) < indentationOf(first.text))) {
      return first === undefined ? [one] : [one, first];
    }
    // None of the text is indented.
    if (isHeader && first !== undefined && !KEY_OR_ITEM.test(first.text)) return [one];
    if (indentationOf(one.text) === 0) return [];
    first = one;
    one = above(content, one);
  }
  return [];
}

/** A colon or a dash that touches what follows, on this line or on the one before. */
function noSpace(stop: Stop): Slip | undefined {
  const { content, line } = stop;
  const before = above(content, line);
  for (const one of [line, before]) {
    if (one === undefined || indentationOf(one.text) !== indentationOf(line.text)) continue;
    const [, dashes = "", key = "", value = ""] = UNSPACED.exec(one.text) ?? [];
    if (value !== "") {
      const start = one.start + dashes.length;
      return {
        message: "A space must follow the colon",
        range: { start, end: start + key.length + 1 },
        hints: [`Write \`${key}: ${shortened(value.trimEnd(), 60)}\``],
      };
    }
    const item = /^\s*-([^\s-].*)$/.exec(one.text)?.[1];
    if (item === undefined) continue;
    return {
      message: "A space must follow the dash",
      range: { start: lineRange(one).start, end: lineRange(one).start + 1 },
      hints: [`Write \`- ${shortened(item.trimEnd(), 60)}\``],
    };
  }
  return undefined;
}

/** A line among keys, or above those that belong to it, that is no key; or one among items that is none. */
function noColon({ content, line }: Stop): Slip | undefined {
  const before = above(content, line);
  const indentation = indentationOf(line.text);
  for (const one of [line, before]) {
    const text = one?.text.trim() ?? "";
    if (one === undefined || indentationOf(one.text) > indentation) continue;
    if (text === "" || /:(?:\s|$)|^-(?:\s|$)|^[{[]/.test(text)) continue;
    const item = enclosing(content, one).find((outer) =>
      indentationOf(outer.text) === indentationOf(one.text)
    );
    if (item !== undefined && isItem(item)) {
      const hints = [`Write \`- ${shortened(text, 40)}\``];
      return { message: "A dash is expected before an item of a list", range: lineRange(one), hints };
    }
    const [, key, value] = /^([\w.-]+)\s*=\s*(.*)$/.exec(text) ?? [];
    const isParent = indentationOf(one.text) < indentation;
    const pair = `${shortened(text, 40)}:${isParent ? "" : " VALUE"}`;
    const hints = [`Write \`${key === undefined ? pair : `${key}: ${value}`}\``];
    return { message: "A colon is expected after a key", range: lineRange(one), hints };
  }
  return undefined;
}

function isItem(line: Line): boolean {
  return /^\s*-(?:\s|$)/.test(line.text);
}

/** A key below one that has its value already. */
function tooDeep({ content, line }: Stop): Slip | undefined {
  const before = above(content, line);
  const [, dashes, key] = PAIR.exec(before?.text ?? "") ?? [];
  const indentation = indentationOf(line.text);
  if (dashes === undefined || key === undefined || indentation <= dashes.length) return undefined;
  return {
    message: `This is indented deeper than \`${shortened(key, 40)}\` above it, which has its value already`,
    range: keyRange(line),
    hints: [`Begin it ${after(dashes.length)}, as the line above`],
  };
}

/** The key of a line, or its dash. */
function keyRange(line: Line): Range {
  const start = line.start + indentationOf(line.text);
  const length = /^(?:-(?=\s)|[^\s:]+)/.exec(line.text.trim())?.[0].length ?? 1;
  return { start, end: start + length };
}

function after(spaces: number): string {
  return spaces === 0
    ? "at the beginning of the line"
    : `after ${spaces} ${spaces === 1 ? "space" : "spaces"}`;
}

/** A line whose indentation none of the lines above has, or has for something else. */
function fitsNothing(stop: Stop): Slip | undefined {
  const { content, line, at } = stop;
  const indentation = indentationOf(line.text);
  if (at !== line.start + indentation) return undefined;
  const range = keyRange(line);
  const outer = enclosing(content, line);
  const same = outer.find((one) => indentationOf(one.text) === indentation);
  const hints = [placesHint(line, outer)];
  if (same === undefined) return { message: "The indentation fits no line above", range, hints };
  if (isItem(line)) return { message: "A list item among the keys of a mapping", range, hints };
  const dashes = PAIR.exec(same.text)?.[1]?.length ?? 0;
  const message = "A key among the items of a list";
  if (dashes <= indentation) return { message, range, hints };
  return { message, range, hints: [`To belong to the item above, begin it ${after(dashes)}`] };
}

/** Where a line of this kind may begin. */
function placesHint(line: Line, outer: readonly Line[]): string {
  const places = outer.filter((one) => isItem(one) === isItem(line)).map((one) => indentationOf(one.text));
  const columns = [...new Set(places)].slice(0, 4);
  if (columns.length === 0) return "Give the list a key, and indent its items below that";
  const spaces = columns.length === 1 && columns[0] === 1 ? "space" : "spaces";
  return `${isItem(line) ? "Items" : "Keys"} above begin after ${listed(columns)} ${spaces}`;
}

function listed(numbers: readonly number[]): string {
  return numbers.length < 2 ? numbers.join("") : `${numbers.slice(0, -1).join(", ")} or ${numbers.at(-1)}`;
}

/** The lines above that this one may stand in, from the inside out: each is indented less than the one before. */
function enclosing(content: string, line: Line): readonly Line[] {
  const found: Line[] = [];
  let least = Infinity;
  let one = above(content, line);
  for (let count = 0; one !== undefined && count < LINES_ABOVE; count++) {
    const indentation = indentationOf(one.text);
    if (indentation < least) {
      found.push(one);
      least = indentation;
    }
    if (least === 0) break;
    one = above(content, one);
  }
  return found;
}
