import { EXIT, Failure, oneLine } from "../errors.ts";
import type { Terminal } from "../host/terminal.ts";

/** The answers that mean yes: the original's. */
const YES: ReadonlySet<string> = new Set(["y", "Y", "yes", "YES"]);

/** Questions need a person on both ends. @throws Failure `no-terminal` */
function requireTerminal(
  terminal: Terminal,
  options: { readonly what: string; readonly hint: string },
): void {
  if (terminal.stdinIsTerminal && terminal.stderrIsTerminal) return;
  throw new Failure("no-terminal", `${options.what} cannot be asked: stdin or stderr is no terminal`, {
    hints: [options.hint],
    exit: EXIT.usage,
  });
}

/** Asks y/N; anything but y, Y, yes, YES means no. @throws Failure `no-terminal` */
export async function confirmed(
  terminal: Terminal,
  options: { readonly question: string; readonly signal: AbortSignal },
): Promise<boolean> {
  requireTerminal(terminal, { what: "The question", hint: "Answer it beforehand with `--yes`" });
  terminal.err(`${options.question} [y/N] `);
  const answer = await terminal.readLine(options.signal);
  if (answer === undefined) terminal.err("\n");
  return YES.has(answer ?? "");
}

/** Asks for a value that is not echoed. @throws Failure `no-terminal` */
export async function askSecret(
  terminal: Terminal,
  options: { readonly question: string; readonly signal: AbortSignal },
): Promise<string | undefined> {
  requireTerminal(terminal, {
    what: options.question,
    hint: "Take the value from a host variable instead: `NAME: ${NAME}` in the bottle's env",
  });
  // Nothing is echoed any more before the question is there: who answers at once must not see it on the screen.
  const answer = terminal.readSecret(options.signal);
  // A manifest's own words: one line of them behind our name, so that they cannot pass for another program's.
  terminal.err(`claude-bottle: ${oneLine(options.question)}: `);
  return await answer;
}

/** Asks for a line; an empty one means `usual`. `undefined` at the end of input. @throws Failure `no-terminal` */
export async function askLine(
  terminal: Terminal,
  options: { readonly question: string; readonly usual: string; readonly signal: AbortSignal },
): Promise<string | undefined> {
  requireTerminal(terminal, { what: "The question", hint: "Take the usual answers with `--yes`" });
  terminal.err(`${oneLine(options.question)} [${oneLine(options.usual)}] `);
  const answer = await terminal.readLine(options.signal);
  if (answer === undefined) terminal.err("\n");
  return answer?.trim() === "" ? options.usual : answer?.trim();
}

/** Lets a person choose one of several by number or name; `undefined` when there is no terminal or no valid choice. */
export async function choose(
  terminal: Terminal,
  options: { readonly question: string; readonly choices: readonly string[]; readonly signal: AbortSignal },
): Promise<string | undefined> {
  if (!terminal.stdinIsTerminal || !terminal.stderrIsTerminal) return undefined;
  options.choices.forEach((choice, index) => terminal.err(`  ${index + 1}  ${oneLine(choice)}\n`));
  terminal.err(`${options.question} `);
  const answer = (await terminal.readLine(options.signal))?.trim() ?? "";
  return options.choices.includes(answer) ? answer : options.choices[Number(answer) - 1];
}
