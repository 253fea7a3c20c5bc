import type { Input } from "../../bottle/invocation.ts";
import type { SshKey } from "../../bottle/ssh_keys.ts";
import { keyFrames } from "./provision/ssh.ts";
import { tarOf } from "./tar.ts";

/** What a call of the client reads. */
export type StdinContent = Uint8Array | ReadableStream<Uint8Array>;

/** What an input that a plan describes is made of. @throws RangeError for one that only a running agent is given */
export function stdinOf(
  input: Input,
  { sshKeys }: { readonly sshKeys: readonly SshKey[] } = { sshKeys: [] },
): StdinContent {
  switch (input.kind) {
    case "tar":
      return tarOf(input.files);
    case "keys":
      if (sshKeys.length !== input.names.length) throw new RangeError("Keys of another launch");
      return keyFrames(sshKeys);
    case "environment":
      throw new RangeError("An environment is not part of a launch");
    default:
      return input satisfies never;
  }
}
