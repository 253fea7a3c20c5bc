/** An object of the engine that a plan creates or found: printed as its name, executed as its full id. */
export interface Ref {
  readonly ref: string;
  readonly name: string;
  /** What precedes it in the same word, e.g. `container:`. */
  readonly prefix?: string;
  /** What follows it in the same word, e.g. `:/config`. */
  readonly suffix?: string;
}

/** One word of a command line. */
export type Argument = string | Ref;

interface TarOwner {
  /** Relative to `/`, without a leading slash. */
  readonly path: string;
  /** Permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What an entry of a tar stream is: a file of text unless `kind` says otherwise. */
export type TarContent =
  | { readonly kind?: "text"; readonly text: string }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  /** A symbolic link; `target` stands in it as it is. */
  | { readonly kind: "link"; readonly target: string }
  /** Changes mode and owner of a directory that is there already. */
  | { readonly kind: "directory" };

/** One entry of a tar stream. */
export type TarFile = TarOwner & TarContent;

/** How many bytes of content an entry has. */
export function tarContentSize(file: TarContent): number {
  switch (file.kind) {
    case "bytes":
      return file.bytes.length;
    case "link":
    case "directory":
      return 0;
    default:
      return new TextEncoder().encode(file.text).length;
  }
}

/** What goes to an invocation's stdin. An environment's values and keys are not part of what is described. */
export type Input =
  | { readonly kind: "tar"; readonly files: readonly TarFile[] }
  | { readonly kind: "environment"; readonly names: readonly string[] }
  /** Private keys, by the files that they come from. */
  | { readonly kind: "keys"; readonly names: readonly string[] }
  /** Secrets that only the sidecar is given, by the variables that hold their placeholders. */
  | { readonly kind: "secrets"; readonly names: readonly string[] }
  /** The certificate of the bottle's own authority, which the sidecar makes during the launch. */
  | { readonly kind: "authority" }
  /** A program of ours for an interpreter; the stream stays open as long as it is to run. */
  | { readonly kind: "program"; readonly name: string; readonly text: string }
  /** A directory of the host, read while it is executed: its files in number and bytes, as they were when planned. */
  | {
    readonly kind: "workspace";
    readonly directory: string;
    readonly files: number;
    readonly bytes: number;
  };

/** One call of the engine's client, as data: printed by a dry run, executed by a launch. */
export interface Invocation {
  readonly program: "docker";
  readonly args: readonly Argument[];
  readonly input?: Input;
  /** Why it is needed, in a few words. */
  readonly why: string;
}

/** An invocation and its place among the others. */
export interface Step {
  readonly id: string;
  /** Ids of the steps that must be done before; the rest runs at the same time. */
  readonly after: readonly string[];
  readonly invocation: Invocation;
  /** The ref whose id the last line of its stdout is. */
  readonly creates?: string;
  /** Its output is shown as progress: it may take minutes. */
  readonly slow?: true;
  /** It goes on beside us, with its stdin held open; done once it says its first line. */
  readonly held?: true;
  /** What its failure is called where the engine's words are not known; what was being done unless told. */
  readonly failure?: string;
  /** What to do when it fails, besides what the engine's words suggest. */
  readonly remedy?: string;
}

/** The words of an invocation with refs as names: what people read and the plan's JSON holds. */
export function printedArguments(invocation: Invocation): readonly string[] {
  return invocation.args.map((argument) =>
    typeof argument === "string" ? argument : inWord(argument, argument.name)
  );
}

/** The words of an invocation with refs as ids. @throws RangeError when an id is not known yet: a plan whose order is wrong. */
export function executedArguments(
  invocation: Invocation,
  ids: ReadonlyMap<string, string>,
): readonly string[] {
  return invocation.args.map((argument) => {
    if (typeof argument === "string") return argument;
    const id = ids.get(argument.ref);
    if (id === undefined) throw new RangeError(`No id known for ${argument.ref}`);
    return inWord(argument, id);
  });
}

function inWord({ prefix = "", suffix = "" }: Ref, text: string): string {
  return prefix + text + suffix;
}

/** A command line as a person could type it, on one line, quoted for bash and its kin where needed. */
export function shellQuoted(words: readonly string[]): string {
  return words.map(quoted).join(" ");
}

// deno-lint-ignore no-control-regex -- they are what must not reach a terminal as they are
const CONTROLS = /[\u0000-\u001f\u007f]/g;

function quoted(word: string): string {
  if (/^[A-Za-z0-9_@%+=:,./-]+$/.test(word)) return word;
  if (word.search(CONTROLS) < 0) return `'${word.replaceAll("'", "'\\''")}'`;
  const escaped = word.replaceAll(/[\\']/g, "\\$&").replaceAll("\n", "\\n").replaceAll("\t", "\\t")
    .replaceAll(CONTROLS, (control) => `\\x${control.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return `$'${escaped}'`;
}
