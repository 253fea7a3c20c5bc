import {
  DEPTH_LIMIT,
  type Document,
  type Entry,
  keyProblem,
  mappingNode,
  type Node,
  type RangedProblem,
  scalarNode,
  sequenceNode,
  SIZE_LIMIT,
} from "./node.ts";
import { type Range, SyntaxProblem } from "./text.ts";

/** Reads strict JSON, with the place of every key and value. @throws SyntaxProblem */
export function parseJson(content: string): Document {
  const reader = new JsonReader(content);
  return reader.document();
}

// deno-lint-ignore no-control-regex -- JSON forbids them in strings
const STRING_CONTENT = /[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4})[^"\\\u0000-\u001f]*)*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])/y;
const WORD = /(?:true|false|null)(?!\w)/y;
const SPACE = /[ \t\n\r]*/y;

class JsonReader {
  readonly #content: string;
  readonly #problems: RangedProblem[] = [];
  #at = 0;
  #depth = 0;

  constructor(content: string) {
    this.#content = content;
  }

  document(): Document {
    this.#take(SPACE);
    if (this.#at === this.#content.length) throw this.#unexpected("The manifest is empty");
    const root = this.#value();
    if (this.#at < this.#content.length) throw this.#unexpected("Nothing may follow the end of the manifest");
    if (root.size > SIZE_LIMIT) {
      throw new SyntaxProblem(`The manifest holds more than ${SIZE_LIMIT} values`, { start: 0, end: 0 });
    }
    return { root, problems: this.#problems };
  }

  /** A value and the space behind it. */
  #value(): Node {
    const start = this.#at;
    const next = this.#content[start];
    if (next === "{" || next === "[") {
      if (++this.#depth > DEPTH_LIMIT) throw this.#unexpected("Nested too deep");
      this.#punctuation(next);
      const range = { start, end: start + 1 };
      const node = next === "{" ? mappingNode(range, this.#entries()) : sequenceNode(range, this.#items());
      this.#depth--;
      return node;
    }
    const token = next === '"' ? this.#string() : this.#take(NUMBER) ?? this.#take(WORD);
    if (token === undefined) throw this.#badValue();
    const node = scalarNode({ start, end: this.#at }, JSON.parse(token));
    this.#take(SPACE);
    return node;
  }

  #entries(): ReadonlyMap<string, Entry> {
    const entries = new Map<string, Entry>();
    if (this.#punctuation("}")) return entries;
    for (;;) {
      const { text, range } = this.#key();
      if (!this.#punctuation(":")) throw this.#unexpected("A colon is expected after a key");
      const problem = keyProblem(text, { range, known: entries.has(text) });
      const node = this.#value();
      if (problem === undefined) entries.set(text, { key: range, node });
      else this.#problems.push(problem);
      if (this.#punctuation("}")) return entries;
      if (!this.#punctuation(",")) throw this.#unexpected("A comma or } is expected after a value");
    }
  }

  #items(): readonly Node[] {
    const items: Node[] = [];
    if (this.#punctuation("]")) return items;
    for (;;) {
      items.push(this.#value());
      if (this.#punctuation("]")) return items;
      if (!this.#punctuation(",")) throw this.#unexpected("A comma or ] is expected after a value");
    }
  }

  #key(): { text: string; range: Range } {
    const start = this.#at;
    if (this.#content[start] === "}") throw this.#unexpected("No comma may stand before }");
    if (this.#content[start] !== '"') throw this.#unexpected("A key in double quotes is expected");
    const token = this.#string();
    const range = { start, end: this.#at };
    this.#take(SPACE);
    return { text: String(JSON.parse(token)), range };
  }

  #take(pattern: RegExp): string | undefined {
    const sticky = new RegExp(pattern);
    sticky.lastIndex = this.#at;
    const match = sticky.exec(this.#content);
    if (match === null) return undefined;
    this.#at = sticky.lastIndex;
    return match[0];
  }

  #punctuation(character: string): boolean {
    if (this.#content[this.#at] !== character) return false;
    this.#at++;
    this.#take(SPACE);
    return true;
  }

  /** A string with its quotes. */
  #string(): string {
    const start = this.#at++;
    this.#take(STRING_CONTENT);
    if (this.#content[this.#at] === '"') return this.#content.slice(start, ++this.#at);
    if (this.#at >= this.#content.length || this.#content[this.#at] === "\n") {
      throw new SyntaxProblem("The closing quote is missing", { start, end: this.#at });
    }
    throw this.#unexpected("This cannot stand in a JSON string as it is");
  }

  #badValue(): SyntaxProblem {
    const next = this.#content[this.#at];
    if (next === "]" || next === "}") return this.#unexpected(`No comma may stand before ${next}`);
    if (next === "'") return this.#unexpected("JSON wants double quotes");
    return this.#unexpected("A value is expected");
  }

  #unexpected(message: string): SyntaxProblem {
    const start = this.#at;
    if (start >= this.#content.length && this.#content.length > 0 && message !== "The manifest is empty") {
      const end = this.#content.trimEnd().length;
      return new SyntaxProblem("The file ends too early", { start: end - 1, end });
    }
    const comment = this.#content.startsWith("//", start) || this.#content.startsWith("/*", start) ||
      this.#content[start] === "#";
    const end = start +
      Math.max(1, /^[\w$.+-]*/.exec(this.#content.slice(start, start + 100))?.[0].length ?? 1);
    const hints = comment
      ? ["JSON has no comments; rename the file to claude-bottle.yaml to use # comments"]
      : [];
    return new SyntaxProblem(message, { start, end }, hints);
  }
}
