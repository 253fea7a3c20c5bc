import { EXIT, Failure } from "../errors.ts";

/** The parser's complaints in our words; what is not here is told as the parser says it. */
const WORDINGS: readonly (readonly [RegExp, string])[] = [
  [/^No command registered for/, "There is no command"],
  [/^No flag registered for/, "There is no flag"],
  [/^No alias registered for/, "There is no flag"],
  [/^Expected input for flag (--\S+) but encountered (--\S+) instead$/, "$1 needs a value, found $2"],
  [/^Expected input for flag (--\S+)$/, "$1 needs a value"],
  [/^Expected argument for (\S+)$/, "Name the $1"],
  [/^Failed to parse (".*") for what: it (is none of .*)$/, "$1 $2"],
  [/^Failed to parse (".*") for (\S+): Cannot convert .* to a boolean$/, "--$2 takes no value, found $1"],
  [/^Too many arguments, expected \d+ but encountered (".*")$/, "Too many arguments: $1"],
];

/** Words that are taken for commands; what the parser would suggest leads elsewhere. */
const MEANT: ReadonlyMap<string, string> = new Map([["demo", "start demo"], ["help", "--help"]]);

/** What the parser said of the words before `--`, with the next step. */
export function usageFailure(
  said: string,
  { program, own }: { readonly program: string; readonly own: readonly string[] },
): Failure {
  const [command = ""] = own;
  const meant = MEANT.get(command);
  const message = meant === undefined
    ? inOurWords(kebabSuggestions(said.trim()))
    : `There is no command \`${command}\`, did you mean \`${meant}\`?`;
  return new Failure("usage", message || "The command line cannot be read", {
    hints: hintsFor(message, { program, own }),
    exit: EXIT.usage,
  });
}

/** Before a command the parser takes `-v` for the version, and would leave out what was asked for. */
export function misplacedVerbose(program: string): Failure {
  return new Failure("usage", "-v stands before the command, where it means the version", {
    hints: [`Flags go behind the command: ${program} COMMAND -v`, `The version alone: ${program} --version`],
    exit: EXIT.usage,
  });
}

function inOurWords(said: string): string {
  const found = WORDINGS.find(([pattern]) => pattern.test(said));
  return found === undefined ? said : said.replace(...found);
}

function hintsFor(
  message: string,
  { program, own: [command = ""] }: { readonly program: string; readonly own: readonly string[] },
): readonly string[] {
  if (message.startsWith("There is no command")) {
    return [
      ...(command.startsWith("-") ? [`Flags go behind the command: ${program} COMMAND ${command}`] : []),
      `${program} --help`,
    ];
  }
  const misplaced = /^(There is no flag|Too many arguments:)/.test(message);
  const startsAgent = command === "start" || command === "attach";
  return [
    ...(command === "exec" ? [`The command goes behind \`--\`: ${program} exec BOTTLE -- CMD`] : []),
    ...(startsAgent && misplaced
      ? [`Words for the agent's own command go behind \`--\`: ${program} ${command} NAME -- WORDS`]
      : []),
    ...(message === "Name the bottle" ? [`The bottles that run: ${program} list active`] : []),
    `${program} ${command} --help`,
  ];
}

/** The parser suggests a flag as it is spelled in code: `--dryRun`. */
function kebabSuggestions(said: string): string {
  const [before = "", ...suggestions] = said.split(/(?=, did you mean)/);
  return before +
    suggestions.join("").replaceAll(/(?<=--[a-z-]+)[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
