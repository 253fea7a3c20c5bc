import type { ResolvedEnv } from "../../bottle/env.ts";
import { joined } from "./bytes.ts";

/**
 * An environment as `agent_exec.pl` reads it: `LENGTH:NAME=VALUE,` for each variable, lengths in bytes, ended by
 * an empty frame. Length-framed, so a value may hold any byte but NUL.
 */
export function environmentFrames(env: ResolvedEnv): Uint8Array {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  for (const [name, value] of env) {
    const entry = encoder.encode(`${name}=${value.reveal()}`);
    parts.push(encoder.encode(`${entry.length}:`), entry, encoder.encode(","));
  }
  return joined([...parts, encoder.encode("0:,")]);
}
