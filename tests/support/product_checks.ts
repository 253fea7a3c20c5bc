import assert from "node:assert/strict";
import { load } from "js-yaml";
import { parseGitConfig } from "../../lib/bottle/git_config.ts";
import { jsonText } from "../../lib/commands/json_text.ts";
import type { Failure, Problem } from "../../lib/errors.ts";
import { renderProblem } from "../../lib/manifest/diagnostics.ts";
import { pathText } from "../../lib/manifest/node.ts";
import { failureText, type ProductFile, type Products } from "./manifest_products.ts";
import { frameEntries } from "./normalise.ts";
import type { StringField } from "./string_fields.ts";

/** What no terminal, log or editor should be given within a line. */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u;

/** The lines of a text, none of which a terminal obeys or hides. */
export function assertLines(text: string, what: string): readonly string[] {
  const lines = text.split("\n");
  for (const line of lines) assert.doesNotMatch(line, UNSEEN, what);
  return lines;
}

/** Every problem is at a place, one of them at the hostile string's, and each is as many lines as it should be. */
export function assertRefused(failure: Failure, place: StringField, text: string): void {
  assert.equal(failure.code, "manifest-invalid");
  const token = JSON.stringify(text).slice(1, 20).replace(/"$/, "");
  for (const problem of failure.problems) {
    assert.ok(problem.where !== undefined, problem.message);
    const lines = assertLines(renderProblem(problem), problem.message);
    const snippet = lines.filter((line) => line.startsWith("    ")).length;
    assert.ok(snippet === 0 || snippet === 2, lines.join("\n"));
    assert.equal(lines.length, 1 + snippet + (problem.hints ?? []).length);
  }
  const paths = place.kind === "value" ? place.path : [...place.path, text];
  const isAbout = ({ message, where }: Problem): boolean =>
    where?.snippet?.includes(token) === true ||
    paths.some((_, index) => message.startsWith(`${pathText(paths.slice(0, index + 1))}: `));
  assert.ok(failure.problems.some(isAbout), failure.problems.map(renderProblem).join("\n"));
  assertLines(failureText(failure), failure.message);
  assertJson({ text: jsonText(failure.problems), data: failure.problems });
}

function assertJson({ text, data }: { readonly text: string; readonly data: unknown }): void {
  assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(data)));
  assert.doesNotMatch(text.replaceAll("\n", ""), /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
}

/** A refusal after the manifest was read: one line for each part of it. */
export function assertFailure(failure: Failure): void {
  const [first = "", ...rest] = assertLines(failureText(failure).trimEnd(), failure.message);
  assert.match(first, /^error: /);
  for (const line of rest) assert.match(line, /^($|hint: | {2})/, failure.message);
}

/** The only calls whose words a place may change. */
const IN_CALLS: readonly (readonly [template: RegExp, id: RegExp])[] = [
  [/^\.agents\.\{key\}$/, /./],
  [/^\.bottles\.\{key\}$/, /./],
  [/^\.agents\.\*\.command\[\]$/, /^agent$/],
  [/^\.bottles\.\*\.ssh\[\]\.(Host|Hostname|User|Port)$/, /^host-keys$/],
  [/^\.bottles\.\*\.egress\.networks\[\]$/, /^sidecar-join-/],
];

/** No hostile word stands where an option or a part of one is read. */
export function assertCalls(mine: Products, base: Products, template: string): void {
  assert.deepEqual(mine.calls.map(({ id }) => id), base.calls.map(({ id }) => id));
  mine.calls.forEach(({ id, words }, index) => {
    const before = base.calls[index]?.words ?? [];
    // Claude Code is told of no file where there is no prompt.
    if (id === "agent" && template === ".agents.*.prompt" && words.length === before.length - 2) return;
    assert.equal(words.length, before.length, id);
    const command = words.indexOf("/usr/bin/perl") + 7;
    words.forEach((word, at) => {
      const other = before[at] ?? "";
      if (word === other) return;
      const allowed = IN_CALLS.some(([place, call]) => place.test(template) && call.test(id));
      assert.ok(allowed, `${template} changes ${id}: ${JSON.stringify(word)}`);
      if (id === "agent" && template.includes(".command[]")) {
        assert.ok(
          words.includes("/usr/bin/perl") && at >= command,
          "the command is behind the wrapper's words",
        );
      } else assertWord(word, other, { option: words[at - 1] ?? "" });
    });
  });
}

/** A word that is a name, a label, or a record with the same fields as before. */
function assertWord(word: string, other: string, { option }: { readonly option: string }): void {
  if (option === "--label") {
    const label = /^(claude-bottle\.(?:agent|bottle))=[A-Za-z0-9._-][A-Za-z0-9 ._-]{0,63}$/.exec(word)?.[1];
    assert.ok(label !== undefined && other.startsWith(`${label}=`), word);
  } else if (option === "--mount") {
    const fields = (text: string): readonly string[] =>
      text.split(",").map((field) => field.split("=", 2).join("="));
    const names = (text: string): readonly string[] =>
      fields(text).map((field) => field.replace(/[^=]*$/, ""));
    assert.doesNotMatch(word, /"/);
    assert.deepEqual(names(word), names(other));
  } else assert.match(word, /^[A-Za-z0-9_][A-Za-z0-9_.:/-]*$/);
}

/** The files of which a place may change the text; those that follow from its name are all compared by their lines. */
const TEXTS: readonly (readonly [place: RegExp, check: (mine: ProductFile, base: ProductFile) => void])[] = [
  [/ home\/node\/\.ssh\/config$/, assertSshConfig],
  [/ home\/node\/\.ssh\/known_hosts$/, assertKnownHosts],
  [/ (front|back)\.conf$/, assertSquid],
  [/ inspection$/, assertInspection],
  [/ pipelock\.yaml$/, assertPipelock],
  [/ home\/node\/\.claude-bottle-prompt\.txt$/, () => {}],
  [/ (environment|secrets)$/, (mine, base) => assertNames(mine, base, /^[A-Za-z_][A-Za-z0-9_]*$/)],
  [/ keys$/, (mine, base) => assertNames(mine, base, /^\/[^\n]*$/)],
];

/** The same files with the same owners; text that may be another one is read as its program reads it. */
export function assertFiles(mine: Products, base: Products): void {
  const place = (file: ProductFile): string =>
    file.place.replace(/(\.claude\/skills\/)[A-Za-z0-9][A-Za-z0-9._-]*/, "$1NAME");
  assert.deepEqual(mine.files.map(place), base.files.map(place));
  mine.files.forEach((file, index) => {
    const before = base.files[index];
    assert.equal(file.meta, before?.meta, file.place);
    if (before === undefined || file.text === before.text) return;
    const check = TEXTS.find(([pattern]) => pattern.test(file.place))?.[1];
    assert.ok(check !== undefined, `${file.place} is another one`);
    check(file, before);
  });
  for (const { place, text } of mine.files) {
    if (/gitconfig$/.test(place)) assert.ok(parseGitConfig(text).length > 0);
  }
}

function assertNames(mine: ProductFile, base: ProductFile, name: RegExp): void {
  const lines = mine.text.trimEnd().split("\n");
  assert.equal(lines.length, base.text.trimEnd().split("\n").length, mine.place);
  for (const line of lines) assert.match(line, name);
}

/** The same words in the same order, each with as many arguments, and printable ones. */
function assertInspection(mine: ProductFile, base: ProductFile): void {
  const shape = ({ text }: ProductFile): readonly string[] =>
    text.split("\n").map((line) => line.split(" ").map((word, index) => index === 0 ? word : "-").join(" "));
  assert.deepEqual(shape(mine), shape(base));
  assert.match(mine.text, /^([a-z]+( [\x21-\x7e]+)+\n)+$/);
}

/** The same keywords in the same order, and nothing but plain words behind them. */
function assertSshConfig(mine: ProductFile, base: ProductFile): void {
  const keywords = ({ text }: ProductFile): readonly string[] =>
    text.split("\n").map((line) => line.trim().split(" ")[0] ?? "");
  assert.deepEqual(keywords(mine), keywords(base));
  for (const line of mine.text.split("\n")) {
    assert.match(line, /^( {2})?([A-Za-z]+( [A-Za-z0-9._/*%][A-Za-z0-9._/-]*)+)?$/);
    if (/^ *(Host|HostName|User) [^*]/.test(line)) assert.doesNotMatch(line, /[%*]/);
  }
}

function assertKnownHosts(mine: ProductFile, base: ProductFile): void {
  const lines = mine.text.split("\n");
  assert.ok(
    Math.abs(lines.length - base.text.split("\n").length) <= 1,
    "a Host that is its Hostname has one line",
  );
  for (const line of lines.slice(0, -1)) {
    assert.match(line, /^(\[[A-Za-z0-9._-]+\]:\d+|[A-Za-z0-9._-]+) [a-z0-9@.-]+ [A-Za-z0-9+/]+=*$/);
  }
}

/** The same directives, as often; only names and ports of `acl` lines are others. */
function assertSquid(mine: ProductFile, base: ProductFile): void {
  const shape = ({ text }: ProductFile): readonly string[] =>
    text.split("\n").map((line) =>
      line.replaceAll(/\bssh\d/g, "sshN").replace(
        /^(acl [a-zN0-9_]+ dstdomain -n) \.?[a-z0-9_][a-z0-9_.-]*$/,
        "$1 NAME",
      )
        .replace(/^(acl sshN_port port) \d+$/, "$1 PORT")
    ).sort();
  assert.deepEqual(shape(mine), shape(base));
}

/** Read back as pipelock reads it: YAML with the same keys, whose only other values are names. */
function assertPipelock(mine: ProductFile, base: ProductFile): void {
  const read = ({ text }: ProductFile): Readonly<Record<string, unknown>> => JSON.parse(text);
  assert.deepEqual(load(mine.text), read(mine));
  const { api_allowlist, trusted_domains, ssrf, ...rest } = read(mine);
  const { api_allowlist: allowed, trusted_domains: trusted, ssrf: _, ...others } = read(base);
  assert.deepEqual(rest, others);
  for (const [names, before] of [[api_allowlist, allowed], [trusted_domains, trusted]]) {
    assert.ok(Array.isArray(names) && Array.isArray(before) && before.length - names.length <= 1);
    for (const name of names) assert.match(name, /^(\*\.)?[a-z0-9_][a-z0-9_.-]*$/);
  }
  assert.match(JSON.stringify(ssrf), /^\{"ip_allowlist":\[("[\d.]+\/32")?\]\}$/);
}

/** As many lines as before, with the same words at their beginnings. */
export function assertTexts(mine: Products, base: Products): void {
  for (const [name, text] of Object.entries(mine.texts)) {
    const lines = assertLines(text, name);
    const before = (base.texts[name] ?? "").split("\n");
    if (name === "warnings") continue;
    assert.equal(lines.length, before.length, `${name}:\n${text.slice(0, 4_000)}`);
    if (name === "preflight") {
      const labels = (all: readonly string[]): readonly string[] => all.map((line) => line.slice(0, 17));
      assert.deepEqual(labels(lines), labels(before));
    }
    if (name === "talk") { for (const line of lines) assert.match(line, /^($|\+ |claude-bottle: )/); }
  }
  for (const one of Object.values(mine.json)) assertJson(one);
}

/** Values arrive as they are written, under their names; keys are as many as before. */
export function assertFrames(mine: Products, base: Products): void {
  const env = frameEntries(mine.frames.env);
  for (const [name, source] of [...mine.manifest.bottles.values()].flatMap(({ env }) => [...env])) {
    if (source.kind === "literal") assert.equal(env.get(name), source.value, name);
  }
  const count = (frames: Uint8Array): number => frameCount(frames);
  assert.equal(count(mine.frames.keys), count(base.frames.keys));
}

/** `LENGTH:BYTES,` over and over. */
function frameCount(frames: Uint8Array): number {
  let count = 0;
  for (let offset = 0; offset < frames.length; count++) {
    const colon = frames.indexOf(0x3a, offset);
    const length = Number(new TextDecoder().decode(frames.subarray(offset, colon)));
    offset = colon + 1 + length;
    assert.equal(frames[offset++], 0x2c);
  }
  return count;
}

/** A command of the host is words behind one fixed program, and the first of them is no option. */
export function assertFetched(mine: Products, base: Products): void {
  assert.equal(mine.fetched.length, base.fetched.length);
  mine.fetched.forEach((words, index) => {
    const before = base.fetched[index] ?? [];
    assert.deepEqual(words.slice(0, 3), before.slice(0, 3));
    assert.equal(words.length, before.length);
    assert.doesNotMatch(words[3] ?? "", /^(-|$)/);
  });
}
