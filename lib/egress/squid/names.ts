import { checkedName } from "../checked.ts";
import type { HostRule } from "../policy.ts";

/**
 * The names as squid's `dstdomain` wants them. A name that a wildcard of the same list covers is left out, since
 * squid refuses lists that say a thing twice.
 */
export function squidNames(rules: readonly HostRule[]): readonly string[] {
  const names = [...new Set(rules.map((rule) => squidName(rule.host)))];
  const wildcards = names.filter((name) => name.startsWith("."));
  return names.filter((name) =>
    !wildcards.some((wildcard) => wildcard !== name && `.${name}`.endsWith(wildcard))
  );
}

function squidName(host: string): string {
  return host.startsWith("*.") ? `.${checkedName(host.slice(2))}` : checkedName(host);
}
