/** The host's environment variables, read only. */
export interface Environment {
  get(name: string): string | undefined;
}
