/** Something that was begun and not yet ended at a place of a YAML text. */
export interface Open {
  readonly character: "{" | "[" | "'" | '"';
  readonly start: number;
}

/** The header of a block scalar at the end of a line: what follows deeper is text. */
const BLOCK_SCALAR = /(?:^|\s)[|>][+-]?\d?[+-]?$/;

const BRACKETS_AND_QUOTES = "{}[]'\"";

/**
 * The brackets and quotes that are open at `end`, outermost first. Reads as little of YAML as that needs: the
 * parser knows, and does not tell.
 */
export function openAt(content: string, end: number): readonly Open[] {
  const scan = new Scan(content.slice(0, end));
  while (scan.line()) { /* each line moves it on */ }
  return scan.open;
}

class Scan {
  readonly open: Open[] = [];
  readonly #text: string;
  #at = 0;
  /** The indentation of the key whose block scalar is being passed over. */
  #block: number | undefined;

  constructor(text: string) {
    this.#text = text;
  }

  /** Passes one line; `false` at the end of the text. */
  line(): boolean {
    if (this.#at >= this.#text.length) return false;
    const next = this.#text.indexOf("\n", this.#at);
    const end = next === -1 ? this.#text.length : next;
    const line = this.#text.slice(this.#at, end);
    if (!this.#isBlockText(line)) this.#tokens(line);
    this.#at = end + 1;
    return true;
  }

  #isBlockText(line: string): boolean {
    if (this.#block === undefined) return false;
    if (line.trim() === "" || indentationOf(line) > this.#block) return true;
    this.#block = undefined;
    return false;
  }

  #tokens(line: string): void {
    let end = line.length;
    for (let column = 0; column < line.length; column++) {
      const character = line[column] ?? "";
      const inner = this.open.at(-1)?.character;
      if (inner === "'" || inner === '"') {
        column += this.#quoted(inner, line.slice(column, column + 2));
        continue;
      }
      if (character === "#" && (column === 0 || /\s/.test(line[column - 1] ?? ""))) {
        end = column;
        break;
      }
      if (!BRACKETS_AND_QUOTES.includes(character)) continue;
      this.#token(character, {
        inFlow: inner !== undefined,
        before: line.slice(0, column),
        at: this.#at + column,
      });
    }
    const code = line.slice(0, end).trimEnd();
    if (this.open.length === 0 && BLOCK_SCALAR.test(code.slice(-10))) this.#block = indentationOf(line);
  }

  /** How many characters more than one are passed within quotes. */
  #quoted(quote: "'" | '"', two: string): number {
    const escape = quote === '"' ? two.startsWith("\\") : two === "''";
    if (escape) return 1;
    if (two.startsWith(quote)) this.open.pop();
    return 0;
  }

  #token(
    character: string,
    where: { readonly inFlow: boolean; readonly before: string; readonly at: number },
  ): void {
    const { inFlow, before, at } = where;
    if (inFlow && (character === "}" || character === "]")) {
      this.open.pop();
      return;
    }
    if (character !== "{" && character !== "[" && character !== "'" && character !== '"') return;
    if (beginsValue(before.slice(-40), inFlow)) this.open.push({ character, start: at });
  }
}

/** Whether a quote or bracket behind this begins a value; elsewhere it is a character like any other. */
function beginsValue(before: string, inFlow: boolean): boolean {
  if (before.trim() === "") return true;
  return inFlow ? /[,[{:]\s*$/.test(before) : /(?:[:?-]\s+|[!&]\S+\s+)$/.test(before);
}

/** How many spaces a line begins with. */
export function indentationOf(line: string): number {
  return /^ */.exec(line)?.[0].length ?? 0;
}
