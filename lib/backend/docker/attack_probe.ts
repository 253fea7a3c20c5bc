import probeProgram from "../../assets/attack_probe.pl" with { type: "text" };
import type { DockerClient } from "./client.ts";

/**
 * Makes attempts in a running container, past the wrapper: that one runs nothing once the sidecar is gone.
 *
 * @returns a line for each, as the program says. @throws Failure also when the program failed: what it did not say
 *   would look as if nothing had got through
 */
export async function attackProbe(
  client: DockerClient,
  { container, user, attempts, signal }: {
    readonly container: string;
    readonly user: { readonly uid: number; readonly gid: number };
    readonly attempts: readonly string[];
    readonly signal: AbortSignal;
  },
): Promise<string> {
  const asUser = ["--user", `${user.uid}:${user.gid}`];
  return await client.run({
    what: "making the attempts",
    args: ["container", "exec", ...asUser, container, "/usr/bin/perl", "-e", probeProgram, ...attempts],
    signal,
    deadline: "capture",
  });
}
