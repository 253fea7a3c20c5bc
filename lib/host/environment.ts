/** The host's environment variables, read only. */
export interface Environment {
  get(name: string): string | undefined;
}

/** All of them: for the one who starts a program of the user's as the user would. */
export interface WholeEnvironment extends Environment {
  /** Those that are UTF-8. */
  all(): Readonly<Record<string, string>>;
}
