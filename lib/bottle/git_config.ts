/** One setting of a git configuration. Texts hold a byte a character, so that nothing is lost on the way. */
export interface GitSetting {
  /** Lower case. */
  readonly section: string;
  /** As it stands; `undefined` for a section without one. */
  readonly subsection: string | undefined;
  /** Lower case. */
  readonly key: string;
  /** `undefined` for a key alone, which means true. */
  readonly value: string | undefined;
}

/** What is wrong with a configuration, by its line. */
export class GitConfigError extends Error {
  override readonly name = "GitConfigError";
  readonly line: number;

  constructor(line: number) {
    super(`line ${line} is no git configuration`);
    this.line = line;
  }
}

/**
 * Reads a git configuration as git does, but for includes: they are settings like others and lead nowhere.
 *
 * @throws GitConfigError where git would refuse it as well
 */
export function parseGitConfig(text: string): readonly GitSetting[] {
  return new Parser(text.replace(/^\xef\xbb\xbf/, "").replaceAll("\r\n", "\n")).settings();
}

/** A configuration that git reads as these settings. */
export function gitConfigText(settings: readonly GitSetting[]): string {
  let header = "";
  const lines: string[] = [];
  for (const setting of settings) {
    const own = headerOf(setting);
    if (own !== header) lines.push(own);
    header = own;
    lines.push(`\t${setting.key}${setting.value === undefined ? "" : ` = ${quoted(setting.value)}`}`);
  }
  return lines.map((line) => `${line}\n`).join("");
}

function headerOf({ section, subsection }: GitSetting): string {
  return subsection === undefined
    ? `[${section}]`
    : `[${section} "${subsection.replaceAll(/[\\"]/g, (character) => `\\${character}`)}"]`;
}

/** Escapes of values, by what they stand for. */
const ESCAPES: Readonly<Record<string, string>> = { n: "\n", t: "\t", b: "\b", '"': '"', "\\": "\\" };

function quoted(value: string): string {
  const escaped = value.replaceAll(/[\\"]/g, (character) => `\\${character}`)
    .replaceAll("\n", "\\n").replaceAll("\t", "\\t").replaceAll("\b", "\\b");
  return `"${escaped}"`;
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  settings(): readonly GitSetting[] {
    const found: GitSetting[] = [];
    let section: Pick<GitSetting, "section" | "subsection"> | undefined;
    for (;;) {
      this.#skip(/[\s]*/y);
      const next = this.#text[this.#at];
      if (next === undefined) return found;
      if (next === "#" || next === ";") this.#skip(/[^\n]*/y);
      else if (next === "[") section = this.#section();
      else if (section === undefined) throw this.#wrong();
      else found.push({ ...section, ...this.#setting() });
    }
  }

  #section(): Pick<GitSetting, "section" | "subsection"> {
    const match = this.#take(/\[([A-Za-z0-9.-]+)(?:[ \t]+"((?:[^"\\\n]|\\[^\n])*)")?\]/y);
    if (match === null) throw this.#wrong();
    const [, name = "", subsection] = match;
    const lower = name.toLowerCase();
    if (subsection !== undefined) {
      return { section: lower, subsection: subsection.replaceAll(/\\(.)/gs, "$1") };
    }
    // The old form, `[section.subsection]`.
    const dot = lower.indexOf(".");
    return dot < 0
      ? { section: lower, subsection: undefined }
      : { section: lower.slice(0, dot), subsection: lower.slice(dot + 1) };
  }

  #setting(): Pick<GitSetting, "key" | "value"> {
    const match = this.#take(/([A-Za-z][A-Za-z0-9-]*)[ \t]*/y);
    if (match === null) throw this.#wrong();
    const key = (match[1] ?? "").toLowerCase();
    const next = this.#text[this.#at];
    if (next === undefined || next === "\n") return { key, value: undefined };
    if (next !== "=") throw this.#wrong();
    this.#at++;
    return { key, value: this.#value() };
  }

  /** The rest of a line, quotes and continuations resolved; blanks at both ends do not count. */
  #value(): string {
    let value = "";
    let blanks = "";
    let isQuoted = false;
    this.#skip(/[ \t\f\v]*/y);
    for (;;) {
      const character = this.#text[this.#at];
      if (character === undefined || character === "\n") {
        if (isQuoted) throw this.#wrong();
        return value;
      }
      if (!isQuoted && (character === "#" || character === ";")) {
        this.#skip(/[^\n]*/y);
        return value;
      }
      this.#at++;
      if (!isQuoted && /[ \t\f\v\r]/.test(character)) {
        if (value !== "") blanks += character;
        continue;
      }
      if (character === '"') {
        isQuoted = !isQuoted;
        value += blanks;
      } else {
        value += blanks + (character === "\\" ? this.#escape() : character);
      }
      blanks = "";
    }
  }

  #escape(): string {
    const character = this.#text[this.#at++];
    if (character === "\n") return "";
    const meant = ESCAPES[character ?? ""];
    if (meant === undefined) throw this.#wrong();
    return meant;
  }

  #take(pattern: RegExp): RegExpExecArray | null {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match !== null) this.#at = pattern.lastIndex;
    return match;
  }

  #skip(pattern: RegExp): void {
    this.#take(pattern);
  }

  #wrong(): GitConfigError {
    return new GitConfigError(this.#text.slice(0, this.#at).split("\n").length);
  }
}
