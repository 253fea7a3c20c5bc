import { EXIT, Failure } from "../errors.ts";

/** What the commands about existing bottles are told of the engine and the form of their result. */
export interface UpkeepOptions {
  readonly backend: string | undefined;
  readonly context: string | undefined;
  readonly json: boolean;
}

/** Does what runs no agent: its failures cannot be taken for an agent's, so they are plain ones. @throws Failure */
export async function withoutAgent<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof Failure) || error.exit !== EXIT.beforeAgent) throw error;
    const { code, message, hints, where, problems, cause } = error;
    throw new Failure(code, message, { hints, problems, cause, ...(where === undefined ? {} : { where }) });
  }
}

/** A time as JSON has it; `null` when it is not known. */
export function isoTime(time: number | undefined): string | null {
  return time === undefined ? null : new Date(time).toISOString();
}
