import { isInspected } from "./host_places.ts";
import type { AllowedHost } from "./model.ts";
import { coversRule } from "./rules.ts";

/** In the words of a capability: only with the bottle's own secret, and with no other credential. */
const INJECTED = "injected";
/** Before a name that counts for itself, whatever a wildcard above it lets through. */
const NOT = "not ";

/**
 * The words of what is let through at a host: its name, then one rule, or nothing for any request, then what narrows it
 * further.
 */
export function hostWords(
  host: string,
  { rule, bounds }: { readonly rule?: string | undefined; readonly bounds: readonly string[] },
): readonly string[] {
  if (bounds.length > 0) return [host, rule ?? "", ...bounds];
  return rule === undefined ? [host] : [host, rule];
}

/** What narrows the entries of an allowlist beside their rules, by entry. */
export function boundsOf(allowlist: readonly AllowedHost[]): (allowed: AllowedHost) => readonly string[] {
  const below = new Map<string, string[]>();
  for (const { host } of allowlist.filter(isInspected)) {
    if (host.startsWith("*.")) continue;
    for (const above of aboveOf(host)) {
      const names = below.get(`*.${above}`) ?? [];
      names.push(host);
      below.set(`*.${above}`, names);
    }
  }
  return ({ host, inject }) => [
    ...(inject === undefined ? [] : [INJECTED]),
    ...(below.get(host) ?? []).toSorted().map((name) => `${NOT}${name}`),
  ];
}

/** A name and those above it: each may be what a wildcard stands for. */
export function aboveOf(host: string): readonly string[] {
  const labels = host.split(".");
  return labels.map((_, index) => labels.slice(index).join("."));
}

/** What narrows an entry, for people. */
export function boundsText(bounds: readonly string[]): readonly string[] {
  return bounds.map((bound) =>
    bound === INJECTED ? "with the injected secret alone" : bound.replace(NOT, "but for what is said of ")
  );
}

/** Whether whoever is let through to the first is let through to the second, by their {@link hostWords}. */
export function coversHost(
  [host = "", rule = "", ...bounds]: readonly string[],
  [other = "", narrower = "", ...otherBounds]: readonly string[],
): boolean {
  return includesName(host, other) && (rule === "" || coversRule(rule, narrower)) &&
    bounds.every((bound) => isWithin(bound, { host: other, bounds: otherBounds }));
}

/** Whether something is narrowed by a bound, or out of its reach. */
function isWithin(
  bound: string,
  { host, bounds }: { readonly host: string; readonly bounds: readonly string[] },
): boolean {
  return bounds.includes(bound) || bound.startsWith(NOT) && !includesName(host, bound.slice(NOT.length));
}

/** `*.x` is x and every name below it. */
export function includesName(pattern = "", name = ""): boolean {
  return pattern === name || (pattern.startsWith("*.") && `.${name}`.endsWith(pattern.slice(1)));
}
