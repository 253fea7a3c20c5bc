/** The host's environment variables, read only. */
export interface Environment {
  get(name: string): string | undefined;
}

/** All of them: for the one who starts a program of the user's as the user would. */
export interface WholeEnvironment extends Environment {
  /** Those that are UTF-8. */
  all(): Readonly<Record<string, string>>;
}

/** What a program of the user's is started with: all there is, but for `LD_…`, which our permissions refuse to pass on. */
export function userEnvironment(environment: WholeEnvironment): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(environment.all()).filter(([name]) => !/^(DY)?LD_/i.test(name)));
}
