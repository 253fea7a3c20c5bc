import { type ActiveBottle, bottleNamed } from "../bottle/active.ts";
import { EXIT, Failure, oneLine } from "../errors.ts";

/** Commands that can do nothing with what has ended. */
const ENTERING: ReadonlySet<string> = new Set(["attach", "exec"]);

/** The bottle that a word on the command line means. @throws Failure `bottle-missing`, `bottle-ambiguous` */
export function meantBottle(
  bottles: readonly ActiveBottle[],
  { word, command }: { readonly word: string; readonly command: string },
): ActiveBottle {
  const named = bottleNamed(word, bottles, { entered: ENTERING.has(command) });
  switch (named.kind) {
    case "one":
      return named.bottle;
    case "none":
      throw new Failure("bottle-missing", `There is no bottle ${JSON.stringify(word)}`, {
        hints: [
          bottles.length === 0
            ? "There are no bottles at all on this engine; `--context` names another"
            : `Bottles: ${nameList(bottles)}`,
        ],
      });
    case "several":
      throw new Failure(
        "bottle-ambiguous",
        `${JSON.stringify(word)} may be any of ${nameList(named.bottles)}`,
        {
          hints: [
            `claude-bottle ${command} ${oneLine(named.bottles[0]?.name ?? "BOTTLE")}${
              command === "exec" ? " -- CMD" : ""
            }`,
          ],
          exit: EXIT.usage,
        },
      );
    default:
      return named satisfies never;
  }
}

function nameList(bottles: readonly ActiveBottle[]): string {
  return bottles.map(({ name, status }) => oneLine(status === "running" ? name : `${name} (${status})`))
    .join(", ");
}
