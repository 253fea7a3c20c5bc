import type { EgressEvent } from "./proxy.ts";

/**
 * Each connection once: what tells its end gives its bytes to what told its beginning. An end whose beginning the
 * log no longer has counts as the connection itself.
 */
export function wholeConnections(events: readonly EgressEvent[]): readonly EgressEvent[] {
  const whole: EgressEvent[] = [];
  const open = new Map<string, number>();
  for (const event of events) {
    const { connection, verdict } = event;
    if (connection === undefined || verdict === "refused") {
      whole.push(event);
    } else if (verdict === "allowed") {
      open.set(connection, whole.push(event) - 1);
    } else {
      const index = open.get(connection);
      const begun = index === undefined ? undefined : whole[index];
      // Proxies name connections anew after a while, so that an end may be another's.
      const isSame = begun?.host === event.host && begun.port === event.port;
      if (index === undefined || begun === undefined || !isSame) whole.push({ ...event, verdict: "allowed" });
      else whole[index] = { ...begun, bytes: event.bytes };
      open.delete(connection);
    }
  }
  return whole;
}
