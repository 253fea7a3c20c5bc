import { type JsonPlace, jsonSlip } from "./json_slips.ts";
import {
  DEPTH_LIMIT,
  type Document,
  type Entry,
  FOUND_LIMIT,
  keyProblem,
  mappingNode,
  nestedTooDeep,
  type Node,
  type RangedProblem,
  scalarNode,
  sequenceNode,
  SIZE_LIMIT,
  tooManyValues,
} from "./node.ts";
import type { Range, SyntaxProblem } from "./text.ts";

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
  /** Where the brackets that are open begin. */
  readonly #open: number[] = [];
  #at = 0;
  #values = 0;

  constructor(content: string) {
    this.#content = content;
  }

  document(): Document {
    this.#take(SPACE);
    if (this.#at === this.#content.length) throw this.#slip("empty");
    const root = this.#value();
    if (this.#at < this.#content.length) throw this.#slip("after the end");
    return { root, problems: this.#problems };
  }

  /** A value and the space behind it. Counted while reading: a file of nothing else would take too long. */
  #value(): Node {
    if (++this.#values > SIZE_LIMIT) throw tooManyValues();
    const start = this.#at;
    const next = this.#content[start];
    if (next === "{" || next === "[") {
      if (this.#open.push(start) > DEPTH_LIMIT) {
        throw nestedTooDeep(start);
      }
      this.#punctuation(next);
      const range = { start, end: start + 1 };
      const node = next === "{" ? mappingNode(range, this.#entries()) : sequenceNode(range, this.#items());
      this.#open.pop();
      return node;
    }
    const token = next === '"' ? this.#string() : this.#take(NUMBER) ?? this.#take(WORD);
    if (token === undefined) throw this.#slip("value");
    const node = scalarNode({ start, end: this.#at }, JSON.parse(token));
    this.#take(SPACE);
    return node;
  }

  #entries(): ReadonlyMap<string, Entry> {
    const entries = new Map<string, Entry>();
    if (this.#punctuation("}")) return entries;
    for (;;) {
      const { text, range } = this.#key();
      if (!this.#punctuation(":")) throw this.#slip("colon");
      const problem = keyProblem(text, range, entries.get(text)?.key);
      const node = this.#value();
      if (problem === undefined) entries.set(text, { key: range, node });
      else if (this.#problems.length < FOUND_LIMIT) this.#problems.push(problem);
      if (this.#punctuation("}")) return entries;
      if (!this.#punctuation(",")) throw this.#slip("after an entry");
    }
  }

  #items(): readonly Node[] {
    const items: Node[] = [];
    if (this.#punctuation("]")) return items;
    for (;;) {
      items.push(this.#value());
      if (this.#punctuation("]")) return items;
      if (!this.#punctuation(",")) throw this.#slip("after an item");
    }
  }

  #key(): { text: string; range: Range } {
    const start = this.#at;
    if (this.#content[start] !== '"') throw this.#slip("key");
    const token = this.#string();
    const range = { start, end: this.#at };
    this.#take(SPACE);
    return { text: String(JSON.parse(token)), range };
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#content);
    if (match === null) return undefined;
    this.#at = pattern.lastIndex;
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
    throw this.#slip("string", start);
  }

  #slip(place: JsonPlace, start = this.#at): SyntaxProblem {
    return jsonSlip(this.#content, { place, start, at: this.#at, open: this.#open.at(-1) });
  }
}
