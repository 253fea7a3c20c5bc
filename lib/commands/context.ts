import type { BottleBackend } from "../bottle/backend.ts";
import type { OnEvent } from "../bottle/events.ts";
import type { Host } from "../host/host.ts";
import type { Reporter } from "../ui/reporter.ts";
import type { Paint } from "../ui/style.ts";

/** Which engine a command talks to. */
export interface BackendChoice {
  readonly host: Host;
  readonly context: string | undefined;
  readonly onEvent: OnEvent;
}

/** Makes a backend; loaded only by the commands that need one. */
export type BackendLoader = (choice: BackendChoice) => Promise<BottleBackend>;

/** What every command may use: the machine, the user, and the backends by name. */
export interface CommandPorts {
  readonly host: Host;
  readonly reporter: Reporter;
  /** For what goes to stdout. */
  readonly paint: Paint;
  readonly backends: ReadonlyMap<string, BackendLoader>;
}
