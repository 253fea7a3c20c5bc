/** The few styles that messages use; every message reads the same without them. */
export type Style = "error" | "warning" | "success" | "hint" | "strong" | "faint";

const CODES: Readonly<Record<Style, string>> = {
  error: "1;31",
  warning: "1;33",
  success: "32",
  hint: "36",
  strong: "1",
  faint: "2",
};

/** Paints text for one stream, or leaves it alone. */
export type Paint = (style: Style, text: string) => string;

export type ColorChoice = "auto" | "always" | "never";

/** The painter of a stream. `NO_COLOR` counts when it is set and not empty (no-color.org). */
export function painter(
  options: {
    readonly choice: ColorChoice;
    readonly isTerminal: boolean;
    readonly noColor: string | undefined;
  },
): Paint {
  const on = options.choice === "always" ||
    (options.choice === "auto" && options.isTerminal && !options.noColor);
  return (style, text) => on ? `\x1b[${CODES[style]}m${text}\x1b[0m` : text;
}
