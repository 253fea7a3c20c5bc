import type { BottleBackend } from "../bottle/backend.ts";
import type { CleanupItem, SweepOutcome } from "../bottle/cleanup.ts";
import type { BottleEvent, OnEvent } from "../bottle/events.ts";
import { counted } from "../bottle/workspace.ts";
import { oneLine } from "../errors.ts";
import type { CommandPorts } from "./context.ts";

/** How long a command that is done otherwise waits for its sweep. */
const PATIENCE_MS = 5_000;

/** A sweep beside a launch. Disposing waits for its end, not for long, and tells what it did; it never throws. */
export interface Sweeping extends AsyncDisposable {
  /** From now on the terminal is the agent's: what is not told by now is told when this is disposed of. */
  hush(): void;
}

/** Removes what ended runs left while something else is done, which it neither delays nor fails. */
export function sweepBeside(
  backend: BottleBackend,
  { host, reporter }: Pick<CommandPorts, "host" | "reporter">,
): Sweeping {
  const patience = new AbortController();
  const held: BottleEvent[] = [];
  let isHushed = false;
  const onEvent: OnEvent = (event) => isHushed ? void held.push(event) : reporter.onEvent(event);
  let lines: BottleEvent[] = [];
  const tell = (): void => lines.splice(0).forEach(reporter.onEvent);
  const signal = AbortSignal.any([host.interrupts.signal, patience.signal]);
  const swept = backend.sweep({ signal, onEvent })
    .then((outcome) => void (lines = told(outcome)))
    .catch((error: unknown) => {
      lines = [{ kind: "detail", text: `what ended runs left was not removed: ${worded(error)}` }];
    });
  return {
    hush(): void {
      tell();
      isHushed = true;
    },
    async [Symbol.asyncDispose](): Promise<void> {
      const timer = setTimeout(() => patience.abort(), PATIENCE_MS);
      await swept;
      clearTimeout(timer);
      held.splice(0).forEach(reporter.onEvent);
      tell();
    },
  };
}

function worded(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What the user should know of a sweep; nothing where there was nothing to do. */
function told({ runs, removed, left, kept }: SweepOutcome): BottleEvent[] {
  return [
    ...(removed.length === 0
      ? []
      : [notice(`removed what ${counted(runs, "ended run")} had left: ${kindsText(removed)}`)]),
    ...kept.map(({ name, agent }) =>
      notice(
        `the workspace ${oneLine(name)} of ${
          oneLine(agent)
        } stays: \`claude-bottle cleanup\` tells how to bring it home`,
      )
    ),
    ...left.map(({ item: { kind, name }, why }): BottleEvent => ({
      kind: "detail",
      text: `${kind} ${oneLine(name)} of an ended run could not be removed: ${why}`,
    })),
  ];
}

function notice(text: string): BottleEvent {
  return { kind: "notice", text };
}

/** `2 containers, 1 network`. */
function kindsText(items: readonly CleanupItem[]): string {
  const kinds = Map.groupBy(items, ({ kind }) => kind);
  return [...kinds].map(([kind, of]) => counted(of.length, kind)).join(", ");
}
