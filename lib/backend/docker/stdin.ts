import type { OnEvent } from "../../bottle/events.ts";
import type { Input } from "../../bottle/invocation.ts";
import type { Host } from "../../host/host.ts";
import { basename } from "../../host/paths.ts";
import type { PlanInputs } from "./plan.ts";
import { workspaceStream } from "./provision/workspace.ts";
import { tarOf } from "./tar.ts";

/** What a call of the client reads. */
export type StdinContent = Uint8Array | ReadableStream<Uint8Array>;

/** What the files of a plan are made of. @throws RangeError for an input that belongs to one launch, or to a running agent */
export function stdinOf(input: Input): StdinContent {
  if (input.kind === "tar") return tarOf(input.files);
  throw new RangeError(`Not known by itself: ${input.kind}`);
}

/** The same for the steps of a launch, which know keys, secrets and what is copied. */
export function launchStdin(
  { workspace, spec, user }: Pick<PlanInputs, "workspace" | "spec" | "user">,
  { host, onEvent, keys, secrets, authority }: {
    readonly host: Host;
    readonly onEvent: OnEvent;
    /** The launch's keys, as the program in the bottle reads them. */
    readonly keys: () => Promise<Uint8Array>;
    /** The sidecar's secrets, and the authority that it answers with. */
    readonly secrets: () => Uint8Array;
    readonly authority: () => Uint8Array;
  },
): (input: Input) => StdinContent | Promise<StdinContent> {
  return (input) => {
    if (input.kind === "keys") return keys();
    if (input.kind === "secrets") return secrets();
    if (input.kind === "authority") return authority();
    if (input.kind !== "workspace" || workspace === undefined) return stdinOf(input);
    const { files, processes, environment } = host;
    return workspaceStream(workspace, {
      target: { name: basename(spec.workdir), user },
      ports: { files, processes, path: environment.get("PATH") ?? "", onEvent },
    });
  };
}
