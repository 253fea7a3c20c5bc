import type { EgressEvent } from "../../lib/egress/proxy.ts";
import { squid } from "../../lib/egress/squid/squid.ts";

/** What a line of squid's log says to a reader that has read no other. */
export function squidEvent(line: string): EgressEvent | undefined {
  const [event, ...more] = squid.reader().read(line);
  if (more.length > 0) throw new Error(`more than one event in ${line}`);
  return event;
}
