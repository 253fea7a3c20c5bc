import type { EgressPolicy } from "./policy.ts";

/** An inspected host, and those of its domain whose TLS passes untouched. */
export interface Neighbours {
  readonly inspected: string;
  readonly untouched: readonly string[];
}

/**
 * Hosts of one domain are often answered by one server, with one certificate. What TLS names is all that is seen of an
 * untouched connection, so a request for the inspected host might be made inside it.
 */
export function untouchedNeighbours({ hosts, ssh }: EgressPolicy): readonly Neighbours[] {
  const untouched = [
    ...hosts.filter(({ inspection }) => inspection === undefined),
    // Of these not even what TLS names is looked at.
    ...ssh.filter(({ port }) => port === 443),
  ].map(({ host }) => host);
  return hosts.filter(({ inspection }) => inspection !== undefined).flatMap(({ host: inspected }) => {
    const near = untouched.filter((host) => isOfOneDomain(host, inspected));
    return near.length === 0 ? [] : [{ inspected, untouched: near }];
  });
}

/** Whether two names have more in common than what a registry gives away (`org`, `co.uk`), as far as their form tells. */
function isOfOneDomain(first: string, second: string): boolean {
  const [one, other] = [first, second].map((host) => host.replace("*.", "").split(".").toReversed());
  const differs = one?.findIndex((label, index) => label !== other?.[index]) ?? 0;
  const common = one?.slice(0, differs === -1 ? undefined : differs) ?? [];
  const [top = "", below = ""] = common;
  return common.length > (top.length === 2 && below.length <= 3 ? 2 : 1);
}
