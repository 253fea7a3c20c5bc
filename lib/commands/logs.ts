import type { EgressEvent } from "../egress/proxy.ts";
import { EXIT, oneLine } from "../errors.ts";
import { bytesText } from "../ui/amount.ts";
import { loadBackend } from "./backend_choice.ts";
import { meantBottle } from "./bottle_choice.ts";
import type { CommandPorts } from "./context.ts";
import { placeholdersText, targetText } from "./egress_summary.ts";
import { jsonText } from "./json_text.ts";
import { isoTime, type UpkeepOptions, withoutAgent } from "./upkeep.ts";

export interface LogsOptions extends UpkeepOptions {
  readonly bottle: string;
  /** Goes on with what is to come. */
  readonly follow: boolean;
  /** Leaves out what was let through. */
  readonly blocked: boolean;
}

/** `logs`: what a bottle tried to reach. @throws Failure, Interrupted */
export async function logs(options: LogsOptions, ports: CommandPorts): Promise<number> {
  const { host, reporter } = ports;
  const { signal } = host.interrupts;
  const print = printer(options, (text) => host.terminal.out(text));
  await withoutAgent(async () => {
    const backend = await loadBackend(ports, options);
    const bottles = await backend.listActive({ signal, stopped: true });
    const bottle = meantBottle(bottles, { word: options.bottle, command: "logs" });
    reporter.quiet();
    const { follow } = options;
    await backend.egressLog(bottle, { follow, signal, onEgress: (event) => print.event(event) });
  });
  print.end();
  if (!options.json && !print.hasPrinted()) {
    reporter.info(options.blocked ? "nothing was refused" : "nothing was tried");
  }
  return EXIT.done;
}

/**
 * Prints events as they come. A run of equal ones is one line with their number and all their bytes, unless it is
 * followed live: then what was let through stands there at once, and once more when it ends, with its bytes.
 */
function printer(
  { json, blocked, follow }: LogsOptions,
  out: (text: string) => void,
): { event(event: EgressEvent): void; end(): void; hasPrinted(): boolean } {
  let last: { event: EgressEvent; times: number } | undefined;
  let printed = false;
  const flush = (): void => {
    if (last === undefined) return;
    out(json ? jsonLine(last.event, last.times) : textLine(last.event, last.times));
    printed = true;
    last = undefined;
  };
  return {
    event(event): void {
      if (blocked && event.verdict !== "refused") return;
      if (last !== undefined && sameTarget(last.event, event)) {
        last = { event: { ...last.event, bytes: sum(last.event.bytes, event.bytes) }, times: last.times + 1 };
      } else {
        flush();
        last = { event, times: 1 };
      }
      if (follow) flush();
    },
    end: flush,
    hasPrinted: () => printed,
  };
}

function sameTarget(a: EgressEvent, b: EgressEvent): boolean {
  return a.verdict === b.verdict && a.host === b.host && a.port === b.port && a.reason === b.reason &&
    a.request === b.request && String(a.placeholders) === String(b.placeholders);
}

/** What is not known yet does not keep the rest from being told. */
function sum(one: number | undefined, other: number | undefined): number | undefined {
  return one === undefined ? other : one + (other ?? 0);
}

function textLine(event: EgressEvent, times: number): string {
  const { time, verdict, reason, request = "", placeholders, bytes } = event;
  const words = [
    isoTime(time) ?? "",
    verdict.padEnd(7),
    targetText(event),
    request,
    reason,
    placeholders === undefined ? "" : `carries ${placeholdersText(placeholders)}, worth nothing there`,
    bytes === undefined ? "" : bytesText(bytes),
    times > 1 ? `(${times} times)` : "",
  ];
  return `${oneLine(words.filter((word) => word !== "").join("  "))}\n`;
}

function jsonLine(event: EgressEvent, times: number): string {
  const { time, verdict, host, port, reason, request, placeholders, bytes } = event;
  return jsonText(
    {
      time: isoTime(time),
      verdict,
      host,
      port,
      ...(request === undefined ? {} : { request }),
      reason,
      ...(placeholders === undefined ? {} : { placeholders }),
      bytes: bytes ?? null,
      times,
    },
    "line",
  );
}
