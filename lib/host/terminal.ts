/** The three standard streams and what can be asked of the person behind them. */
export interface Terminal {
  readonly stdinIsTerminal: boolean;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  /** Columns of stderr's terminal; 80 where it has none or reports 0. */
  columns(): number;
  /** Writes data. Never throws: a reader that went away is not our failure. */
  out(text: string): void;
  /** Writes talk. Never throws. */
  err(text: string): void;
  /** One line of stdin without its ending; `undefined` at end of file. Rejects with the reason of `signal`. */
  readLine(signal: AbortSignal): Promise<string | undefined>;
  /** The same without echo; stdin must be a terminal. Rejects with the reason of `signal`, also for Ctrl-C typed while echo is off. */
  readSecret(signal: AbortSignal): Promise<string | undefined>;
  /** Remembers the terminal's settings and restores them when disposed, whatever a child left behind. */
  saved(): Promise<AsyncDisposable>;
}

/**
 * Switches off what a program may have switched on before something ended it: pointer, focus and paste reports, the
 * keyboard's other modes, colours, a hidden cursor, the second screen. Then a line of its own, with nothing below it.
 */
export const PLAIN_SCREEN = [
  ...["1000", "1002", "1003", "1006", "1004", "2004", "1"].map((mode) => `\x1b[?${mode}l`),
  "\x1b[<u\x1b[>4;0m\x1b>",
  "\x1b[0m\x1b[?25h\x1b[?1047l",
  "\r\n\x1b[J",
].join("");
