import type { EgressEvent } from "../../lib/egress/proxy.ts";

/** An event in a line: verdict, target, reason, and then its connection and bytes where it has some. */
export function eventWords(event: EgressEvent): string {
  const { verdict, host, port, reason, connection, bytes } = event;
  return [
    `${verdict} ${host}:${port} ${reason}`,
    ...(connection === undefined ? [] : [connection]),
    ...(bytes === undefined ? [] : [`${bytes} bytes`]),
  ].join(" ");
}
