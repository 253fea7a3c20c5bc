import {
  boolCoreTag,
  type Event,
  EVENT_ID,
  floatCoreTag,
  getScalarValue,
  intCoreTag,
  NOT_RESOLVED,
  nullCoreTag,
  parseEvents,
  SCALAR_STYLE,
  YAMLException,
} from "js-yaml";
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
import { type Range, SyntaxProblem } from "./text.ts";
import { danglingAlias, endlessAlias, hugeAlias, unknownTag } from "./yaml_features.ts";
import { yamlSyntaxProblem } from "./yaml_errors.ts";

/** The most aliases in one manifest. */
const ALIAS_LIMIT = 50;

type ScalarEvent = Extract<Event, { type: typeof EVENT_ID.SCALAR }>;
type AliasEvent = Extract<Event, { type: typeof EVENT_ID.ALIAS }>;
type CollectionEvent = Extract<Event, { type: typeof EVENT_ID.SEQUENCE | typeof EVENT_ID.MAPPING }>;

/** Reads one YAML 1.2 document, core schema. @throws SyntaxProblem */
export function parseYaml(content: string): Document {
  const events = eventsOf(content);
  const documents = events.filter((event) => event.type === EVENT_ID.DOCUMENT);
  if (documents.length === 0) throw emptyManifest();
  if (documents.length > 1) {
    throw new SyntaxProblem(
      "A manifest is one document, and here begins a second one",
      secondDocument(content),
      [
        "Put everything into the first one, and remove this line",
      ],
    );
  }
  return new Walk(content, events).document();
}

function emptyManifest(): SyntaxProblem {
  return new SyntaxProblem("The manifest is empty", { start: 0, end: 0 }, [
    "Write at least `bottles: {}` and `agents: {}`",
  ]);
}

function secondDocument(content: string): Range {
  let hasBegun = false;
  for (const { index, 0: line } of content.matchAll(/^.+$/gm)) {
    const isMark = /^(---|\.\.\.)(?=\s|$)/.test(line);
    if (hasBegun && isMark) return { start: index, end: index + 3 };
    // Comments and directives may stand before the first one.
    if (!/^\s*(#|$)|^%/.test(line)) hasBegun = true;
  }
  return { start: 0, end: 3 };
}

/** Builds nodes out of events; recursion is bounded by the parser's depth limit. */
class Walk {
  readonly #content: string;
  readonly #events: readonly Event[];
  readonly #anchors = new Map<string, Node>();
  readonly #open = new Set<string>();
  readonly #problems: RangedProblem[] = [];
  #next = 1;
  /** The end of the last token. */
  #reached = 0;
  #aliases = 0;
  #values = 0;

  constructor(content: string, events: readonly Event[]) {
    this.#content = content;
    this.#events = events;
  }

  document(): Document {
    const root = this.#node();
    if (root.size > SIZE_LIMIT) throw tooManyValues();
    return { root, problems: this.#problems };
  }

  #node(): Node {
    if (++this.#values > SIZE_LIMIT) throw tooManyValues();
    const event = this.#events[this.#next++];
    if (event !== undefined) this.#reached = Math.max(this.#reached, endOf(event));
    switch (event?.type) {
      case EVENT_ID.SCALAR:
        return this.#anchored(event, this.#scalar(event));
      case EVENT_ID.SEQUENCE:
      case EVENT_ID.MAPPING:
        return this.#collection(event);
      case EVENT_ID.ALIAS:
        return this.#alias(event);
      default:
        throw emptyManifest();
    }
  }

  #collection(event: CollectionEvent): Node {
    this.#refuseTag(event, []);
    const name = this.#anchorName(event);
    if (name !== undefined) this.#open.add(name);
    const range = { start: event.start, end: event.start + 1 };
    const node = event.type === EVENT_ID.SEQUENCE
      ? sequenceNode(range, this.#items())
      : mappingNode(range, this.#entries());
    if (name !== undefined) this.#open.delete(name);
    return this.#anchored(event, node);
  }

  #items(): readonly Node[] {
    const items: Node[] = [];
    while (this.#events[this.#next]?.type !== EVENT_ID.POP) {
      const node = this.#node();
      items.push(isEmpty(node) ? { ...node, range: this.#sign() } : node);
    }
    this.#next++;
    return items;
  }

  #entries(): ReadonlyMap<string, Entry> {
    const entries = new Map<string, Entry>();
    while (this.#events[this.#next]?.type !== EVENT_ID.POP) {
      const { text, range } = this.#key();
      const problem = text === "<<" ? mergeKey(range) : keyProblem(text, range, entries.get(text)?.key);
      const node = this.#node();
      if (problem === undefined) entries.set(text, { key: range, node });
      else if (this.#problems.length < FOUND_LIMIT) this.#problems.push(problem);
    }
    this.#next++;
    return entries;
  }

  /** Keys are their own text: `yes`, `null` or `1` name something like any other word. */
  #key(): { text: string; range: Range } {
    const event = this.#events[this.#next++];
    if (event?.type !== EVENT_ID.SCALAR) {
      const start = event === undefined ? 0 : startOf(event);
      throw new SyntaxProblem("A key must be plain text", { start, end: start + 1 }, [
        "Put it in quotes if its bracket or sign is part of the text",
      ]);
    }
    this.#refuseTag(event, []);
    const text = getScalarValue(this.#content, event);
    const range = event.valueStart === -1 ? this.#sign() : this.#scalarRange(event);
    if (event.anchorStart !== -1) this.#anchored(event, scalarNode(range, text));
    return { text, range };
  }

  #scalar(event: ScalarEvent): Node {
    this.#refuseTag(event, ["!!str", "!"]);
    const text = getScalarValue(this.#content, event);
    const plain = event.style === SCALAR_STYLE.PLAIN && event.tagStart === -1;
    return scalarNode(this.#scalarRange(event), plain ? meaning(text) : text);
  }

  #scalarRange(event: ScalarEvent): Range {
    if (event.valueStart === -1) {
      const end = Math.max(event.anchorEnd, event.tagEnd, 0);
      return { start: end, end };
    }
    const { valueStart: start, valueEnd: end } = event;
    switch (event.style) {
      case SCALAR_STYLE.SINGLE_QUOTED:
      case SCALAR_STYLE.DOUBLE_QUOTED:
        return { start: start - 1, end: end + 1 };
      case SCALAR_STYLE.LITERAL_BLOCK:
      case SCALAR_STYLE.FOLDED_BLOCK:
        return { start: start + indentation(this.#content, start), end };
      default:
        return { start, end };
    }
  }

  /** The dash or colon of an item or key that is empty: it has no characters of its own. */
  #sign(): Range {
    const before = /(?:\s|#[^\n]*)*/y;
    before.lastIndex = this.#reached;
    before.exec(this.#content);
    const start = Math.max(before.lastIndex, this.#reached);
    this.#reached = start + 1;
    return { start, end: start + 1 };
  }

  #alias(event: AliasEvent): Node {
    const range = { start: event.anchorStart - 1, end: event.anchorEnd };
    const name = this.#content.slice(event.anchorStart, event.anchorEnd);
    if (++this.#aliases > ALIAS_LIMIT) {
      throw new SyntaxProblem(`More than ${ALIAS_LIMIT} aliases`, range, ["Write some of the values out"]);
    }
    if (this.#open.has(name)) throw endlessAlias(name, range);
    const node = this.#anchors.get(name);
    if (node === undefined) throw danglingAlias(name, range);
    if (node.size > SIZE_LIMIT || node.height > DEPTH_LIMIT) throw hugeAlias(name, range);
    return node.kind === "scalar" ? { ...node, range } : node;
  }

  #anchored(event: ScalarEvent | CollectionEvent, node: Node): Node {
    const name = this.#anchorName(event);
    if (name !== undefined) this.#anchors.set(name, node);
    if (node.height > DEPTH_LIMIT) throw nestedTooDeep(startOf(event));
    return node;
  }

  #anchorName(event: ScalarEvent | CollectionEvent): string | undefined {
    return event.anchorStart === -1 ? undefined : this.#content.slice(event.anchorStart, event.anchorEnd);
  }

  #refuseTag(event: ScalarEvent | CollectionEvent, allowed: readonly string[]): void {
    if (event.tagStart === -1) return;
    const tag = this.#content.slice(event.tagStart, event.tagEnd);
    if (allowed.includes(tag)) return;
    throw unknownTag(this.#content, { start: event.tagStart, end: event.tagEnd });
  }
}

function isEmpty(node: Node): boolean {
  return node.kind === "scalar" && node.range.start === node.range.end;
}

function mergeKey(range: Range): RangedProblem {
  return {
    range,
    message: "`<<` merge keys are not supported",
    hints: ["A bottle takes another one's entries with `extends: NAME`"],
  };
}

function indentation(content: string, start: number): number {
  return /^[ \n]*/.exec(content.slice(start, start + 1000))?.[0].length ?? 0;
}

function startOf(event: Event): number {
  switch (event.type) {
    case EVENT_ID.SCALAR:
      return Math.max(event.valueStart, 0);
    case EVENT_ID.ALIAS:
      return event.anchorStart - 1;
    case EVENT_ID.SEQUENCE:
    case EVENT_ID.MAPPING:
      return event.start;
    default:
      return 0;
  }
}

function endOf(event: Event): number {
  switch (event.type) {
    case EVENT_ID.SCALAR:
      return Math.max(event.valueEnd, event.anchorEnd, event.tagEnd);
    case EVENT_ID.ALIAS:
      return event.anchorEnd;
    default:
      return startOf(event);
  }
}

/** What a plain scalar means in YAML 1.2's core schema, in which `no` and `on` are text. */
function meaning(text: string): unknown {
  if (text !== "" && !/^[-+.\d~nNtTfF]/.test(text)) return text;
  for (const tag of [nullCoreTag, boolCoreTag, intCoreTag, floatCoreTag]) {
    const value = tag.resolve(text, false, tag.tagName);
    if (value !== NOT_RESOLVED) return value;
  }
  return text;
}

function eventsOf(content: string): readonly Event[] {
  try {
    return parseEvents(content, { maxDepth: DEPTH_LIMIT });
  } catch (error) {
    if (error instanceof YAMLException) throw yamlSyntaxProblem(content, error);
    throw error;
  }
}
