import type { Input } from "../../bottle/invocation.ts";
import { tarOf } from "./tar.ts";

/** What a call of the client reads. */
export type StdinContent = Uint8Array | ReadableStream<Uint8Array>;

/** What an input that a plan describes is made of. @throws RangeError for one that only a running agent is given */
export function stdinOf(input: Input): StdinContent {
  switch (input.kind) {
    case "tar":
      return tarOf(input.files);
    case "environment":
      throw new RangeError("An environment is not part of a launch");
    default:
      return input satisfies never;
  }
}
