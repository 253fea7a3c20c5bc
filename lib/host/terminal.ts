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
